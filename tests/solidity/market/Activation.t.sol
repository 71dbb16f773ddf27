// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice A purchase becomes a service, or its money comes back.
contract ActivationTest is MarketUnit {
    function test_activate_anyStatusButPurchasedOrRefundable_isRefused() public {
        refusedInAllBut(
            IMaaSMarket.Status.Purchased,
            IMaaSMarket.Status.Refundable,
            IMaaSMarket.Status.Purchased,
            anyone,
            market.activate.selector,
            abi.encode(ENDPOINT, 0, 0)
        );
    }

    function test_activate_aDeadlineThatHasPassed_isRefused(uint32 late) public {
        uint96 id = buy(planId, 100, 1);
        uint256 deadline = nowAt() + ACTIVATION_WINDOW;
        vm.warp(deadline + bound(late, 1, 3_650 days));
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(id, ENDPOINT));
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.TooLate.selector, deadline, nowAt());
        refused(anyone, abi.encodeCall(market.activate, (id, ENDPOINT, r, vs)), reason);
    }

    function test_activate_anotherKeySigned_isRefused() public {
        uint96 id = buy(planId, 100, 1);
        refusedSignature(id, buyerKey, market.hashActivation(id, ENDPOINT));
        refusedSignature(id, meterKey, market.hashActivation(id, ENDPOINT));
    }

    function test_activate_theKeySignedAnotherEndpoint_isRefused() public {
        uint96 id = buy(planId, 100, 1);
        refusedSignature(id, sessionKey, market.hashActivation(id, keccak256("elsewhere")));
    }

    function test_activate_theKeySignedAnotherSubscription_isRefused() public {
        uint96 id = buy(planId, 100, 1);
        uint96 other = buy(planId, 100, 1);
        refusedSignature(id, sessionKey, market.hashActivation(other, ENDPOINT));
    }

    function test_activate_theKeySignedForAnotherChain_isRefused() public {
        uint96 id = buy(planId, 100, 1);
        bytes32 digest = market.hashActivation(id, ENDPOINT);
        vm.chainId(block.chainid + 1);
        refusedSignature(id, sessionKey, digest);
    }

    function test_activate_theKeySignedForAnotherMarket_isRefused() public {
        bytes32 digest = market.hashActivation(uint96(planId) << 32 | 1, ENDPOINT);
        market = deployMarket(address(catalog), address(credit));
        vm.prank(buyer);
        credit.approve(address(market), type(uint256).max);
        refusedSignature(buy(planId, 100, 1), sessionKey, digest);
    }

    function test_activate_theSignatureIsMalformed_isRefused(bytes32 r, bytes32 vs) public {
        refusedParts(buy(planId, 100, 1), r, vs);
    }

    function test_activate_atTheDeadline_isAccepted() public {
        uint96 id = buy(planId, 100, 1);
        vm.warp(market.activationDeadlineOf(id));
        activate(id);
        expectStatus(id, IMaaSMarket.Status.Active);
    }

    function test_activate_aPlanWithoutPeriods_paysForNoTime() public {
        uint96 id = buy(unitPlan, 100, 0);
        expectActivated(id, uint32(nowAt()));
        activate(id);
        assertTime(id, uint32(nowAt()));
    }

    function test_activate_aPlanWithPeriods_startsThePrepaidTime(uint32 wait, uint32 periods) public {
        periods = uint32(bound(periods, 1, 100));
        uint96 id = buy(planId, 100, periods);
        vm.warp(nowAt() + bound(wait, 0, ACTIVATION_WINDOW));
        uint32 paidThrough = uint32(nowAt()) + periods * PERIOD;
        expectActivated(id, paidThrough);
        activate(id);
        assertTime(id, paidThrough);
    }

    function test_activate_anyoneSubmitsIt_movesNoMoney() public {
        uint96 id = buy(planId, 100, 2);
        uint256 held = tokens(address(market));
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(id, ENDPOINT));
        vm.prank(anyone);
        market.activate(id, ENDPOINT, r, vs);
        assertEq(tokens(address(market)), held);
        assertEq(balance(buyer), 0);
        assertEq(earned(planId), 0);
    }

    function test_refund_anyStatusButPurchasedOrRefundable_isRefused() public {
        refusedInAllBut(
            IMaaSMarket.Status.Purchased,
            IMaaSMarket.Status.Refundable,
            IMaaSMarket.Status.Refundable,
            anyone,
            market.refund.selector,
            ""
        );
    }

    function test_refund_aDeadlineThatHasNotPassed_isRefused(uint32 wait) public {
        uint96 id = buy(planId, 100, 1);
        uint256 deadline = nowAt() + ACTIVATION_WINDOW;
        vm.warp(nowAt() + bound(wait, 0, ACTIVATION_WINDOW));
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, deadline + 1, nowAt());
        refused(buyer, abi.encodeCall(market.refund, (id)), reason);
    }

    function test_refund_anyoneSubmitsItAfterTheDeadline_returnsEverythingToTheBuyer(
        uint40 cap,
        uint32 periods,
        uint32 late
    ) public {
        cap = uint40(bound(cap, 0, 10_000_000));
        periods = uint32(bound(periods, 1, 100));
        uint96 id = buy(planId, cap, periods);
        vm.warp(nowAt() + ACTIVATION_WINDOW + bound(late, 1, 3_650 days));
        uint256 total = uint256(cap) * UNIT_PRICE + uint256(periods) * PERIOD_PRICE;
        expectRefunded(id, total);
        vm.prank(anyone);
        market.refund(id);
        assertEq(balance(buyer), total);
        assertEq(tokens(address(market)), total);
        assertEq(earned(planId), 0);
        expectStatus(id, IMaaSMarket.Status.Refunded);
    }

    function test_refund_aPlanThatCostsNothing_closesTheSubscription() public {
        uint96 id = buy(publishUnits(0), 100, 0);
        vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
        expectRefunded(id, 0);
        market.refund(id);
        expectStatus(id, IMaaSMarket.Status.Refunded);
    }

    /// @dev Only a token of more than 2^128 units can lock a refund out, and a withdrawal opens it again.
    function test_refund_theAccountWouldHoldMoreThan128Bits_isRefused() public {
        useAbundantToken();
        uint96 id = buy(unitPlan, 1, 0);
        vm.prank(buyer);
        market.deposit(buyer, type(uint128).max);
        vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
        refused(anyone, abi.encodeCall(market.refund, (id)), overflow("balance"));
        vm.prank(buyer);
        market.withdraw(UNIT_PRICE);
        market.refund(id);
        assertEq(balance(buyer), type(uint128).max);
    }

    function expectActivated(uint96 id, uint32 paidThrough) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Activated(id, ENDPOINT, uint32(nowAt()), paidThrough);
    }

    function expectRefunded(uint96 id, uint256 amount) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Refunded(id, buyer, amount);
    }

    function assertTime(uint96 id, uint32 paidThrough) private view {
        IMaaSMarket.Subscription memory started = market.subscription(id);
        assertEq(started.since, nowAt());
        assertEq(started.paidThrough, paidThrough);
        assertEq(started.collectedThrough, nowAt());
        assertEq(started.cap, 100);
        assertEq(started.signer, session);
        expectStatus(id, IMaaSMarket.Status.Active);
    }

    function refusedSignature(uint96 id, uint256 key, bytes32 digest) private {
        (bytes32 r, bytes32 vs) = compact(key, digest);
        refusedParts(id, r, vs);
    }

    function refusedParts(uint96 id, bytes32 r, bytes32 vs) private {
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, session);
        refused(anyone, abi.encodeCall(market.activate, (id, ENDPOINT, r, vs)), reason);
    }
}
