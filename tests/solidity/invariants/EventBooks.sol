// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {CatalogBooks} from "./CatalogBooks.sol";

/// @title All state as the events tell it, and nothing else: no view of the market is asked here
/// @dev Written from CONTRACTS and the interface, not from the market's code. Each event must be a move that the rules
///      allow at its time, with exactly the amounts that follow from what was told before.
abstract contract EventBooks is CatalogBooks {
    /// @dev `held` is the money that the market keeps for the subscription, unearned. Ordered to fill few slots.
    struct Line {
        address buyer;
        uint40 cap;
        uint40 used;
        address signer;
        uint32 since;
        uint32 paidThrough;
        uint32 collectedThrough;
        address proposed;
        uint32 periods;
        uint64 deadline;
        uint64 confirmableAt;
        uint64 releasableAt;
        bool activated;
        bool requested;
        bool closed;
        uint128 held;
        uint128 paidIn;
        uint128 returned;
        uint128 unitCost;
        uint128 timeCost;
    }

    uint96[] internal ids;
    mapping(uint96 id => Line) internal lines;
    mapping(address who => int256) internal balances;
    mapping(address who => uint64) internal nonces;

    function _onActivated(uint96 id, address signer, bytes32 endpointHash) internal view virtual;
    function _onSettled(uint96 id, address signer, uint40 units, bytes32 usageRoot) internal view virtual;

    function _fold(Vm.Log[] memory logs) internal {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(catalog)) _foldCatalog(logs[i]);
            if (logs[i].emitter == address(market)) _foldMarket(logs[i]);
        }
    }

    function _foldMarket(Vm.Log memory log) private {
        bytes32 kind = log.topics[0];
        if (kind == IMaaSMarket.Settled.selector) _settled(log);
        else if (kind == IMaaSMarket.Skipped.selector) _skipped(log);
        else if (kind == IMaaSMarket.TimeCollected.selector) _timeCollected(log);
        else if (kind == IMaaSMarket.Deposited.selector) _deposited(log);
        else if (kind == IMaaSMarket.Withdrawn.selector) _withdrawn(log);
        else if (kind == IMaaSMarket.OrdersCancelled.selector) _ordersCancelled(log);
        else if (kind == IMaaSMarket.Subscribed.selector) _subscribed(log);
        else if (kind == IMaaSMarket.Activated.selector) _activated(log);
        else if (kind == IMaaSMarket.Refunded.selector) _refunded(log);
        else if (kind == IMaaSMarket.CapRaised.selector) _capRaised(log);
        else if (kind == IMaaSMarket.Renewed.selector) _renewed(log);
        else if (kind == IMaaSMarket.SignerProposed.selector) _signerProposed(log);
        else if (kind == IMaaSMarket.SignerConfirmed.selector) _signerConfirmed(log);
        else if (kind == IMaaSMarket.ReleaseRequested.selector) _releaseRequested(log);
        else if (kind == IMaaSMarket.Released.selector) _released(log);
        else if (kind == IMaaSMarket.PaidOut.selector) _paidOut(log);
        else if (kind == IMaaSMarket.SharePaidOut.selector) _sharePaidOut(log);
        else revert("5: an event that the interface does not name");
    }

    function _deposited(Vm.Log memory log) private {
        assertTrue(_isHand(address(uint160(_topic(log, 2)))), "3: who pays in had a hand in it");
        balances[address(uint160(_topic(log, 1)))] += int256(abi.decode(log.data, (uint256)));
    }

    function _withdrawn(Vm.Log memory log) private {
        balances[address(uint160(_topic(log, 1)))] -= int256(abi.decode(log.data, (uint256)));
    }

    function _ordersCancelled(Vm.Log memory log) private {
        address who = address(uint160(_topic(log, 1)));
        uint64 nonce = abi.decode(log.data, (uint64));
        assertGt(nonce, nonces[who], "5: cancelling raises the nonce");
        nonces[who] = nonce;
    }

    function _subscribed(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        uint64 planId = uint64(id >> 32);
        PlanLine storage plan = planLines[planId];
        assertFalse(plan.retired, "5: sold while on sale");
        assertEq(uint32(id), ++plan.sold, "5: sequence");
        uint128 reserved;
        (line.signer, line.cap, line.periods, reserved, line.deadline,) =
            abi.decode(log.data, (address, uint40, uint32, uint128, uint64, bytes32));
        line.buyer = address(uint160(_topic(log, 2)));
        uint256 price = uint256(line.cap) * plan.terms.unitPrice + uint256(line.periods) * plan.terms.periodPrice;
        assertEq(reserved, price, "5: reserved");
        assertEq(line.deadline, nowAt() + plan.terms.activationWindow, "5: deadline");
        assertTrue(line.signer != address(0), "5: signer is never zero");
        (line.held, line.paidIn) = (reserved, reserved);
        balances[line.buyer] -= int128(reserved);
        nonces[line.buyer] += 1;
        ids.push(id);
    }

    function _activated(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        bytes32 endpointHash;
        assertTrue(line.buyer != address(0) && !line.activated && !line.closed, "5: activated once, when bought");
        assertLe(nowAt(), line.deadline, "7: activated in time");
        (endpointHash, line.since, line.paidThrough) = abi.decode(log.data, (bytes32, uint32, uint32));
        assertEq(line.since, nowAt(), "7: time runs from the activation");
        uint256 prepaid = uint256(line.periods) * _termsOf(id).period;
        assertEq(line.paidThrough, line.since + prepaid, "5: paidThrough");
        (line.activated, line.collectedThrough) = (true, line.since);
        _onActivated(id, line.signer, endpointHash);
    }

    function _refunded(Vm.Log memory log) private {
        (, Line storage line) = _lineOf(log);
        assertTrue(!line.activated && !line.closed, "4: refunded once, never activated");
        assertGt(nowAt(), line.deadline, "5: refunded after the deadline");
        _giveBack(line, address(uint160(_topic(log, 2))), abi.decode(log.data, (uint128)));
        _close(line);
    }

    function _capRaised(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        (uint40 cap, uint128 amount) = abi.decode(log.data, (uint40, uint128));
        assertTrue(_isActive(line), "4: topped up while active");
        assertGt(cap, line.cap, "5: cap only grows");
        assertEq(amount, uint256(cap - line.cap) * _termsOf(id).unitPrice, "5: price of the units");
        line.cap = cap;
        _payIn(line, address(uint160(_topic(log, 2))), amount);
    }

    function _renewed(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        (uint32 periods, uint32 paidThrough, uint128 amount) = abi.decode(log.data, (uint32, uint32, uint128));
        assertTrue(_isActive(line) && periods != 0, "4: renewed while active");
        assertLe(nowAt(), line.paidThrough, "7: renewed before it lapsed");
        assertEq(paidThrough, line.paidThrough + uint256(periods) * _termsOf(id).period, "5: paidThrough");
        assertEq(amount, uint256(periods) * _termsOf(id).periodPrice, "5: price of the periods");
        line.paidThrough = paidThrough;
        _payIn(line, address(uint160(_topic(log, 2))), amount);
    }

    function _signerProposed(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        assertTrue(_isActive(line) && _isHand(line.buyer), "3: the buyer proposes, while active");
        (line.proposed, line.confirmableAt) = abi.decode(log.data, (address, uint64));
        assertEq(line.confirmableAt, nowAt() + _termsOf(id).releaseWindow, "5: confirmableAt");
        assertTrue(line.proposed != address(0), "5: signer is never zero");
    }

    function _signerConfirmed(Vm.Log memory log) private {
        (, Line storage line) = _lineOf(log);
        address signer = abi.decode(log.data, (address));
        assertTrue(_isActive(line), "4: confirmed while active");
        assertGe(nowAt(), line.confirmableAt, "7: confirmed after the window");
        assertEq(signer, line.proposed, "5: the proposed signer");
        (line.signer, line.proposed) = (signer, address(0));
    }

    function _releaseRequested(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        (uint128 paid, uint128 back, uint64 opensAt) = abi.decode(log.data, (uint128, uint128, uint64));
        assertTrue(_isActive(line) && _isHand(line.buyer), "3: the buyer requests, while active");
        _requireTimeSplit(id, line, paid, back);
        assertEq(opensAt, nowAt() + _termsOf(id).releaseWindow, "5: releasableAt");
        (line.requested, line.releasableAt) = (true, opensAt);
        line.paidThrough = _elapsedThrough(line);
        line.collectedThrough = line.paidThrough;
        _earnTime(id, line, paid);
        _giveBack(line, line.buyer, back);
    }

    /// @dev A plan that cannot earn all the time that is due takes what it can: the rest is the buyer's.
    function _requireTimeSplit(uint96 id, Line storage line, uint256 paid, uint256 back) private view {
        uint256 collected = _timeCost(id, line.collectedThrough);
        uint256 due = _timeCost(id, _elapsedThrough(line)) - collected;
        uint256 room = EARNABLE - planLines[uint64(id >> 32)].earned;
        assertEq(paid, due < room ? due : room, "7: time elapsed is paid at the request");
        assertEq(paid + back, _timeCost(id, line.paidThrough) - collected, "7: the rest is returned at the request");
    }

    function _released(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        assertTrue(line.requested && !line.closed, "4: released once, after a request");
        bool byOwner = _isHand(modelLines[uint32(id >> 64)].owner);
        assertTrue(byOwner || nowAt() >= line.releasableAt, "5: released after the window, or by the owner");
        _giveBack(line, address(uint160(_topic(log, 2))), abi.decode(log.data, (uint128)));
        _close(line);
    }

    function _settled(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        (uint40 units, uint128 amount, bytes32 root) = abi.decode(log.data, (uint40, uint128, bytes32));
        assertTrue(line.activated && !line.closed, "4: settled between activation and release");
        assertGt(units, line.used, "2: used only grows");
        assertLe(units, line.cap, "7: used within the cap");
        assertEq(amount, uint256(units - line.used) * _termsOf(id).unitPrice, "5: price of the units");
        line.used = units;
        (line.held, line.unitCost) = (line.held - amount, line.unitCost + amount);
        _earn(id, amount);
        _onSettled(id, line.signer, units, root);
    }

    /// @dev Settlement and collection share it: only what both of them mean by a reason is checked here.
    function _skipped(Vm.Log memory log) private view {
        Line storage line = lines[uint96(_topic(log, 1))];
        IMaaSMarket.SkipReason reason = abi.decode(log.data, (IMaaSMarket.SkipReason));
        bool unknown = reason == IMaaSMarket.SkipReason.Unknown;
        assertEq(unknown, line.buyer == address(0), "5: unknown exactly when never bought");
        bool notActive = reason == IMaaSMarket.SkipReason.NotActive;
        if (notActive) assertTrue(!line.activated || line.requested, "5: not active");
    }

    function _timeCollected(Vm.Log memory log) private {
        (uint96 id, Line storage line) = _lineOf(log);
        (uint128 amount, uint32 through) = abi.decode(log.data, (uint128, uint32));
        assertTrue(_isActive(line), "7: no time is collected but while active");
        assertEq(through, _elapsedThrough(line), "7: collected through now, or what is prepaid");
        assertEq(amount, _timeCost(id, through) - _timeCost(id, line.collectedThrough), "5: cost of the time");
        line.collectedThrough = through;
        _earnTime(id, line, amount);
    }

    function _paidOut(Vm.Log memory log) private {
        uint64 planId = uint64(_topic(log, 1));
        uint32 modelId = uint32(planId >> 32);
        PlanLine storage plan = planLines[planId];
        uint256 together = 0;
        for (uint256 i = 0; i < plan.shares.length; ++i) {
            together += plan.shares[i].bps;
        }
        uint256 amount = abi.decode(log.data, (uint256));
        assertEq(amount, plan.earned - plan.earned * together / 10_000 - plan.drawn[modelId], "5: owner's part");
        _payOut(planId, modelId, log, amount);
    }

    function _sharePaidOut(Vm.Log memory log) private {
        uint64 planId = uint64(_topic(log, 1));
        uint256 amount = abi.decode(log.data, (uint256));
        assertEq(amount, _shareOf(planId, uint32(_topic(log, 2))), "5: component's part");
        _payOut(planId, uint32(_topic(log, 2)), log, amount);
    }

    function _payOut(uint64 planId, uint32 modelId, Vm.Log memory log, uint256 amount) private {
        address to = address(uint160(_topic(log, log.topics.length - 1)));
        assertEq(to, modelLines[modelId].owner, "5: paid to the owner of the moment");
        PlanLine storage plan = planLines[planId];
        (plan.paid, plan.drawn[modelId]) = (plan.paid + amount, plan.drawn[modelId] + amount);
        assertLe(plan.paid, plan.earned, "2: paid within earned");
    }

    function _payIn(Line storage line, address payer, uint128 amount) private {
        balances[payer] -= int128(amount);
        (line.held, line.paidIn) = (line.held + amount, line.paidIn + amount);
    }

    function _giveBack(Line storage line, address to, uint128 amount) private {
        assertEq(to, line.buyer, "3: what is returned goes to the buyer");
        balances[to] += int128(amount);
        (line.held, line.returned) = (line.held - amount, line.returned + amount);
    }

    function _close(Line storage line) private {
        assertEq(line.held, 0, "1: nothing is held for a closed subscription");
        line.closed = true;
    }

    function _earnTime(uint96 id, Line storage line, uint128 amount) private {
        (line.held, line.timeCost) = (line.held - amount, line.timeCost + amount);
        _earn(id, amount);
    }

    function _earn(uint96 id, uint256 amount) private {
        PlanLine storage plan = planLines[uint64(id >> 32)];
        plan.earned += amount;
        assertLe(plan.earned, EARNABLE, "2: earned within its width");
    }

    function _shareOf(uint64 planId, uint32 modelId) internal view returns (uint256) {
        PlanLine storage plan = planLines[planId];
        for (uint256 i = 0; i < plan.shares.length; ++i) {
            if (plan.shares[i].modelId != modelId) continue;
            return plan.earned * plan.shares[i].bps / 10_000 - plan.drawn[modelId];
        }
        revert("5: a share that was not published");
    }

    /// @dev Cost of the time since activation, rounded down.
    function _timeCost(uint96 id, uint256 through) internal view returns (uint256) {
        IModelCatalog.PlanTerms storage terms = _termsOf(id);
        return terms.period == 0 ? 0 : (through - lines[id].since) * terms.periodPrice / terms.period;
    }

    function _elapsedThrough(Line storage line) private view returns (uint32) {
        return uint32(nowAt() < line.paidThrough ? nowAt() : line.paidThrough);
    }

    function _isActive(Line storage line) internal view returns (bool) {
        return line.activated && !line.requested && !line.closed;
    }

    function _termsOf(uint96 id) internal view returns (IModelCatalog.PlanTerms storage) {
        return planLines[uint64(id >> 32)].terms;
    }

    function _statusTold(uint96 id) internal view returns (IMaaSMarket.Status) {
        Line storage line = lines[id];
        if (line.buyer == address(0)) return IMaaSMarket.Status.None;
        if (line.closed) return line.activated ? IMaaSMarket.Status.Released : IMaaSMarket.Status.Refunded;
        if (line.requested) return IMaaSMarket.Status.Releasing;
        if (line.activated) return IMaaSMarket.Status.Active;
        return nowAt() <= line.deadline ? IMaaSMarket.Status.Purchased : IMaaSMarket.Status.Refundable;
    }

    function _lineOf(Vm.Log memory log) private view returns (uint96 id, Line storage line) {
        id = uint96(_topic(log, 1));
        line = lines[id];
    }
}
