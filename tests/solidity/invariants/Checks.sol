// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Watched} from "./Watched.sol";

/// @title The numbered invariants of docs/invariants.md that hold of a state, asked of the market's views
abstract contract Checks is Watched {
    struct PlanSeen {
        uint96 earned;
        uint96 paid;
    }

    uint256 internal donated;
    mapping(uint96 id => uint40) private _usedSeen;
    mapping(uint96 id => uint40) private _capSeen;
    mapping(uint96 id => bytes32) private _closedSeen;
    mapping(uint64 planId => PlanSeen) private _planSeen;

    function check() external override {
        assertEq(nowAt(), block.timestamp, "the players' clock is the chain's");
        uint256 owed = 0;
        for (uint256 i = 0; i < people.length; ++i) {
            owed += _checkAccount(people[i]);
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            owed += _checkSubscription(ids[i]);
        }
        for (uint256 i = 0; i < plans.length; ++i) {
            owed += _checkPlan(plans[i]);
        }
        assertEq(owed + donated, token.balanceOf(address(market)), "1: solvency");
    }

    function _checkAccount(address who) private view returns (uint256) {
        (uint128 balance, uint64 nonce) = market.accountOf(who);
        assertEq(int256(uint256(balance)), balances[who], "5: balance as told");
        assertEq(nonce, nonces[who], "5: nonce as told");
        return balance;
    }

    /// @return held the money that the market keeps for the subscription, unearned, by the facts of its view
    function _checkSubscription(uint96 id) private returns (uint256 held) {
        IMaaSMarket.Subscription memory seen = market.subscription(id);
        _checkGrowth(id, seen);
        if (_closedSeen[id] != 0) {
            assertEq(keccak256(abi.encode(seen)), _closedSeen[id], "4: closed is closed");
            return 0;
        }
        _checkAsTold(id, seen);
        _checkCost(id, seen);
        if (lines[id].closed) {
            _closedSeen[id] = keccak256(abi.encode(seen));
            return 0;
        }
        return _heldBySight(id, seen);
    }

    function _checkGrowth(uint96 id, IMaaSMarket.Subscription memory seen) private {
        assertLe(seen.used, seen.cap, "2: used within cap");
        assertGe(seen.used, _usedSeen[id], "2: used only grows");
        assertGe(seen.cap, _capSeen[id], "2: cap only grows");
        (_usedSeen[id], _capSeen[id]) = (seen.used, seen.cap);
    }

    function _checkAsTold(uint96 id, IMaaSMarket.Subscription memory seen) private view {
        Line storage told = lines[id];
        IMaaSMarket.Status status = _statusTold(id);
        assertEq(uint256(seen.status), uint256(status), "5: status as told");
        assertEq(seen.buyer, told.buyer, "5: buyer as told");
        assertEq(seen.signer, told.signer, "5: signer as told");
        assertEq(seen.cap, told.cap, "5: cap as told");
        assertEq(seen.used, told.used, "5: used as told");
        assertEq(seen.since, told.since, "5: since as told");
        assertEq(seen.paidThrough, told.paidThrough, "5: paidThrough as told");
        assertEq(seen.collectedThrough, told.collectedThrough, "5: collectedThrough as told");
        assertEq(market.activationDeadlineOf(id), told.activated ? 0 : told.deadline, "5: deadline as told");
        assertEq(market.releasableAt(id), told.releasableAt, "5: releasableAt as told");
        bool lapsed = _termsOf(id).period != 0 && nowAt() > told.paidThrough;
        bool entitled = status == IMaaSMarket.Status.Active && !lapsed;
        assertEq(market.isEntitled(id), entitled, "5: entitled as told");
    }

    /// @dev Invariant 7: what it cost so far is its units (each step of which was signed: see Watched) at their price, and
    ///      time between activation and request.
    function _checkCost(uint96 id, IMaaSMarket.Subscription memory seen) private view {
        Line storage told = lines[id];
        assertEq(told.unitCost, uint256(seen.used) * _termsOf(id).unitPrice, "7: cost of the units");
        uint256 elapsed = nowAt() < seen.paidThrough ? nowAt() : seen.paidThrough;
        uint256 most = seen.since == 0 ? 0 : _timeCost(id, elapsed);
        assertLe(told.timeCost, most, "7: cost of the time between activation and request");
        assertEq(told.paidIn, told.unitCost + told.timeCost + told.returned + told.held, "1: paid in and out");
    }

    function _heldBySight(uint96 id, IMaaSMarket.Subscription memory seen) private view returns (uint256 held) {
        IModelCatalog.PlanTerms storage terms = _termsOf(id);
        held = uint256(seen.cap - seen.used) * terms.unitPrice;
        if (seen.since == 0) return held + uint256(lines[id].periods) * terms.periodPrice;
        return held + _timeCost(id, seen.paidThrough) - _timeCost(id, seen.collectedThrough);
    }

    function _checkPlan(uint64 planId) private returns (uint256 unpaid) {
        PlanLine storage told = planLines[planId];
        (uint96 earned, uint96 paid) = market.earningsOf(planId);
        PlanSeen storage seen = _planSeen[planId];
        assertEq(earned, told.earned, "5: earned as told");
        assertEq(paid, told.paid, "5: paid as told");
        if (earned == seen.earned && paid == seen.paid) return earned - paid;
        assertLe(paid, earned, "2: paid within earned");
        assertGe(earned, seen.earned, "2: earned only grows");
        assertGe(paid, seen.paid, "2: paid only grows");
        (seen.earned, seen.paid) = (earned, paid);
        for (uint256 i = 0; i < told.shares.length; ++i) {
            uint32 modelId = told.shares[i].modelId;
            assertEq(market.sharePending(planId, modelId), _shareOf(planId, modelId), "5: share as told");
        }
        return earned - paid;
    }
}
