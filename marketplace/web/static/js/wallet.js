// The visitor's own wallet: found by EIP-6963, spoken to by EIP-1193. Keeps no key; asks for one thing at a time.

import { CHAIN_ID } from './chain.js';

/**
 * @typedef {{ request(call: { method: string, params?: unknown[] }): Promise<any>,
 *   on?(event: string, listener: (value: any) => void): void }} Provider
 * @typedef {{ info: { uuid: string, name: string, icon: string, rdns: string }, provider: Provider }} Announced
 * @typedef {{ announced: Announced, account: `0x${string}` }} Connection
 */

const KEPT = 's4m-wallet';
const REFUSED = 4001;
const UNKNOWN_CHAIN = 4902;
const CHAIN = `0x${CHAIN_ID.toString(16)}`;
const CANNOT_BATCH = [-32601, 4200, 5700, 5710, 5750, 5760]; // unknown method, or what EIP-5792 says of batches not taken
const DONE = 200;

/** @type {Map<string, Announced>} */
const wallets = new Map();

/** @type {Connection | null} */
let connection = null;

/** Something that the visitor can understand and mend; `code` is stable. */
export class WalletProblem extends Error {
  /**
   * @param {'refused' | 'wrong_chain' | 'wrong_account' | 'no_wallet' | 'insufficient_funds' | 'wallet_failed' | 'no_batches'} code
   * @param {string} words
   */
  constructor(code, words) {
    super(words);
    this.code = code;
  }
}

window.addEventListener('eip6963:announceProvider', (event) => {
  const announced = /** @type {CustomEvent<Announced>} */ (event).detail;
  wallets.set(announced.info.uuid, announced);
});
window.dispatchEvent(new Event('eip6963:requestProvider'));

/** @returns {Announced[]} every wallet that has announced itself */
export function announced() {
  return [...wallets.values()];
}

/** @returns {Connection | null} */
export function connected() {
  return connection;
}

/**
 * Asks the wallet for its account.
 * @param {Announced} wallet
 * @returns {Promise<Connection>}
 */
export async function connect(wallet) {
  const accounts = await ask(wallet.provider, 'eth_requestAccounts');
  return keep(wallet, accounts);
}

/** The connection of an earlier page, where the wallet still grants it; asks nothing. */
export async function reconnect() {
  const wallet = announced().find((each) => each.info.rdns === sessionStorage.getItem(KEPT));
  if (!wallet) return null;
  const accounts = await ask(wallet.provider, 'eth_accounts');
  return accounts.length ? keep(wallet, accounts) : null;
}

export function disconnect() {
  sessionStorage.removeItem(KEPT);
  connection = null;
  tell();
}

/**
 * The connected account, after it was checked that the wallet is still on it and on this chain. Throws a WalletProblem.
 * @returns {Promise<Connection>}
 */
export async function ready() {
  if (!connection) throw new WalletProblem('no_wallet', 'No wallet is connected. Connect one first; nothing was spent.');
  await onThisChain(connection.announced.provider);
  const accounts = await ask(connection.announced.provider, 'eth_accounts');
  const account = String(accounts[0] ?? '').toLowerCase();
  if (account !== connection.account.toLowerCase()) {
    keep(connection.announced, accounts);
    const now = account ? `${account.slice(0, 6)}…${account.slice(-4)}` : 'none';
    throw new WalletProblem('wrong_account', `The wallet has changed its account: it is now ${now}. Check the figures for it and try again; nothing was spent.`);
  }
  return connection;
}

/**
 * EIP-712 by the wallet; the prompt shows the same fields.
 * @param {Connection} by
 * @param {object} typedData
 * @returns {Promise<`0x${string}`>}
 */
export async function signTypedData(by, typedData) {
  return ask(by.announced.provider, 'eth_signTypedData_v4', [by.account, JSON.stringify(typedData)]);
}

/**
 * A text for people (EIP-191) by the wallet; used to sign in.
 * @param {Connection} by
 * @param {string} text
 * @returns {Promise<`0x${string}`>}
 */
export async function signText(by, text) {
  const bytes = Array.from(new TextEncoder().encode(text), (each) => each.toString(16).padStart(2, '0'));
  return ask(by.announced.provider, 'personal_sign', [`0x${bytes.join('')}`, by.account]);
}

/**
 * A transaction of the visitor's own, sent by the wallet.
 * @param {Connection} by
 * @param {{ to: `0x${string}`, data: `0x${string}`, value?: `0x${string}` }} transaction
 * @returns {Promise<`0x${string}`>} its hash
 */
export async function sendTransaction(by, transaction) {
  return ask(by.announced.provider, 'eth_sendTransaction', [{ from: by.account, ...transaction }]);
}

/**
 * Waits until the transaction is in a block; throws where it failed.
 * @param {Connection} by
 * @param {`0x${string}`} hash
 */
export async function mined(by, hash) {
  for (;;) {
    const receipt = await ask(by.announced.provider, 'eth_getTransactionReceipt', [hash]);
    if (receipt && receipt.status === '0x1') return receipt;
    if (receipt) throw new WalletProblem('wallet_failed', `The chain refused transaction ${hash}. Only its gas was spent.`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/**
 * Whether the wallet takes several calls in one prompt here (EIP-5792), and can pay their gas. Asks the visitor nothing.
 * @param {Connection} by
 */
export async function takesBatches({ announced: { provider }, account }) {
  try {
    const told = await provider.request({ method: 'wallet_getCapabilities', params: [account, [CHAIN]] });
    if (!(told?.[CHAIN] ?? told?.['0x0'])) return false;
    return BigInt(await provider.request({ method: 'eth_getBalance', params: [account, 'latest'] })) > 0n;
  } catch {
    return false; // an older wallet: it is asked call by call
  }
}

/**
 * Several calls in one prompt; waits until they are in blocks. Throws 'no_batches' where the wallet will not take them so.
 * @param {Connection} by
 * @param {{ to: `0x${string}`, data: `0x${string}` }[]} calls
 * @returns {Promise<{ transactionHash: string, logs: any[] }[]>}
 */
export async function sendCalls(by, calls) {
  const { provider } = by.announced;
  const batch = { version: '2.0.0', from: by.account, chainId: CHAIN, atomicRequired: false, calls };
  const { id } = await ask(provider, 'wallet_sendCalls', [batch]);
  for (;;) {
    const { status, receipts } = await ask(provider, 'wallet_getCallsStatus', [id]);
    if (status === DONE) return receipts;
    if (status > DONE) throw new WalletProblem('wallet_failed', `The calls did not all succeed (status ${status}): nothing was bought. Look at your wallet’s activity; only gas was spent.`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** @param {Provider} provider */
async function onThisChain(provider) {
  if (Number(await ask(provider, 'eth_chainId')) === CHAIN_ID) return;
  const wanted = [{ chainId: CHAIN }];
  try {
    await provider.request({ method: 'wallet_switchEthereumChain', params: wanted });
  } catch (cause) {
    const unknown = /** @type {{ code?: number }} */ (cause).code === UNKNOWN_CHAIN;
    const why = unknown ? 'does not know that chain' : 'did not switch';
    throw new WalletProblem('wrong_chain', `The wallet is on another chain than this marketplace (${CHAIN_ID}) and ${why}. Switch it there and try again; nothing was spent.`);
  }
  if (Number(await ask(provider, 'eth_chainId')) !== CHAIN_ID) {
    throw new WalletProblem('wrong_chain', `The wallet is still on another chain than this marketplace (${CHAIN_ID}). Nothing was spent.`);
  }
}

/**
 * @param {Provider} provider
 * @param {string} method
 * @param {unknown[]} [params]
 */
async function ask(provider, method, params = []) {
  try {
    return await provider.request({ method, params });
  } catch (cause) {
    const { code, message } = /** @type {{ code?: number, message?: string }} */ (cause);
    if (code === REFUSED) throw new WalletProblem('refused', 'You refused in the wallet. Nothing was signed, nothing was spent.');
    if (method === 'wallet_sendCalls' && CANNOT_BATCH.includes(code)) throw new WalletProblem('no_batches', 'The wallet takes no batches after all.');
    throw new WalletProblem('wallet_failed', `The wallet failed: ${message ?? cause}. Nothing was spent.`);
  }
}

/**
 * @param {Announced} wallet
 * @param {`0x${string}`[]} accounts
 * @returns {Connection | null}
 */
function keep(wallet, accounts) {
  connection = accounts.length ? { announced: wallet, account: accounts[0] } : null;
  if (connection) sessionStorage.setItem(KEPT, wallet.info.rdns);
  tell();
  return connection;
}

function tell() {
  document.dispatchEvent(new CustomEvent('s4m:wallet', { detail: connection }));
}
