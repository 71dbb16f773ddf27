// The append-only Merkle log of usage records (RFC 6962 with SHA-256), as ledger/usage_log.py and MaaSMarket have it:
// leaf = SHA-256(0x00 ‖ record), node = SHA-256(0x01 ‖ left ‖ right), usageRoot = SHA-256(0x02 ‖ uint64 size ‖ root).
// Hashes are 0x-hexadecimal strings. Pure: it asks nobody.
import { concat, sha256, toHex } from '../../vendor/viem.js';

export const EMPTY_ROOT = sha256('0x');

export const leafHash = (data) => sha256(concat(['0x00', data]));
export const nodeHash = (left, right) => sha256(concat(['0x01', left, right]));
export const usageRoot = (size, root) => sha256(concat(['0x02', toHex(size, { size: 8 }), root]));

/** The tree over leaves' hashes; `levels[k][i]` is the i-th complete subtree of 2^k leaves. */
export class UsageLog {
  constructor(leaves = []) {
    this.levels = [[]];
    for (const leaf of leaves) this.append(leaf);
  }

  get size() {
    return this.levels[0].length;
  }

  append(leaf) {
    this.levels[0].push(leaf);
    for (let level = 0; this.levels[level].length % 2 === 0; level += 1) {
      const [left, right] = this.levels[level].slice(-2);
      (this.levels[level + 1] ??= []).push(nodeHash(left, right));
    }
  }

  /** The root over the first `size` leaves. */
  root(size = this.size) {
    return this.#subtree(0, this.#bounded(size));
  }

  /** What vouchers sign. */
  usageRoot(size = this.size) {
    return usageRoot(size, this.root(size));
  }

  /** RFC 6962 audit path of leaf `index` among the first `size`, lowest neighbour first. */
  inclusionProof(index, size = this.size) {
    if (index < 0 || index >= this.#bounded(size)) throw new RangeError(`leaf ${index} is not among the first ${size}`);
    return this.#path(index, 0, size);
  }

  /** RFC 6962 proof that the first `oldSize` leaves are a prefix of the first `size`. */
  consistencyProof(oldSize, size = this.size) {
    if (oldSize < 0 || oldSize > this.#bounded(size)) throw new RangeError(`${oldSize} leaves are no prefix of ${size}`);
    return oldSize === 0 || oldSize === size ? [] : this.#subproof(oldSize, 0, size, true);
  }

  #bounded(size) {
    if (size < 0 || size > this.size) throw new RangeError(`the log has ${this.size} leaves, not ${size}`);
    return size;
  }

  #subtree(start, count) {
    if (count === 0) return EMPTY_ROOT;
    const left = split(count);
    if (left * 2 === count || count === 1) return this.levels[Math.log2(count)][start / count];
    return nodeHash(this.#subtree(start, left), this.#subtree(start + left, count - left));
  }

  #path(index, start, count) {
    if (count === 1) return [];
    const left = split(count);
    if (index < left) return [...this.#path(index, start, left), this.#subtree(start + left, count - left)];
    return [...this.#path(index - left, start + left, count - left), this.#subtree(start, left)];
  }

  #subproof(old, start, count, whole) {
    if (old === count) return whole ? [] : [this.#subtree(start, count)];
    const left = split(count);
    if (old <= left) return [...this.#subproof(old, start, left, whole), this.#subtree(start + left, count - left)];
    return [...this.#subproof(old - left, start + left, count - left, false), this.#subtree(start, left)];
  }
}

/** The root that an audit path leads to (RFC 9162, 2.1.3.2); null where the path's shape is impossible. */
export function rootFromPath(leaf, index, size, path) {
  if (index < 0 || index >= size) return null;
  return fold(index, size - 1, leaf, leaf, path)?.[1] ?? null;
}

export function verifyInclusion(leaf, index, size, path, root) {
  return rootFromPath(leaf, index, size, path) === root;
}

/** True when the log under `oldRoot` is a prefix of the one under `root` (RFC 9162, 2.1.4.2). */
export function verifyConsistency(oldSize, size, oldRoot, root, path) {
  if (oldSize < 0 || oldSize > size) return false;
  if (oldSize === size) return path.length === 0 && oldRoot === root;
  if (oldSize === 0) return path.length === 0 && oldRoot === EMPTY_ROOT;
  const proof = split(oldSize) * 2 === oldSize || oldSize === 1 ? [oldRoot, ...path] : [...path];
  if (proof.length === 0) return false;
  let [node, last] = [oldSize - 1, size - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  const found = fold(node, last, proof[0], proof[0], proof.slice(1));
  return found !== null && found[0] === oldRoot && found[1] === root;
}

// Walks up a tree whose last leaf is `last`; `old` takes only the neighbours to the left.
function fold(node, last, old, value, path) {
  for (const sibling of path) {
    if (last === 0) return null;
    if (isOdd(node) || node === last) {
      [old, value] = [nodeHash(sibling, old), nodeHash(sibling, value)];
      while (node !== 0 && !isOdd(node)) [node, last] = [half(node), half(last)];
    } else {
      value = nodeHash(value, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? [old, value] : null;
}

const isOdd = (number) => number % 2 === 1;
const half = (number) => Math.floor(number / 2);

// The largest power of two below `count`, which is at least 2 (1 for 1).
function split(count) {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}
