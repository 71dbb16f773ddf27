// What the pages read from the contracts and send to them; tests/browser holds it to ledger/artifacts.
import { parseAbi } from '../vendor/viem.js';

const TERMS =
  'struct PlanTerms { uint64 unitPrice; uint96 periodPrice; uint32 period; uint32 releaseWindow; ' +
  'uint32 activationWindow; uint32 qoeFloor; bytes32 termsHash; }';
const SHARE = 'struct Share { uint32 modelId; uint16 bps; }';

export const CATALOG_ABI = parseAbi([
  TERMS,
  SHARE,
  'event MeterKeySet(uint32 indexed modelId, address meterKey)',
  'event PlanPublished(uint64 indexed planId, PlanTerms terms, Share[] shares)',
  'struct Model { uint8 kind; address meterKey; uint32 versions; uint16 askBps; bytes32 specHash; string uri; }',
  'function model(uint32 modelId) view returns (Model)',
  'function publishPlan(uint32 modelId, PlanTerms terms, Share[] planShares) returns (uint64 planId)',
  'function retirePlan(uint64 planId)',
]);

export const MARKET_ABI = parseAbi([
  'struct Order { address buyer; uint64 planId; address signer; uint40 cap; uint32 periods; bytes32 requirementsHash; ' +
    'uint256 total; uint64 nonce; uint64 deadline; }',
  'struct Permit { uint256 value; uint256 deadline; uint8 v; bytes32 r; bytes32 s; }',
  'struct Voucher { uint96 subscriptionId; uint40 units; bytes32 usageRoot; bytes32 r; bytes32 vs; }',
  'struct UsageRecord { uint96 subscriptionId; uint64 seq; uint32 meter; uint64 quantity; uint64 units; uint64 total; ' +
    'uint64 startMillis; uint64 endMillis; uint32 immersion; bytes32 requestHash; }',
  'struct InclusionProof { uint64 size; bytes32[] path; }',
  'event Subscribed(uint96 indexed subscriptionId, address indexed buyer, address signer, uint40 cap, uint32 periods, ' +
    'uint256 reserved, uint64 deadline, bytes32 requirementsHash)',
  'event Activated(uint96 indexed subscriptionId, bytes32 endpointHash, uint32 since, uint32 paidThrough)',
  'event CapRaised(uint96 indexed subscriptionId, address indexed payer, uint40 cap, uint256 amount)',
  'event Renewed(uint96 indexed subscriptionId, address indexed payer, uint32 periods, uint32 paidThrough, uint256 amount)',
  'event SignerConfirmed(uint96 indexed subscriptionId, address signer)',
  'event Settled(uint96 indexed subscriptionId, uint40 units, uint256 amount, bytes32 usageRoot)',
  'function activate(uint96 subscriptionId, bytes32 endpointHash, bytes32 r, bytes32 vs)',
  'function buy(uint64 planId, address signer, uint40 cap, uint32 periods, bytes32 requirementsHash) returns (uint96 subscriptionId)',
  'function buyFor(Order order, bytes signature, Permit permit) returns (uint96 subscriptionId)',
  'function catalog() view returns (address)',
  'function payout(uint64 planId) returns (uint256 amount)',
  'function payoutShare(uint64 planId, uint32 modelId) returns (uint256 amount)',
  'function proveUsage(UsageRecord record, InclusionProof proof, Voucher voucher, bytes meterSig) view returns (bool)',
  'function settle(Voucher[] vouchers)',
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
