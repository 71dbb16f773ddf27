// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice Elapsed time becomes earnings, lazily and to the last unit.
contract CollectTimeTest is MarketUnit {
    function test_collectTime_theBatchIsEmpty_changesNothing() public {
        active(planId, 0, 1);
        vm.warp(nowAt() + PERIOD);
        bytes32 before = books();
        vm.recordLogs();
        market.collectTime(new uint96[](0));
        assertEq(books(), before);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_collectTime_noSuchSubscription_isSkippedAsUnknown(uint96 id) public {
        skipped(id, IMaaSMarket.SkipReason.Unknown);
    }

    function test_collectTime_aSubscriptionThatIsNotActive_isSkippedAsNotActive() public {
        for (uint8 i = 1; i <= uint8(type(IMaaSMarket.Status).max); ++i) {
            IMaaSMarket.Status status = IMaaSMarket.Status(i);
            if (status == IMaaSMarket.Status.Active) continue;
            uint96 id = inStatus(status);
            vm.warp(nowAt() + 1 hours);
            skipped(id, IMaaSMarket.SkipReason.NotActive);
        }
    }

    function test_collectTime_aPlanWithoutPeriods_isSkippedAsStale(uint32 wait) public {
        uint96 id = active(unitPlan, 5, 0);
        vm.warp(nowAt() + bound(wait, 0, 3_650 days));
        skipped(id, IMaaSMarket.SkipReason.Stale);
    }

    function test_collectTime_nothingElapsedSinceItWasLastCollected_isSkippedAsStale(uint32 elapsed) public {
        uint96 id = active(planId, 0, 1);
        vm.warp(nowAt() + bound(elapsed, 0, 2 * PERIOD));
        collect(id);
        skipped(id, IMaaSMarket.SkipReason.Stale);
    }

    /// @dev A period of a week costs seven units: one a day.
    function test_collectTime_lessElapsedThanOneUnitOfMoney_isSkippedAsStaleAndLosesNothing(uint32 elapsed) public {
        elapsed = uint32(bound(elapsed, 0, 1 days - 1));
        IModelCatalog.PlanTerms memory cheap = terms();
        cheap.periodPrice = 7;
        uint64 plan = publish(cheap);
        uint96 id = active(plan, 0, 1);
        uint256 start = nowAt();
        vm.warp(start + elapsed);
        skipped(id, IMaaSMarket.SkipReason.Stale);
        vm.warp(start + 1 days);
        collect(id);
        assertEq(earned(plan), 1);
    }

    function test_collectTime_moreDueThanThePlanCanStillEarn_isSkippedAsOverCap() public {
        (uint64 plan, uint96 filler, uint96 other) = almostFullPlan();
        settle(filler, market.subscription(filler).cap);
        vm.warp(nowAt() + PERIOD);
        uint256 before = earned(plan);
        skipped(other, IMaaSMarket.SkipReason.OverCap);
        assertEq(earned(plan), before);
    }

    function test_collectTime_timeElapsed_creditsThePlanWithItsCostRoundedDown(uint32 elapsed) public {
        uint96 id = active(planId, 0, 3);
        elapsed = uint32(bound(elapsed, 1, 3 * PERIOD));
        vm.warp(nowAt() + elapsed);
        collected(id, uint256(elapsed) * PERIOD_PRICE / PERIOD, nowAt());
    }

    function test_collectTime_severalCollections_addsUpToExactlyThePriceOfWholePeriods(uint32 first, uint32 second)
        public
    {
        uint96 id = active(planId, 0, 3);
        uint256 start = nowAt();
        first = uint32(bound(first, 0, 3 * PERIOD));
        second = uint32(bound(second, first, 3 * PERIOD));
        vm.warp(start + first);
        collect(id);
        assertEq(earned(planId), uint256(first) * PERIOD_PRICE / PERIOD);
        vm.warp(start + second);
        collect(id);
        assertEq(earned(planId), uint256(second) * PERIOD_PRICE / PERIOD);
        vm.warp(start + 3 * PERIOD);
        collect(id);
        assertEq(earned(planId), 3 * uint256(PERIOD_PRICE));
    }

    function test_collectTime_thePrepaidTimeHasPassed_creditsNoMoreThanWasPrepaid(uint32 late) public {
        uint96 id = active(planId, 0, 3);
        uint256 end = nowAt() + 3 * PERIOD;
        vm.warp(end + bound(late, 1, 3_650 days));
        collected(id, 3 * uint256(PERIOD_PRICE), end);
    }

    function test_collectTime_aRenewal_creditsTheRenewedTimeToo(uint32 elapsed) public {
        elapsed = uint32(bound(elapsed, 1, PERIOD));
        uint96 id = active(planId, 0, 1);
        uint256 start = nowAt();
        vm.warp(start + elapsed);
        collect(id);
        vm.prank(buyer);
        market.renew(id, 1);
        vm.warp(start + 2 * PERIOD);
        collected(id, 2 * uint256(PERIOD_PRICE) - uint256(elapsed) * PERIOD_PRICE / PERIOD, nowAt());
        assertEq(earned(planId), 2 * uint256(PERIOD_PRICE));
    }

    function test_collectTime_someHaveNothingDue_skipsAndNamesThemWhileTheRestIsCollected() public {
        uint96 id = active(planId, 0, 1);
        uint96 untimed = active(unitPlan, 5, 0);
        uint96 sleeping = buy(planId, 0, 1);
        uint96[] memory ids = new uint96[](4);
        (ids[0], ids[1], ids[2], ids[3]) = (id + 7, untimed, sleeping, id);
        vm.warp(nowAt() + PERIOD);
        expectSkipped(id + 7, IMaaSMarket.SkipReason.Unknown);
        expectSkipped(untimed, IMaaSMarket.SkipReason.Stale);
        expectSkipped(sleeping, IMaaSMarket.SkipReason.NotActive);
        expectCollected(id, PERIOD_PRICE, nowAt());
        market.collectTime(ids);
        assertEq(earned(planId), PERIOD_PRICE);
    }

    /// @dev Alone in its batch, by anyone: collected in full.
    function collected(uint96 id, uint256 amount, uint256 through) private {
        uint256 before = earned(planId);
        uint256 held = tokens(address(market));
        expectCollected(id, amount, through);
        vm.prank(anyone);
        collect(id);
        assertEq(earned(planId) - before, amount);
        assertEq(market.subscription(id).collectedThrough, through);
        assertEq(tokens(address(market)), held, "no token moves");
    }

    /// @dev Alone in its batch: named, and nothing changes.
    function skipped(uint96 id, IMaaSMarket.SkipReason reason) private {
        bytes32 before = books();
        expectSkipped(id, reason);
        collect(id);
        assertEq(books(), before, "a skipped collection changes nothing");
    }

    function expectCollected(uint96 id, uint256 amount, uint256 through) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.TimeCollected(id, amount, uint32(through));
    }
}
