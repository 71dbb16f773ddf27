// What buyers' pages read from the contracts and send to them; tests/browser holds it to ledger/artifacts.
import { parseAbi } from '../vendor/viem.js';

export const MARKET_ABI = parseAbi([
  'function accountOf(address account) view returns (uint128 balance, uint64 nonce)',
  'function quote(uint64 planId, uint40 cap, uint32 periods) view returns (uint256 total)',
  'function raiseCap(uint96 subscriptionId, uint40 addedUnits)',
  'function renew(uint96 subscriptionId, uint32 periods)',
  'function requestRelease(uint96 subscriptionId)',
  'function release(uint96 subscriptionId)',
  'function refund(uint96 subscriptionId)',
]);

export const CREDIT_ABI = parseAbi([
  'function balanceOf(address account) view returns (uint256)',
  'function allowance(address owner, address spender) view returns (uint256)',
  'function approve(address spender, uint256 value) returns (bool)',
]);

export const ASSETS_ABI = parseAbi([
  'function list(uint256 assetId, uint256 price)',
  'function unlist(uint256 assetId)',
  'function buy(uint256 assetId, uint256 expectedPrice)',
  'function setUser(uint256 assetId, address user, uint64 expires)',
]);
