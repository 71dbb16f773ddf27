// The buyer's own books of one subscription: every record is checked and computed again before anything is signed, as
// marketplace/wallet/receipts.py does. Pure; throws MeterDispute at the first difference, and judges nothing else.
import { UsageLog } from '../proof/merkle.js';
import { bill, immersionMilli, vested } from '../proof/metering.js';
import { leafOf } from '../proof/record.js';
import { digest, signerOf } from '../proof/typed_data.js';

const PIXELS_PER_K = 4608; // on a devnet 1 K is 96 × 48 pixels
const PAID_FOR_EVER = 1n << 40n; // use is recorded within the paid time only

/** The gateway's record is not what this page asked for, received or computed. */
export class MeterDispute extends Error {
  constructor(record, field, expected, given) {
    super(`Record ${record}, ${field}: ${expected} by our own count, the gateway says ${given}.`);
    this.code = 'meter_dispute';
    this.record = record;
    this.field = field;
  }
}

export class Books {
  #agreement;
  #tally = { gross: 0n, billed: 0n };
  #waiting = new Map();
  #sent;
  #log = new UsageLog();

  /**
   * @param {import('./agreement.js').Agreement} agreement
   * @param {any[]} records remembered, in their order
   * @param {string[]} sent hashes of requests that left from here
   */
  constructor(agreement, records, sent) {
    this.#agreement = agreement;
    this.#sent = new Set(sent);
    this.records = [];
    this.measured = new Map(); // record number → what its immersion was computed from
    this.signedSize = 0;
    this.startedEmpty = sent.length === 0 && records.length === 0;
    for (const record of records) this.#append(record);
  }

  /** Billable units so far. */
  get total() {
    return this.#tally.billed;
  }

  get signedUnits() {
    return this.signedSize ? this.records[this.signedSize - 1].total : 0n;
  }

  /** When the oldest unsigned record ended, UTC ms; 0 where all are signed. */
  get oldestUnsignedMs() {
    return this.signedSize < this.records.length ? Number(this.records[this.signedSize].endMillis) : 0;
  }

  /** A later record came while an earlier one did not. */
  get hasGap() {
    return this.#waiting.size > 0;
  }

  /** Notes requests of ours, so that their records are known even where the answers are lost. */
  sending(...hashes) {
    for (const hash of hashes) this.#sent.add(hash);
  }

  /** A record of the fetched log that no answer brought: one of ours, or nothing is signed. */
  adopt(record, measured) {
    if (!this.#sent.has(record.requestHash)) {
      throw new MeterDispute(record.seq, 'request', 'one of ours or of a pass', record.requestHash);
    }
    this.take(record, measured);
  }

  /** A record of earlier use of which nothing is remembered here; its sums are checked all the same. */
  trustFirst(record, measured) {
    this.sending(record.requestHash);
    this.take(record, measured);
  }

  /** One ahead of its turn waits; a repeated one must be the same. */
  take(record, measured) {
    const known = this.records[Number(record.seq)] ?? this.#waiting.get(Number(record.seq));
    if (known) return this.#require(record.seq, 'record', leafOf(known), leafOf(record));
    this.#waiting.set(Number(record.seq), record);
    if (measured) this.measured.set(Number(record.seq), measured);
    while (this.#waiting.has(this.records.length)) {
      const next = this.#waiting.get(this.records.length);
      this.#waiting.delete(this.records.length);
      this.#append(next);
    }
  }

  /**
   * One answer against its request; returns what its Meta-Immersion was computed from, null without a picture.
   * @param {{ width: number, height: number } | null} picture as this browser decoded it
   */
  checkAnswer(operation, requestHash, record, info, picture) {
    this.#require(record.seq, 'request', requestHash, record.requestHash);
    this.#require(record.seq, 'meter', BigInt(this.#agreement.operations[operation].meter), record.meter);
    return picture ? this.#measured(record, info, picture) : null;
  }

  /** What would be signed now: over all checked records. */
  voucher() {
    const { subscriptionId } = this.#agreement;
    return { size: this.records.length, message: { subscriptionId, units: this.total, usageRoot: this.#log.usageRoot() } };
  }

  /** A meter-signed voucher against our own log at its size; a size that we have not reached is left out. */
  async checkProposal({ size, subscriptionId, units, usageRoot, meterSignature }) {
    if (!(size > 0 && size <= this.records.length)) return;
    const last = this.records[size - 1];
    const root = this.#log.usageRoot(size);
    this.#require(last.seq, 'voucher’s subscription', this.#agreement.subscriptionId, String(subscriptionId));
    this.#require(last.seq, 'voucher’s units', last.total, BigInt(units));
    this.#require(last.seq, 'voucher’s root', root, usageRoot.toLowerCase());
    await this.checkMeterSignature({ subscriptionId, units: last.total, usageRoot: root }, size, meterSignature);
  }

  /** The gateway's own signature under a voucher. */
  async checkMeterSignature(message, size, signature) {
    const signer = await signerOf(digest(this.#agreement.domain, 'Voucher', message), signature);
    this.#require(size - 1, 'voucher’s signature', this.#agreement.meterKey.toLowerCase(), String(signer).toLowerCase());
  }

  /** Takes over what was signed before; the gateway's word must fit our own log. */
  resumeSigned(size, usageRoot) {
    if (size > this.records.length) throw new MeterDispute(this.records.length, 'size', `${this.records.length} records`, size);
    this.#require(size - 1, 'voucher’s root', this.#log.usageRoot(size), usageRoot.toLowerCase());
    this.signedSize = Math.max(this.signedSize, size);
  }

  #append(record) {
    const { terms, since, period, subscriptionId } = this.#agreement;
    this.#require(record.seq, 'subscription', BigInt(subscriptionId), record.subscriptionId);
    this.#require(record.seq, 'number', BigInt(this.records.length), record.seq);
    if (record.endMillis < record.startMillis) throw new MeterDispute(record.seq, 'end', `${record.startMillis} or later`, record.endMillis);
    if (record.meter >= terms.meters.length) throw new MeterDispute(record.seq, 'meter', `below ${terms.meters.length}`, record.meter);
    const after = bill(terms, this.#tally, record, vested(terms, since, period, PAID_FOR_EVER, record.endMillis));
    this.#require(record.seq, 'units', after.billed - this.#tally.billed, record.units);
    this.#require(record.seq, 'total', after.billed, record.total);
    this.#log.append(leafOf(record));
    this.records.push(record);
    this.#tally = after;
  }

  // Meta-Immersion from the tiles of the picture that really came, at the rate and errors told. Doubles: the last digit may differ.
  #measured(record, info, { width, height }) {
    const objects = info.tiles.map(({ object, x, y, w, h }) => {
      const isInside = x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= width && y + h <= height;
      if (!isInside) throw new MeterDispute(record.seq, 'tiles', `within ${width} × ${height}`, [x, y, w, h].join(', '));
      return { object, attention: this.#agreement.attention.get(object) ?? info.attention[object] ?? 0, k: (w * h) / PIXELS_PER_K };
    });
    const measured = { rate_bps: info.rate_bps ?? 0, bep: info.bep ?? 0, objects };
    const own = immersionMilli(measured);
    if (Math.abs(own - Number(record.immersion)) > 1) throw new MeterDispute(record.seq, 'immersion', own, record.immersion);
    return measured;
  }

  #require(record, field, expected, given) {
    if (expected !== given) throw new MeterDispute(record, field, expected, given);
  }
}
