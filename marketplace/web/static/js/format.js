// How values look, as marketplace/web/words.py shows them.

const UNIT = 1_000_000n; // the devnet's token has six decimals

/** @param {bigint | string | number} smallest units of the token @returns {string} */
export function money(smallest) {
  const amount = BigInt(smallest);
  const size = amount < 0n ? -amount : amount;
  const fraction = String(size % UNIT).padStart(6, '0').replace(/0+$/, '');
  const whole = String(size / UNIT).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${amount < 0n ? '-' : ''}${whole}${fraction && `.${fraction}`} MAAS`;
}

/** @param {string} text @returns {bigint} what a person wrote, in smallest units; throws where it is no amount */
export function inSmallest(text) {
  const found = /^(\d{1,15})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (!found) throw new Error(`${JSON.stringify(text)} is no amount: write a number such as 1.5, with at most six decimals.`);
  return BigInt(found[1]) * UNIT + BigInt((found[2] ?? '').padEnd(6, '0'));
}

/** @param {string} text */
export const short = (text) => (text.length <= 14 ? text : `${text.slice(0, 6)}…${text.slice(-4)}`);

/** @param {number | string} seconds UTC */
export const moment = (seconds) => `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
