// Signing in to the operator desk with the wallet that owns the trust domain.
import { marketDomain, typedData } from '../proof/typed_data.js';
import { connected, ready, signTypedData } from '../wallet.js';
import { facts as pageFacts } from './dom.js';
import { say } from '../say.js';

const EIGHT_HOURS = 8 * 3600;
const known = pageFacts();
const button = document.getElementById('sign');

document.addEventListener('s4m:wallet', show);
button.addEventListener('click', sign);
show();

function show() {
  button.hidden = !connected();
}

async function sign() {
  try {
    const by = await ready();
    const message = { domain: known.domain, expires: Math.floor(Date.now() / 1000) + EIGHT_HOURS };
    const signature = await signTypedData(by, typedData(marketDomain(known.chainId, known.market), 'OperatorPass', message));
    document.getElementById('pass').value = btoa(JSON.stringify({ ...message, signature })).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
    document.getElementById('sign-in').requestSubmit();
  } catch (error) {
    say(error.message, 'bad');
  }
}
