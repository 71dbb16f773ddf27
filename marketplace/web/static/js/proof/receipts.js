// Signatures that lie in the chain's own transactions: the buyer's order, the session key's activation and vouchers.
import { concat } from '../../vendor/viem.js';
import { MARKET_ABI } from '../abi.js';
import { digest, marketDomain, signerOf } from './typed_data.js';

/** [{what, digest, signer, expected, holds, transaction}]; `holds` is null where a transaction does not show it. */
export async function signaturesOnChain(node, facts) {
  const found = [await orderOf(node, facts)];
  if (facts.activated) found.push(await activationOf(node, facts));
  for (const event of facts.settled) found.push(await voucherOf(node, facts, event));
  return found;
}

async function orderOf(node, facts) {
  const call = await node.callIn(facts.bought.transaction, MARKET_ABI, facts.market);
  if (call?.functionName !== 'buyFor') return unseen('Order', facts.bought);
  const [order, signature] = call.args;
  return verdict(facts, 'Order', order, signature, [facts.bought.buyer], facts.bought);
}

async function activationOf(node, facts) {
  const call = await node.callIn(facts.activated.transaction, MARKET_ABI, facts.market);
  if (call?.functionName !== 'activate') return unseen('Activation', facts.activated);
  const [subscriptionId, endpointHash, r, vs] = call.args;
  return verdict(facts, 'Activation', { subscriptionId, endpointHash }, concat([r, vs]), facts.signers, facts.activated);
}

async function voucherOf(node, facts, event) {
  const call = await node.callIn(event.transaction, MARKET_ABI, facts.market);
  const given = call?.functionName === 'settle' ? call.args[0] : [];
  const found = given.find((each) => each.subscriptionId === facts.subscriptionId && BigInt(each.units) === event.units);
  if (!found) return unseen('Voucher', event);
  const { subscriptionId, units, usageRoot, r, vs } = found;
  return verdict(facts, 'Voucher', { subscriptionId, units, usageRoot }, concat([r, vs]), facts.signers, event);
}

async function verdict(facts, what, message, signature, expected, { transaction }) {
  const hash = digest(marketDomain(facts.chainId, facts.market), what, message);
  const signer = await signerOf(hash, signature);
  const holds = expected.some((each) => each.toLowerCase() === signer?.toLowerCase());
  return { what, digest: hash, signer, expected, holds, transaction };
}

const unseen = (what, { transaction }) => ({ what, digest: null, signer: null, expected: [], holds: null, transaction });
