// The button at the top: connects, shows the account, disconnects. Links marked data-with-account carry the account, and a
// page whose form asks for one (data-own-account) is opened with the wallet's own.

import { say } from './say.js';
import { announced, connect, connected, disconnect, reconnect } from './wallet.js';

/** @param {HTMLButtonElement} button */
export function setUpWalletButton(button) {
  document.addEventListener('s4m:wallet', () => show(button));
  button.addEventListener('click', () => (connected() ? disconnect() : openChooser()));
  button.hidden = false;
  reconnect().catch((cause) => say(cause.message, 'bad'));
}

/** Opens the list of wallets; also called by pages whose own button needs one. */
export function openChooser() {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById('wallets'));
  const choices = /** @type {HTMLElement} */ (document.getElementById('wallet-choices'));
  choices.replaceChildren(...announced().map((wallet) => choice(wallet, dialog)));
  /** @type {HTMLElement} */ (document.getElementById('wallet-none')).hidden = announced().length > 0;
  dialog.showModal();
}

/**
 * @param {import('./wallet.js').Announced} wallet
 * @param {HTMLDialogElement} dialog
 */
function choice(wallet, dialog) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'choice';
  button.textContent = wallet.info.name;
  button.addEventListener('click', async () => {
    dialog.close();
    try {
      await connect(wallet);
    } catch (cause) {
      say(/** @type {Error} */ (cause).message, 'bad');
    }
  });
  return button;
}

/** @param {HTMLButtonElement} button */
function show(button) {
  const account = connected()?.account;
  button.textContent = account ? `${account.slice(0, 6)}…${account.slice(-4)} · disconnect` : 'Connect wallet';
  for (const link of document.querySelectorAll('a[data-with-account]')) {
    const target = new URL(/** @type {HTMLAnchorElement} */ (link).href);
    target.search = account ? `?account=${account}` : '';
    /** @type {HTMLAnchorElement} */ (link).href = target.href;
  }
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector('form[data-own-account]'));
  if (account && form?.elements.namedItem('account').value === '') location.replace(`${form.action}?account=${account}`);
}
