// A service's page: top up, renew, release, refund, each one transaction of the buyer's own wallet.
import { MARKET_ABI } from '../abi.js';
import { setUpActions } from '../acting.js';
import { MARKET } from '../chain.js';
import { allow, transact } from '../visitor-node.js';

const section = document.getElementById('actions');
const { id, unitPrice, periodPrice } = section.dataset;
const PRICES = { raiseCap: unitPrice, renew: periodPrice };

document.getElementById('forms').hidden = false;
setUpActions(async (form, by) => {
  const { act } = form.dataset;
  const count = act in PRICES ? Number(form.elements.namedItem('count').value) : 0;
  if (act in PRICES) await allow(by, MARKET, BigInt(count) * BigInt(PRICES[act]));
  const args = act in PRICES ? [BigInt(id), count] : [BigInt(id)];
  const hash = await transact(by, { abi: MARKET_ABI, address: MARKET, functionName: act, args });
  return `Done, transaction ${hash}. The figures above follow.`;
});
