// The provider desk's hands: publish and retire plans, pay out; each said in words before the wallet opens.
import { bytesToHex, encodeFunctionData, sha256, toBytes } from '../../vendor/viem.js';
import { CATALOG_ABI, MARKET_ABI } from '../abi.js';
import { connected, mined, ready, sendTransaction } from '../wallet.js';
import { money } from '../format.js';
import { facts as pageFacts, note } from './dom.js';

const known = pageFacts();
const DONE = 's4m-provider-done';
const outcome = document.getElementById('outcome');

const CALLS = {
  payout: ({ plan }) => call(known.market, MARKET_ABI, 'payout', [BigInt(plan)]),
  'payout-share': ({ plan, model }) => call(known.market, MARKET_ABI, 'payoutShare', [BigInt(plan), Number(model)]),
  retire: ({ plan }) => call(known.catalog, CATALOG_ABI, 'retirePlan', [BigInt(plan)]),
};

for (const button of document.querySelectorAll('[data-act]')) {
  button.hidden = false;
  button.addEventListener('click', () => act(button.dataset.words, async () => CALLS[button.dataset.act](button.dataset)));
}
for (const form of document.querySelectorAll('form.publish')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const wanted = termsOf(form);
    act(inWords(form, wanted), async () => publish(form, { ...wanted, termsHash: await termsWithFloor(form, wanted) }));
  });
}
document.addEventListener('s4m:wallet', showMine);
showMine();
showDone();

function showDone() {
  const words = sessionStorage.getItem(DONE);
  sessionStorage.removeItem(DONE);
  if (words) outcome.replaceChildren(note('good', `Done: ${words}.`));
}

function showMine() {
  const mine = document.getElementById('mine');
  mine.hidden = !connected();
  mine.onclick = () => location.assign(`/provider?account=${connected().account}`);
}

// Says it, has the wallet send it, waits for the block, shows the desk anew.
async function act(words, build) {
  try {
    const by = await ready();
    if (!(await confirmed(`${words}.`))) return;
    outcome.replaceChildren(note('', 'Your wallet is asked…'));
    const hash = await sendTransaction(by, await build());
    outcome.replaceChildren(note('', 'Sent; waiting for its block…'));
    await mined(by, hash);
    sessionStorage.setItem(DONE, words);
    location.reload(); // figures and buttons are the chain's of now
  } catch (error) {
    outcome.replaceChildren(note('bad', error.message));
  }
}

function confirmed(words) {
  const dialog = document.getElementById('confirm');
  document.getElementById('confirm-words').textContent = words;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

const call = (to, abi, functionName, args) => ({ to, data: encodeFunctionData({ abi, functionName, args }) });

function publish(form, terms) {
  const shares = JSON.parse(form.dataset.shares).map(({ modelId, bps }) => ({ modelId: Number(modelId), bps }));
  return call(known.catalog, CATALOG_ABI, 'publishPlan', [Number(form.dataset.model), terms, shares]);
}

function termsOf(form) {
  const value = (name) => form.elements[name].value.trim();
  return {
    unitPrice: units(value('unitPrice')),
    periodPrice: units(value('periodPrice')),
    period: Number(value('period')),
    releaseWindow: Number(value('releaseWindow')),
    activationWindow: Number(value('activationWindow')),
    qoeFloor: Number(value('qoeFloor')),
  };
}

function inWords(form, { unitPrice, periodPrice, period, qoeFloor }) {
  const time = period ? `, ${money(periodPrice)} for each ${period} seconds` : '';
  return `Publish a plan of model ${form.dataset.model}: ${money(unitPrice)} a unit${time}, promised immersion ${qoeFloor / 1000}`;
}

// "1.5" MAAS → 1500000n
function units(text) {
  const [whole, fraction = ''] = text.replaceAll(',', '').split('.');
  return BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0') || '0');
}

// The terms document carries the floor too: the last plan's, with the new floor, is put at the marketplace first.
async function termsWithFloor(form, { qoeFloor }) {
  const answer = await fetch(`/api/v1/documents/${form.dataset.terms}`);
  if (!answer.ok) throw new Error('The terms document of the last plan is not at the marketplace. Publish with `s4m models publish`.');
  const terms = await answer.json();
  const bytes = toBytes(canonical({ ...terms, qoe: { ...terms.qoe, floor_milli: typed(terms.qoe.floor_milli, qoeFloor) } }));
  const hash = bytesToHex(sha256(bytes, 'bytes'));
  const put = await fetch(`/api/v1/documents/${hash}`, { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: bytes });
  if (!put.ok) throw new Error(`The marketplace refused the terms document (${put.status}). Nothing was signed.`);
  return hash;
}

const typed = (before, value) => (typeof before === 'string' ? String(value) : value);

// RFC 8785: members sorted by their names' UTF-16; numbers and strings as JSON.stringify gives them.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
}
