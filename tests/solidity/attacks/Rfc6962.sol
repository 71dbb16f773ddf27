// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";

/// @title Merkle trees as RFC 6962, section 2.1 writes them: recursive and slow, to check contracts/libraries/UsageLog.sol
library Rfc6962 {
    function leaf(IMaaSMarket.UsageRecord memory record) internal pure returns (bytes32) {
        bytes memory head = abi.encodePacked(
            record.subscriptionId, record.seq, record.meter, record.quantity, record.units, record.total
        );
        bytes memory tail = abi.encodePacked(record.startMillis, record.endMillis, record.immersion, record.requestHash);
        return sha256(bytes.concat(hex"00", head, tail));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"01", left, right));
    }

    /// @dev MTH(D[from:to]).
    function root(bytes32[] memory leaves, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint256 split = from + splitOf(to - from);
        return node(root(leaves, from, split), root(leaves, split, to));
    }

    /// @dev PATH(index, D[from:to]).
    function path(bytes32[] memory leaves, uint256 index, uint256 from, uint256 to)
        internal
        pure
        returns (bytes32[] memory)
    {
        if (to - from == 1) return new bytes32[](0);
        uint256 split = from + splitOf(to - from);
        return index < split
            ? append(path(leaves, index, from, split), root(leaves, split, to))
            : append(path(leaves, index, split, to), root(leaves, from, split));
    }

    function append(bytes32[] memory list, bytes32 last) internal pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }

    /// @dev The largest power of two below `n`.
    function splitOf(uint256 n) private pure returns (uint256 k) {
        k = 1;
        while (2 * k < n) k *= 2;
    }
}
