// Passes: a part of this subscription for a friend's or a device's key, signed here, listed with what it spent, taken back
// (docs/how-to/delegate.md). The session key signs where this browser holds it, else the buyer's wallet.
import { CHAIN_ID, MARKET } from '../chain.js';
import { Problem } from '../api.js';
import { badge, element, facts, table } from '../desks/dom.js';
import { moment } from '../format.js';
import { SessionKey } from '../keys/session-key.js';
import { marketDomain, typedData } from '../proof/typed_data.js';
import { keep, recall, recallAll } from '../store.js';
import { messageOf, passId } from '../use/delegates.js';
import { GatewayDoor } from '../use/gateway.js';
import { bytesToHex } from '../../vendor/viem.js';
import { ready, signTypedData } from '../wallet.js';

const known = facts();
const domain = marketDomain(CHAIN_ID, MARKET);
const at = (id) => /** @type {any} */ (document.getElementById(id));
const MOST_UNITS = 2n ** 40n - 1n;

if (at('lend')) {
  at('lend-form').hidden = false;
  at('lend-form').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(make);
  });
  attempt(list);
}

async function make() {
  const fields = wanted(new FormData(at('lend-form')));
  const signature = await signed('Pass', messageOf(fields));
  const pass = { schema: 's4m/pass/1', root: { ...fields, signature }, links: [] };
  const id = passId(domain, fields);
  await keep('passes', `${known.subscriptionId}/${id}`, { pass, isRevoked: false });
  const text = JSON.stringify(pass, null, 1);
  at('lend-document').value = text;
  at('lend-file').href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  at('lend-file').download = `${id.slice(0, 8)}.pass`;
  at('lend-made').hidden = false;
  at('lend-done').textContent = `The pass ${id.slice(0, 8)}… is made. Give it to them; nobody else can use it.`;
  await list();
}

/** The pass' fields as the form says them; throws in words where they are none. @param {FormData} form */
function wanted(form) {
  const [jkt, units, hours] = [String(form.get('jkt')).trim(), String(form.get('units')), Number(form.get('hours'))];
  const operations = form.getAll('operation').map(String).sort();
  if (!/^[A-Za-z0-9_-]{43}$/.test(jkt)) throw new Error('That is no key: it has 43 letters, digits, - or _. They get theirs by `s4m pass key`. Nothing was signed.');
  if (!operations.length) throw new Error('Choose at least one thing that the pass may ask for. Nothing was signed.');
  if (!/^[1-9]\d{0,12}$/.test(units) || BigInt(units) > MOST_UNITS) throw new Error('Write a whole number of units, at least 1. Nothing was signed.');
  if (!(hours > 0 && hours <= 8760)) throw new Error('Write for how many hours it is good, at most a year (8760). Nothing was signed.');
  const expires = Math.floor(Date.now() / 1000 + hours * 3600);
  const salt = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  return { subscriptionId: known.subscriptionId, jkt, operations, units, expires, salt };
}

/** By the session key here, or by the buyer's wallet. @param {string} kind @param {object} message */
async function signed(kind, message) {
  const document = typedData(domain, kind, message);
  const key = await SessionKey.load(known.subscriptionId);
  if (key) return key.sign(document);
  const by = await ready();
  if (by.account.toLowerCase() !== at('lend').dataset.buyer.toLowerCase()) {
    throw new Error('Only the buyer can do this: this browser holds no session key of the subscription, and the wallet is on another account. Nothing was signed.');
  }
  return signTypedData(by, document);
}

/** Those made here and those that the gateway has seen. */
async function list() {
  const made = (await recallAll('passes', `${known.subscriptionId}/`)).map(({ pass: { root }, isRevoked }) => (
    { ...root, passId: passId(domain, root), spent: '0', revoked: isRevoked }));
  const all = new Map([...made, ...(await used())].map((pass) => [pass.passId, pass]));
  const rows = [...all.values()].sort((one, other) => other.expires - one.expires).map(row);
  at('lend-list').replaceChildren(...(rows.length ? [table('Passes', ['Pass', 'For key', 'May ask for', 'Spent', 'Until', 'Standing'], rows)] : []));
}

/** What the gateway knows of; nothing where this browser holds no session key. @returns {Promise<any[]>} */
async function used() {
  const key = await SessionKey.load(known.subscriptionId);
  if (!key) return [];
  const told = await new GatewayDoor(known.subscriptionId, key).ask('GET', `/passes/${known.subscriptionId}`);
  return (await told.json()).passes;
}

function row(pass) {
  const short = (text) => element('code', { title: text }, `${text.slice(0, 8)}…`);
  const isOver = pass.expires * 1000 < Date.now();
  const standing = pass.revoked ? badge('bad', 'taken back') : isOver ? badge('over', 'over') : revokeButton(pass.passId);
  return [short(pass.passId), short(pass.jkt), pass.operations.join(', '), `${pass.spent} of ${pass.units} units`, moment(pass.expires), standing];
}

function revokeButton(id) {
  const button = element('button', { type: 'button', class: 'button small danger' }, 'Take back');
  button.setAttribute('aria-label', `Take back the pass ${id.slice(0, 8)}`);
  button.addEventListener('click', () => attempt(() => revoke(id)));
  return button;
}

async function revoke(id) {
  const signature = await signed('PassRevocation', { subscriptionId: known.subscriptionId, passId: `0x${id}` });
  const answer = await fetch(`/gateway/passes/${known.subscriptionId}/revocations`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ passId: `0x${id}`, signature }),
  });
  if (!answer.ok) throw new Problem(await answer.json(), answer.status);
  const kept = await recall('passes', `${known.subscriptionId}/${id}`);
  if (kept) await keep('passes', `${known.subscriptionId}/${id}`, { ...kept, isRevoked: true }); // the gateway lists only passes that it was shown
  at('lend-done').textContent = `The pass ${id.slice(0, 8)}… is taken back, with all that were made of it.`;
  await list();
}

async function attempt(work) {
  at('lend-trouble').replaceChildren();
  try {
    await work();
  } catch (cause) {
    at('lend-done').textContent = '';
    at('lend-trouble').replaceChildren(element('p', { class: 'note bad', 'data-code': cause.code ?? 'failed' }, cause.message));
  }
}
