// The auditor's page: reads the chain through the node that its reader names, and checks a usage log against it here, in
// the browser. Nothing that the marketplace says is taken for true: documents are hashed, signatures are recovered.
import { MARKET_ABI } from '../abi.js';
import { checkLog } from '../proof/check.js';
import { SubscriptionUnknown, factsOf, termsIn } from '../proof/facts.js';
import { Node, hex } from '../proof/node.js';
import { signaturesOnChain } from '../proof/receipts.js';
import { parseLogs } from '../proof/record.js';
import { compact, hashes, marketDomain, signerOf, typedData } from '../proof/typed_data.js';
import { ready, signTypedData } from '../wallet.js';
import { facts as pageFacts, note } from './dom.js';
import { shownHashes, shownReport } from './auditor_view.js';

const ASKED_OF_CONTRACT = 8; // records that the contract itself is asked about, spread over the log
const GRANT_SECONDS = 600;

const field = (name) => document.getElementById(name);
const known = pageFacts();

field('audit').addEventListener('submit', (event) => run(event, field('report'), audit));
field('typed').addEventListener('submit', (event) => run(event, field('hashes'), hash));
field('fetch').addEventListener('click', (event) => run(event, field('fetched'), fetchLog));

// One button, one place for its answer: what failed is said there, with what to do.
async function run(event, place, work) {
  event.preventDefault();
  place.replaceChildren(note('', 'Working…'));
  place.setAttribute('aria-busy', 'true');
  try {
    place.replaceChildren(...(await work()));
  } catch (error) {
    place.replaceChildren(note('bad', error.message));
  }
  place.removeAttribute('aria-busy');
}

async function audit() {
  const logs = parseLogs(await logText());
  if (logs.length === 0) throw new Error('There is no record in the log. Choose a file, paste lines, or fetch it as its buyer.');
  const node = new Node(new URL(field('node').value, location.href).href);
  const parts = [];
  for (const log of logs) parts.push(...(await reported(node, log)));
  return parts;
}

// A log of nobody's subscription is a finding, not a failure: the file's other logs are still checked.
async function reported(node, log) {
  try {
    return shownReport(await auditOne(node, log));
  } catch (error) {
    if (error instanceof SubscriptionUnknown) return [note('bad', `Not in order: subscription_unknown. ${error.message}`)];
    throw error;
  }
}

async function auditOne(node, log) {
  const facts = await factsOf(node, field('market').value.trim(), log.subscriptionId, known.firstBlock);
  const checked = await checkLog(log, facts, await termsOf(facts));
  const signatures = await signaturesOnChain(node, facts);
  return { node: node.url, log, facts, signatures, contract: await askContract(node, facts, log, checked), ...checked };
}

// The bytes may come from anybody: they are good if they hash to what stands on the chain.
async function termsOf(facts) {
  const answer = await fetch(`/api/v1/documents/${facts.plan.termsHash}`);
  return answer.ok ? termsIn(new Uint8Array(await answer.arrayBuffer()), facts) : null;
}

// proveUsage by the contract for some records under the newest voucher; null where both signatures are not there.
async function askContract(node, facts, log, { tree, voucher }) {
  if (!voucher?.meterSignature || !voucher.sessionSignature) return null;
  const step = Math.max(1, Math.ceil(voucher.size / ASKED_OF_CONTRACT));
  const asked = [...Array(voucher.size).keys()].filter((index) => index % step === 0 || index === voucher.size - 1);
  const signed = { subscriptionId: voucher.subscriptionId, units: Number(voucher.units), usageRoot: voucher.usageRoot };
  const confirmed = [];
  for (const index of asked) {
    const proof = { size: BigInt(voucher.size), path: tree.inclusionProof(index, voucher.size) };
    const args = [solidity(log.lines[index].record), proof, { ...signed, ...compact(voucher.sessionSignature) }, voucher.meterSignature];
    if (await node.read(MARKET_ABI, facts.market, 'proveUsage', args, hex(facts.block))) confirmed.push(index);
  }
  return { asked, confirmed };
}

const solidity = (record) => ({ ...record, meter: Number(record.meter), immersion: Number(record.immersion) });

async function logText() {
  const [file] = field('file').files;
  return file ? file.text() : field('log').value;
}

// As the buyer: a grant signed by the wallet lets this page read the log from the gateway.
async function fetchLog() {
  const by = await ready();
  const subscriptionId = field('subscription').value.trim();
  if (!/^\d{1,29}$/.test(subscriptionId)) throw new Error('Give the subscription id first: a whole decimal number.');
  const expires = String(Math.floor(Date.now() / 1000) + GRANT_SECONDS);
  const message = { subscriptionId, grantee: by.account, expires };
  const domain = marketDomain(known.chainId, field('market').value.trim());
  const signature = await signTypedData(by, typedData(domain, 'AuditGrant', message));
  const header = btoa(JSON.stringify({ ...message, signature })).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const answer = await fetch(`/gateway/usage/${subscriptionId}/log`, { headers: { 'S4M-Audit-Grant': header } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`The gateway did not give the log: ${JSON.parse(text).detail}`);
  field('log').value = text;
  field('file').value = '';
  return [note('good', `${text.trim().split('\n').length} lines fetched. Nothing is checked yet: press Audit.`)];
}

async function hash() {
  let document;
  try {
    document = JSON.parse(field('document').value);
    const found = hashes(document);
    const signature = field('signature').value.trim();
    return shownHashes(found, signature ? await signerOf(found.digest, signature) : undefined);
  } catch (error) {
    throw new Error(`The typed data cannot be hashed: ${error.message}. Paste the whole document of eth_signTypedData_v4.`);
  }
}
