// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The market's money arithmetic: what is reserved, what time costs, what a share earns
/// @notice All amounts are in the token's smallest unit. Every division rounds down, in favour of the books: what is cut
///         off stays where it was (with the buyer's prepaid time, or in the plan).
/// @dev Pure and total within the bounds that callers keep; tests/solidity/proofs proves what they rely on.
library Money {
    uint256 private constant WHOLE_BPS = 10_000;

    /// @dev What a purchase of `cap` units and `periods` periods reserves. Below 2^129 for fields of their widths.
    function reserved(uint40 cap, uint64 unitPrice, uint32 periods, uint96 periodPrice)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            return uint256(cap) * unitPrice + uint256(periods) * periodPrice;
        }
    }

    /// @dev Cost of `elapsed` seconds of prepaid time since activation; whole periods cost exactly their price. A plan
    ///      without time (`period` 0 seconds) costs nothing.
    function timeDown(uint96 periodPrice, uint32 period, uint32 elapsed) internal pure returns (uint256) {
        if (period == 0) return 0;
        unchecked {
            return uint256(periodPrice) * elapsed / period;
        }
    }

    /// @dev `bps` basis points of what a plan earned.
    function shareDown(uint88 earned, uint256 bps) internal pure returns (uint256) {
        return uint256(earned) * bps / WHOLE_BPS;
    }
}
