// Metered use from the browser: asks through the gateway's door, checks each answer in its own books, and signs only
// what it has computed itself. One thing at a time. After a dispute nothing is asked or signed any more.
import { sha256, toBytes } from '../../vendor/viem.js';
import { bytesOf } from '../identity/key.js';
import { parseRecord } from '../proof/record.js';
import { typedData } from '../proof/typed_data.js';
import { Books, MeterDispute } from './books.js';
import { delegatedHashes } from './delegates.js';

/** @typedef {{ blob: Blob, picture: ImageBitmap | null, record: any, info: any, provenance: any }} Use */

export class UsageSession {
  #agreement;
  #door;
  #key;
  #shelf;
  #turn = Promise.resolve();
  #dispute = null;

  /**
   * @param {import('./agreement.js').Agreement} agreement
   * @param {import('./gateway.js').GatewayDoor} door
   * @param {import('../keys/session-key.js').SessionKey} key
   * @param {import('./shelf.js').Shelf} shelf
   * @param {Books} books
   */
  constructor(agreement, door, key, shelf, books) {
    this.#agreement = agreement;
    this.#door = door;
    this.#key = key;
    this.#shelf = shelf;
    this.books = books;
  }

  /** Ready to use, with what was used before taken into the books. Throws a MeterDispute where it does not fit them. */
  static async open(agreement, door, key, shelf) {
    const books = new Books(agreement, await shelf.records(), await shelf.sent());
    const session = new UsageSession(agreement, door, key, shelf, books);
    await session.#inTurn(() => session.#catchUp());
    return session;
  }

  /**
   * One metered use, checked before it is returned.
   * @param {string} operation
   * @param {object} params
   * @returns {Promise<Use>}
   */
  use(operation, params) {
    return this.#inTurn(async () => {
      const body = JSON.stringify({ requestId: crypto.randomUUID(), operation, params });
      const requestHash = sha256(toBytes(body));
      await this.#shelf.sending(requestHash);
      this.books.sending(requestHash);
      const use = await answered(await this.#insist(`/use/${this.#agreement.subscriptionId}`, body));
      const measured = this.books.checkAnswer(operation, requestHash, use.record, use.info, use.picture);
      await this.#take(() => this.books.take(use.record, measured));
      await this.books.checkProposal(use.voucher);
      if (this.books.hasGap) await this.#catchUp();
      await this.#signIfDue();
      return use;
    });
  }

  /** Signs all checked use and posts the voucher. */
  sign() {
    return this.#inTurn(() => this.#sign());
  }

  #inTurn(work) {
    const done = this.#turn.then(() => {
      if (this.#dispute) throw this.#dispute;
      return work();
    });
    this.#turn = done.catch((cause) => {
      if (cause instanceof MeterDispute) this.#dispute = cause;
    });
    return done;
  }

  /** Asks; where the gateway wants a voucher first, checks and signs it, then asks again with the same bytes. */
  async #insist(path, body) {
    try {
      return await this.#door.ask('POST', path, body);
    } catch (cause) {
      if (cause.code !== 'voucher_required') throw cause;
      const proposal = cause.document.voucher;
      if (proposal.size > this.books.records.length) await this.#catchUp();
      await this.books.checkProposal(proposal);
      const before = this.books.signedSize;
      await this.#sign();
      if (this.books.signedSize === before) throw new MeterDispute(before - 1, 'voucher', `credit after ${before} signed records`, proposal.size);
      return this.#door.ask('POST', path, body);
    }
  }

  async #signIfDue() {
    const { terms } = this.#agreement;
    const isMuch = this.books.total - this.books.signedUnits >= terms.creditUnits / 2n;
    const isOld = this.books.oldestUnsignedMs && Date.now() - this.books.oldestUnsignedMs >= Number(terms.creditSeconds) * 500;
    if (isMuch || isOld) await this.#sign();
  }

  async #sign() {
    if (this.books.hasGap) await this.#catchUp();
    const { message, size } = this.books.voucher();
    if (size <= this.books.signedSize) return;
    const signature = await this.#key.sign(typedData(this.#agreement.domain, 'Voucher', message));
    const posted = { units: String(message.units), usageRoot: message.usageRoot, size, signature };
    const answer = await this.#door.ask('POST', `/vouchers/${this.#agreement.subscriptionId}`, JSON.stringify(posted));
    const { meterSignature } = await answer.json();
    await this.books.checkMeterSignature(message, size, meterSignature);
    this.books.signedSize = size;
    await this.#shelf.signed({ ...posted, subscriptionId: message.subscriptionId, meterSignature });
  }

  /** Takes over the part of the gateway's log that no answer brought, and what was signed before. */
  async #catchUp() {
    const from = this.books.records.length;
    const answer = await this.#door.ask('GET', `/usage/${this.#agreement.subscriptionId}/log?from=${from}`);
    const [head, ...lines] = (await answer.text()).trim().split('\n').map((line) => JSON.parse(line));
    const isFresh = this.books.startedEmpty;
    if (lines.length && !isFresh) await this.#acknowledgeOthers(from);
    for (const line of lines) {
      const record = parseRecord(line.record);
      await this.#take(() => (isFresh ? this.books.trustFirst(record, line.measured) : this.books.adopt(record, line.measured)));
    }
    if (head.voucher) this.books.resumeSigned(head.voucher.size, head.voucher.usageRoot);
    if (head.proposed) await this.books.checkProposal(head.proposed);
    this.books.startedEmpty = false;
  }

  /** Requests of another page of this browser, and those that a delegate's own proof shows. */
  async #acknowledgeOthers(from) {
    this.books.sending(...(await this.#shelf.sent()));
    const told = await (await this.#door.ask('GET', `/passes/${this.#agreement.subscriptionId}?from=${from}`)).json();
    const { domain, subscriptionId, buyer } = this.#agreement;
    this.books.sending(...(await delegatedHashes(told, domain, subscriptionId, [buyer, this.#key.address])));
  }

  /** Into the books, and what they took onto the shelf. */
  async #take(into) {
    const before = this.books.records.length;
    into();
    for (const record of this.books.records.slice(before)) await this.#shelf.add(record, this.books.measured.get(Number(record.seq)));
  }
}

/** @param {Response} response @returns {Promise<Use & { voucher: any }>} */
async function answered(response) {
  const blob = await response.blob();
  const info = said(response, 'S4M-Info');
  return {
    blob,
    info,
    picture: 'tiles' in info ? await createImageBitmap(blob) : null,
    record: parseRecord(said(response, 'S4M-Record')),
    voucher: said(response, 'S4M-Voucher'),
    provenance: response.headers.has('S4M-Provenance') ? said(response, 'S4M-Provenance') : null,
  };
}

/** A header that holds base64url JSON. @param {Response} response @param {string} name */
const said = (response, name) => JSON.parse(new TextDecoder().decode(bytesOf(response.headers.get(name) ?? 'e30')));
