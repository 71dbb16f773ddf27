// The burner wallet of a devnet: announced by EIP-6963 like any wallet, so that no extension is needed to try things.
// Loaded on devnets only (base.html). Light: what signs is loaded when it is first asked.

const info = {
  uuid: 'b0a3c4de-6c1f-4a57-9e0a-5d2f3c1b7a90',
  name: 'Burner wallet (devnet)',
  icon: 'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"%3E%3Cpath d="M4 0c3 3 2 8 0 8s-3-4 0-8" fill="%23b3470b"/%3E%3C/svg%3E',
  rdns: 'devnet.slicing4meta.burner',
};

const provider = {
  request: async (call) => (await import('./provider.js')).request(call),
  on: () => undefined, // its account and chain never change while a page is open
};

const detail = Object.freeze({ info, provider });
const announce = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }));

window.addEventListener('eip6963:requestProvider', announce);
announce();
