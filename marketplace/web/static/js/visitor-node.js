// The chain as the visitor's own wallet sees it: not this marketplace's word. Also their transactions, one call each.
import { decodeFunctionResult, encodeFunctionData } from '../vendor/viem.js';
import { CREDIT_ABI } from './abi.js';
import { CREDIT } from './chain.js';
import { Node, NodeFailed } from './proof/node.js';
import { WalletProblem, mined, sendTransaction } from './wallet.js';
import { money } from './format.js';

/** The wallet's node, for whatever reads a Node. */
export class WalletNode extends Node {
  #provider;

  /** @param {import('./wallet.js').Connection} by */
  constructor(by) {
    super(`the node of ${by.announced.info.name}`);
    this.#provider = by.announced.provider;
  }

  /** @param {string} method @param {unknown[]} [params] */
  async request(method, params = []) {
    try {
      return await this.#provider.request({ method, params });
    } catch (cause) {
      throw new NodeFailed(`Your wallet’s node did not answer ${method}: ${cause.message}. Disconnect it to read through the marketplace’s.`);
    }
  }
}

/**
 * What a view answers at the wallet's latest block.
 * @param {import('./wallet.js').Connection} by
 * @param {{ abi: any, address: `0x${string}`, functionName: string, args: unknown[] }} view
 */
export async function read(by, { abi, address, functionName, args }) {
  const data = encodeFunctionData({ abi, functionName, args });
  const result = await by.announced.provider.request({ method: 'eth_call', params: [{ to: address, data }, 'latest'] });
  return decodeFunctionResult({ abi, functionName, data: result });
}

/**
 * Sends one transaction of the visitor's and waits for its block; returns its hash.
 * @param {import('./wallet.js').Connection} by
 * @param {{ abi: any, address: `0x${string}`, functionName: string, args: unknown[] }} call
 */
export async function transact(by, { abi, address, functionName, args }) {
  const hash = await sendTransaction(by, { to: address, data: encodeFunctionData({ abi, functionName, args }) });
  await mined(by, hash);
  return hash;
}

/**
 * Lets `spender` draw exactly what it still lacks of `amount`; refuses before any prompt where the wallet is too poor.
 * @param {import('./wallet.js').Connection} by
 * @param {`0x${string}`} spender
 * @param {bigint} amount
 */
export async function allow(by, spender, amount) {
  const credit = (functionName, ...args) => read(by, { abi: CREDIT_ABI, address: CREDIT, functionName, args });
  const [held, allowed] = await Promise.all([credit('balanceOf', by.account), credit('allowance', by.account, spender)]);
  requireFunds(held, amount);
  if (allowed < amount) await transact(by, { abi: CREDIT_ABI, address: CREDIT, functionName: 'approve', args: [spender, amount] });
}

/**
 * @param {bigint} held
 * @param {bigint} needed
 */
export function requireFunds(held, needed) {
  if (held >= needed) return;
  const words = `Not enough money: ${money(needed)} are needed, the wallet holds ${money(held)}. Get ${money(needed - held)} more, or choose less. Nothing was spent.`;
  throw new WalletProblem('insufficient_funds', words);
}
