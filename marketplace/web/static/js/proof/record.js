// Usage records and logs (JSONL) as the gateway streams them or a buyer's client keeps them; mirrors ledger/usage_log.py
// and marketplace/audit/logs.py. Pure; throws MalformedLog with the line, and judges nothing else.
import { concat, toHex } from '../../vendor/viem.js';
import { leafHash } from './merkle.js';

export class MalformedLog extends Error {}

// name, bytes: big-endian at fixed width, in this order (abi.encodePacked)
const LAYOUT = [
  ['subscriptionId', 12],
  ['seq', 8],
  ['meter', 4],
  ['quantity', 8],
  ['units', 8],
  ['total', 8],
  ['startMillis', 8],
  ['endMillis', 8],
  ['immersion', 4],
];

/** A record with bigints; refuses what is missing, fractional or too wide for its field. */
export function parseRecord(document) {
  const numbers = LAYOUT.map(([name, bytes]) => [name, whole(name, document[name], bytes)]);
  if (!/^0x[0-9a-fA-F]{64}$/.test(document.requestHash)) throw new MalformedLog('requestHash is no 32 bytes');
  return { ...Object.fromEntries(numbers), requestHash: document.requestHash.toLowerCase() };
}

/** 100 bytes. */
export const packed = (record) =>
  concat([...LAYOUT.map(([name, size]) => toHex(record[name], { size })), record.requestHash]);

export const leafOf = (record) => leafHash(packed(record));

/** The logs of a JSONL text, one a subscription: {subscriptionId, lines: [{record, leafHash}], voucher}. */
export function parseLogs(text) {
  const logs = new Map();
  let current = null;
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    try {
      current = take(logs, current, JSON.parse(line));
    } catch (error) {
      throw new MalformedLog(`Line ${index + 1}: ${error.message}. Fetch the log again from the gateway.`);
    }
  });
  return [...logs.values()];
}

// Records belong to the header above them, whatever they say themselves; without one, to their own subscription.
function take(logs, current, document) {
  if (document.record) {
    const record = parseRecord(document.record);
    const log = current ?? logOf(logs, record.subscriptionId);
    log.lines.push({ record, leafHash: document.leafHash?.toLowerCase() });
    return current;
  }
  const log = logOf(logs, whole('subscriptionId', document.subscriptionId, 12));
  const voucher = document.voucher === undefined ? document : document.voucher;
  if (voucher?.usageRoot) log.voucher = parseVoucher(voucher, log.subscriptionId);
  return document.schema === 's4m/log/1' ? log : current;
}

function logOf(logs, subscriptionId) {
  if (!logs.has(subscriptionId)) logs.set(subscriptionId, { subscriptionId, lines: [], voucher: null });
  return logs.get(subscriptionId);
}

function parseVoucher(document, subscriptionId) {
  return {
    subscriptionId: whole('subscriptionId', document.subscriptionId ?? String(subscriptionId), 12),
    units: whole('units', document.units, 5),
    usageRoot: document.usageRoot.toLowerCase(),
    size: Number(whole('size', document.size, 6)),
    meterSignature: document.meterSignature || null,
    sessionSignature: sessionSignature(document),
  };
}

function sessionSignature({ r, vs, sessionSignature: given, signature }) {
  return r && vs ? concat([r, vs]) : given || signature || null;
}

function whole(name, value, bytes) {
  const isWhole = typeof value === 'string' ? /^\d+$/.test(value) : Number.isSafeInteger(value) && value >= 0;
  if (!isWhole || BigInt(value) >= 1n << BigInt(8 * bytes)) throw new MalformedLog(`${name} does not fit ${bytes} bytes`);
  return BigInt(value);
}
