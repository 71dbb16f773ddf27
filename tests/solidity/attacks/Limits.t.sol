// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {HostileToken} from "./HostileToken.sol";

/// @notice Numbers at and beyond the width of their fields.
contract CapOverflowAttackTest is AttackHouse {
    uint40 private constant MOST_UNITS = type(uint40).max;
    uint256 private constant MOST_BOUGHT = type(uint96).max;
    uint256 private constant MOST_EARNED = type(uint88).max;

    HostileToken private token;
    uint64 private crumbs;
    uint64 private dear;

    /// @dev A token of which everybody has more than any plan can earn.
    function setUp() public override {
        super.setUp();
        token = new HostileToken();
        market = deployMarket(address(catalog), address(token));
        crumbs = publish(1, 0, 0, noShares());
        dear = publish(type(uint64).max, 0, 0, noShares());
        address[2] memory people = [buyer, attacker];
        for (uint256 i = 0; i < people.length; ++i) {
            token.mint(people[i], 1 << 150);
            vm.prank(people[i]);
            token.approve(address(market), type(uint256).max);
        }
    }

    function test_attack_capRaisedToItsWidth_andBeyond_neverWraps() public {
        uint96 id = active(crumbs, 10, 0);
        vm.startPrank(buyer);
        market.raiseCap(id, MOST_UNITS - 10);
        assertEq(market.subscription(id).cap, MOST_UNITS);
        uint256 before = token.balanceOf(buyer);
        uint40[3] memory more = [uint40(1), 11, MOST_UNITS];
        for (uint256 i = 0; i < more.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("cap")));
            market.raiseCap(id, more[i]);
        }
        vm.stopPrank();
        assertEq(token.balanceOf(buyer), before);
        assertEq(market.subscription(id).cap, MOST_UNITS);
    }

    function test_attack_unitsAtTheirWidth_payExactlyTheCap() public {
        uint96 id = active(crumbs, MOST_UNITS - 1, 0);
        expectSkipped(id, IMaaSMarket.SkipReason.OverCap);
        settle(id, MOST_UNITS);
        vm.prank(buyer);
        market.raiseCap(id, 1);
        settle(id, MOST_UNITS);
        assertEq(used(id), MOST_UNITS);
        assertEq(earned(crumbs), MOST_UNITS);
        expectSkipped(id, IMaaSMarket.SkipReason.Stale);
        settle(id, MOST_UNITS);
        assertEq(earned(crumbs), MOST_UNITS);
    }

    /// @dev The largest purchase is the one whose total fits 2^96 - 1; one unit more is refused, directly and by order.
    function test_attack_totalBeyondItsWidth_isRefused() public {
        uint40 most = uint40(MOST_BOUGHT / type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("total")));
        vm.prank(buyer);
        market.buy(dear, session, most + 1, 0, REQUEST);
        IMaaSMarket.Order memory wanted = order(1, 1);
        (wanted.planId, wanted.cap, wanted.periods, wanted.total) = (dear, MOST_UNITS, 0, 0);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("total")));
        market.buyFor(wanted, signature, noPermit());
        uint96 id = active(dear, most, 0);
        uint40 payable_ = uint40(MOST_EARNED / type(uint64).max);
        settle(id, payable_);
        assertEq(earned(dear), uint256(payable_) * type(uint64).max);
        depart(id, buyer);
        assertEq(wealth(buyer, earned(dear)), 1 << 150, "what a plan cannot earn comes back");
    }

    /// @dev A plan filled to 2^88 - 1: later vouchers are left out, not wrapped; who reserved for them gets it back.
    function test_attack_planFilledUp_pays2To88AtMost_andReturnsTheRest() public {
        uint40 most = uint40(MOST_EARNED / type(uint64).max);
        uint96 honest = active(dear, 3, 0);
        vm.prank(attacker);
        uint96 filler = market.buy(dear, session, most, 0, REQUEST);
        activate(filler);
        vm.prank(attacker);
        market.raiseCap(filler, MOST_UNITS - most);
        expectSkipped(filler, IMaaSMarket.SkipReason.OverCap);
        settle(filler, MOST_UNITS);
        settle(filler, most);
        expectSkipped(honest, IMaaSMarket.SkipReason.OverCap);
        settle(honest, 1);
        assertEq(earned(dear), uint256(most) * type(uint64).max);
        depart(honest, buyer);
        depart(filler, attacker);
        assertEq(wealth(buyer, 0), 1 << 150);
        assertEq(wealth(attacker, earned(dear)), 1 << 150, "the filler paid for all that it filled");
        market.payout(dear);
        assertEq(token.balanceOf(provider), earned(dear));
        assertEq(token.balanceOf(address(market)), balance(buyer) + balance(attacker));
    }

    /// @dev A gift that fills the account stops what would be credited next, until the account withdraws its gift.
    function test_attack_giftUpToTheWidthOfAnAccount_delaysItsOwnerByOneCall() public {
        uint96 id = active(crumbs, 10, 0);
        vm.prank(attacker);
        market.deposit(buyer, type(uint128).max);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.warp(nowAt() + RELEASE_WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("balance")));
        market.release(id);
        vm.startPrank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("balance")));
        market.deposit(buyer, 1);
        vm.stopPrank();
        vm.prank(buyer);
        market.withdraw(type(uint128).max);
        market.release(id);
        assertEq(balance(buyer), 10);
        assertEq(token.balanceOf(buyer), (1 << 150) - 10 + type(uint128).max, "the gift is the buyer's");
    }

    function test_attack_amountsBeyondEverything_moveNothing() public {
        vm.startPrank(attacker);
        vm.expectRevert();
        market.deposit(buyer, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("balance")));
        market.deposit(buyer, 1 << 128);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.InsufficientBalance.selector, type(uint256).max, 0));
        market.withdraw(type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.InsufficientBalance.selector, 1 << 128, 0));
        market.withdraw(1 << 128);
        assertEq(token.balanceOf(attacker), 1 << 150);
        assertEq(balance(buyer), 0);
    }

    function depart(uint96 id, address who) private {
        vm.prank(who);
        market.requestRelease(id);
        vm.prank(provider);
        market.release(id);
    }

    function wealth(address someone, uint256 spent) private view returns (uint256) {
        return token.balanceOf(someone) + balance(someone) + spent;
    }
}

/// @notice Each deadline at its last second and one past it, the shortest and the longest period, and the end of 32-bit time.
contract TimeLimitsAttackTest is AttackHouse {
    uint256 private constant END = type(uint32).max; // 7 February 2106, 06:28:15 UTC

    function test_attack_activation_atTheDeadline_andOnePast() public {
        uint96 inTime = buy(planId, 10, 1);
        uint96 late = buy(planId, 10, 1);
        uint256 deadline = nowAt() + ACTIVATION_WINDOW;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, deadline + 1, deadline));
        market.refund(inTime);
        activate(inTime);
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(late, ENDPOINT));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooLate.selector, deadline, deadline + 1));
        market.activate(late, ENDPOINT, r, vs);
        vm.prank(attacker);
        market.refund(late);
        assertEq(balance(buyer), market.quote(planId, 10, 1));
        assertEq(wealth(attacker), FUNDS);
    }

    function test_attack_renewal_atPaidThrough_andOnePast() public {
        uint96 inTime = active(planId, 0, 1);
        uint96 late = active(planId, 0, 1);
        uint256 paidThrough = nowAt() + PERIOD;
        vm.warp(paidThrough);
        vm.prank(buyer);
        market.renew(inTime, 1);
        assertEq(market.subscription(inTime).paidThrough, paidThrough + PERIOD, "no second is paid twice");
        vm.warp(paidThrough + 1);
        assertFalse(market.isEntitled(late));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Lapsed.selector, paidThrough));
        market.renew(late, 1);
        assertEq(wealth(buyer), FUNDS - 3 * uint256(PERIOD_PRICE));
    }

    function test_attack_release_oneBeforeTheWindow_andAtIt() public {
        uint96 id = active(unitPlan, 10, 0);
        vm.prank(buyer);
        market.requestRelease(id);
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        vm.warp(opensAt - 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, opensAt, opensAt - 1));
        market.release(id);
        settle(id, 9);
        vm.warp(opensAt);
        settle(id, 10);
        market.release(id);
        assertEq(balance(buyer), 0, "a voucher of the last second still counts");
        assertEq(earned(unitPlan), 10 * UNIT_PRICE);
    }

    function test_attack_confirmation_oneBeforeTheWindow_andAtIt() public {
        uint96 id = active(unitPlan, 10, 0);
        vm.prank(buyer);
        market.proposeSigner(id, attacker);
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        vm.warp(opensAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, opensAt, opensAt - 1));
        market.confirmSigner(id);
        settle(id, 3);
        vm.warp(opensAt);
        settle(id, 4);
        market.confirmSigner(id);
        skipped(voucher(id, 5), IMaaSMarket.SkipReason.BadSignature);
        assertEq(used(id), 4);
    }

    function test_attack_periodOfASecond_costsItsPriceASecond() public {
        uint64 plan = publish(UNIT_PRICE, 1, 7, noShares());
        uint96 id = active(plan, 0, 3);
        uint256 start = nowAt();
        for (uint256 i = 0; i < 5; ++i) {
            vm.warp(start + i);
            collect(id);
            assertEq(earned(plan), 7 * (i < 3 ? i : 3));
        }
    }

    function test_attack_periodOf366Days_returnsAllButTheSecondUsed() public {
        uint32 year = 366 days;
        uint64 plan = publish(UNIT_PRICE, year, year, noShares());
        uint96 id = active(plan, 0, 9);
        vm.warp(nowAt() + 1);
        vm.prank(buyer);
        market.requestRelease(id);
        assertEq(balance(buyer), 9 * uint256(year) - 1);
        assertEq(earned(plan), 1);
        vm.prank(provider);
        vm.expectRevert();
        catalog.publishPlan(composite, termsOf(year + 1), noShares());
    }

    /// @dev Prepaid time may run to the last second that a row can hold, and not past it.
    function test_attack_timeBoughtToTheEnd_andBeyond_neverWraps() public {
        uint64 plan = publish(UNIT_PRICE, 1, 7, noShares());
        uint32 most = uint32(END - nowAt() - ACTIVATION_WINDOW);
        bytes memory overflow = abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("paidThrough"));
        vm.startPrank(buyer);
        vm.expectRevert(overflow);
        market.buy(plan, session, 0, most + 1, REQUEST);
        vm.expectRevert(overflow);
        market.buy(plan, session, 0, type(uint32).max, REQUEST);
        uint96 id = market.buy(plan, session, 0, most, REQUEST);
        vm.warp(nowAt() + ACTIVATION_WINDOW);
        activate(id);
        assertEq(market.subscription(id).paidThrough, END);
        vm.expectRevert(overflow);
        market.renew(id, 1);
        vm.expectRevert(overflow);
        market.renew(id, type(uint32).max);
        market.requestRelease(id);
        assertEq(balance(buyer), 7 * uint256(most));
    }

    /// @dev At the last second of 32-bit time what runs still runs; after it nothing is sold, and everybody gets home.
    function test_attack_theYear2106_locksNobodysMoney() public {
        vm.warp(END - ACTIVATION_WINDOW - PERIOD);
        uint96 timed = buy(planId, 10, 1);
        uint96 asleep = buy(unitPlan, 10, 0);
        vm.warp(END - PERIOD);
        activate(timed);
        uint96 running = active(unitPlan, 10, 0);
        vm.warp(END);
        assertTrue(market.isEntitled(timed));
        vm.warp(END + 1);
        assertFalse(market.isEntitled(timed));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("paidThrough")));
        market.buy(unitPlan, session, 10, 0, REQUEST);
        vm.warp(END + 10 * 366 days);
        settle(timed, 4);
        settle(running, 5);
        collect(timed);
        market.refund(asleep);
        vm.startPrank(buyer);
        market.requestRelease(timed);
        market.requestRelease(running);
        vm.stopPrank();
        vm.warp(END + 10 * 366 days + RELEASE_WINDOW);
        market.release(timed);
        market.release(running);
        assertEq(earned(planId), PERIOD_PRICE + 4 * UNIT_PRICE);
        assertEq(earned(unitPlan), 5 * UNIT_PRICE);
        assertEq(wealth(buyer), FUNDS - earned(planId) - earned(unitPlan));
    }

    /// @dev The end of the window stops at the last second of 32 bits instead of wrapping to one long past.
    function test_attack_releaseInTheLastSeconds_keepsTheProvidersWindow() public {
        vm.warp(END - ACTIVATION_WINDOW);
        uint96 id = active(unitPlan, 1_000, 0);
        IMaaSMarket.Voucher memory pending = voucher(id, 1_000);
        vm.warp(END - 10);
        vm.startPrank(buyer);
        market.requestRelease(id);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, END, END - 10));
        market.release(id);
        vm.stopPrank();
        settle(pending);
        assertEq(earned(unitPlan), 1_000 * UNIT_PRICE);
    }

    /// @dev Where a unit costs nothing the cap is the buyer's own bound.
    function test_attack_capOfAFreePlanRaisedByAStranger_isRefused() public {
        uint64 flat = publish(0, PERIOD, PERIOD_PRICE, noShares());
        uint96 id = active(flat, 100, 1);
        vm.prank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, attacker));
        market.raiseCap(id, 1);
        vm.prank(buyer);
        market.raiseCap(id, 1);
        assertEq(market.subscription(id).cap, 101);
    }

    function termsOf(uint32 period) private pure returns (IModelCatalog.PlanTerms memory wanted) {
        wanted = terms();
        wanted.period = period;
    }
}
