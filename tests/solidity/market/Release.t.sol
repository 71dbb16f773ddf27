// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice A subscription ends: time at the request, units at the release.
contract ReleaseTest is MarketUnit {
    function test_requestRelease_notByTheBuyer_isRefused() public {
        refusedToAllButTheBuyer(market.requestRelease.selector, "");
    }

    function test_requestRelease_anyStatusButActive_isRefused() public {
        refusedInAllBut(
            IMaaSMarket.Status.None,
            IMaaSMarket.Status.Active,
            IMaaSMarket.Status.Active,
            buyer,
            market.requestRelease.selector,
            ""
        );
    }

    function test_requestRelease_aPlanWithoutPeriods_opensTheWindowAndMovesNoMoney() public {
        uint96 id = active(unitPlan, 100, 0);
        vm.warp(nowAt() + 10 days);
        expectRequested(id, 0, 0);
        request(id);
        assertEq(balance(buyer), 0);
        assertEq(earned(unitPlan), 0);
        assertEq(market.releasableAt(id), nowAt() + RELEASE_WINDOW);
        expectStatus(id, IMaaSMarket.Status.Releasing);
    }

    function test_requestRelease_inTheSecondOfActivation_returnsAllPrepaidTime() public {
        uint96 id = active(planId, 100, 4);
        expectRequested(id, 0, 4 * uint256(PERIOD_PRICE));
        request(id);
        assertSplit(0, 4 * uint256(PERIOD_PRICE));
    }

    function test_requestRelease_withinThePrepaidTime_paysWhatElapsedAndReturnsTheRest(uint32 elapsed) public {
        uint96 id = active(planId, 100, 4);
        elapsed = uint32(bound(elapsed, 0, 4 * PERIOD));
        vm.warp(nowAt() + elapsed);
        uint256 due = uint256(elapsed) * PERIOD_PRICE / PERIOD;
        expectRequested(id, due, 4 * uint256(PERIOD_PRICE) - due);
        request(id);
        assertSplit(due, 4 * uint256(PERIOD_PRICE) - due);
        assertEq(market.subscription(id).paidThrough, nowAt());
    }

    function test_requestRelease_afterThePrepaidTime_paysAllOfIt(uint32 late) public {
        uint96 id = active(planId, 100, 4);
        vm.warp(nowAt() + 4 * PERIOD + bound(late, 1, 3_650 days));
        expectRequested(id, 4 * uint256(PERIOD_PRICE), 0);
        request(id);
        assertSplit(4 * uint256(PERIOD_PRICE), 0);
    }

    function test_requestRelease_timeCollectedBefore_paysOnlyWhatElapsedSince(uint32 first, uint32 second) public {
        uint96 id = active(planId, 100, 4);
        first = uint32(bound(first, 0, 4 * PERIOD));
        second = uint32(bound(second, 0, 4 * PERIOD - first));
        vm.warp(nowAt() + first);
        collect(id);
        uint256 collected = uint256(first) * PERIOD_PRICE / PERIOD;
        vm.warp(nowAt() + second);
        uint256 due = (uint256(first) + second) * PERIOD_PRICE / PERIOD;
        expectRequested(id, due - collected, 4 * uint256(PERIOD_PRICE) - due);
        request(id);
        assertSplit(due, 4 * uint256(PERIOD_PRICE) - due);
    }

    function test_requestRelease_aPlanThatCannotEarnAllOfTheTime_returnsWhatThePlanCannotEarn() public {
        (uint64 plan, uint96 filler, uint96 other) = almostFullPlan();
        settle(filler, market.subscription(filler).cap);
        uint256 room = mostEarned() - earned(plan);
        vm.warp(nowAt() + PERIOD);
        expectRequested(other, room, 2 * DEAR_PERIOD - room);
        request(other);
        assertEq(earned(plan), mostEarned());
        assertEq(balance(buyer), 2 * DEAR_PERIOD - room);
    }

    function test_requestRelease_endsEntitlementAtOnce() public {
        uint96 id = active(planId, 100, 1);
        assertTrue(market.isEntitled(id));
        request(id);
        assertFalse(market.isEntitled(id));
    }

    function test_release_anyStatusButReleasing_isRefused() public {
        IMaaSMarket.Status needed = IMaaSMarket.Status.Releasing;
        refusedInAllBut(needed, needed, needed, provider, market.release.selector, "");
    }

    function test_release_byAnyoneButTheModelsOwner_isRefused(address caller, uint32 wait) public {
        vm.assume(caller != provider);
        uint96 id = releasing(100);
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        vm.warp(nowAt() + bound(wait, 0, RELEASE_WINDOW - 1));
        refused(caller, abi.encodeCall(market.release, (id)), tooEarly(opensAt));
    }

    function test_release_byTheModelsOwner_isReleased() public {
        uint96 id = releasing(100);
        expectReleased(id, 100 * UNIT_PRICE);
        release(id);
        assertEq(balance(buyer), 100 * UNIT_PRICE);
        expectStatus(id, IMaaSMarket.Status.Released);
    }

    function test_release_aModelThatWasSold_isForTheNewOwnerAloneToReleaseEarly() public {
        uint96 id = releasing(100);
        sellModel(friend);
        refused(provider, abi.encodeCall(market.release, (id)), tooEarly(nowAt() + RELEASE_WINDOW));
        vm.prank(friend);
        market.release(id);
        expectStatus(id, IMaaSMarket.Status.Released);
    }

    function test_release_byAnyone_returnsThePriceOfTheUnusedUnitsToTheBuyer(uint40 cap, uint40 used, uint32 wait)
        public
    {
        cap = uint40(bound(cap, 1, 1_000_000));
        used = uint40(bound(used, 0, cap));
        uint96 id = active(unitPlan, cap, 0);
        settle(id, used);
        request(id);
        vm.warp(nowAt() + bound(wait, RELEASE_WINDOW, 3_650 days));
        uint256 rest = (uint256(cap) - used) * UNIT_PRICE;
        expectReleased(id, rest);
        vm.prank(anyone);
        market.release(id);
        assertEq(balance(buyer), rest);
        assertEq(earned(unitPlan), uint256(used) * UNIT_PRICE);
        assertEq(tokens(address(market)), uint256(cap) * UNIT_PRICE);
        expectStatus(id, IMaaSMarket.Status.Released);
    }

    function test_release_allUnitsUsed_returnsNothing() public {
        uint96 id = releasing(100);
        settle(id, 100);
        expectReleased(id, 0);
        release(id);
        assertEq(balance(buyer), 0);
    }

    function test_release_vouchersSettledDuringTheWindow_returnsOnlyWhatTheyLeft(uint40 used) public {
        used = uint40(bound(used, 1, 100));
        uint96 id = releasing(100);
        vm.warp(nowAt() + 10 * RELEASE_WINDOW);
        settle(id, used);
        release(id);
        assertEq(balance(buyer), (100 - uint256(used)) * UNIT_PRICE);
        assertEq(earned(unitPlan), uint256(used) * UNIT_PRICE);
    }

    function test_release_theAccountWouldHoldMoreThan128Bits_isRefused() public {
        useAbundantToken();
        uint96 id = releasing(1);
        vm.prank(buyer);
        market.deposit(buyer, type(uint128).max);
        refused(provider, abi.encodeCall(market.release, (id)), overflow("balance"));
    }

    function releasing(uint40 cap) private returns (uint96 id) {
        id = active(unitPlan, cap, 0);
        request(id);
    }

    function expectRequested(uint96 id, uint256 timePaid, uint256 timeRefunded) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.ReleaseRequested(id, timePaid, timeRefunded, uint64(nowAt() + RELEASE_WINDOW));
    }

    function expectReleased(uint96 id, uint256 rest) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Released(id, buyer, rest);
    }

    function assertSplit(uint256 timePaid, uint256 timeRefunded) private view {
        assertEq(earned(planId), timePaid, "earned");
        assertEq(balance(buyer), timeRefunded, "returned");
    }

    function tooEarly(uint256 opensAt) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, opensAt, nowAt());
    }
}
