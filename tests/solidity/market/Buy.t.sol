// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice A purchase on its own terms, and what it would cost.
contract BuyTest is MarketUnit {
    function test_quote_aPlanThatNobodyPublished_isRefused() public {
        refusedQuote(planId + 99, 1, 1, abi.encodeWithSelector(IModelCatalog.UnknownPlan.selector, planId + 99));
    }

    function test_quote_aRetiredPlanThatNobodyBought_isRefused() public {
        retire();
        refusedQuote(planId, 1, 1, retired());
    }

    function test_quote_aRetiredPlanThatSomebodyBought_isRefused() public {
        buy(planId, 1, 1);
        retire();
        refusedQuote(planId, 1, 1, retired());
    }

    function test_quote_askedForPeriods_isRefused(uint32 periods) public {
        periods = uint32(bound(periods, 1, type(uint32).max));
        refusedQuote(unitPlan, 1, periods, noPeriods());
    }

    function test_quote_askedForNoUnits_isRefused() public {
        refusedQuote(unitPlan, 0, 0, nothing());
    }

    function test_quote_askedForUnits_answersTheirPrice(uint40 cap) public view {
        cap = uint40(bound(cap, 1, type(uint40).max));
        assertEq(market.quote(unitPlan, cap, 0), uint256(cap) * UNIT_PRICE);
    }

    function test_quote_askedForNoPeriod_isRefused(uint40 cap) public {
        refusedQuote(planId, cap, 0, nothing());
    }

    function test_quote_askedForPeriodsAlone_answersTheirPrice(uint32 periods) public view {
        periods = uint32(bound(periods, 1, 1_000));
        assertEq(market.quote(planId, 0, periods), uint256(periods) * PERIOD_PRICE);
    }

    function test_quote_askedForBoth_answersTheSum(uint40 cap, uint32 periods) public view {
        periods = uint32(bound(periods, 1, 1_000));
        assertEq(market.quote(planId, cap, periods), uint256(cap) * UNIT_PRICE + uint256(periods) * PERIOD_PRICE);
    }

    function test_quote_theTotalWouldPass96Bits_isRefused() public {
        refusedQuote(dearPlan(), 1, 1, overflow("total"));
    }

    function test_quote_theTotalJustFits96Bits_isAnswered() public {
        assertEq(market.quote(dearPlan(), 0, 1), type(uint96).max);
    }

    function test_quote_thePaidTimeCouldPass32Bits_isRefused(uint32 periods) public {
        periods = uint32(bound(periods, mostPeriods() + 1, type(uint32).max));
        refusedQuote(planId, 1, periods, overflow("paidThrough"));
    }

    function test_quote_thePaidTimeJustFits32Bits_isAnswered() public {
        vm.warp(type(uint32).max - ACTIVATION_WINDOW - 5 * PERIOD);
        assertEq(mostPeriods(), 5);
        assertEq(market.quote(planId, 0, mostPeriods()), uint256(mostPeriods()) * PERIOD_PRICE);
    }

    function test_buy_aPlanThatNobodyPublished_isRefused() public {
        refusedBuy(planId + 99, 1, 1, abi.encodeWithSelector(IModelCatalog.UnknownPlan.selector, planId + 99));
    }

    function test_buy_aRetiredPlanThatNobodyBought_isRefused() public {
        retire();
        refusedBuy(planId, 1, 1, retired());
    }

    function test_buy_aRetiredPlanThatSomebodyBought_isRefused() public {
        buy(planId, 1, 1);
        retire();
        refusedBuy(planId, 1, 1, retired());
    }

    function test_buy_buyingPeriods_isRefused(uint32 periods) public {
        periods = uint32(bound(periods, 1, type(uint32).max));
        refusedBuy(unitPlan, 1, periods, noPeriods());
    }

    function test_buy_buyingNoUnits_isRefused() public {
        refusedBuy(unitPlan, 0, 0, nothing());
    }

    function test_buy_buyingUnits_reservesTheirPrice(uint40 cap) public {
        cap = uint40(bound(cap, 1, FUNDS / UNIT_PRICE));
        assertReserved(unitPlan, cap, 0, uint256(cap) * UNIT_PRICE);
    }

    function test_buy_buyingNoPeriod_isRefused(uint40 cap) public {
        refusedBuy(planId, cap, 0, nothing());
    }

    function test_buy_buyingPeriodsAlone_reservesTheirPrice(uint32 periods) public {
        periods = uint32(bound(periods, 1, 100));
        assertReserved(planId, 0, periods, uint256(periods) * PERIOD_PRICE);
    }

    function test_buy_buyingBoth_reservesTheSumAndTellsAllOfIt(uint40 cap, uint32 periods, uint32 wait) public {
        cap = uint40(bound(cap, 1, 1_000_000));
        periods = uint32(bound(periods, 1, 100));
        vm.warp(nowAt() + bound(wait, 0, 3_650 days));
        uint256 total = uint256(cap) * UNIT_PRICE + uint256(periods) * PERIOD_PRICE;
        uint96 id = uint96(planId) << 32 | 1;
        vm.expectEmit(address(market));
        emit IMaaSMarket.Subscribed(
            id, buyer, session, cap, periods, total, uint64(nowAt() + ACTIVATION_WINDOW), REQUEST
        );
        vm.expectEmit(address(market));
        emit IMaaSMarket.Deposited(buyer, buyer, total);
        assertReserved(planId, cap, periods, total);
        IMaaSMarket.Subscription memory bought = market.subscription(id);
        assertEq(bought.buyer, buyer);
        assertEq(bought.signer, session);
        assertEq(bought.cap, cap);
        assertEq(bought.used + bought.since + bought.paidThrough + bought.collectedThrough, 0);
        assertEq(market.activationDeadlineOf(id), nowAt() + ACTIVATION_WINDOW);
        expectStatus(id, IMaaSMarket.Status.Purchased);
    }

    function test_buy_aPlanThatCostsNothing_reservesNothing(uint40 cap) public {
        cap = uint40(bound(cap, 1, type(uint40).max));
        assertReserved(publishUnits(0), cap, 0, 0);
    }

    function test_buy_theTotalWouldPass96Bits_isRefused() public {
        refusedBuy(dearPlan(), 1, 1, overflow("total"));
    }

    function test_buy_thePaidTimeCouldPass32Bits_isRefused(uint32 periods) public {
        periods = uint32(bound(periods, mostPeriods() + 1, type(uint32).max));
        refusedBuy(planId, 1, periods, overflow("paidThrough"));
    }

    function test_buy_theSessionSignerIsZero_isRefused() public {
        bytes memory call = abi.encodeCall(market.buy, (planId, address(0), 1, 1, REQUEST));
        refused(buyer, call, abi.encodeWithSelector(IMaaSMarket.ZeroSigner.selector));
    }

    function test_buy_theSessionSignerHasCode_isRefused() public {
        bytes memory call = abi.encodeCall(market.buy, (planId, address(credit), 1, 1, REQUEST));
        refused(buyer, call, abi.encodeWithSelector(IMaaSMarket.SignerHasCode.selector, address(credit)));
    }

    function test_buy_anAccountThatCoversTheTotal_pullsNothing(uint256 held) public {
        uint256 total = market.quote(planId, 1_000, 2);
        held = bound(held, total, FUNDS);
        leaveInAccount(held);
        buy(planId, 1_000, 2);
        assertEq(balance(buyer), held - total);
        assertEq(tokens(buyer), 0);
        assertEq(tokens(address(market)), held);
    }

    function test_buy_anAccountThatLacksSomeOfTheTotal_pullsExactlyTheShortfall(uint256 held) public {
        uint256 total = market.quote(planId, 1_000, 2);
        held = bound(held, 0, total - 1);
        vm.prank(buyer);
        market.deposit(buyer, held);
        vm.expectEmit(address(market));
        emit IMaaSMarket.Deposited(buyer, buyer, total - held);
        buy(planId, 1_000, 2);
        assertEq(balance(buyer), 0);
        assertEq(tokens(buyer), FUNDS - total);
        assertEq(tokens(address(market)), total);
    }

    function test_buy_tooLittleInAccountAndWallet_isRefused(uint256 held) public {
        uint256 total = market.quote(planId, 1_000, 2);
        held = bound(held, 0, total - 1);
        leaveInAccount(held);
        refusedBuy(
            planId,
            1_000,
            2,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, buyer, 0, total - held)
        );
    }

    function test_buy_earlierPurchasesOfThePlan_takesThePlansNextNumber() public {
        assertEq(buy(planId, 1, 1), uint96(planId) << 32 | 1);
        assertEq(buy(planId, 1, 1), uint96(planId) << 32 | 2);
        assertEq(buy(unitPlan, 1, 0), uint96(unitPlan) << 32 | 1);
        assertEq(buy(planId, 1, 1), uint96(planId) << 32 | 3);
    }

    function test_buy_takesOneNonceOfTheBuyer() public {
        buy(planId, 1, 1);
        buy(unitPlan, 1, 0);
        (, uint64 nonce) = market.accountOf(buyer);
        assertEq(nonce, 2);
    }

    function assertReserved(uint64 plan, uint40 cap, uint32 periods, uint256 total) private {
        uint96 id = buy(plan, cap, periods);
        assertEq(id, uint96(plan) << 32 | 1);
        assertEq(tokens(address(market)), total, "reserved");
        assertEq(tokens(buyer), FUNDS - total, "wallet");
        assertEq(balance(buyer), 0, "account");
        assertEq(earned(plan), 0, "nothing is earned by buying");
    }

    function refusedQuote(uint64 plan, uint40 cap, uint32 periods, bytes memory reason) private {
        refused(anyone, abi.encodeCall(market.quote, (plan, cap, periods)), reason);
    }

    function refusedBuy(uint64 plan, uint40 cap, uint32 periods, bytes memory reason) private {
        refused(buyer, abi.encodeCall(market.buy, (plan, session, cap, periods, REQUEST)), reason);
    }

    function retire() private {
        vm.prank(provider);
        catalog.retirePlan(planId);
    }

    /// @dev One period costs all that a purchase may.
    function dearPlan() private returns (uint64) {
        IModelCatalog.PlanTerms memory dear = terms();
        dear.periodPrice = type(uint96).max;
        return publish(dear);
    }

    /// @dev As many periods as still end within 32 bits when activated at the last second.
    function mostPeriods() private view returns (uint32) {
        return uint32((type(uint32).max - nowAt() - ACTIVATION_WINDOW) / PERIOD);
    }

    function retired() private view returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.PlanIsRetired.selector, planId);
    }

    function noPeriods() private view returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.NoPeriods.selector, unitPlan);
    }

    function nothing() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.NothingBought.selector);
    }
}
