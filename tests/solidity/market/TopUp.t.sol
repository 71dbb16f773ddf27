// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice More units, more time, paid by anyone.
contract TopUpTest is MarketUnit {
    function test_raiseCap_anyStatusButActive_isRefused() public {
        refusedUnlessActive(market.raiseCap.selector, abi.encode(1));
    }

    function test_raiseCap_byNoUnits_isRefused() public {
        refused(buyer, abi.encodeCall(market.raiseCap, (active(unitPlan, 10, 0), 0)), nothing());
    }

    function test_raiseCap_theCapWouldPass40Bits_isRefused(uint40 added) public {
        added = uint40(bound(added, type(uint40).max - 9, type(uint40).max));
        refused(buyer, abi.encodeCall(market.raiseCap, (active(unitPlan, 10, 0), added)), overflow("cap"));
    }

    function test_raiseCap_theCapJustFits40Bits_isAccepted() public {
        uint96 id = active(publishUnits(0), 10, 0);
        vm.prank(buyer);
        market.raiseCap(id, type(uint40).max - 10);
        assertEq(market.subscription(id).cap, type(uint40).max);
    }

    function test_raiseCap_tooLittleInAccountAndWallet_isRefused(uint256 held) public {
        uint96 id = active(unitPlan, 10, 0);
        held = bound(held, 0, 5 * UNIT_PRICE - 1);
        holdInAccount(friend, held);
        refused(friend, abi.encodeCall(market.raiseCap, (id, 5)), lacks(5 * UNIT_PRICE - held));
    }

    function test_raiseCap_anAccountThatCoversIt_pullsNothing(uint40 added, uint256 rest) public {
        added = uint40(bound(added, 1, 10_000_000));
        rest = bound(rest, 0, 1e11);
        uint256 amount = uint256(added) * UNIT_PRICE;
        uint96 id = active(unitPlan, 10, 0);
        holdInAccount(friend, amount + rest);
        expectCapRaised(id, 10 + added, amount);
        vm.prank(friend);
        market.raiseCap(id, added);
        assertEq(balance(friend), rest);
        assertEq(tokens(friend), 0);
        assertEq(market.subscription(id).cap, 10 + uint256(added));
    }

    function test_raiseCap_anAccountThatLacksSomeOfIt_pullsExactlyTheShortfall(uint40 added, uint256 held) public {
        added = uint40(bound(added, 1, 10_000_000));
        uint256 amount = uint256(added) * UNIT_PRICE;
        held = bound(held, 0, amount - 1);
        uint96 id = active(unitPlan, 10, 0);
        holdInAccount(friend, held);
        credit.faucet(friend, amount - held);
        expectCapRaised(id, 10 + added, amount);
        expectDeposited(amount - held);
        vm.prank(friend);
        market.raiseCap(id, added);
        assertEq(balance(friend), 0);
        assertEq(tokens(friend), 0);
        assertEq(tokens(address(market)), amount + 10 * UNIT_PRICE);
    }

    function test_raiseCap_byAnotherOnAPlanWhoseUnitsCostNothing_isRefused() public {
        uint96 id = active(publishUnits(0), 10, 0);
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, friend);
        refused(friend, abi.encodeCall(market.raiseCap, (id, 5)), reason);
    }

    function test_raiseCap_byTheBuyerOnAPlanWhoseUnitsCostNothing_raisesTheCapForNothing() public {
        uint96 id = active(publishUnits(0), 10, 0);
        vm.expectEmit();
        emit IMaaSMarket.CapRaised(id, buyer, 15, 0);
        vm.prank(buyer);
        market.raiseCap(id, 5);
        assertEq(market.subscription(id).cap, 15);
        assertEq(tokens(address(market)), 0);
    }

    function test_raiseCap_anotherPays_takesThePayersMoneyAndTheRestGoesToTheBuyer(uint40 used) public {
        used = uint40(bound(used, 0, 15));
        uint96 id = active(unitPlan, 10, 0);
        fund(friend, 5 * UNIT_PRICE);
        vm.prank(friend);
        market.raiseCap(id, 5);
        assertEq(tokens(friend), 0);
        settle(id, used);
        request(id);
        release(id);
        assertEq(balance(buyer), (15 - uint256(used)) * UNIT_PRICE);
        assertEq(balance(friend), 0);
    }

    function test_renew_anyStatusButActive_isRefused() public {
        refusedUnlessActive(market.renew.selector, abi.encode(1));
    }

    function test_renew_byNoPeriod_isRefused() public {
        refused(buyer, abi.encodeCall(market.renew, (active(planId, 10, 1), 0)), nothing());
    }

    function test_renew_aPlanWithoutPeriods_isRefused() public {
        uint96 id = active(unitPlan, 10, 0);
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.NoPeriods.selector, unitPlan);
        refused(buyer, abi.encodeCall(market.renew, (id, 1)), reason);
    }

    function test_renew_aLapsedSubscription_isRefused(uint32 late) public {
        uint96 id = active(planId, 10, 2);
        uint256 paidThrough = nowAt() + 2 * PERIOD;
        vm.warp(paidThrough + bound(late, 1, 3_650 days));
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.Lapsed.selector, paidThrough);
        refused(buyer, abi.encodeCall(market.renew, (id, 1)), reason);
    }

    function test_renew_atTheLastPaidSecond_isAccepted() public {
        uint96 id = active(planId, 10, 1);
        uint32 paidThrough = market.subscription(id).paidThrough;
        vm.warp(paidThrough);
        vm.prank(buyer);
        market.renew(id, 1);
        assertEq(market.subscription(id).paidThrough, paidThrough + PERIOD);
        assertTrue(market.isEntitled(id));
    }

    function test_renew_thePaidTimeWouldPass32Bits_isRefused(uint32 periods) public {
        uint96 id = active(planId, 10, 1);
        periods = uint32(bound(periods, mostPeriods(id) + 1, type(uint32).max));
        refused(buyer, abi.encodeCall(market.renew, (id, periods)), overflow("paidThrough"));
    }

    function test_renew_thePaidTimeJustFits32Bits_isAccepted() public {
        vm.warp(type(uint32).max - 5 * PERIOD);
        uint96 id = active(planId, 10, 1);
        vm.prank(buyer);
        market.renew(id, 4);
        assertEq(market.subscription(id).paidThrough, type(uint32).max);
    }

    function test_renew_tooLittleInAccountAndWallet_isRefused(uint256 held) public {
        uint96 id = active(planId, 10, 1);
        held = bound(held, 0, 3 * PERIOD_PRICE - 1);
        holdInAccount(friend, held);
        refused(friend, abi.encodeCall(market.renew, (id, 3)), lacks(3 * PERIOD_PRICE - held));
    }

    function test_renew_anAccountThatCoversIt_pullsNothing(uint32 periods, uint256 rest) public {
        periods = uint32(bound(periods, 1, 200));
        rest = bound(rest, 0, 1e11);
        uint256 amount = uint256(periods) * PERIOD_PRICE;
        uint96 id = active(planId, 10, 1);
        holdInAccount(friend, amount + rest);
        expectRenewed(id, periods, amount);
        vm.prank(friend);
        market.renew(id, periods);
        assertEq(balance(friend), rest);
        assertEq(tokens(friend), 0);
        assertEq(market.subscription(id).paidThrough, nowAt() + (1 + periods) * uint256(PERIOD));
    }

    function test_renew_anAccountThatLacksSomeOfIt_pullsExactlyTheShortfall(uint32 periods, uint256 held) public {
        periods = uint32(bound(periods, 1, 200));
        uint256 amount = uint256(periods) * PERIOD_PRICE;
        held = bound(held, 0, amount - 1);
        uint96 id = active(planId, 0, 1);
        holdInAccount(friend, held);
        credit.faucet(friend, amount - held);
        expectRenewed(id, periods, amount);
        expectDeposited(amount - held);
        vm.prank(friend);
        market.renew(id, periods);
        assertEq(balance(friend), 0);
        assertEq(tokens(friend), 0);
        assertEq(tokens(address(market)), amount + PERIOD_PRICE);
    }

    function test_renew_anotherPays_takesThePayersMoneyAndTheRestGoesToTheBuyer(uint32 elapsed) public {
        elapsed = uint32(bound(elapsed, 0, 3 * PERIOD));
        uint96 id = active(planId, 0, 1);
        fund(friend, 2 * PERIOD_PRICE);
        vm.prank(friend);
        market.renew(id, 2);
        assertEq(tokens(friend), 0);
        vm.warp(nowAt() + elapsed);
        request(id);
        assertEq(balance(buyer), 3 * uint256(PERIOD_PRICE) - uint256(elapsed) * PERIOD_PRICE / PERIOD);
        assertEq(balance(friend), 0);
    }

    function refusedUnlessActive(bytes4 selector, bytes memory rest) private {
        IMaaSMarket.Status needed = IMaaSMarket.Status.Active;
        refusedInAllBut(needed, needed, needed, buyer, selector, rest);
    }

    function expectCapRaised(uint96 id, uint40 cap, uint256 amount) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.CapRaised(id, friend, cap, amount);
    }

    function expectRenewed(uint96 id, uint32 periods, uint256 amount) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Renewed(id, friend, periods, uint32(nowAt()) + (1 + periods) * PERIOD, amount);
    }

    function expectDeposited(uint256 amount) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Deposited(friend, friend, amount);
    }

    /// @dev The account holds exactly this, the wallet nothing.
    function holdInAccount(address account, uint256 amount) private {
        fund(account, amount);
        vm.prank(account);
        market.deposit(account, amount);
    }

    function mostPeriods(uint96 id) private view returns (uint32) {
        return (type(uint32).max - market.subscription(id).paidThrough) / PERIOD;
    }

    function lacks(uint256 amount) private view returns (bytes memory) {
        return abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, friend, 0, amount);
    }

    function nothing() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.NothingBought.selector);
    }
}
