// Checks one usage log against the chain, record by record. Codes are those of the audit (marketplace/audit/checks.py).
// Pure but for nothing: facts, log and terms in; {rows, findings, settled, voucher} out. Findings: {code, record, detail}.
import { TermsInvalid, bill, parseTerms, vested } from './metering.js';
import { UsageLog, verifyConsistency, verifyInclusion } from './merkle.js';
import { leafOf } from './record.js';
import { digest, marketDomain, signerOf } from './typed_data.js';

/** `terms`: the document behind the plan's hash, or null where nobody has it. */
export async function checkLog(log, facts, terms) {
  const findings = [];
  const report = (code, detail, record = null) => findings.push({ code, detail, record });
  const tree = new UsageLog(log.lines.map((line) => leafOf(line.record)));
  checkRecords(log, tree, report);
  checkUnits(log, facts, terms, report);
  const settled = checkSettled(log, facts, tree, report);
  const voucher = await checkVoucher(log, facts, tree, report);
  const rows = log.lines.map((line, index) => rowOf(line, index, facts, tree, settled, voucher, findings));
  return { rows, findings, settled, voucher, tree };
}

function checkRecords(log, tree, report) {
  let total = 0n;
  log.lines.forEach(({ record, leafHash }, index) => {
    if (record.subscriptionId !== log.subscriptionId) report('foreign_record', `belongs to ${record.subscriptionId}`, index);
    if (leafHash && leafHash !== tree.levels[0][index]) report('leaf_differs', 'its hash is not the one beside it', index);
    if (record.seq !== BigInt(index)) report('sequence_broken', `seq is ${record.seq}`, index);
    total += record.units;
    if (record.total !== total) report('total_differs', `total is ${record.total}, the units so far sum to ${total}`, index);
    if (record.startMillis > record.endMillis) report('time_disordered', 'it ends before it starts', index);
  });
}

function checkUnits(log, facts, document, report) {
  if (!document) {
    report('terms_missing', "no document with the plan's terms hash: units were not recomputed");
    return;
  }
  let terms;
  try {
    terms = parseTerms(document);
  } catch (error) {
    if (!(error instanceof TermsInvalid)) throw error;
    report('terms_missing', error.message);
    return;
  }
  let tally = { gross: 0n, billed: 0n };
  for (const [index, { record }] of log.lines.entries()) {
    if (record.meter >= terms.meters.length) {
      report('meter_unknown', `the terms have no meter ${record.meter}`, index);
      return;
    }
    const free = vested(terms, facts.since, BigInt(facts.plan.period), facts.paidThrough, record.endMillis);
    const after = bill(terms, tally, record, free);
    const due = after.billed - tally.billed;
    if (record.units !== due) report('units_differ', `${record.units} units, the terms make it ${due}`, index);
    tally = after;
  }
}

// Every settled voucher must be this very log at some size, each a prefix of the next, and have moved its units' price.
function checkSettled(log, facts, tree, report) {
  const last = log.lines.at(-1)?.record.total ?? 0n;
  const found = [];
  let before = { units: 0n, size: 0 };
  for (const event of facts.settled) {
    const due = (event.units - before.units) * facts.plan.unitPrice;
    if (event.amount !== due) report('amount_differs', `${event.units} units moved ${event.amount}, due ${due}`);
    const size = sizeUnder(log, tree, event);
    if (event.units > last) report('log_short', `${event.units} units are settled, the log ends at ${last}`);
    else if (size === null) report('root_differs', `settled root ${event.usageRoot} is not this log's at ${event.units} units`);
    else {
      found.push({ ...event, size });
      if (!isPrefix(tree, before.size, size)) report('root_differs', `${size} records do not continue the ${before.size} before`);
    }
    before = { units: event.units, size: size ?? before.size };
  }
  return found;
}

function sizeUnder(log, tree, event) {
  for (let size = 1; size <= tree.size; size += 1) {
    if (log.lines[size - 1].record.total === event.units && tree.usageRoot(size) === event.usageRoot) return size;
  }
  return null;
}

function isPrefix(tree, oldSize, size) {
  return verifyConsistency(oldSize, size, tree.root(oldSize), tree.root(size), tree.consistencyProof(oldSize, size));
}

// The newest voucher that travels with the log: its size, units and root, and both signatures.
async function checkVoucher(log, facts, tree, report) {
  const { voucher } = log;
  if (!voucher) return null;
  if (voucher.size < 1 || voucher.size > tree.size) {
    report('voucher_differs', `its size is ${voucher.size}, the log has ${tree.size} records`);
    return null;
  }
  if (tree.usageRoot(voucher.size) !== voucher.usageRoot) report('voucher_differs', "its root is not this log's at its size");
  const total = log.lines[voucher.size - 1].record.total;
  if (total !== voucher.units) report('voucher_differs', `its ${voucher.units} units are not the log's ${total} at its size`);
  const { subscriptionId, units, usageRoot } = voucher;
  const hash = digest(marketDomain(facts.chainId, facts.market), 'Voucher', { subscriptionId, units, usageRoot });
  const meter = await signedBy(hash, voucher.meterSignature, facts.meterKeys);
  const session = await signedBy(hash, voucher.sessionSignature, facts.signers);
  if (meter.is === false) report('meter_signature_wrong', `the voucher is signed by ${meter.signer}, no meter key of its model`);
  if (session.is === false) report('session_signature_wrong', `the voucher is signed by ${session.signer}, no session key of it`);
  return { ...voucher, digest: hash, meter, session };
}

async function signedBy(hash, signature, keys) {
  if (!signature) return { is: null, signer: null };
  const signer = await signerOf(hash, signature);
  return { is: keys.some((key) => key.toLowerCase() === signer?.toLowerCase()), signer };
}

function rowOf({ record }, index, facts, tree, settled, voucher, findings) {
  const under = settled.find((event) => event.size > index) ?? null;
  const proof = under && tree.inclusionProof(index, under.size);
  const leaf = tree.levels[0][index];
  const isProven = under !== null && verifyInclusion(leaf, index, under.size, proof, tree.root(under.size));
  const isSigned = voucher !== null && index < voucher.size && voucher.meter.is === true && voucher.session.is === true;
  return {
    index,
    record,
    leaf,
    proof,
    settled: under,
    amount: record.units * facts.plan.unitPrice,
    findings: findings.filter((finding) => finding.record === index),
    standing: isProven ? 'settled' : isSigned ? 'signed' : 'unsigned',
  };
}
