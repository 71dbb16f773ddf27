// The purchase page: choose, read what will be signed, sign, follow. One step at a time; each failure is said in words.
import { say } from '../say.js';
import { SessionKey } from '../keys/session-key.js';
import { keep } from '../store.js';
import { ready } from '../wallet.js';
import { openChooser } from '../wallet-button.js';
import { connected } from '../wallet.js';
import { takeOver } from './handover.js';
import { prepare } from './order.js';
import { shownWords } from './words.js';

const purchase = at('purchase');
const { plan, cap, periods, title } = purchase.dataset;
const choice = { planId: plan, cap, periods: Number(periods), title };
const [prepareButton, agreeButton, trouble, words] = ['prepare', 'agree', 'trouble', 'words'].map(at);

/** @type {{ by: import('../wallet.js').Connection, key: SessionKey, request: any, prepared: import('./order.js').Prepared } | null} */
let shown = null;
let oneByOne = false;

prepareButton.hidden = false;
prepareButton.addEventListener('click', () => (connected() ? attempt(show) : openChooser()));
agreeButton.addEventListener('click', () => attempt(buy));
document.addEventListener('s4m:wallet', () => {
  forget();
  if (connected()) attempt(show);
});
for (const field of ['users', 'rate']) at(field)?.addEventListener('change', () => shown && attempt(show));

/** Shows what would be signed. */
async function show() {
  forget();
  const by = await ready();
  const key = SessionKey.create();
  const request = requested();
  const prepared = await prepare(by, choice, request, key.address, oneByOne);
  shown = { by, key, request, prepared };
  words.replaceChildren(...prepared.documents.map((document) => shownWords(document, choice)));
  at('sign-hint').textContent = prepared.prompts;
  prepareButton.hidden = true;
  agreeButton.hidden = false;
}

/** Signs what is shown, posts it, follows it. */
async function buy() {
  const { by, key, request, prepared } = /** @type {NonNullable<typeof shown>} */ (shown);
  const now = await ready();
  if (now.account !== by.account) return show();
  await key.save(key.address);
  const { subscriptionId, txHash } = await prepared.send().catch(withoutBatches);
  await key.save(subscriptionId);
  await keep('requests', subscriptionId, request);
  agreeButton.hidden = true;
  at('progress').hidden = false;
  at('progress').scrollIntoView({ block: 'nearest' });
  reach('bought', `Subscription ${subscriptionId}, transaction ${txHash}`);
  await takeOver(subscriptionId, key, follow);
  at('outcome').replaceChildren('It is yours. ', link(`/services/${subscriptionId}`, 'To your service'));
  say('Your service is active.');
}

/** A wallet that takes no batches after all is shown two prompts next. */
async function withoutBatches(cause) {
  if (cause.code !== 'no_batches') throw cause;
  oneByOne = true;
  await show();
  throw new Error('Your wallet does not take both calls at once. Nothing was spent; read what it will be asked one by one, and go on.');
}

/** @param {import('./handover.js').Progress} event */
function follow(event) {
  if (event.name === 'waiting') at('outcome').textContent = `Waiting: ${event.words}`;
  reach(event.name, `${new Date(event.atMs).toISOString().slice(11, 23)} UTC · ${event.words}`);
}

function reach(name, detail) {
  const step = document.querySelector(`[data-step="${name}"]`);
  if (!step) return;
  step.classList.add('done');
  /** @type {HTMLElement} */ (step.querySelector('[data-detail]')).textContent = detail;
}

function requested() {
  const wanted = JSON.parse(purchase.dataset.request);
  wanted.users = Number(at('users').value);
  if (at('rate')) wanted.qoe.rate_mbps = Number(at('rate').value);
  return wanted;
}

function forget() {
  shown = null;
  words.replaceChildren();
  agreeButton.hidden = true;
  prepareButton.hidden = false;
  prepareButton.textContent = connected() ? 'Show what I sign' : 'Connect wallet and show what I sign';
}

/** Runs one step with its buttons held; says what went wrong. */
async function attempt(step) {
  trouble.replaceChildren();
  for (const button of [prepareButton, agreeButton]) button.disabled = true;
  try {
    await step();
  } catch (cause) {
    const note = document.createElement('p');
    note.className = 'note bad';
    note.dataset.code = cause.code ?? 'failed';
    note.textContent = cause.message;
    trouble.replaceChildren(note);
  } finally {
    for (const button of [prepareButton, agreeButton]) button.disabled = false;
  }
}

function link(href, text) {
  const made = document.createElement('a');
  made.href = href;
  made.className = 'button';
  made.textContent = text;
  return made;
}

/** @param {string} id @returns {any} */
function at(id) {
  return document.getElementById(id);
}
