// RFC 8785: JSON with sorted names, as its hash stands on the chain. JSON.stringify writes numbers and texts as it asks.
import { sha256 } from '../../vendor/viem.js';

/** @param {unknown} value @returns {string} */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

/** @param {unknown} document @returns {Uint8Array<ArrayBuffer>} */
export const canonicalBytes = (document) => new TextEncoder().encode(canonical(document));

/** SHA-256 of the canonical bytes. @param {unknown} document */
export const hashOf = (document) => sha256(canonicalBytes(document));
