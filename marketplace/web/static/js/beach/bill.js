// The bill as it grows: units checked by this browser, what it signed, what it costs.
import { money } from '../format.js';

const at = (id) => document.getElementById(id);
const count = (units) => units.toLocaleString('en');

/** @param {import('../use/books.js').Books} books @param {import('../use/agreement.js').Agreement} agreement @param {{ uses: number, units: bigint }} walk */
export function showBill(books, { unitPrice, terms }, walk) {
  const last = books.records.at(-1);
  at('spent').textContent = money(books.total * unitPrice);
  /** @type {HTMLMeterElement} */ (at('of-cap')).value = Number(books.total);
  at('used').textContent = count(books.total);
  at('signed').textContent = `${count(books.signedUnits)} units`;
  at('walked').textContent = `${walk.uses} ${walk.uses === 1 ? 'use' : 'uses'}, ${count(walk.units)} units`;
  if (last) at('last').textContent = `${terms.meters[Number(last.meter)].name}: ${count(last.units)} units`;
}

/** What one picture of so many K costs at most. @param {number} k @param {import('../use/agreement.js').Agreement} agreement @param {string} operation */
export function priceWords(k, { terms, operations, unitPrice }, operation) {
  const units = (BigInt(k) * terms.meters[operations[operation].meter].unitsPer1000) / 1000n;
  return `${k} K, at most ${count(units)} units or ${money(units * unitPrice)}`;
}
