// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {House} from "./House.sol";

/// @title What every unit test needs beside the deployed set
/// @notice One test a leaf of the `.tree` beside it; scripts/check_trees.py holds names and leaves together.
abstract contract Unit is House {
    /// @dev A digest of all that a refused call must leave as it was.
    function books() internal view virtual returns (bytes32);

    /// @dev The call fails for exactly this reason and leaves the books as they were.
    function refused(address caller, address callee, bytes memory call, bytes memory reason) internal {
        bytes32 before = books();
        vm.prank(caller);
        (bool passed, bytes memory answer) = callee.call(call);
        assertFalse(passed, "it should be refused");
        assertEq(answer, reason, "for this reason");
        assertEq(books(), before, "a refused call changes nothing");
    }

    /// @dev The same signature with s in the upper half of the curve's order: ecrecover takes it, we must not.
    function mirrored(bytes memory signature) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s, uint8 v) = parts(signature);
        return abi.encodePacked(r, bytes32(SECP256K1_ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
    }

    function parts(bytes memory signature) internal pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }
}
