// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Settling} from "./Settling.sol";

/// @title Steps of owners, of the catalogue, of the token and of the clock
abstract contract Owning is Settling {
    uint256 private constant MOST_PLANS = 24;

    function payout(uint256 seed) external {
        uint64 planId = _planUnpaid(_dice(seed, 0));
        (, uint96 before) = market.earningsOf(planId);
        (address caller, bool welcome) = _drawer(uint32(planId >> 32), _dice(seed, 1));
        bool passed = _play(caller, abi.encodeCall(IMaaSMarket.payout, (planId)));
        if (welcome) _must(passed, "L1: payout");
        (, uint96 then) = market.earningsOf(planId);
        _count(passed && then != before);
    }

    function payoutShare(uint256 seed) external {
        uint64 planId = _planShared(_dice(seed, 0));
        bool entitled = _dice(seed, 1) % 16 != 0;
        uint32 modelId = entitled ? _componentUnpaid(planId, _dice(seed, 2)) : uint32(planId >> 32);
        (, uint96 before) = market.earningsOf(planId);
        (address caller, bool welcome) = _drawer(modelId, _dice(seed, 3));
        bool passed = _play(caller, abi.encodeCall(IMaaSMarket.payoutShare, (planId, modelId)));
        if (entitled && welcome) _must(passed, "L1: payout of a share");
        if (!entitled) assertFalse(passed, "2: a share that was not published");
        (, uint96 then) = market.earningsOf(planId);
        _count(passed && then != before);
    }

    /// @dev Anybody for an owner without code; a contract that owns the model must draw itself, and mostly does.
    function _drawer(uint32 modelId, uint256 dice) private view returns (address caller, bool welcome) {
        address owner = modelLines[modelId].owner;
        bool self = owner.code.length != 0 && dice % 8 != 0;
        caller = self ? owner : _one(people, dice / 8);
        welcome = owner.code.length == 0 || caller == owner;
    }

    /// @dev Tokens that come without a call are nobody's.
    function donate(uint256 seed) external {
        address giver = _one(people, _dice(seed, 0));
        uint256 before = token.balanceOf(address(market));
        uint256 amount = _amount(_dice(seed, 1), token.balanceOf(giver));
        bytes memory call = abi.encodeCall(token.transfer, (address(market), amount));
        (bool passed,) = _call(address(token), giver, giver, call);
        donated += token.balanceOf(address(market)) - before;
        _must(passed, "L1: a plain transfer");
        _count(passed);
    }

    function sellModel(uint256 seed) external {
        uint32 modelId = uint32(1 + _dice(seed, 0) % modelsTold);
        address seller = modelLines[modelId].owner;
        address to = _dice(seed, 1) % 4 == 0 ? _one(people, _dice(seed, 2)) : _one(owners, _dice(seed, 2));
        bool own = _dice(seed, 3) % 16 != 0;
        address caller = own ? seller : _one(sessions, _dice(seed, 4));
        bool passed = _inCatalog(caller, abi.encodeCall(catalog.transferFrom, (seller, to, modelId)));
        assertEq(passed, own, "C3: only its owner moves a model");
        _count(passed);
    }

    /// @dev A new version of a model, composite or not, on any terms within the bounds.
    function publish(uint256 seed) external {
        uint64 like = plans[_dice(seed, 0) % 7];
        PlanLine storage old = planLines[like];
        uint32 modelId = uint32(like >> 32);
        address owner = modelLines[modelId].owner;
        if (plans.length == MOST_PLANS) return _count(_retire(seed));
        for (uint256 i = 0; i < old.shares.length; ++i) {
            uint32 part = old.shares[i].modelId;
            _inCatalog(modelLines[part].owner, abi.encodeCall(catalog.setAsk, (part, old.shares[i].bps)));
        }
        IModelCatalog.PlanTerms memory terms = _terms(
            uint64(_amount(_dice(seed, 1), DEAR_UNIT)),
            uint96(_amount(_dice(seed, 2), DEAR_PERIOD)),
            uint32(1 + _amount(_dice(seed, 3), 366 days - 1)),
            uint32(_bound(_dice(seed, 4), 1 hours, 30 days)),
            uint32(_bound(_dice(seed, 5), 1, 30 days))
        );
        if (terms.periodPrice == 0) terms.period = 0;
        address caller = _dice(seed, 6) % 16 == 0 ? sessions[0] : owner;
        bool passed = _inCatalog(caller, abi.encodeCall(catalog.publishPlan, (modelId, terms, old.shares)));
        assertEq(passed, caller == owner, "C3: only its owner publishes");
        if (passed) plans.push(uint64(modelId) << 32 | catalog.model(modelId).versions);
        _count(passed);
    }

    /// @dev Half of the plans stay on sale: else the market falls silent.
    function retire(uint256 seed) external {
        _count(_retire(seed));
    }

    function wait(uint256 seed) external {
        _warpTo(nowAt() + 1 + _amount(_dice(seed, 0), 4 weeks));
        _count(true);
    }

    /// @dev To the very second at which something begins or ends, or the one before or after it.
    function waitForALimit(uint256 seed) external {
        uint256 before = nowAt();
        for (uint256 i = 0; i < ids.length && nowAt() == before; ++i) {
            Line storage line = lines[ids[(_dice(seed, 0) % ids.length + i) % ids.length]];
            uint256[5] memory limits =
                [line.deadline, line.paidThrough, line.releasableAt, line.confirmableAt, uint256(line.since) + 7 days];
            for (uint256 j = 0; j < limits.length && nowAt() == before; ++j) {
                uint256 limit = limits[(_dice(seed, 1) % limits.length + j) % limits.length];
                if (limit != 0) _warpTo(limit - 1 + _dice(seed, 2) % 3);
            }
        }
        _count(nowAt() != before);
    }

    function _retire(uint256 seed) private returns (bool passed) {
        uint256 onSale = 0;
        for (uint256 i = 0; i < plans.length; ++i) {
            if (!planLines[plans[i]].retired) ++onSale;
        }
        uint64 planId = _dice(seed, 2) % 8 == 0 ? plans[_dice(seed, 0) % plans.length] : _planOnSale(_dice(seed, 0));
        bool own = _dice(seed, 1) % 16 != 0 && onSale > 3;
        address caller = own ? modelLines[uint32(planId >> 32)].owner : sessions[0];
        bool right = own && !planLines[planId].retired;
        passed = _inCatalog(caller, abi.encodeCall(catalog.retirePlan, (planId)));
        assertEq(passed, right, "C3: retired once, by its owner");
    }

    function _inCatalog(address caller, bytes memory call) private returns (bool passed) {
        (passed,) = _call(address(catalog), caller, caller, call);
    }

    function _planUnpaid(uint256 dice) private view returns (uint64 planId) {
        for (uint256 i = 0; i < plans.length; ++i) {
            planId = plans[(dice % plans.length + i) % plans.length];
            if (planLines[planId].earned > planLines[planId].paid) break;
        }
    }

    function _componentUnpaid(uint64 planId, uint256 dice) private view returns (uint32 modelId) {
        IModelCatalog.Share[] storage shares = planLines[planId].shares;
        for (uint256 i = 0; i < shares.length; ++i) {
            modelId = shares[(dice % shares.length + i) % shares.length].modelId;
            if (_shareOf(planId, modelId) != 0) break;
        }
    }

    function _planShared(uint256 dice) private view returns (uint64 planId) {
        for (uint256 i = 0; i < plans.length; ++i) {
            planId = plans[(dice % plans.length + i) % plans.length];
            if (planLines[planId].shares.length != 0 && planLines[planId].earned > planLines[planId].paid) {
                return planId;
            }
        }
        return plans[3];
    }
}
