// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../contracts/interfaces/IModelCatalog.sol";
import {House} from "./House.sol";

/// @notice Vouchers, batches, payout and composites' shares.
contract MarketSettlementTest is House {
    function test_settle_creditsThePlan_andReplayIsANoOp() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory one = voucher(id, 40);
        vm.expectEmit();
        emit IMaaSMarket.Settled(id, 40, 40 * UNIT_PRICE, one.usageRoot);
        settle(one);
        vm.expectEmit();
        emit IMaaSMarket.Skipped(id, IMaaSMarket.SkipReason.Stale);
        settle(one);
        assertEq(earned(unitPlan), 40 * UNIT_PRICE);
        assertEq(market.subscription(id).used, 40);
    }

    function test_settle_badItems_areSkippedAndNamed_whileTheRestApplies() public {
        uint96 good = active(unitPlan, 100, 0);
        uint96 sleeping = buy(unitPlan, 100, 0);
        uint96 timed = active(planId, 100, 1);
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](7);
        batch[0] = voucher(good, 10);
        batch[1] = voucher(uint96(unitPlan) << 32 | 99, 10);
        batch[2] = voucher(sleeping, 10);
        batch[3] = voucher(good, 10);
        batch[4] = voucher(good, 101);
        batch[5] = voucher(timed, 20);
        batch[5].usageRoot = keccak256("forged");
        batch[6] = voucher(good, 30);
        vm.expectEmit();
        emit IMaaSMarket.Settled(good, 10, 10 * UNIT_PRICE, batch[0].usageRoot);
        expectSkipped(batch[1].subscriptionId, IMaaSMarket.SkipReason.Unknown);
        expectSkipped(sleeping, IMaaSMarket.SkipReason.NotActive);
        expectSkipped(good, IMaaSMarket.SkipReason.Stale);
        expectSkipped(good, IMaaSMarket.SkipReason.OverCap);
        expectSkipped(timed, IMaaSMarket.SkipReason.BadSignature);
        vm.expectEmit();
        emit IMaaSMarket.Settled(good, 30, 20 * UNIT_PRICE, batch[6].usageRoot);
        market.settle(batch);
        assertEq(earned(unitPlan), 30 * UNIT_PRICE);
        assertEq(earned(planId), 0);
    }

    function test_settle_malformedSignatures_areSkipped(bytes32 r, bytes32 vs) public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory one = voucher(id, 40);
        vm.assume(r != one.r || vs != one.vs);
        (one.r, one.vs) = (r, vs);
        expectSkipped(id, IMaaSMarket.SkipReason.BadSignature);
        settle(one);
        assertEq(market.subscription(id).used, 0);
    }

    function test_settle_anyOrderAndRepetition_endsInTheSameState(uint256 seed) public {
        uint96[2] memory ids = [active(unitPlan, 1_000, 0), active(planId, 1_000, 1)];
        uint40[2] memory most;
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](12);
        for (uint256 i = 0; i < batch.length; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint40 units = uint40(random % 1_200);
            batch[i] = voucher(ids[random >> 255], units);
            if (units <= 1_000 && units > most[random >> 255]) most[random >> 255] = units;
        }
        market.settle(batch);
        assertEq(market.subscription(ids[0]).used, most[0]);
        assertEq(market.subscription(ids[1]).used, most[1]);
        assertEq(earned(unitPlan), most[0] * UNIT_PRICE);
        assertEq(earned(planId), most[1] * UNIT_PRICE);
    }

    function test_payout_goesToTheCurrentOwner_once() public {
        settle(active(unitPlan, 100, 0), 40);
        address heir = makeAddr("heir");
        vm.prank(provider);
        catalog.transferFrom(provider, heir, composite);
        vm.expectEmit();
        emit IMaaSMarket.PaidOut(unitPlan, heir, 40 * UNIT_PRICE);
        assertEq(market.payout(unitPlan), 40 * UNIT_PRICE);
        assertEq(market.payout(unitPlan), 0);
        assertEq(credit.balanceOf(heir), 40 * UNIT_PRICE);
        (uint256 all, uint256 paid) = market.earningsOf(unitPlan);
        assertEq(all, paid);
    }

    function test_payout_ofAComposite_sharesToTheLastUnit(uint40 first, uint40 second) public {
        uint96 id = active(compositePlan, 1_000_000, 1);
        first = uint40(bound(first, 1, 500_000));
        second = uint40(bound(second, first + 1, 1_000_000));
        settle(id, first);
        market.payoutShare(compositePlan, component);
        settle(id, second);
        market.payout(compositePlan);
        market.payoutShare(compositePlan, component);
        market.payout(compositePlan);
        uint256 all = uint256(second) * UNIT_PRICE;
        assertEq(credit.balanceOf(componentOwner), all * 3_000 / 10_000);
        assertEq(credit.balanceOf(provider), all - all * 3_000 / 10_000);
        assertEq(market.sharePending(compositePlan, component), 0);
    }

    function test_payoutShare_ofAStranger_isRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotEntitledToShare.selector, compositePlan, composite));
        market.payoutShare(compositePlan, composite);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotEntitledToShare.selector, unitPlan, component));
        market.payoutShare(unitPlan, component);
    }

    function test_pinnedPrice_ofAnOlderPlan_staysWhenANewOneIsPublished() public {
        uint96 id = active(unitPlan, 100, 0);
        IModelCatalog.PlanTerms memory dearer = terms();
        dearer.unitPrice = 10 * UNIT_PRICE;
        vm.prank(provider);
        catalog.publishPlan(composite, dearer, new IModelCatalog.Share[](0));
        settle(id, 10);
        assertEq(earned(unitPlan), 10 * UNIT_PRICE);
    }

    function expectSkipped(uint96 id, IMaaSMarket.SkipReason reason) private {
        vm.expectEmit();
        emit IMaaSMarket.Skipped(id, reason);
    }
}
