// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {House} from "./House.sol";

/// @notice A subscription's life: activation, refund, time, top-up, session keys, release.
contract MarketLifeTest is House {
    function test_activate_bySessionKey_startsTheTime() public {
        uint96 id = buy(planId, 100, 2);
        vm.warp(nowAt() + 1 hours);
        vm.expectEmit();
        emit IMaaSMarket.Activated(id, ENDPOINT, uint32(nowAt()), uint32(nowAt()) + 2 * PERIOD);
        activate(id);
        expectStatus(id, IMaaSMarket.Status.Active);
        assertTrue(market.isEntitled(id));
        assertEq(market.activationDeadlineOf(id), 0);
    }

    function test_activate_otherKeyOrEndpoint_isRefused() public {
        uint96 id = buy(planId, 100, 1);
        (bytes32 r, bytes32 vs) = compact(buyerKey, market.hashActivation(id, ENDPOINT));
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, session));
        market.activate(id, ENDPOINT, r, vs);
        (r, vs) = compact(sessionKey, market.hashActivation(id, ENDPOINT));
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, session));
        market.activate(id, keccak256("elsewhere"), r, vs);
    }

    function test_activate_twiceOrUnknown_isRefused() public {
        uint96 id = active(planId, 100, 1);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Purchased, IMaaSMarket.Status.Active));
        market.activate(id, ENDPOINT, 0, 0);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Purchased, IMaaSMarket.Status.None));
        market.activate(id + 1, ENDPOINT, 0, 0);
    }

    function test_activate_atTheDeadline_yes_afterIt_no() public {
        uint96 first = buy(planId, 100, 1);
        uint96 second = buy(planId, 100, 1);
        uint256 deadline = nowAt() + ACTIVATION_WINDOW;
        vm.warp(deadline);
        activate(first);
        vm.warp(deadline + 1);
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(second, ENDPOINT));
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooLate.selector, deadline, deadline + 1));
        market.activate(second, ENDPOINT, r, vs);
    }

    function test_refund_afterTheDeadline_returnsEverything(uint40 cap, uint32 periods) public {
        cap = uint40(bound(cap, 0, 10_000_000));
        periods = uint32(bound(periods, 1, 100));
        uint96 id = buy(planId, cap, periods);
        uint256 deadline = nowAt() + ACTIVATION_WINDOW;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, deadline + 1, deadline));
        market.refund(id);
        vm.warp(deadline + 1);
        expectStatus(id, IMaaSMarket.Status.Refundable);
        vm.prank(makeAddr("anyone"));
        market.refund(id);
        assertEq(balance(buyer), uint256(cap) * UNIT_PRICE + uint256(periods) * PERIOD_PRICE);
        expectStatus(id, IMaaSMarket.Status.Refunded);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Refundable, IMaaSMarket.Status.Refunded));
        market.refund(id);
    }

    function test_time_accruesLazily_andAddsUpExactly(uint32 first, uint32 second) public {
        uint96 id = active(planId, 0, 3);
        uint256 start = nowAt();
        uint256 end = 3 * uint256(PERIOD);
        first = uint32(bound(first, 0, end));
        second = uint32(bound(second, first, end));
        collectAt(id, start + first);
        assertEq(earned(planId), uint256(first) * PERIOD_PRICE / PERIOD);
        collectAt(id, start + second);
        assertEq(earned(planId), uint256(second) * PERIOD_PRICE / PERIOD);
        collectAt(id, start + end + 1 days);
        assertEq(earned(planId), 3 * uint256(PERIOD_PRICE), "whole periods, whole price");
        assertEq(market.subscription(id).collectedThrough, start + end);
    }

    function test_collectTime_nothingDue_skipsAndGoesOn() public {
        uint96 id = active(planId, 0, 1);
        uint96 unitOnly = active(unitPlan, 5, 0);
        uint96[] memory ids = new uint96[](3);
        (ids[0], ids[1], ids[2]) = (id + 7, unitOnly, id);
        vm.warp(nowAt() + PERIOD);
        vm.expectEmit();
        emit IMaaSMarket.Skipped(id + 7, IMaaSMarket.SkipReason.Unknown);
        vm.expectEmit();
        emit IMaaSMarket.Skipped(unitOnly, IMaaSMarket.SkipReason.Stale);
        vm.expectEmit();
        emit IMaaSMarket.TimeCollected(id, PERIOD_PRICE, uint32(nowAt()));
        market.collectTime(ids);
    }

    function test_isEntitled_untilPaidThrough() public {
        uint96 timed = active(planId, 10, 1);
        uint96 untimed = active(unitPlan, 10, 0);
        vm.warp(nowAt() + PERIOD);
        assertTrue(market.isEntitled(timed));
        vm.warp(nowAt() + 1);
        assertFalse(market.isEntitled(timed));
        assertTrue(market.isEntitled(untimed));
    }

    function test_renew_byAnyone_whileNotLapsed() public {
        uint96 id = active(planId, 0, 1);
        uint32 paidThrough = market.subscription(id).paidThrough;
        address friend = fundedFriend();
        vm.warp(paidThrough);
        vm.prank(friend);
        vm.expectEmit();
        emit IMaaSMarket.Renewed(id, friend, 2, paidThrough + 2 * PERIOD, 2 * uint256(PERIOD_PRICE));
        market.renew(id, 2);
        vm.warp(uint256(paidThrough) + 2 * PERIOD + 1);
        vm.prank(friend);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Lapsed.selector, uint256(paidThrough) + 2 * PERIOD));
        market.renew(id, 1);
    }

    function test_renew_planWithoutPeriods_isRefused() public {
        uint96 id = active(unitPlan, 5, 0);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NoPeriods.selector, unitPlan));
        market.renew(id, 1);
    }

    function test_raiseCap_byAGiver_isRefundedToTheBuyer() public {
        uint96 id = active(unitPlan, 10, 0);
        address friend = fundedFriend();
        vm.prank(friend);
        market.raiseCap(id, 5);
        settle(id, 15);
        vm.prank(friend);
        market.raiseCap(id, 7);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.prank(provider);
        market.release(id);
        assertEq(balance(buyer), 7 * UNIT_PRICE);
        assertEq(balance(friend), 0);
    }

    function test_raiseCap_refusals() public {
        uint96 id = buy(unitPlan, 10, 0);
        vm.startPrank(buyer);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Active, IMaaSMarket.Status.Purchased));
        market.raiseCap(id, 1);
        activate(id);
        vm.expectRevert(IMaaSMarket.NothingBought.selector);
        market.raiseCap(id, 0);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("cap")));
        market.raiseCap(id, type(uint40).max);
    }

    function test_signer_rotatesAfterTheWindow_andOnlyOneIsValid() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory old = voucher(id, 10);
        IMaaSMarket.Voucher memory tooLate = voucher(id, 20);
        (address fresh, uint256 freshKey) = makeAddrAndKey("fresh");
        vm.prank(buyer);
        market.proposeSigner(id, fresh);
        settle(old);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, nowAt() + RELEASE_WINDOW, nowAt()));
        market.confirmSigner(id);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
        assertEq(market.subscription(id).signer, fresh);
        vm.expectEmit();
        emit IMaaSMarket.Skipped(id, IMaaSMarket.SkipReason.BadSignature);
        settle(tooLate);
        sessionKey = freshKey;
        settle(id, 30);
        assertEq(market.subscription(id).used, 30);
    }

    function test_signer_refusals() public {
        uint96 id = active(unitPlan, 100, 0);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, address(this)));
        market.proposeSigner(id, provider);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NothingProposed.selector, id));
        market.confirmSigner(id);
        vm.startPrank(buyer);
        vm.expectRevert(IMaaSMarket.ZeroSigner.selector);
        market.proposeSigner(id, address(0));
    }

    function test_release_splitsTimeAndUnits(uint32 elapsed, uint40 used) public {
        uint96 id = active(planId, 1_000, 4);
        elapsed = uint32(bound(elapsed, 0, 5 * uint256(PERIOD)));
        used = uint40(bound(used, 0, 1_000));
        vm.warp(nowAt() + elapsed);
        vm.prank(buyer);
        market.requestRelease(id);
        uint256 cost = 4 * uint256(PERIOD_PRICE);
        uint256 timePaid = elapsed >= 4 * uint256(PERIOD) ? cost : uint256(elapsed) * PERIOD_PRICE / PERIOD;
        assertEq(earned(planId), timePaid);
        assertEq(balance(buyer), cost - timePaid);
        expectStatus(id, IMaaSMarket.Status.Releasing);
        assertFalse(market.isEntitled(id));
        settle(id, used);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.release(id);
        expectStatus(id, IMaaSMarket.Status.Released);
        assertEq(balance(buyer), cost - timePaid + (1_000 - uint256(used)) * UNIT_PRICE);
        assertEq(earned(planId), timePaid + uint256(used) * UNIT_PRICE);
        assertEq(balance(buyer) + earned(planId), credit.balanceOf(address(market)));
    }

    function test_release_tooEarly_exceptByTheModelsOwner() public {
        uint96 id = active(unitPlan, 1_000, 0);
        vm.prank(buyer);
        market.requestRelease(id);
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        assertEq(market.releasableAt(id), opensAt);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, opensAt, nowAt()));
        market.release(id);
        vm.prank(provider);
        market.release(id);
        expectStatus(id, IMaaSMarket.Status.Released);
    }

    function test_afterARequest_noTopUp_butVouchersUntilReleaseExecutes() public {
        uint96 id = active(planId, 1_000, 1);
        vm.startPrank(buyer);
        market.requestRelease(id);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Active, IMaaSMarket.Status.Releasing));
        market.raiseCap(id, 1);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Active, IMaaSMarket.Status.Releasing));
        market.renew(id, 1);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Active, IMaaSMarket.Status.Releasing));
        market.requestRelease(id);
        vm.warp(nowAt() + 10 * uint256(RELEASE_WINDOW));
        settle(id, 300);
        assertEq(market.subscription(id).used, 300);
        market.release(id);
        settle(id, 400);
        assertEq(market.subscription(id).used, 300, "nothing changes after release");
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Releasing, IMaaSMarket.Status.Released));
        market.release(id);
    }

    function test_requestRelease_byAnother_isRefused() public {
        uint96 id = active(unitPlan, 1_000, 0);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, address(this)));
        market.requestRelease(id);
    }

    function collectAt(uint96 id, uint256 time) private {
        vm.warp(time);
        uint96[] memory ids = new uint96[](1);
        ids[0] = id;
        market.collectTime(ids);
    }

    function fundedFriend() private returns (address friend) {
        friend = makeAddr("friend");
        credit.faucet(friend, 1e12);
        vm.prank(friend);
        credit.approve(address(market), type(uint256).max);
    }
}
