// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Trading} from "./Trading.sol";

/// @title Steps in a subscription's life. A step that lacks a subscription in the right state first brings one there
abstract contract Lives is Trading {
    /// @dev By the session key while it may; by another key or too late it must not.
    function activate(uint256 seed) external {
        (bool found, uint96 id) = _find(IMaaSMarket.Status.Purchased, _dice(seed, 0));
        if (!found) id = _bought(_dice(seed, 1));
        uint256 mode = _dice(seed, 2) % 12;
        if (mode < 2) _warpTo(uint256(lines[id].deadline) + mode);
        if (mode == 2) id = _any(_dice(seed, 3));
        bool right = mode != 3 && _statusTold(id) == IMaaSMarket.Status.Purchased;
        address signer = mode == 3 ? _otherSession(lines[id].signer) : lines[id].signer;
        _count(_activate(id, signer, right));
    }

    /// @dev At the deadline it must not pass, a second later it must.
    function refund(uint256 seed) external {
        (bool found, uint96 id) = _find(IMaaSMarket.Status.Refundable, _dice(seed, 0));
        if (!found) {
            (found, id) = _find(IMaaSMarket.Status.Purchased, _dice(seed, 0));
            if (!found) id = _bought(_dice(seed, 1));
            _warpTo(uint256(lines[id].deadline) + (_dice(seed, 2) % 8 == 0 ? 0 : 1));
        }
        if (_dice(seed, 3) % 16 == 0) id = _any(_dice(seed, 4));
        bool due = _statusTold(id) == IMaaSMarket.Status.Refundable;
        bool passed = _play(_one(people, _dice(seed, 5)), abi.encodeCall(IMaaSMarket.refund, (id)));
        assertEq(passed, due, "L1: refund exactly when due");
        _count(passed);
    }

    function raiseCap(uint256 seed) external {
        uint96 id = _target(seed);
        address payer = _one(people, _dice(seed, 0));
        uint256 unitPrice = _termsOf(id).unitPrice;
        if (unitPrice == 0 && _dice(seed, 2) % 4 != 0) payer = lines[id].buyer;
        bool welcome = unitPrice != 0 || payer == lines[id].buyer;
        uint256 most = type(uint40).max - lines[id].cap;
        if (unitPrice != 0 && most > MOST / unitPrice) most = MOST / unitPrice;
        uint256 added = _amount(_dice(seed, 1), most);
        bool right = _isActive(lines[id]) && added != 0;
        uint256 shortfall = _shortfall(payer, added * unitPrice);
        _approve(payer, shortfall);
        bool passed = _play(payer, abi.encodeCall(IMaaSMarket.raiseCap, (id, uint40(added))));
        if (right && welcome && shortfall <= token.balanceOf(payer)) _must(passed, "L1: top up");
        if (!welcome) assertFalse(passed, "7: a cap lifted for nothing by another than the buyer");
        _approve(payer, 0);
        _count(passed);
    }

    function renew(uint256 seed) external {
        uint96 id = _timed(seed);
        address payer = _one(people, _dice(seed, 0));
        IModelCatalog.PlanTerms storage terms = _termsOf(id);
        uint256 periods = 1 + _dice(seed, 1) % 3;
        if (_dice(seed, 2) % 16 == 0) _warpTo(lines[id].paidThrough + _dice(seed, 3) % 2);
        uint256 shortfall = _shortfall(payer, periods * terms.periodPrice);
        bool right = _isActive(lines[id]) && terms.period != 0 && nowAt() <= lines[id].paidThrough
            && lines[id].paidThrough + periods * terms.period <= type(uint32).max;
        _approve(payer, shortfall);
        bool passed = _play(payer, abi.encodeCall(IMaaSMarket.renew, (id, uint32(periods))));
        if (right && shortfall <= token.balanceOf(payer)) _must(passed, "L1: renew while not lapsed");
        _approve(payer, 0);
        _count(passed);
    }

    function proposeSigner(uint256 seed) external {
        _count(_propose(_target(seed), seed));
    }

    /// @dev A second before the window ends it must not pass.
    function confirmSigner(uint256 seed) external {
        (bool found, uint96 id) = _proposed(_dice(seed, 0));
        if (!found) {
            id = _target(seed);
            _propose(id, seed);
        }
        Line storage line = lines[id];
        bool wait = _dice(seed, 2) % 8 != 0;
        if (line.proposed != address(0)) _warpTo(line.confirmableAt - (wait ? 0 : 1));
        bool right = _isActive(line) && line.proposed != address(0) && nowAt() >= line.confirmableAt;
        bool passed = _play(_one(people, _dice(seed, 3)), abi.encodeCall(IMaaSMarket.confirmSigner, (id)));
        assertEq(passed, right, "L1: confirmed exactly when due");
        _count(passed);
    }

    /// @dev The buyer always can, whoever else does what: nobody locks a buyer in.
    function requestRelease(uint256 seed) external {
        uint96 id = _target(seed);
        _count(_request(id, _dice(seed, 1) % 8 == 0 ? _one(people, seed) : lines[id].buyer));
    }

    function release(uint256 seed) external {
        (bool found, uint96 id) = _find(IMaaSMarket.Status.Releasing, _dice(seed, 0));
        if (!found) {
            id = _target(seed);
            _request(id, lines[id].buyer);
        }
        address owner = modelLines[uint32(id >> 64)].owner;
        address caller = _dice(seed, 1) % 2 == 0 ? owner : _one(people, _dice(seed, 2));
        uint256 opensAt = lines[id].releasableAt;
        if (caller != owner && lines[id].requested) _warpTo(opensAt - (_dice(seed, 3) % 8 == 0 ? 1 : 0));
        bool right = lines[id].requested && !lines[id].closed && (caller == owner || nowAt() >= opensAt);
        bool passed = _play(caller, abi.encodeCall(IMaaSMarket.release, (id)));
        assertEq(passed, right, "L1: released exactly when due");
        _count(passed);
    }

    function _activate(uint96 id, address signer, bool right) internal returns (bool passed) {
        bytes32 endpointHash = keccak256(abi.encode(id));
        (bytes32 r, bytes32 vs) = _signedCompact(signer, market.hashActivation(id, endpointHash));
        address caller = people[uint256(endpointHash) % people.length];
        passed = _play(caller, abi.encodeCall(IMaaSMarket.activate, (id, endpointHash, r, vs)));
        assertEq(passed, right, "L1: activated exactly by the session key in time");
    }

    function _request(uint96 id, address caller) internal returns (bool passed) {
        bool right = _isActive(lines[id]) && caller == lines[id].buyer;
        passed = _play(caller, abi.encodeCall(IMaaSMarket.requestRelease, (id)));
        assertEq(passed, right, "L1: released exactly when the buyer asks");
    }

    function _propose(uint96 id, uint256 seed) private returns (bool passed) {
        uint256 mode = _dice(seed, 10) % 12;
        address caller = mode == 0 ? _one(people, _dice(seed, 11)) : lines[id].buyer;
        address signer = mode == 1 ? address(0) : mode == 2 ? address(market) : _one(sessions, _dice(seed, 12));
        bool right = _isActive(lines[id]) && caller == lines[id].buyer && mode != 1 && mode != 2;
        passed = _play(caller, abi.encodeCall(IMaaSMarket.proposeSigner, (id, signer)));
        assertEq(passed, right, "L1: proposed exactly by the buyer");
    }

    /// @dev An active subscription, made if there is none; now and then any, in any state.
    function _target(uint256 seed) internal returns (uint96 id) {
        if (_dice(seed, 30) % 16 == 0) return _any(_dice(seed, 31));
        bool found;
        (found, id) = _find(IMaaSMarket.Status.Active, _dice(seed, 31));
        return found ? id : _open(seed);
    }

    /// @dev An active subscription with prepaid time left, made if there is none; now and then any.
    function _timed(uint256 seed) private returns (uint96 id) {
        if (_dice(seed, 30) % 16 == 0) return _any(_dice(seed, 31));
        for (uint256 i = 0; i < ids.length; ++i) {
            id = ids[(_dice(seed, 31) % ids.length + i) % ids.length];
            if (_isActive(lines[id]) && _termsOf(id).period != 0 && nowAt() < lines[id].paidThrough) return id;
        }
        return _open(seed);
    }

    function _open(uint256 seed) private returns (uint96 id) {
        (bool found, uint96 bought) = _find(IMaaSMarket.Status.Purchased, _dice(seed, 32));
        id = found ? bought : _bought(_dice(seed, 33));
        if (_statusTold(id) == IMaaSMarket.Status.Purchased) _activate(id, lines[id].signer, true);
    }

    /// @dev Any, where the token refuses to be paid.
    function _bought(uint256 seed) private returns (uint96 id) {
        id = _buy(seed, false);
        if (id == 0) id = _any(seed);
    }

    function _find(IMaaSMarket.Status status, uint256 dice) internal view returns (bool, uint96 id) {
        for (uint256 i = 0; i < ids.length; ++i) {
            id = ids[(dice % ids.length + i) % ids.length];
            if (_statusTold(id) == status) return (true, id);
        }
        return (false, id);
    }

    function _proposed(uint256 dice) private view returns (bool, uint96 id) {
        for (uint256 i = 0; i < ids.length; ++i) {
            id = ids[(dice % ids.length + i) % ids.length];
            if (_isActive(lines[id]) && lines[id].proposed != address(0)) return (true, id);
        }
        return (false, id);
    }

    function _any(uint256 dice) internal view returns (uint96) {
        return ids[dice % ids.length];
    }

    function _otherSession(address signer) internal view returns (address) {
        return signer == sessions[0] ? sessions[1] : sessions[0];
    }
}
