// How the auditor's findings look: a verdict, what the chain said, signatures, then record by record.
import { money } from '../format.js';
import { badge, code, element, note, table } from './dom.js';

const PAGE = 100; // records of one page
const STANDING = {
  settled: ['good', 'proven under a settled root'],
  signed: ['running', 'signed by both sides'],
  unsigned: ['requested', 'not signed yet'],
};

/** The parts of one subscription's report. */
export function shownReport(report) {
  const { log, findings } = report;
  const section = element('section', { class: 'stack', 'aria-label': `Report on ${log.subscriptionId}` });
  section.append(verdict(report), chainFacts(report));
  if (findings.length) section.append(table('What does not hold', ['Record', 'Finding', 'Detail'], findings.map(found)));
  section.append(table('Signatures in the chain’s own transactions', ['Signed', 'Transaction', 'Digest', 'Signer', 'Verdict'], report.signatures.map(signature)));
  if (report.voucher) section.append(voucher(report.voucher));
  section.append(records(report.rows));
  return [section];
}

function verdict({ findings, signatures, rows, contract, log }) {
  const wrong = findings.length + signatures.filter((each) => each.holds === false).length;
  const denied = contract ? contract.asked.length - contract.confirmed.length : 0;
  const proven = rows.filter((row) => row.standing === 'settled').length;
  const asked = contract ? ` The contract confirms ${contract.confirmed.length} of ${contract.asked.length} records that it was asked about.` : '';
  if (wrong + denied > 0) {
    return note('bad', element('strong', {}, `Not in order: ${wrong + denied} finding(s)`), ` in the log of subscription ${log.subscriptionId}.${asked}`);
  }
  const sum = `${rows.length} records, ${proven} proven under settled roots, `;
  return note('good', element('strong', {}, 'In order. '), sum, `${money(rows.reduce((total, row) => total + row.amount, 0n))} in all.${asked}`);
}

function chainFacts({ node, facts, settled }) {
  const line = (label, value) => element('div', { class: 'fact' }, element('dt', {}, label), element('dd', {}, value));
  return element(
    'dl',
    { class: 'facts card' },
    line('Read from', node),
    line('Chain', `${facts.chainId}, at block ${facts.block}`),
    line('Block hash', code(facts.blockHash)),
    line('Buyer', code(facts.bought.buyer)),
    line('Price of a unit', money(facts.plan.unitPrice)),
    line('Vouchers settled', `${facts.settled.length}, of which ${settled.length} stand on this log`),
    line('Settled', money(facts.settled.reduce((total, event) => total + event.amount, 0n))),
  );
}

const found = ({ record, code: name, detail }) => [record === null ? 'log' : String(record), badge('bad', name), detail];

function signature({ what, transaction, digest, signer, holds }) {
  const state = holds === null ? badge('requested', 'not in this transaction') : holds ? badge('good', 'holds') : badge('bad', 'wrong signer');
  return [what, code(transaction), digest ? code(digest) : '–', signer ? code(signer) : '–', state];
}

function voucher({ size, units, digest, meter, session }) {
  const side = ({ is, signer }) => (is === null ? badge('requested', 'not signed') : [is ? badge('good', 'holds') : badge('bad', 'wrong'), ' ', code(signer ?? '–')]);
  const spans = (parts) => element('span', {}, parts);
  return table('The newest voucher of the log', ['Records', 'Units', 'Digest', 'Meter key', 'Session key'], [[String(size), String(units), code(digest), spans(side(meter)), spans(side(session))]]);
}

// Page by page, so that a long log stays usable.
function records(rows) {
  const place = element('div');
  const show = (start) => place.replaceChildren(pageOf(rows, start), pager(rows.length, start, show));
  show(0);
  return place;
}

function pageOf(rows, start) {
  const heads = ['Record', 'Units', 'Running total', 'Money', 'Immersion', 'Standing', 'Proof'];
  return table(`Records ${start} to ${Math.min(start + PAGE, rows.length) - 1}`, heads, rows.slice(start, start + PAGE).map(record));
}

function record({ index, record: one, amount, standing, findings, leaf, proof, settled }) {
  const [state, words] = STANDING[standing];
  const shown = findings.length ? findings.map((finding) => badge('bad', finding.code)) : badge(state, words);
  const path = proof
    ? [`Leaf ${leaf}, index ${index} of ${settled.size}, in the root settled in block ${settled.block}.`, ...proof.map((node) => `beside it: ${node}`)]
    : [`Leaf ${leaf}. No settled root covers it yet.`];
  const lines = element('ol', { class: 'path' }, path.map((line) => element('li', {}, element('code', {}, line))));
  const details = element('details', {}, element('summary', {}, proof ? `${proof.length} hashes` : 'leaf'), lines);
  const immersion = one.immersion ? String(Number(one.immersion) / 1000) : '–';
  return [String(one.seq), String(one.units), String(one.total), money(amount), immersion, element('span', {}, shown), details];
}

function pager(count, start, show) {
  const button = (words, to, isThere) => {
    const made = element('button', { type: 'button', class: 'button small plain' }, words);
    made.disabled = !isThere;
    made.addEventListener('click', () => show(to));
    return made;
  };
  const bar = element('div', { class: 'row' }, button('Earlier', start - PAGE, start > 0), button('Later', start + PAGE, start + PAGE < count));
  bar.hidden = count <= PAGE;
  return bar;
}

/** What a typed-data document hashes to; `signer` undefined where no signature was given. */
export function shownHashes({ digest, domainSeparator, structHash }, signer) {
  const whole = (text) => element('code', {}, text);
  const rows = [['Domain separator', whole(domainSeparator)], ['Struct hash', whole(structHash)], ['Digest that is signed', whole(digest)]];
  if (signer !== undefined) rows.push(['Signed by', signer ? whole(signer) : badge('bad', 'no valid signature')]);
  return [table('Hashes', ['What', 'Value'], rows)];
}
