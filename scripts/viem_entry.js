// What the pages use of viem, as one module; `make vendor` bundles it into marketplace/web/static/vendor/viem.js.
export {
  hashTypedData, recoverAddress, recoverTypedDataAddress, keccak256, sha256, getAddress,
  isAddress, isAddressEqual, bytesToHex, hexToBytes, hexToBigInt, toBytes, toHex, stringToHex, concat, encodeAbiParameters,
  encodeFunctionData, decodeFunctionResult, decodeFunctionData, decodeErrorResult, decodeEventLog, parseAbi, parseSignature,
  formatUnits, parseUnits, serializeSignature, serializeTransaction, hashDomain, hashStruct,
} from 'viem';
export { generatePrivateKey, privateKeyToAccount, sign } from 'viem/accounts';
