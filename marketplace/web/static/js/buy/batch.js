// Where money must be drawn from the wallet first, permission and purchase as one batch of two calls (EIP-5792): one prompt.
import { decodeEventLog, encodeFunctionData } from '../../vendor/viem.js';
import { CREDIT_ABI, MARKET_ABI } from '../abi.js';
import { CHAIN_ID, CREDIT, MARKET } from '../chain.js';
import { marketDomain } from '../proof/typed_data.js';
import { sendCalls, WalletProblem } from '../wallet.js';

/**
 * @typedef {{ domain: any, primaryType: string, types: Record<string, { name: string, type: string }[]>,
 *   message: Record<string, string>, call: { to: `0x${string}`, data: `0x${string}` } }} DescribedCall
 */

/**
 * The two calls of a purchase, each with its arguments by name, as words.js shows them.
 * @param {Record<string, any>} order the fields of the order that would be signed elsewhere
 * @param {bigint} drawn what the market must draw from the wallet
 * @returns {DescribedCall[]}
 */
export function purchaseCalls({ planId, signer, cap, periods, requirementsHash }, drawn) {
  const credit = { name: 'MaaS Credit', chainId: CHAIN_ID, verifyingContract: CREDIT };
  return [
    described(credit, CREDIT_ABI, 'approve', { spender: MARKET, value: drawn }),
    described(marketDomain(CHAIN_ID, MARKET), MARKET_ABI, 'buy', {
      planId: BigInt(planId), signer, cap: Number(cap), periods: Number(periods), requirementsHash,
    }),
  ];
}

/**
 * Has the wallet send both; returns what was bought.
 * @param {import('../wallet.js').Connection} by
 * @param {DescribedCall[]} calls
 * @returns {Promise<{ subscriptionId: string, txHash: string }>}
 */
export async function sendPurchase(by, calls) {
  const receipts = await sendCalls(by, calls.map(({ call }) => call));
  for (const { logs, transactionHash } of receipts) {
    const bought = logs.map(subscribed).find((args) => args?.buyer.toLowerCase() === by.account.toLowerCase());
    if (bought) return { subscriptionId: String(bought.subscriptionId), txHash: transactionHash };
  }
  throw new WalletProblem('wallet_failed', 'The wallet sent the calls, but no purchase of yours is among what they did. Look at “My services” before you try again.');
}

function described(domain, abi, functionName, given) {
  const { inputs } = abi.find((item) => item.type === 'function' && item.name === functionName);
  const message = Object.fromEntries(inputs.map(({ name }) => [name, String(given[name])]));
  const data = encodeFunctionData({ abi, functionName, args: inputs.map(({ name }) => given[name]) });
  return { domain, primaryType: functionName, types: { [functionName]: inputs }, message, call: { to: domain.verifyingContract, data } };
}

/** The fields of a `Subscribed` event of the market; null for any other log. */
function subscribed({ address, data, topics }) {
  if (address.toLowerCase() !== MARKET.toLowerCase()) return null;
  try {
    const { eventName, args } = decodeEventLog({ abi: MARKET_ABI, data, topics });
    return eventName === 'Subscribed' ? args : null;
  } catch {
    return null; // an event that these pages do not read
  }
}
