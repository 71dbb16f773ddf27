// Which requests a buyer's delegates made, by their own proofs (trust/passes.py, trust/proofs.py): the gateway's word alone
// makes nobody pay. A chain of passes that no granter signed, and a proof of any other key than the pass’, are left out.
import { bytesOf, base64url, sha256 as digestOf } from '../identity/key.js';
import { bytesToHex } from '../../vendor/viem.js';
import { digest, signerOf } from '../proof/typed_data.js';

const LINK = 's4m-pass+jwt';
const PROOF = 'dpop+jwt';
const MOST = 4; // passes in a chain
const ALGORITHMS = {
  ES256: [{ name: 'ECDSA', namedCurve: 'P-256' }, { name: 'ECDSA', hash: 'SHA-256' }, ['crv', 'kty', 'x', 'y']],
  EdDSA: [{ name: 'Ed25519' }, { name: 'Ed25519' }, ['crv', 'kty', 'x']],
};

/**
 * 0x-hashes of the bodies of all uses that a delegate's proof shows.
 * @param {{ documents: any[], uses: { passId: string, proof: string }[] }} told by GET /passes/{subscriptionId}
 * @param {object} domain of the market
 * @param {string} subscriptionId
 * @param {string[]} granters addresses that may make passes
 * @returns {Promise<string[]>}
 */
export async function delegatedHashes(told, domain, subscriptionId, granters) {
  const holders = new Map();
  for (const document of told.documents) {
    const last = await lastPass(document, domain, subscriptionId, granters).catch(() => null); // what cannot be read shows nothing
    if (last) holders.set(last.id, last);
  }
  const proven = ({ passId, proof }) => provenHash(holders.get(passId), proof, subscriptionId).catch(() => null);
  const hashes = await Promise.all(told.uses.map(proven));
  return hashes.filter((hash) => hash !== null);
}

/** The id that a pass goes by: its digest without 0x. @param {object} domain @param {any} root */
export const passId = (domain, root) => digest(domain, 'Pass', messageOf(root)).slice(2);

/** What is signed of a pass' root. @param {any} root */
export const messageOf = ({ subscriptionId, jkt, operations, units, expires, salt }) => (
  { subscriptionId, jkt, operations: operations.join(','), units, expires: String(expires), salt }
);

// The pass that a chain ends in; null where a signature, a link or a bound is not what it must be.
async function lastPass({ root, links }, domain, subscriptionId, granters) {
  const signer = await signerOf(digest(domain, 'Pass', messageOf(root)), root.signature);
  const isGranted = granters.some((granter) => granter.toLowerCase() === signer?.toLowerCase());
  if (!isGranted || root.subscriptionId !== subscriptionId || links.length >= MOST) return null;
  let pass = { ...root, id: passId(domain, root) };
  for (const link of links) {
    const read = await readJws(link, LINK);
    if (!read || read.jkt !== pass.jkt || read.claims.parent !== pass.id || !isWithin(read.claims, pass)) return null;
    pass = { ...read.claims, id: bytesToHex(new Uint8Array(await digestOf(read.signed))).slice(2) };
  }
  return pass;
}

const isWithin = (inner, outer) =>
  inner.operations.every((each) => outer.operations.includes(each)) &&
  BigInt(inner.units) <= BigInt(outer.units) && inner.expires <= outer.expires;

async function provenHash(holder, compact, subscriptionId) {
  const read = holder && (await readJws(compact, PROOF));
  if (!read || read.jkt !== holder.jkt || read.claims.htm !== 'POST' || read.claims.iat > holder.expires) return null;
  const target = new URL(read.claims.htu, location.origin);
  const isUse = [`/use/${subscriptionId}`, `/gateway/use/${subscriptionId}`].includes(target.pathname) && !target.search;
  return isUse ? bytesToHex(bytesOf(read.claims.bh)) : null;
}

/** A compact JWS whose signature is by the key in its head: { claims, jkt, signed }; null otherwise. */
async function readJws(compact, typ) {
  try {
    const [head, body, signature] = compact.split('.');
    const { jwk, alg, typ: given } = json(head);
    const [importing, verifying, members] = ALGORITHMS[alg];
    const key = await crypto.subtle.importKey('jwk', pick(jwk, members), importing, false, ['verify']);
    const signed = new TextEncoder().encode(`${head}.${body}`);
    const holds = given === typ && (await crypto.subtle.verify(verifying, key, bytesOf(signature), signed));
    return holds ? { claims: json(body), jkt: base64url(await digestOf(JSON.stringify(pick(jwk, members)))), signed } : null;
  } catch {
    return null;
  }
}

const json = (part) => JSON.parse(new TextDecoder().decode(bytesOf(part)));
const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));
