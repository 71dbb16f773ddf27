// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

// slither-disable-start assembly,low-level-calls -- it runs in eth_call alone: whatever it calls changes nothing
/// @title Whether an account that is not deployed yet signed (ERC-6492)
/// @notice Never deployed: a node runs it as creation code in `eth_call`. What it returns is the answer: one word, 1 or 0.
/// @dev Of outsiders it assumes nothing. `factory` is anybody's and may do what it likes in this one simulated call: all
///      that counts is whether code stands at `account` afterwards, which only that address' own creation can bring
///      about, and what that code says. An account that stands already is not prepared: it is asked by ERC-1271 alone.
contract CounterfactualSignature {
    /// @notice Returns, in place of a contract's code, whether `account` signed.
    /// @param account who is said to have signed
    /// @param digest what was signed
    /// @param factory whom to call so that `account` is deployed
    /// @param preparation the call data for the factory
    /// @param signature as `account` takes it by ERC-1271
    constructor(address account, bytes32 digest, address factory, bytes memory preparation, bytes memory signature) {
        bool signed = _isDeployed(account, factory, preparation) && _approves(account, digest, signature);
        assembly ("memory-safe") {
            mstore(0, signed)
            return(0, 32)
        }
    }

    function _isDeployed(address account, address factory, bytes memory preparation) private returns (bool) {
        if (account.code.length != 0) return false;
        (bool done,) = factory.call(preparation); // solhint-disable-line avoid-low-level-calls
        return done && account.code.length != 0;
    }

    function _approves(address account, bytes32 digest, bytes memory signature) private view returns (bool) {
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        // solhint-disable-next-line avoid-low-level-calls
        (bool answered, bytes memory answer) = account.staticcall(question);
        return answered && answer.length == 32 && bytes32(answer) == bytes32(IERC1271.isValidSignature.selector);
    }
}
// slither-disable-end assembly,low-level-calls
