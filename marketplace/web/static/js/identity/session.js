// Signing in and staying so: by the wallet's EIP-4361 message or by a passkey, both naming this browser's key.

import { base64url, bytesOf, call, sha256, thumbprint } from './key.js';
import { ready, signText } from '../wallet.js';

const API = '/api/v1';
const KEPT = 's4m-sign-in';
const RENEW_BEFORE_S = 20;
const LASTS_MS = 8 * 3600 * 1000;

/** @typedef {{ signInId: string, account: string, token: string, expires: number, ends: number }} SignIn */

/** @returns {SignIn | null} */
export function signedIn() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
  return kept && kept.ends * 1000 > Date.now() ? kept : null;
}

export async function signInByWallet() {
  const by = await ready();
  const told = await call('POST', `${API}/sign-ins/nonces`);
  const message = messageFor(told, by.account, await thumbprint());
  const signature = await signText(by, message);
  keep(await call('POST', `${API}/sign-ins`, { message, signature }));
}

export async function signInByPasskey() {
  const told = await call('POST', `${API}/sign-ins/nonces`);
  const challenge = await sha256(`slicing4meta sign-in\n${told.nonce}\n${await thumbprint()}`);
  const credential = await assertion(challenge, told.rpId);
  keep(await call('POST', `${API}/passkey-sign-ins`, { nonce: told.nonce, credential }));
}

export async function signOut() {
  const now = signedIn();
  if (now) await asMe('DELETE', `/sign-ins/${now.signInId}`);
  forget();
}

export function forget() {
  sessionStorage.removeItem(KEPT);
}

/**
 * A call as who signed in; renews the token where it is about to end.
 * @param {string} method
 * @param {string} path
 * @param {object | null} [body]
 */
export async function asMe(method, path, body = null) {
  let now = signedIn();
  if (!now) throw Object.assign(new Error('You are not signed in.'), { code: 'signed_out' });
  if (now.expires - Date.now() / 1000 < RENEW_BEFORE_S) {
    keep(await call('POST', `${API}/sign-in-tokens`, { signInId: now.signInId }));
    now = /** @type {SignIn} */ (signedIn());
  }
  return call(method, API + path, body, now.token);
}

/** Makes a passkey on this device for the account; the chain does not have it yet. */
export async function makePasskey() {
  const { nonce, publicKey } = await asMe('POST', '/passkeys/options');
  const made = /** @type {any} */ (await navigator.credentials.create({
    publicKey: {
      ...publicKey, challenge: bytesOf(publicKey.challenge),
      user: { ...publicKey.user, id: bytesOf(publicKey.user.id) },
      excludeCredentials: publicKey.excludeCredentials.map((/** @type {any} */ each) => ({ ...each, id: bytesOf(each.id) })),
    },
  }));
  const response = {
    attestationObject: base64url(made.response.attestationObject), clientDataJSON: base64url(made.response.clientDataJSON),
  };
  const credential = { id: made.id, rawId: base64url(made.rawId), type: made.type, response };
  return asMe('POST', '/passkeys', { nonce, credential });
}

/**
 * The transaction that binds the passkey to the account, made of the passkey's own word.
 * @param {{ credentialId: string, bindingChallenge: string }} passkey
 */
export async function bindingOf(passkey) {
  const credential = await assertion(bytesOf(passkey.bindingChallenge), undefined, passkey.credentialId);
  return asMe('POST', `/passkeys/${passkey.credentialId}/binding`, { credential });
}

/**
 * @param {BufferSource} challenge
 * @param {string} [rpId]
 * @param {string} [credentialId]
 */
async function assertion(challenge, rpId, credentialId) {
  const allowCredentials = credentialId ? [{ type: /** @type {const} */ ('public-key'), id: bytesOf(credentialId) }] : [];
  const made = /** @type {any} */ (await navigator.credentials.get({
    publicKey: { challenge, rpId, allowCredentials, userVerification: 'required' },
  }));
  const { authenticatorData, clientDataJSON, signature } = made.response;
  const response = {
    authenticatorData: base64url(authenticatorData), clientDataJSON: base64url(clientDataJSON),
    signature: base64url(signature),
  };
  return { id: made.id, rawId: base64url(made.rawId), type: made.type, response };
}

/**
 * EIP-4361, with this browser's key as its only resource (RFC 9278).
 * @param {{ domain: string, uri: string, chainId: string, nonce: string, statement: string }} told
 * @param {string} account
 * @param {string} jkt
 */
function messageFor(told, account, jkt) {
  const now = Date.now();
  return [
    `${told.domain} wants you to sign in with your Ethereum account:`, account.toLowerCase(), '', told.statement, '',
    `URI: ${told.uri}`, 'Version: 1', `Chain ID: ${told.chainId}`, `Nonce: ${told.nonce}`,
    `Issued At: ${new Date(now).toISOString()}`, `Expiration Time: ${new Date(now + LASTS_MS).toISOString()}`,
    'Resources:', `- urn:ietf:params:oauth:jwk-thumbprint:sha-256:${jkt}`,
  ].join('\n');
}

/** @param {SignIn} signIn */
function keep(signIn) {
  sessionStorage.setItem(KEPT, JSON.stringify(signIn));
}
