// As it runs: follows the gateway's log of this subscription, where this browser holds its session key, and shows
// Meta-Immersion, rate, spend against the cap and runway as charts and as a table of the last uses.
import { element, facts, table } from '../desks/dom.js';
import { money } from '../format.js';
import { SessionKey } from '../keys/session-key.js';
import { parseRecord } from '../proof/record.js';
import { GatewayDoor } from '../use/gateway.js';
import { charted } from './charts.js';
import { duration, newSeries } from './series.js';

const RECORDS = 2000; // of the past that are shown
const ROWS = 6;
const AGAIN_MS = 2000;
const known = facts();
const at = (id) => document.getElementById(id);
const say = (words) => (at('now-hint').textContent = words);

const series = newSeries(known);
follow().catch((cause) => say(cause.message));

async function follow() {
  if (!known.isActive) return say('It does not run: nothing is recorded now. Its whole log is read and checked on the auditor’s page.');
  const key = await SessionKey.load(known.subscriptionId);
  if (!key) return say('This browser does not hold the session key of this subscription: live figures are where it was bought. What is settled stands above.');
  const door = new GatewayDoor(known.subscriptionId, key, say);
  const draw = charted(known);
  for (let from = await firstShown(door); ; from = series.next ?? from) {
    await lines(await door.ask('GET', `/usage/${known.subscriptionId}/log?from=${from}&follow=true`), draw);
    say('The stream has ended; it is taken up again…');
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** @param {GatewayDoor} door */
async function firstShown(door) {
  const { proposed } = await (await door.ask('GET', `/usage/${known.subscriptionId}/voucher`)).json();
  return Math.max(0, (proposed?.size ?? 0) - RECORDS);
}

/** JSON lines as they come; each read brings some, and is drawn once. @param {Response} response @param {(series: any) => void} draw */
async function lines(response, draw) {
  say('Live: every use as the gateway recorded it.');
  let rest = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const whole = (rest + value).split('\n');
      rest = whole.pop();
      const records = whole.map((line) => JSON.parse(line).record).filter(Boolean).map(parseRecord);
      if (records.length) show(records, draw);
    }
  } catch {
    return; // cut off: the caller takes it up again
  }
}

function show(records, draw) {
  series.add(records);
  at('charts').hidden = false;
  draw(series);
  const { immersion, measured, kept, rate, units, runway } = series.summary();
  if (at('now-immersion')) {
    at('now-immersion').textContent = immersion === null ? 'not measured yet' : immersion.toFixed(2);
    at('now-kept').textContent = measured ? `${kept} of ${measured} pictures` : 'not measured yet';
  }
  at('now-rate').textContent = `${Math.round(rate).toLocaleString('en')} units a minute`;
  at('now-spent').textContent = `${money(units * BigInt(known.unitPrice))} of ${money(BigInt(known.cap) * BigInt(known.unitPrice))}`;
  at('now-runway').textContent = runway === null ? 'idle' : duration(runway);
  at('last-uses').replaceChildren(lastUses());
}

function lastUses() {
  const rows = series.last(ROWS).map(({ seq, endMillis, units, immersion }) => [
    String(seq), new Date(Number(endMillis)).toISOString().slice(11, 19), String(units), immersion ? (Number(immersion) / 1000).toFixed(2) : '–',
    immersion && immersion < BigInt(known.floor) ? element('b', {}, `${known.discountBps / 100} % off`) : 'full',
  ]);
  return table('Last uses', ['Record', 'UTC', 'Units', 'Meta-Immersion', 'Price'], rows);
}
