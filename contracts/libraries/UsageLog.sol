// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../interfaces/IMaaSMarket.sol";

/// @title Reading the append-only log of usage records
/// @notice SHA-256 Merkle tree exactly as RFC 6962, section 2.1; ledger/usage_log.py writes what this reads.
library UsageLog {
    /// @dev Leaf hash of a record: SHA-256(0x00 || fixed-width big-endian fields).
    function leafOf(IMaaSMarket.UsageRecord calldata record) internal pure returns (bytes32) {
        return sha256(
            abi.encodePacked(
                bytes1(0x00),
                record.subscriptionId,
                record.seq,
                record.meter,
                record.quantity,
                record.units,
                record.total,
                record.startMillis,
                record.endMillis,
                record.immersion,
                record.requestHash
            )
        );
    }

    /// @dev What a voucher commits to: SHA-256(0x02 || size || root).
    function usageRootOf(uint64 size, bytes32 root) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x02), size, root));
    }

    /// @notice Walks an audit path from leaf `index` of a tree of `size` leaves up to the root (RFC 9162, 2.1.3.2).
    /// @param leaf the leaf's hash
    /// @param index its place in the log, from 0
    /// @param size leaves in the log
    /// @param path hashes of the siblings, from the leaf up
    /// @return wellFormed the path has exactly the length that index and size ask for
    /// @return root the root that the leaf and the path imply
    function climb(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata path)
        internal
        pure
        returns (bool wellFormed, bytes32 root)
    {
        if (index >= size) return (false, 0);
        uint256 node = index;
        uint256 last = size - 1;
        root = leaf;
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) return (false, 0);
            if (node & 1 == 1 || node == last) {
                root = _nodeOf(path[i], root);
                while (node & 1 == 0 && node != 0) (node, last) = (node >> 1, last >> 1);
            } else {
                root = _nodeOf(root, path[i]);
            }
            (node, last) = (node >> 1, last >> 1);
        }
        wellFormed = last == 0;
    }

    function _nodeOf(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
