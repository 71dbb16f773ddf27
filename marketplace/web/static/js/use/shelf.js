// What this browser remembers of one subscription's use: requests that left, checked records, the newest voucher. It
// outlives the page, so that a reload knows its own requests, and can be taken home as a log that `s4m audit` reads.
import { keep, recallAll } from '../store.js';
import { parseRecord } from '../proof/record.js';

const STORE = 'records';

export class Shelf {
  #id;

  /** @param {string} subscriptionId */
  constructor(subscriptionId) {
    this.#id = subscriptionId;
  }

  /** Resolves once it is on the disk: only then may the request leave. @param {string} hash */
  sending(hash) {
    return keep(STORE, `${this.#id}/sent/${hash}`, hash);
  }

  /** @returns {Promise<string[]>} */
  sent() {
    return recallAll(STORE, `${this.#id}/sent/`);
  }

  /** @param {any} record @param {object} [measured] what its immersion was computed from */
  add(record, measured) {
    const line = { record: plain(record), ...(measured ? { measured } : {}) };
    return keep(STORE, `${this.#id}/record/${String(record.seq).padStart(12, '0')}`, line);
  }

  /** @returns {Promise<any[]>} */
  async records() {
    return (await this.#lines()).map((line) => parseRecord(line.record));
  }

  /** @param {object} voucher signed by both sides */
  signed(voucher) {
    return keep(STORE, `${this.#id}/voucher`, { subscriptionId: this.#id, voucher });
  }

  /** The log as JSONL. */
  async text() {
    const lines = [...(await this.#lines()), ...(await recallAll(STORE, `${this.#id}/voucher`))];
    return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  }

  #lines() {
    return recallAll(STORE, `${this.#id}/record/`);
  }
}

const plain = (record) => Object.fromEntries(Object.entries(record).map(([name, value]) => [name, String(value)]));
