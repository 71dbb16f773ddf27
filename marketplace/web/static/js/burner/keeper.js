// Keeps the burner's key in this browser: sealed by an AES key that WebCrypto holds and never gives out, both in
// IndexedDB. There is no way to export it; who clears the browser's data burns it.
import { bytesToHex, generatePrivateKey, hexToBytes, privateKeyToAccount } from '../../vendor/viem.js';

const DATABASE = 's4m-burner';
const STORE = 'wallet';
const ONLY = 'key';

/** The account's address; null where there is no burner yet. */
export async function address() {
  return (await read())?.address ?? null;
}

/** Makes a key and returns its address; the burner that there is already stays. */
export async function create() {
  const before = await address();
  if (before) return before;
  const secret = generatePrivateKey();
  const seal = await sealing().generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await sealing().encrypt({ name: 'AES-GCM', iv }, seal, hexToBytes(secret));
  const made = privateKeyToAccount(secret).address;
  await withStore('readwrite', (store) => store.put({ seal, iv, sealed, address: made }, ONLY));
  return made;
}

/** The account, to sign once; let go of it at once. */
export async function unsealed() {
  const kept = await read();
  if (!kept) throw new Error('There is no burner wallet in this browser. Make one at /faucet.');
  const secret = await sealing().decrypt({ name: 'AES-GCM', iv: kept.iv }, kept.seal, kept.sealed);
  return privateKeyToAccount(bytesToHex(new Uint8Array(secret)));
}

/** Forgets the key for ever. */
export async function burn() {
  await withStore('readwrite', (store) => store.delete(ONLY));
}

const read = () => withStore('readonly', (store) => store.get(ONLY));

function sealing() {
  if (!crypto.subtle) throw new Error('This browser seals keys on https or on this very machine (127.0.0.1) only. Open the page there.');
  return crypto.subtle;
}

async function withStore(mode, work) {
  const database = await settled(Object.assign(indexedDB.open(DATABASE, 1), { onupgradeneeded: make }));
  try {
    return await settled(work(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function make(event) {
  event.target.result.createObjectStore(STORE);
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
