// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

/// @title The facts of arithmetic that the other proofs lean on
/// @dev To halmos `x * y` and `x / y` of two variables are at first mere names. A proof that needs more says which fact it
///      takes for known of which numbers; ArithmeticProofs proves each fact for all the words that it is stated for.
///      Everything here wraps around, as the machine does.
abstract contract Arithmetic is Test {
    /// @dev One more than the greatest number of 128 bits.
    uint256 internal constant HALF = 1 << 128;

    /// @dev For any words.
    function commutes(uint256 x, uint256 y) internal pure returns (bool) {
        unchecked {
            return x * y == y * x;
        }
    }

    /// @dev For any words.
    function splitsFirst(uint256 x, uint256 y, uint256 z) internal pure returns (bool) {
        unchecked {
            return (x + y) * z == x * z + y * z;
        }
    }

    /// @dev For any words.
    function splitsSecond(uint256 x, uint256 y, uint256 z) internal pure returns (bool) {
        unchecked {
            return x * (y + z) == x * y + x * z;
        }
    }

    /// @dev For any words.
    function associates(uint256 x, uint256 y, uint256 z) internal pure returns (bool) {
        unchecked {
            return x * (y * z) == x * y * z;
        }
    }

    /// @dev For any `n` and any `d` but 0.
    function isNotAbove(uint256 n, uint256 d) internal pure returns (bool) {
        unchecked {
            return n / d * d <= n;
        }
    }

    /// @dev For any `n` and any `d` but 0.
    function leavesLess(uint256 n, uint256 d) internal pure returns (bool) {
        unchecked {
            return n - n / d * d < d;
        }
    }

    /// @dev For `n` and `d` below 2^248, `d` not 0: the last fact without its subtraction.
    function isWithinOne(uint256 n, uint256 d) internal pure returns (bool) {
        unchecked {
            return n < n / d * d + d;
        }
    }

    /// @dev For `x` and `z` below HALF, and `y` at most `z`.
    function isMonotone(uint256 x, uint256 y, uint256 z) internal pure returns (bool) {
        unchecked {
            return x * y <= x * z;
        }
    }

    /// @dev For `x` below 2^96 and `y` below 2^64.
    function isBounded(uint256 x, uint256 y) internal pure returns (bool) {
        unchecked {
            return x * y < 1 << 160;
        }
    }

    /// @dev For `x` and `y` below HALF: what checked arithmetic tests after a multiplication.
    function dividesBack(uint256 x, uint256 y) internal pure returns (bool) {
        unchecked {
            return either(x == 0, quotient(x * y, x) == y);
        }
    }

    /// @dev For any words.
    function vanishes(uint256 x, uint256 y) internal pure returns (bool) {
        unchecked {
            return either(x != 0, x * y == 0);
        }
    }

    /// @dev Solidity's `/` without its panic.
    function quotient(uint256 n, uint256 d) internal pure returns (uint256 q) {
        assembly ("memory-safe") {
            q := div(n, d)
        }
    }

    /// @dev `||` without a jump, so that there is one path to prove instead of two.
    function either(bool a, bool b) internal pure returns (bool c) {
        assembly ("memory-safe") {
            c := or(a, b)
        }
    }

    function know(bool fact) internal pure {
        vm.assume(fact);
    }

    function knowFloor(uint256 n, uint256 d) internal pure {
        know(isNotAbove(n, d));
        know(isWithinOne(n, d));
    }

    function knowProduct(uint256 x, uint256 y) internal pure {
        know(isBounded(x, y));
        know(dividesBack(x, y));
        know(vanishes(x, y));
    }
}

contract ArithmeticProofs is Arithmetic {
    function test_commutes(uint256 x, uint256 y) public pure {
        assertTrue(commutes(x, y));
    }

    function test_splits(uint256 x, uint256 y, uint256 z) public pure {
        assertTrue(splitsFirst(x, y, z));
        assertTrue(splitsSecond(x, y, z));
    }

    function test_associates(uint256 x, uint256 y, uint256 z) public pure {
        assertTrue(associates(x, y, z));
    }

    function test_isNotAbove(uint256 n, uint256 d) public pure {
        if (d == 0) d = 1;
        assertTrue(isNotAbove(n, d));
    }

    function test_leavesLess(uint256 n, uint256 d) public pure {
        if (d == 0) d = 1;
        assertTrue(leavesLess(n, d));
    }

    function test_isWithinOne(uint248 n, uint248 d) public pure {
        if (d == 0) d = 1;
        know(isNotAbove(n, d));
        know(leavesLess(n, d));
        assertTrue(isWithinOne(n, d));
    }

    function test_monotone(uint128 x, uint128 y, uint128 z) public pure {
        (y, z) = y < z ? (y, z) : (z, y);
        assertTrue(isMonotone(x, y, z));
    }

    function test_dividesBack(uint128 x, uint128 y) public pure {
        assertTrue(dividesBack(x, y));
    }

    function test_vanishes(uint256 x, uint256 y) public pure {
        assertTrue(vanishes(x, y));
    }

    function test_bounded(uint96 x, uint64 y) public pure {
        assertTrue(isBounded(x, y));
    }
}
