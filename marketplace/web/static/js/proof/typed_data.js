// EIP-712: what is signed, its digest, who signed it. The fields are those of ledger/typed_data.py; a test holds both.
import { hashDomain, hashStruct, hashTypedData, recoverAddress, serializeSignature, toHex } from '../../vendor/viem.js';

const EIP712_DOMAIN = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
];

const fields = (text) =>
  text.split(',').map((field) => {
    const [type, name] = field.trim().split(' ');
    return { name, type };
  });

/** Primary type → its fields, in order. */
export const TYPES = {
  Order: fields(
    'address buyer, uint64 planId, address signer, uint40 cap, uint32 periods, bytes32 requirementsHash, ' +
      'uint256 total, uint64 nonce, uint64 deadline',
  ),
  Voucher: fields('uint96 subscriptionId, uint40 units, bytes32 usageRoot'),
  Activation: fields('uint96 subscriptionId, bytes32 endpointHash'),
  Provenance: fields('bytes32 contentHash, address creator, uint96 subscriptionId, string uri'),
  SessionBinding: fields('uint96 subscriptionId, string jkt, uint64 expires'),
  AuditGrant: fields('uint96 subscriptionId, address grantee, uint64 expires'),
  ErasureDemand: fields('uint96 subscriptionId, uint64 expires'),
  Pass: fields('uint96 subscriptionId, string jkt, string operations, uint40 units, uint64 expires, bytes32 salt'),
  PassRevocation: fields('uint96 subscriptionId, bytes32 passId'),
  RequestUpdate: fields('uint96 subscriptionId, bytes32 requirementsHash, uint64 revision, uint64 deadline'),
  OperatorPass: fields('string domain, uint64 expires'),
  Permit: fields('address owner, address spender, uint256 value, uint256 nonce, uint256 deadline'),
};

export const assetsDomain = (chainId, assets) => ({
  name: 'Slicing4Meta DigitalAssets',
  version: '1',
  chainId: Number(chainId),
  verifyingContract: assets,
});

export const marketDomain = (chainId, market) => ({
  name: 'Slicing4Meta MaaSMarket',
  version: '1',
  chainId: Number(chainId),
  verifyingContract: market,
});

/** The eth_signTypedData_v4 document of a message; integers as decimal strings. */
export function typedData(domain, primaryType, message) {
  const plain = Object.entries(message).map(([name, value]) => [name, typeof value === 'bigint' ? `${value}` : value]);
  const types = { EIP712Domain: EIP712_DOMAIN, [primaryType]: TYPES[primaryType] };
  return { domain, types, primaryType, message: Object.fromEntries(plain) };
}

/** The 32 bytes that are signed. */
export function digest(domain, primaryType, message) {
  return hashTypedData({ domain, types: { [primaryType]: TYPES[primaryType] }, primaryType, message });
}

/** Of any eth_signTypedData_v4 document: digest, domain separator, struct hash. Throws where it is malformed. */
export function hashes(document) {
  const { domain, types, primaryType, message } = exact(document);
  return {
    digest: hashTypedData({ domain, types, primaryType, message }),
    domainSeparator: hashDomain({ domain, types: { ...types, EIP712Domain: types.EIP712Domain ?? EIP712_DOMAIN } }),
    structHash: hashStruct({ data: message, primaryType, types }),
  };
}

/** Who made a 65-byte or compact (ERC-2098, 64-byte) signature over a digest; null where it is malformed. */
export async function signerOf(hash, signature) {
  try {
    return await recoverAddress({ hash, signature: signature.length === 130 ? expanded(signature) : signature });
  } catch {
    return null;
  }
}

/** ERC-2098: {r, vs} of a 65-byte or compact signature. */
export function compact(signature) {
  const r = signature.slice(0, 66);
  if (signature.length === 130) return { r, vs: `0x${signature.slice(66)}` };
  const parity = BigInt(`0x${signature.slice(130)}`) % 27n;
  return { r, vs: toHex(BigInt(`0x${signature.slice(66, 130)}`) | (parity << 255n), { size: 32 }) };
}

// ERC-2098's 64 bytes (r, vs) as 65: the highest bit of vs is the parity.
function expanded(signature) {
  const vs = BigInt(`0x${signature.slice(66)}`);
  const s = toHex(vs & ((1n << 255n) - 1n), { size: 32 });
  return serializeSignature({ r: signature.slice(0, 66), s, yParity: Number(vs >> 255n) });
}

// Wallets get integers as decimal strings, which JSON keeps exact; viem wants bigints.
function exact(document) {
  const { domain, types, primaryType, message } = document;
  return { domain, types, primaryType, message: struct(types, primaryType, message) };
}

function struct(types, name, value) {
  return Object.fromEntries(types[name].map((field) => [field.name, typed(types, field.type, value[field.name])]));
}

function typed(types, type, value) {
  if (type.endsWith(']')) return value.map((item) => typed(types, type.slice(0, type.lastIndexOf('[')), item));
  if (types[type]) return struct(types, type, value);
  return /^u?int/.test(type) ? BigInt(value) : value;
}
