// The walk: opens a metered session with this browser's session key, fetches a picture for each step, lets the walker
// pick things up, and stops at the first record that does not fit our own books.
import { element, facts } from '../desks/dom.js';
import { SessionKey } from '../keys/session-key.js';
import { Node } from '../proof/node.js';
import { recall } from '../store.js';
import { agreementOf } from '../use/agreement.js';
import { GatewayDoor } from '../use/gateway.js';
import { UsageSession } from '../use/session.js';
import { Shelf } from '../use/shelf.js';
import { WalletNode } from '../visitor-node.js';
import { connected } from '../wallet.js';
import { shownSouvenir, takeHome, wish } from './bag.js';
import { priceWords, showBill } from './bill.js';
import { onChoice, showImmersion, showPicture } from './stage.js';
import { START, moveOf, moved } from './walk.js';

const known = facts();
const at = (id) => /** @type {any} */ (document.getElementById(id));
const shelf = new Shelf(known.subscriptionId);
const STROLL_MS = 1000;
const REST_MS = 3000; // after so long without a step, what is used is signed

/** @type {UsageSession} */ let session;
/** @type {import('../use/agreement.js').Agreement} */ let agreement;
let place = START;
let pending = null; // the place that the next picture is of, while one is under way
let isBusy = false;
let stroll = 0;
let rest = 0;
const walk = { uses: 0, units: 0n };

at('start').addEventListener('click', () => attempt(start));
at('sign').addEventListener('click', () => attempt(sign));
at('log').addEventListener('click', takeLogHome);
at('stroll').addEventListener('click', () => setStroll(!stroll));
at('budget').addEventListener('input', showPrice);
for (const button of document.querySelectorAll('[data-move]')) button.addEventListener('click', () => step(button.dataset.move));
at('stage').addEventListener('keydown', (event) => {
  const move = moveOf(event);
  if (!move || !session || event.target === at('budget')) return;
  event.preventDefault();
  step(move);
});

at('start').disabled = false; // from now on a press is heard

async function start() {
  at('start').disabled = true;
  say('Reading what was agreed from the chain…');
  const key = await SessionKey.load(known.subscriptionId);
  if (!key) throw new Error('This browser does not hold the session key of this subscription: it was bought elsewhere, or the browser’s data was cleared. Walk where you bought it, or use `s4m use`; without its key nobody can sign for it.');
  const request = await recall('requests', known.subscriptionId);
  const by = connected();
  agreement = await agreementOf(by ? new WalletNode(by) : new Node('/api/v1/node'), known.subscriptionId, known.firstBlock, request);
  if (agreement.signers.at(-1).toLowerCase() !== key.address.toLowerCase()) {
    throw new Error('The session key of this browser is not the one on the chain. Nothing was signed.');
  }
  say('Opening a session at the gateway…');
  session = await UsageSession.open(agreement, new GatewayDoor(known.subscriptionId, key, say), key, shelf);
  at('veil').hidden = true;
  at('read-from').textContent = `Terms, price and keys were read from the chain through ${by ? 'your wallet’s node' : 'the marketplace’s node: connect your wallet to read them through yours'}.`;
  for (const id of ['moves', 'size', 'sign', 'log']) at(id).hidden = false;
  if (known.souvenir) onChoice(pickUp);
  showPrice();
  /** @type {HTMLElement} */ (document.querySelector('[data-move="forward"]')).focus({ preventScroll: true });
  await look();
}

/** One step; while a picture is under way, only the newest place is asked for after it. */
function step(move) {
  pending = moved(pending ?? place, move);
  if (!isBusy) attempt(look);
}

async function look() {
  do {
    place = pending ?? place;
    pending = null;
    const use = await used(known.picture, { view: place, budget_k: Number(at('budget').value) });
    showPicture(use.picture, use.info.tiles);
    showImmersion(Number(use.record.immersion), agreement.terms);
    at('link-rate').textContent = `${(use.info.rate_bps / 1e6).toFixed(0)} Mb/s`;
    at('drawn').textContent = `${use.info.delivered_k.toFixed(0)} of ${use.info.granted_k} K`;
    showThings(use.info.tiles);
    say(`At ${place.x} m along the shore, ${place.y} m from the water.`);
  } while (pending);
}

/** @param {import('./stage.js').Tile} thing */
function pickUp(thing) {
  if (isBusy) return;
  attempt(async () => {
    say(`Your service makes a ${thing.name}…`);
    const made = await used(known.souvenir, wish(thing.object));
    const minted = await takeHome(made, agreement);
    if (!at('bag').querySelector('figure')) at('bag').replaceChildren();
    at('bag').prepend(shownSouvenir(thing.name, made.blob, minted, agreement.buyer));
    say(`The ${thing.name} is yours: asset ${minted.assetId} on the chain.`);
  });
}

/** A use whose record is in the books. */
async function used(operation, params) {
  const before = session.books.total;
  const use = await session.use(operation, params);
  walk.uses += 1;
  walk.units += session.books.total - before;
  bill();
  return use;
}

async function sign() {
  await session.sign();
  bill();
}

function bill() {
  showBill(session.books, agreement, walk);
  at('sign').disabled = session.books.signedUnits === session.books.total;
  clearTimeout(rest);
  rest = setTimeout(() => isBusy || attempt(sign), REST_MS);
}

function setStroll(on) {
  clearInterval(stroll);
  stroll = on ? setInterval(() => isBusy || step('forward'), STROLL_MS) : 0;
  at('stroll').setAttribute('aria-pressed', String(on));
}

/** @param {import('./stage.js').Tile[]} tiles */
function showThings(tiles) {
  if (!known.souvenir) return;
  const shown = [...at('things').querySelectorAll('button')].map((button) => Number(button.dataset.object));
  if (shown.join() === tiles.map((tile) => tile.object).join()) return; // what has the focus keeps it
  at('things').replaceChildren(...tiles.map((tile) => {
    const button = element('button', { type: 'button', class: 'button small plain', 'data-object': String(tile.object) }, tile.name);
    button.addEventListener('click', () => pickUp(tile));
    return element('li', {}, button);
  }));
}

function showPrice() {
  if (agreement) at('budget-words').textContent = priceWords(Number(at('budget').value), agreement, known.picture);
}

async function takeLogHome() {
  const file = new Blob([await shelf.text()], { type: 'application/jsonl' });
  element('a', { href: URL.createObjectURL(file), download: `usage-${known.subscriptionId}.jsonl` }).click();
}

/** Runs one thing at a time; says what went wrong, and ends the walk where going on would be wrong. */
async function attempt(work) {
  isBusy = true;
  at('trouble').replaceChildren();
  try {
    await work();
  } catch (cause) {
    setStroll(false);
    pending = null;
    say('');
    at('trouble').replaceChildren(trouble(cause));
    if (cause.code === 'meter_dispute') endWalk();
  } finally {
    isBusy = false;
    at('start').disabled = false;
  }
}

function endWalk() {
  clearTimeout(rest);
  for (const id of ['moves', 'size', 'sign']) at(id).hidden = true;
  for (const button of document.querySelectorAll('#things button')) button.disabled = true;
}

/** @param {Error & { code?: string }} cause */
function trouble(cause) {
  const words = {
    meter_dispute: ['The gateway’s metering is disputed. ', cause.message, ' Nothing of it was signed, and nothing more will be. Take the log home, have it audited, and ask to release the service on its ', link('page'), '.'],
    cap_reached: ['Your cap is reached, nothing was drawn or billed. ', link('Top up'), ' to walk on, or ask for smaller pictures.'],
    not_entitled: [cause.message, ' ', link('To your service')],
  }[cause.code] ?? [cause.message];
  return element('p', { class: 'note bad', 'data-code': cause.code ?? 'failed' }, ...words);
}

const link = (words) => element('a', { href: `/services/${known.subscriptionId}` }, words);

/** @param {string} words */
function say(words) {
  at('saying').textContent = words;
}
