// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../interfaces/IMaaSMarket.sol";

/// @title EIP-712 struct hashes of everything that is signed for these contracts
/// @notice ledger/typed_data.py mirrors these; one test holds both together.
library SignedStructs {
    /// @dev Half of secp256k1's order, rounded up: the least `s` that is refused.
    uint256 private constant HALF_ORDER_PLUS_1 = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1;

    bytes32 internal constant ORDER_TYPE = keccak256(
        "Order(address buyer,uint64 planId,address signer,uint40 cap,uint32 periods,bytes32 requirementsHash,uint256 total,uint64 nonce,uint64 deadline)"
    );
    bytes32 internal constant VOUCHER_TYPE = keccak256("Voucher(uint96 subscriptionId,uint40 units,bytes32 usageRoot)");
    bytes32 internal constant ACTIVATION_TYPE = keccak256("Activation(uint96 subscriptionId,bytes32 endpointHash)");
    bytes32 internal constant PROVENANCE_TYPE =
        keccak256("Provenance(bytes32 contentHash,address creator,uint96 subscriptionId,string uri)");

    function hashOrder(IMaaSMarket.Order calldata order) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ORDER_TYPE,
                order.buyer,
                order.planId,
                order.signer,
                order.cap,
                order.periods,
                order.requirementsHash,
                order.total,
                order.nonce,
                order.deadline
            )
        );
    }

    function hashActivation(uint96 subscriptionId, bytes32 endpointHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACTIVATION_TYPE, subscriptionId, endpointHash));
    }

    function hashProvenance(bytes32 contentHash, address creator, uint96 subscriptionId, string calldata uri)
        internal
        pure
        returns (bytes32)
    {
        bytes32 uriHash = keccak256(bytes(uri));
        return keccak256(abi.encode(PROVENANCE_TYPE, contentHash, creator, subscriptionId, uriHash));
    }

    function hashVoucher(uint96 subscriptionId, uint40 units, bytes32 usageRoot) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPE, subscriptionId, units, usageRoot));
    }

    /// @dev Where one batch hashes its vouchers: the constant parts are written once, every voucher writes the rest.
    ///      0x00 type, 0x20 subscriptionId, 0x40 units, 0x60 usageRoot | 0x80 0x1901 and domain, 0xa2 struct hash |
    ///      0xe0 digest, 0x100 v, 0x120 r, 0x140 s: what the recovery precompile takes.
    // slither-disable-next-line assembly -- reserves its own memory; settlement's tests sign the digest of hashVoucher
    function deskFor(bytes32 domain) internal pure returns (uint256 desk) {
        bytes32 voucherType = VOUCHER_TYPE;
        assembly ("memory-safe") {
            desk := mload(0x40)
            mstore(0x40, add(desk, 0x160))
            mstore(desk, voucherType)
            mstore(add(desk, 0x80), hex"1901")
            mstore(add(desk, 0x82), domain)
        }
    }

    /// @dev Who signed this voucher; zero for a malformed or malleable signature, which no session key is.
    ///      Straight from calldata: a stray bit above a field's width is hashed too, as no wallet does. An `s` above half
    ///      the curve's order is refused, as OpenZeppelin's ECDSA does.
    // slither-disable-next-line assembly -- writes to the desk and the scratch space only
    function signerOf(IMaaSMarket.Voucher calldata voucher, uint256 desk) internal view returns (uint256 signer) {
        assembly ("memory-safe") {
            calldatacopy(add(desk, 0x20), voucher, 0x60)
            mstore(add(desk, 0xa2), keccak256(desk, 0x80))
            mstore(add(desk, 0xe0), keccak256(add(desk, 0x80), 0x42))
            let vs := calldataload(add(voucher, 0x80))
            let s := and(vs, not(shl(255, 1)))
            mstore(add(desk, 0x100), add(shr(255, vs), 27))
            mstore(add(desk, 0x120), calldataload(add(voucher, 0x60)))
            mstore(add(desk, 0x140), s)
            mstore(0x00, 0)
            pop(staticcall(gas(), 0x01, add(desk, 0xe0), 0x80, 0x00, 0x20))
            signer := mul(mload(0x00), lt(s, HALF_ORDER_PLUS_1))
        }
    }
}
