// From a choice to a signed order: every figure is checked against the chain as the visitor's wallet sees it, first.
import { api, putBytes } from '../api.js';
import { CREDIT_ABI, MARKET_ABI } from '../abi.js';
import { CHAIN_ID, CREDIT, MARKET } from '../chain.js';
import { canonicalBytes, hashOf } from '../keys/canonical.js';
import { marketDomain, typedData } from '../proof/typed_data.js';
import { WalletProblem, signTypedData, takesBatches } from '../wallet.js';
import { read, requireFunds } from '../visitor-node.js';
import { purchaseCalls, sendPurchase } from './batch.js';

const LONGEST_ORDER_S = 900; // who holds a signed order must not keep it for a better day

/**
 * @typedef {{ planId: string, cap: string, periods: number, title: string }} Choice
 * @typedef {{ documents: any[], prompts: string, send: () => Promise<{ subscriptionId: string, txHash: string }> }} Prepared
 * `documents` is what the wallet will be asked for, to be shown first; `send` has it asked, once or twice
 */

const ONCE = 'Your wallet will ask once.';
const ONCE_FOR_BOTH = 'Your wallet will ask once, for both calls together; it pays their gas.';
const TWICE = 'Your wallet will ask twice, because it takes one thing at a time: for the permission, then for the order. Both are good together or not at all; the gas is paid for you.';

/**
 * Stores the request, quotes, checks; asks the wallet for nothing. Throws a WalletProblem or a Problem.
 * @param {import('../wallet.js').Connection} by
 * @param {Choice} choice
 * @param {object} request document
 * @param {string} signer the session key's address
 * @param {boolean} oneByOne where the wallet has refused to take two calls at once
 * @returns {Promise<Prepared>}
 */
export async function prepare(by, choice, request, signer, oneByOne) {
  const requirementsHash = hashOf(request);
  await putBytes(`/documents/${requirementsHash.slice(2)}`, canonicalBytes(request));
  const { planId, cap, periods } = choice;
  const quote = await api('POST', '/quotes', { planId, cap, periods, buyer: by.account });
  const known = await facts(by, choice);
  const order = typedData(marketDomain(CHAIN_ID, MARKET), 'Order', {
    buyer: by.account, planId, signer, cap, periods: String(periods), requirementsHash,
    total: String(known.total), nonce: String(known.nonce), deadline: quote.deadline,
  });
  agree('price', quote.total, known.total);
  agree('order number', quote.nonce, known.nonce);
  requireNear(quote.deadline);
  const shortfall = known.total > known.balance ? known.total - known.balance : 0n;
  requireFunds(known.held, shortfall);
  if (shortfall <= known.allowed) return signed(by, quote, order, null, ONCE);
  if (!oneByOne && (await takesBatches(by))) return batched(by, order, shortfall);
  return signed(by, quote, order, permitOf(quote, by, shortfall), TWICE);
}

/** Permission and purchase by the wallet's own calls, in one prompt. */
function batched(by, order, shortfall) {
  const documents = purchaseCalls(order.message, shortfall);
  return { documents, prompts: ONCE_FOR_BOTH, send: () => sendPurchase(by, documents) };
}

/** Signatures that the marketplace relays: the order's, after the permit's where one is needed. */
function signed(by, quote, order, permit, prompts) {
  return { documents: [permit, order].filter(Boolean), prompts, send: () => signAndPost(by, quote, order, permit) };
}

async function signAndPost(by, { quoteId, deadline }, order, permit) {
  if (Number(deadline) * 1000 < Date.now()) throw new WalletProblem('wallet_failed', 'The quote has ended. Look at the fields again; nothing was spent.');
  const permitSignature = permit && (await signTypedData(by, permit));
  const signature = await signTypedData(by, order);
  const message = Object.fromEntries(Object.entries(order.message).map(([name, value]) => [name, String(value)]));
  return api('POST', '/orders', {
    quoteId, order: message, signature, permit: permit && signedPermit(permit, permitSignature), chainId: String(CHAIN_ID),
  });
}

/** Price, order number and money, by the wallet's node. */
async function facts(by, { planId, cap, periods }) {
  const market = (functionName, ...args) => read(by, { abi: MARKET_ABI, address: MARKET, functionName, args });
  const credit = (functionName, ...args) => read(by, { abi: CREDIT_ABI, address: CREDIT, functionName, args });
  const [total, [balance, nonce], held, allowed] = await Promise.all([
    market('quote', BigInt(planId), Number(cap), periods), market('accountOf', by.account),
    credit('balanceOf', by.account), credit('allowance', by.account, MARKET),
  ]);
  return { total, balance, nonce, held, allowed };
}

function agree(name, said, known) {
  if (BigInt(said) === BigInt(known)) return;
  throw new WalletProblem('wallet_failed', `The marketplace says ${name} ${said}, the chain says ${known}. Nothing was signed. Reload the page; if it stays so, do not buy here.`);
}

function requireNear(deadline) {
  const ahead = Number(deadline) - Date.now() / 1000;
  if (ahead > 0 && ahead <= LONGEST_ORDER_S) return;
  throw new WalletProblem('wallet_failed', 'The quote ends at a strange time. Nothing was signed. Check this computer’s clock.');
}

/** The permit that the wallet will see, built from our own figures; of the server's only its nonce is taken. */
function permitOf(quote, by, value) {
  const domain = { name: 'MaaS Credit', version: '1', chainId: CHAIN_ID, verifyingContract: CREDIT };
  const { nonce } = quote.permit.typedData.message; // another nonce makes the signature worthless, no more
  return typedData(domain, 'Permit', { owner: by.account, spender: MARKET, value: String(value), nonce: String(nonce), deadline: quote.deadline });
}

function signedPermit({ message }, signature) {
  const [r, s, v] = [signature.slice(0, 66), `0x${signature.slice(66, 130)}`, Number(`0x${signature.slice(130)}`)];
  return { value: message.value, deadline: message.deadline, v: v < 27 ? v + 27 : v, r, s };
}
