// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../interfaces/IMaaSMarket.sol";

/// @title EIP-712 struct hashes of everything that is signed for these contracts
/// @dev ledger/typed_data.py mirrors these; one test holds both together.
library SignedStructs {
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

    /// @notice The EIP-712 digest of a voucher under `domain`, made beyond the free memory pointer without moving it:
    ///         settlement hashes hundreds in one call.
    function digestVoucher(bytes32 domain, uint96 subscriptionId, uint40 units, bytes32 usageRoot)
        internal
        pure
        returns (bytes32 digest)
    {
        bytes32 voucherType = VOUCHER_TYPE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, voucherType)
            mstore(add(free, 0x20), subscriptionId)
            mstore(add(free, 0x40), units)
            mstore(add(free, 0x60), usageRoot)
            let content := keccak256(free, 0x80)
            mstore(free, hex"1901")
            mstore(add(free, 0x02), domain)
            mstore(add(free, 0x22), content)
            digest := keccak256(free, 0x42)
        }
    }
}
