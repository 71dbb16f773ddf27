// What both sides agreed of one subscription, by the chain: whose meter, which terms, since when. Documents come from the
// marketplace and count by their hash alone; what the buyer looks at is from the request that this browser kept.
import { CATALOG_ABI, MARKET_ABI } from '../abi.js';
import { CHAIN_ID, MARKET } from '../chain.js';
import { factsOf } from '../proof/facts.js';
import { parseTerms } from '../proof/metering.js';
import { marketDomain } from '../proof/typed_data.js';
import { sha256 } from '../../vendor/viem.js';

/**
 * @typedef {Awaited<ReturnType<typeof agreementOf>>} Agreement
 * @param {import('../proof/node.js').Node} node
 * @param {string} subscriptionId
 * @param {number} firstBlock of the deployment
 * @param {{ objects?: { object: number, attention: number }[] } | null} request as it was bought with
 */
export async function agreementOf(node, subscriptionId, firstBlock, request) {
  const facts = await factsOf(node, MARKET, BigInt(subscriptionId), firstBlock);
  if (facts.chainId !== CHAIN_ID) throw new Error(`The node is on chain ${facts.chainId}, this page is of chain ${CHAIN_ID}. Nothing was signed.`);
  const catalog = await node.read(MARKET_ABI, MARKET, 'catalog', [], 'latest');
  const model = await node.read(CATALOG_ABI, catalog, 'model', [Number(facts.planId >> 32n)], 'latest');
  const [terms, spec] = await Promise.all([documentOf(facts.plan.termsHash), documentOf(model.specHash)]);
  return {
    subscriptionId,
    domain: marketDomain(CHAIN_ID, MARKET),
    terms: parseTerms(terms),
    meterKey: model.meterKey,
    since: facts.since,
    period: BigInt(facts.plan.period),
    cap: facts.cap,
    unitPrice: BigInt(facts.plan.unitPrice),
    buyer: facts.bought.buyer,
    signers: facts.signers,
    operations: spec.operations ?? {},
    attention: new Map((request?.objects ?? []).map(({ object, attention }) => [object, attention])),
  };
}

/** @param {string} hash as it stands on the chain */
async function documentOf(hash) {
  const answer = await fetch(`/api/v1/documents/${hash}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (!answer.ok || sha256(bytes) !== hash) {
    throw new Error(`Nobody gave the document of hash ${hash}, which the plan names. Nothing was signed: ask its provider to publish it.`);
  }
  return JSON.parse(new TextDecoder().decode(bytes));
}
