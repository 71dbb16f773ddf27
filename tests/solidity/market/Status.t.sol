// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice What a subscription is, computed from facts and the clock.
contract StatusTest is MarketUnit {
    function test_statusOf_noSuchSubscription_isNone(uint96 id) public view {
        expectStatus(id, IMaaSMarket.Status.None);
    }

    function test_statusOf_atTheActivationDeadline_isPurchased(uint32 wait) public {
        uint96 id = buy(planId, 100, 2);
        vm.warp(nowAt() + bound(wait, 0, ACTIVATION_WINDOW));
        expectStatus(id, IMaaSMarket.Status.Purchased);
        vm.warp(market.activationDeadlineOf(id));
        expectStatus(id, IMaaSMarket.Status.Purchased);
    }

    function test_statusOf_aSecondLater_isRefundable(uint32 late) public {
        uint96 id = buy(planId, 100, 2);
        vm.warp(nowAt() + ACTIVATION_WINDOW + bound(late, 1, 3_650 days));
        expectStatus(id, IMaaSMarket.Status.Refundable);
    }

    function test_statusOf_itWasRefunded_isRefundedForEver(uint32 late) public {
        uint96 id = inStatus(IMaaSMarket.Status.Refunded);
        vm.warp(nowAt() + bound(late, 0, 3_650 days));
        expectStatus(id, IMaaSMarket.Status.Refunded);
    }

    function test_statusOf_itWasActivated_isActiveEvenWhenItsTimeHasLapsed(uint32 late) public {
        uint96 id = active(planId, 100, 2);
        vm.warp(nowAt() + bound(late, 0, 3_650 days));
        expectStatus(id, IMaaSMarket.Status.Active);
    }

    function test_statusOf_aReleaseWasRequested_isReleasingEvenAfterTheWindow(uint32 late) public {
        uint96 id = inStatus(IMaaSMarket.Status.Releasing);
        vm.warp(nowAt() + bound(late, 0, 3_650 days));
        expectStatus(id, IMaaSMarket.Status.Releasing);
    }

    function test_statusOf_itWasReleased_isReleasedForEver(uint32 late) public {
        uint96 id = inStatus(IMaaSMarket.Status.Released);
        vm.warp(nowAt() + bound(late, 0, 3_650 days));
        expectStatus(id, IMaaSMarket.Status.Released);
    }

    function test_subscription_noSuchSubscription_isAllZero() public view {
        expectRow(uint96(planId) << 32 | 1, IMaaSMarket.Subscription(address(0), address(0), 0, 0, 0, 0, 0, none()));
    }

    function test_subscription_itWasBought_showsNoTime() public {
        uint96 id = buy(planId, 100, 2);
        expectRow(id, IMaaSMarket.Subscription(buyer, session, 100, 0, 0, 0, 0, IMaaSMarket.Status.Purchased));
    }

    function test_subscription_itWasActivated_showsThePaidTimeAndWhatWasCollectedOfIt(uint32 elapsed) public {
        uint96 id = active(planId, 100, 2);
        uint32 since = uint32(nowAt());
        elapsed = uint32(bound(elapsed, 1, 3 * PERIOD));
        vm.warp(since + elapsed);
        settle(id, 40);
        IMaaSMarket.Subscription memory shown = IMaaSMarket.Subscription(
            buyer, session, 100, 40, since, since + 2 * PERIOD, since, IMaaSMarket.Status.Active
        );
        expectRow(id, shown);
        collect(id);
        shown.collectedThrough = elapsed < 2 * PERIOD ? uint32(nowAt()) : since + 2 * PERIOD;
        expectRow(id, shown);
    }

    function test_subscription_aReleaseWasRequested_showsTimeEndedAndCollectedAtTheRequest() public {
        uint96 id = active(planId, 100, 2);
        uint32 since = uint32(nowAt());
        vm.warp(since + PERIOD);
        request(id);
        vm.warp(since + 2 * PERIOD);
        expectRow(
            id,
            IMaaSMarket.Subscription(
                buyer, session, 100, 0, since, since + PERIOD, since + PERIOD, IMaaSMarket.Status.Releasing
            )
        );
    }

    function test_subscription_itWasReleased_keepsWhatWasUsed() public {
        uint96 id = active(planId, 100, 2);
        uint32 since = uint32(nowAt());
        settle(id, 60);
        request(id);
        release(id);
        expectRow(
            id, IMaaSMarket.Subscription(buyer, session, 100, 60, since, since, since, IMaaSMarket.Status.Released)
        );
    }

    function test_subscription_itWasRefunded_showsNoTimeEver() public {
        uint96 id = inStatus(IMaaSMarket.Status.Refunded);
        expectRow(id, IMaaSMarket.Subscription(buyer, session, 100, 0, 0, 0, 0, IMaaSMarket.Status.Refunded));
    }

    function test_isEntitled_anyStatusButActive_isFalse() public {
        for (uint8 i = 0; i <= uint8(type(IMaaSMarket.Status).max); ++i) {
            IMaaSMarket.Status status = IMaaSMarket.Status(i);
            assertEq(market.isEntitled(inStatus(status)), status == IMaaSMarket.Status.Active);
        }
    }

    function test_isEntitled_aPlanWithoutPeriods_isTrueForEver(uint32 late) public {
        uint96 id = active(unitPlan, 100, 0);
        vm.warp(nowAt() + bound(late, 0, 3_650 days));
        assertTrue(market.isEntitled(id));
    }

    function test_isEntitled_atTheLastPaidSecond_isTrue(uint32 elapsed) public {
        uint96 id = active(planId, 100, 2);
        uint256 start = nowAt();
        vm.warp(start + bound(elapsed, 0, 2 * PERIOD));
        assertTrue(market.isEntitled(id));
        vm.warp(start + 2 * PERIOD);
        assertTrue(market.isEntitled(id));
    }

    function test_isEntitled_aSecondLater_isFalse(uint32 late) public {
        uint96 id = active(planId, 100, 2);
        vm.warp(nowAt() + 2 * PERIOD + bound(late, 1, 3_650 days));
        assertFalse(market.isEntitled(id));
    }

    function test_isEntitled_aRenewal_isTrueForTheRenewedTime() public {
        uint96 id = active(planId, 100, 1);
        uint256 start = nowAt();
        vm.prank(buyer);
        market.renew(id, 1);
        vm.warp(start + 2 * PERIOD);
        assertTrue(market.isEntitled(id));
        vm.warp(start + 2 * PERIOD + 1);
        assertFalse(market.isEntitled(id));
    }

    function test_activationDeadlineOf_noSuchSubscription_isZero(uint96 id) public view {
        assertEq(market.activationDeadlineOf(id), 0);
    }

    function test_activationDeadlineOf_itWasBought_isTheLastSecondForActivation() public {
        uint256 deadline = nowAt() + ACTIVATION_WINDOW;
        uint96 id = buy(planId, 100, 2);
        assertEq(market.activationDeadlineOf(id), deadline);
        vm.warp(deadline + 1);
        assertEq(market.activationDeadlineOf(id), deadline, "also when refundable");
    }

    function test_activationDeadlineOf_itWasRefunded_staysThatSecond() public {
        uint256 deadline = nowAt() + ACTIVATION_WINDOW;
        assertEq(market.activationDeadlineOf(inStatus(IMaaSMarket.Status.Refunded)), deadline);
    }

    function test_activationDeadlineOf_itWasActivated_isZero() public {
        assertEq(market.activationDeadlineOf(inStatus(IMaaSMarket.Status.Active)), 0);
        assertEq(market.activationDeadlineOf(inStatus(IMaaSMarket.Status.Releasing)), 0);
        assertEq(market.activationDeadlineOf(inStatus(IMaaSMarket.Status.Released)), 0);
    }

    function test_releasableAt_noSuchSubscription_isZero(uint96 id) public view {
        assertEq(market.releasableAt(id), 0);
    }

    function test_releasableAt_itWasBought_isZero() public {
        assertEq(market.releasableAt(inStatus(IMaaSMarket.Status.Purchased)), 0);
        assertEq(market.releasableAt(inStatus(IMaaSMarket.Status.Refundable)), 0);
        assertEq(market.releasableAt(inStatus(IMaaSMarket.Status.Refunded)), 0);
    }

    function test_releasableAt_itWasActivated_isZero() public {
        assertEq(market.releasableAt(inStatus(IMaaSMarket.Status.Active)), 0);
    }

    function test_releasableAt_aReleaseWasRequested_isWhenAnyoneMayRelease() public {
        uint96 id = inStatus(IMaaSMarket.Status.Releasing);
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        assertEq(market.releasableAt(id), opensAt);
        vm.warp(opensAt);
        vm.prank(anyone);
        market.release(id);
    }

    function test_releasableAt_itWasReleased_staysThatSecond() public {
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        assertEq(market.releasableAt(inStatus(IMaaSMarket.Status.Released)), opensAt);
    }

    function expectRow(uint96 id, IMaaSMarket.Subscription memory shown) private view {
        assertEq(abi.encode(market.subscription(id)), abi.encode(shown));
    }

    function none() private pure returns (IMaaSMarket.Status) {
        return IMaaSMarket.Status.None;
    }
}
