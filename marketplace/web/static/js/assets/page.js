// The gallery: sell, take off the market, rent, buy, each by the visitor's own wallet.
import { ASSETS_ABI } from '../abi.js';
import { setUpActions } from '../acting.js';
import { ASSETS } from '../chain.js';
import { inSmallest } from '../format.js';
import { allow, transact } from '../visitor-node.js';
import { isAddress } from '../../vendor/viem.js';

setUpActions(async (form, by) => {
  const { act, asset, price } = form.dataset;
  if (act === 'buy') await allow(by, ASSETS, BigInt(price));
  const args = [BigInt(asset), ...argumentsOf(act, form, price)];
  const hash = await transact(by, { abi: ASSETS_ABI, address: ASSETS, functionName: act, args });
  return `Done, transaction ${hash}. Reload to see it here.`;
});

function argumentsOf(act, form, price) {
  const field = (name) => form.elements.namedItem(name).value;
  if (act === 'list') return [inSmallest(field('price'))];
  if (act === 'buy') return [BigInt(price)];
  return act === 'setUser' ? rental(field('user'), Number(field('hours'))) : [];
}

function rental(user, hours) {
  if (!isAddress(user)) throw new Error('That is no address: write 0x and 40 hexadecimal digits. Nothing was spent.');
  return [user, BigInt(Math.floor(Date.now() / 1000) + hours * 3600)];
}
