// The page "My identity": signs in, lists sign-ins and passkeys, and lets the visitor end, bind and revoke them.

import { moment } from '../format.js';
import { say } from '../say.js';
import { mined, ready, sendTransaction } from '../wallet.js';
import { asMe, bindingOf, forget, makePasskey, signedIn, signInByPasskey, signInByWallet, signOut } from './session.js';

const outside = /** @type {HTMLElement} */ (document.getElementById('signed-out'));
const inside = /** @type {HTMLElement} */ (document.getElementById('signed-in'));
const elsewhere = /** @type {HTMLElement} */ (document.getElementById('elsewhere'));

button('sign-in-wallet', signInByWallet);
button('sign-in-passkey', signInByPasskey);
button('sign-out', signOut);
button('make-passkey', async () => {
  await bind(await makePasskey());
  say('The passkey is bound to your account. It can sign you in from now on.');
});

if (elsewhere.dataset.origin !== location.origin) {
  elsewhere.hidden = false;
  for (const each of outside.querySelectorAll('button')) each.disabled = true;
}
show().catch(tell);

async function show() {
  inside.hidden = !signedIn();
  outside.hidden = !inside.hidden;
  if (inside.hidden) return;
  const me = await asMe('GET', '/me');
  /** @type {HTMLElement} */ (document.getElementById('account')).textContent = me.account;
  fill('sign-ins', me.signIns, signInLine);
  fill('passkeys', me.passkeys, passkeyLine);
}

/** @param {any} each */
function signInLine(each) {
  const until = moment(each.ends);
  const here = each.signInId === signedIn()?.signInId ? ', this browser' : '';
  const end = action('End', async () => {
    await asMe('DELETE', `/sign-ins/${each.signInId}`);
    if (here) forget();
  });
  return [`by ${each.by} until ${until}${here}`, end];
}

/** @param {any} each */
function passkeyLine(each) {
  const words = `${each.credentialId.slice(0, 12)}… ${each.onChain ? 'bound on the chain' : 'not bound yet: it signs nobody in'}`;
  return [words, each.onChain ? action('Revoke', () => revoke(each)) : action('Bind', () => bind(each))];
}

/** @param {any} passkey */
async function bind(passkey) {
  await send(await bindingOf(passkey));
}

/** @param {any} passkey */
async function revoke(passkey) {
  await send(passkey.revocation);
  say('The passkey is revoked on the chain: it signs nobody in any more, and its sign-ins end with the block.');
}

/** @param {any} transaction */
async function send(transaction) {
  const by = await ready();
  if (by.account.toLowerCase() !== transaction.from.toLowerCase()) {
    throw new Error(`This needs the wallet on ${transaction.from}; it is on ${by.account}. Nothing was sent.`);
  }
  await mined(by, await sendTransaction(by, { to: transaction.to, data: transaction.data }));
}

/**
 * @param {string} id
 * @param {any[]} rows
 * @param {(row: any) => (string | HTMLElement)[]} line
 */
function fill(id, rows, line) {
  const items = rows.map((row) => {
    const item = document.createElement('li');
    item.append(...line(row).flatMap((part) => [part, ' ']));
    return item;
  });
  /** @type {HTMLElement} */ (document.getElementById(id)).replaceChildren(...items);
}

/**
 * @param {string} words
 * @param {() => Promise<void>} work
 */
function action(words, work) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'button small plain';
  made.textContent = words;
  made.addEventListener('click', () => run(made, work));
  return made;
}

/**
 * @param {string} id
 * @param {() => Promise<void>} work
 */
function button(id, work) {
  const found = /** @type {HTMLButtonElement} */ (document.getElementById(id));
  found.addEventListener('click', () => run(found, work));
}

/**
 * @param {HTMLButtonElement} pressed
 * @param {() => Promise<void>} work
 */
async function run(pressed, work) {
  pressed.disabled = true;
  try {
    await work();
    await show();
  } catch (error) {
    tell(error);
  } finally {
    pressed.disabled = false;
  }
}

/** @param {any} error */
function tell(error) {
  say(error.message, 'bad');
  if (error.code !== 'signed_out') return;
  forget();
  inside.hidden = true;
  outside.hidden = false;
}
