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

/** @type {Map<string, Announced>} */
const wallets = new Map();

/** @type {Connection | null} */
let connection = null;

/** Something that the visitor can understand and mend; `code` is stable. */
export class WalletProblem extends Error {
  /**
   * @param {'refused' | 'wrong_chain' | 'wrong_account' | 'no_wallet' | 'wallet_failed'} code
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

/** @param {Provider} provider */
async function onThisChain(provider) {
  if (Number(await ask(provider, 'eth_chainId')) === CHAIN_ID) return;
  const wanted = [{ chainId: `0x${CHAIN_ID.toString(16)}` }];
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
