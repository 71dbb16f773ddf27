// The session key: one secp256k1 key a subscription, made here. WebCrypto has no secp256k1, so the key is sealed at rest
// by an AES key that the browser does not let out (not extractable), and is open only while something is signed
// (docs/decisions/0035).
import { bytesToHex, generatePrivateKey, hexToBytes, privateKeyToAccount } from '../../vendor/viem.js';
import { keep, recall } from '../store.js';

const SEAL = { name: 'AES-GCM', length: 256 };

/** Signs typed data; never shows its secret. */
export class SessionKey {
  #secret;

  /** @param {`0x${string}`} secret */
  constructor(secret) {
    this.#secret = secret;
    this.address = privateKeyToAccount(secret).address;
  }

  static create() {
    return new SessionKey(generatePrivateKey());
  }

  /** @param {object} typedData as for eth_signTypedData_v4 @returns {Promise<`0x${string}`>} */
  sign(typedData) {
    return privateKeyToAccount(this.#secret).signTypedData(/** @type {any} */ (typedData));
  }

  /** Keeps it sealed under a name; call it before the key is named on the chain. @param {string} name */
  async save(name) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, await sealingKey(), hexToBytes(this.#secret));
    await keep('keys', name, { iv, sealed, address: this.address });
  }

  /** The key kept under this name; null where this browser has none. @param {string} name */
  static async load(name) {
    const kept = await recall('keys', name);
    if (!kept) return null;
    const secret = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: kept.iv }, await sealingKey(), kept.sealed);
    return new SessionKey(bytesToHex(new Uint8Array(secret)));
  }
}

async function sealingKey() {
  const known = await recall('seal', 'key');
  if (known) return known;
  const made = await crypto.subtle.generateKey(SEAL, false, ['encrypt', 'decrypt']);
  await keep('seal', 'key', made);
  return made;
}
