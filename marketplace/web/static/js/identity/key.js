// The key that this browser proves itself with on every call (DPoP, RFC 9449). WebCrypto keeps it and lets nobody have it.

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const STORE = 'keys';
const NAME = 'proof';

/** @param {ArrayBuffer | Uint8Array} bytes */
export function base64url(bytes) {
  const text = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @param {string} text */
export function bytesOf(text) {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (each) => each.charCodeAt(0));
}

/** @param {string | Uint8Array} data */
export async function sha256(data) {
  return crypto.subtle.digest('SHA-256', typeof data === 'string' ? new TextEncoder().encode(data) : data);
}

/** @returns {Promise<CryptoKeyPair>} made at the first visit; its private part cannot be exported */
async function pair() {
  const kept = () => inStore('readonly', (store) => store.get(NAME));
  const known = await kept();
  if (known) return known;
  const made = await crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
  await inStore('readwrite', (store) => store.add(made, NAME)).catch((cause) => {
    if (cause.name !== 'ConstraintError') throw cause; // else another part of the page, or another tab, made it first
  });
  return kept();
}

/** @returns {Promise<Record<string, string>>} the public part */
async function publicJwk() {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', (await pair()).publicKey);
  return { crv: String(crv), kty: String(kty), x: String(x), y: String(y) };
}

/** @returns {Promise<string>} the key's RFC 7638 thumbprint */
export async function thumbprint() {
  return base64url(await sha256(JSON.stringify(await publicJwk())));
}

/**
 * One call of the marketplace's API, proven by this key. Throws an Error with the server's words and its stable `code`.
 * @param {string} method
 * @param {string} path
 * @param {object | null} [body]
 * @param {string | null} [token]
 * @returns {Promise<any>}
 */
export async function call(method, path, body = null, token = null) {
  const content = body === null ? '' : JSON.stringify(body);
  /** @type {Record<string, string>} */
  const headers = { DPoP: await proof(method, location.origin + path, content, token), Accept: 'application/json' };
  if (token) headers.Authorization = `DPoP ${token}`;
  if (body !== null) headers['Content-Type'] = 'application/json';
  const answer = await fetch(path, { method, headers, body: body === null ? undefined : content });
  const said = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(`${said.title}: ${said.detail} ${said.remedy ?? ''}`), { code: said.code });
  return said;
}

/**
 * The DPoP header of one request.
 * @param {string} method
 * @param {string} url
 * @param {string} content
 * @param {string | null} token
 */
export async function proof(method, url, content, token) {
  const claims = {
    jti: base64url(crypto.getRandomValues(new Uint8Array(16))), htm: method, htu: url,
    iat: Math.floor(Date.now() / 1000), bh: base64url(await sha256(content)),
    ...(token ? { ath: base64url(await sha256(token)) } : {}),
  };
  const head = packed({ typ: 'dpop+jwt', alg: 'ES256', jwk: await publicJwk() });
  const signed = new TextEncoder().encode(`${head}.${packed(claims)}`);
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, (await pair()).privateKey, signed);
  return `${new TextDecoder().decode(signed)}.${base64url(signature)}`;
}

/** @param {object} document */
function packed(document) {
  return base64url(new TextEncoder().encode(JSON.stringify(document)));
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} action
 * @returns {Promise<any>}
 */
async function inStore(mode, action) {
  const opening = indexedDB.open('s4m-identity', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await done(opening);
  try {
    return await done(action(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** @param {IDBRequest} request @returns {Promise<any>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
