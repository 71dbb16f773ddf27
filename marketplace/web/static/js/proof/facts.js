// What the chain alone says of one subscription: its order, keys, plan and settled vouchers, all at one block.
import { hexToBytes, sha256, toHex } from '../../vendor/viem.js';
import { CATALOG_ABI, MARKET_ABI } from '../abi.js';
import { hex } from './node.js';

const word = (number) => toHex(number, { size: 32 });

export class SubscriptionUnknown extends Error {}

/** Throws SubscriptionUnknown where the chain does not know the subscription. `firstBlock`: of the deployment. */
export async function factsOf(node, market, subscriptionId, firstBlock) {
  const [chainId, head] = [await node.request('eth_chainId'), await node.request('eth_getBlockByNumber', ['latest', false])];
  const block = Number(head.number);
  const catalog = await node.read(MARKET_ABI, market, 'catalog', [], hex(block));
  const life = await node.events(MARKET_ABI, market, [null, word(subscriptionId)], firstBlock, block);
  const bought = life.find((event) => event.name === 'Subscribed');
  if (!bought) throw new SubscriptionUnknown(`The chain knows no subscription ${subscriptionId} at ${market}.`);
  const planId = subscriptionId >> 32n;
  const plans = await node.events(CATALOG_ABI, catalog, [null, word(planId)], firstBlock, block);
  const keys = await node.events(CATALOG_ABI, catalog, [null, word(planId >> 32n)], firstBlock, block);
  return {
    chainId: Number(chainId),
    market,
    block,
    blockHash: head.hash,
    subscriptionId,
    planId,
    plan: plans.find((event) => event.name === 'PlanPublished').terms,
    meterKeys: keys.filter((event) => event.name === 'MeterKeySet').map((event) => event.meterKey),
    bought,
    ...folded(bought, life),
  };
}

function folded(bought, life) {
  const of = (name) => life.filter((event) => event.name === name);
  const active = of('Activated')[0] ?? { since: 0, paidThrough: 0 };
  const [raised, renewals] = [of('CapRaised'), of('Renewed')];
  const sum = (events, name) => events.reduce((total, event) => total + BigInt(event[name]), 0n);
  return {
    activated: of('Activated')[0] ?? null,
    since: BigInt(active.since),
    paidThrough: BigInt(renewals.at(-1)?.paidThrough ?? active.paidThrough),
    cap: BigInt(raised.at(-1)?.cap ?? bought.cap),
    periods: BigInt(bought.periods) + sum(renewals, 'periods'),
    reserved: bought.reserved + sum([...raised, ...renewals], 'amount'),
    signers: [...of('Subscribed'), ...of('SignerConfirmed')].map((event) => event.signer),
    settled: of('Settled').map((event) => ({ ...event, units: BigInt(event.units) })),
  };
}

/** The plan's terms document, from bytes whose SHA-256 is the hash on the chain; null where they are others. */
export function termsIn(bytes, facts) {
  if (sha256(bytes) !== facts.plan.termsHash) return null;
  return JSON.parse(new TextDecoder().decode(typeof bytes === 'string' ? hexToBytes(bytes) : bytes));
}
