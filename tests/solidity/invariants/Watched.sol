// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {EventBooks} from "./EventBooks.sol";
import {Counted} from "./Runs.sol";

/// @title Every call that the players make, watched: whose money fell, what was signed, what the events tell
abstract contract Watched is EventBooks, Counted {
    struct Holding {
        uint128 balance;
        uint64 nonce;
        uint256 wallet;
    }

    address private _caller;
    address private _consenting;
    /// @dev What each key ever signed, by EIP-712 digest: written where a player signs, before any call.
    mapping(address signer => mapping(bytes32 digest => bool)) internal didSign;

    constructor() {
        _fold(vm.getRecordedLogs());
    }

    /// @dev `caller` calls the market; nobody else's consent comes with it.
    function _play(address caller, bytes memory call) internal returns (bool passed) {
        (passed,) = _call(address(market), caller, caller, call);
    }

    /// @dev `caller` calls `target`, with a signature of `consenting` that nobody used before.
    function _call(address target, address caller, address consenting, bytes memory call)
        internal
        virtual
        returns (bool passed, Vm.Log[] memory logs)
    {
        Holding[] memory before = _holdings();
        (_caller, _consenting) = (caller, consenting);
        vm.recordLogs();
        vm.prank(caller);
        (passed,) = target.call(call);
        logs = vm.getRecordedLogs();
        if (passed) _fold(logs);
        _requireOwnHand(before);
    }

    /// @dev Invariant 3, over accounts, order nonces and the token itself.
    function _requireOwnHand(Holding[] memory before) private view {
        Holding[] memory then = _holdings();
        for (uint256 i = 0; i < people.length; ++i) {
            bool fell = then[i].balance < before[i].balance || then[i].wallet < before[i].wallet;
            if (fell) assertTrue(_isOwn(people[i]), "3: own hand");
            if (then[i].nonce != before[i].nonce) assertTrue(_isHand(people[i]), "3: own hand on the orders");
        }
    }

    function _holdings() private view returns (Holding[] memory holdings) {
        holdings = new Holding[](people.length);
        for (uint256 i = 0; i < people.length; ++i) {
            (holdings[i].balance, holdings[i].nonce) = market.accountOf(people[i]);
            holdings[i].wallet = token.balanceOf(people[i]);
        }
    }

    function _isOwn(address who) private view returns (bool) {
        return who == _caller || who == _consenting;
    }

    /// @dev The scene was set by everybody.
    function _isHand(address who) internal view virtual override returns (bool) {
        return _caller == address(0) || _isOwn(who);
    }

    /// @dev Invariant 7, of what passed: the session key of that moment signed exactly this.
    function _onActivated(uint96 id, address signer, bytes32 endpointHash) internal view override {
        bytes32 digest = market.hashActivation(id, endpointHash);
        assertTrue(didSign[signer][digest], "7: the session key signed the activation");
    }

    function _onSettled(uint96 id, address signer, uint40 units, bytes32 usageRoot) internal view override {
        assertTrue(didSign[signer][market.hashVoucher(id, units, usageRoot)], "7: the session key signed the voucher");
    }

    function _signed(address who, bytes32 digest) internal returns (bytes memory) {
        didSign[who][digest] = true;
        return _sign(who, digest);
    }

    function _signedCompact(address who, bytes32 digest) internal returns (bytes32, bytes32) {
        didSign[who][digest] = true;
        return _signCompact(who, digest);
    }
}
