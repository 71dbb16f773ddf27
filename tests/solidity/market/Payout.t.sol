// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice Earnings leave for whom they belong to; of a composite, by shares.
contract PayoutTest is MarketUnit {
    uint16 private constant SHARE = 3_000;
    uint256 private constant COMPONENTS = 8;
    uint32[COMPONENTS] private components;

    function test_payout_aPlanThatNobodyPublished_paysNobody() public {
        bytes32 before = books();
        (bool answered,) = address(market).call(abi.encodeCall(market.payout, (uint64(99) << 32 | 1)));
        assertEq(books(), before, answered ? "pays nothing" : "is refused");
    }

    function test_payout_aPlanThatEarnedNothing_paysNothing() public {
        active(unitPlan, 100, 0);
        paysNothing(abi.encodeCall(market.payout, (unitPlan)));
        paysNothing(abi.encodeCall(market.payout, (compositePlan)));
    }

    function test_payout_aPlanWithoutShares_paysTheOwnerAllThatWasEarnedAndNotYetPaid(uint40 units) public {
        units = uint40(bound(units, 1, 1_000_000));
        settle(active(unitPlan, units, 0), units);
        paid(unitPlan, provider, uint256(units) * UNIT_PRICE);
    }

    function test_payout_calledAgain_paysNothing() public {
        settle(active(unitPlan, 100, 0), 40);
        market.payout(unitPlan);
        paysNothing(abi.encodeCall(market.payout, (unitPlan)));
    }

    function test_payout_itEarnedMoreSince_paysTheDifference(uint40 first, uint40 second) public {
        uint96 id = active(unitPlan, 1_000_000, 0);
        first = uint40(bound(first, 1, 999_999));
        second = uint40(bound(second, first + 1, 1_000_000));
        settle(id, first);
        market.payout(unitPlan);
        settle(id, second);
        paid(unitPlan, provider, (uint256(second) - first) * UNIT_PRICE);
    }

    function test_payout_aPlanWithShares_paysTheOwnerWhatTheSharesLeave(uint40 units) public {
        units = uint40(bound(units, 1, 1_000_000));
        uint64 plan = oddPlan();
        settle(active(plan, units, 0), units);
        paid(plan, provider, units - uint256(units) * SHARE / 10_000);
    }

    function test_payout_calledAgainAfterTheDraw_paysNothing() public {
        settle(active(compositePlan, 100, 1), 40);
        market.payout(compositePlan);
        paysNothing(abi.encodeCall(market.payout, (compositePlan)));
        market.payoutShare(compositePlan, component);
        paysNothing(abi.encodeCall(market.payout, (compositePlan)));
    }

    function test_payout_sharesThatTakeEverything_paysNothing() public {
        vm.prank(provider);
        uint64 plan = catalog.publishPlan(composite, terms(), shareOf(component, 10_000));
        settle(active(plan, 100, 1), 40);
        paysNothing(abi.encodeCall(market.payout, (plan)));
    }

    function test_payout_byAnotherForAnOwnerWithCode_isRefused() public {
        settle(active(unitPlan, 100, 0), 40);
        sellModel(address(catalog)); // any contract
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.NotPayee.selector, catalog, anyone);
        refused(anyone, abi.encodeCall(market.payout, (unitPlan)), reason);
    }

    function test_payout_byAnOwnerWithCode_paysTheOwner() public {
        settle(active(unitPlan, 100, 0), 40);
        sellModel(address(catalog));
        vm.prank(address(catalog));
        assertEq(market.payout(unitPlan), 40 * UNIT_PRICE);
        assertEq(credit.balanceOf(address(catalog)), 40 * UNIT_PRICE);
    }

    function test_payoutShare_byAnotherForAnOwnerWithCode_isRefused() public {
        settle(active(compositePlan, 100, 1), 40);
        vm.prank(componentOwner);
        catalog.transferFrom(componentOwner, address(assets), component);
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.NotPayee.selector, assets, anyone);
        refused(anyone, abi.encodeCall(market.payoutShare, (compositePlan, component)), reason);
    }

    function test_payout_aModelThatWasSold_paysTheNewOwner() public {
        settle(active(unitPlan, 100, 0), 40);
        settle(active(compositePlan, 100, 1), 40);
        sellModel(friend);
        paid(unitPlan, friend, 40 * UNIT_PRICE);
        paid(compositePlan, friend, 28 * UNIT_PRICE);
    }

    function test_payoutShare_aPlanWithoutShares_isRefused() public {
        settle(active(unitPlan, 100, 0), 40);
        refused(anyone, abi.encodeCall(market.payoutShare, (unitPlan, component)), noShare(unitPlan, component));
    }

    function test_payoutShare_forAModelThatIsNotAComponent_isRefused(uint32 modelId) public {
        vm.assume(modelId != component);
        settle(active(compositePlan, 100, 1), 40);
        bytes memory call = abi.encodeCall(market.payoutShare, (compositePlan, modelId));
        refused(anyone, call, noShare(compositePlan, modelId));
    }

    function test_payoutShare_forTheCompositeItself_isRefused() public {
        settle(active(compositePlan, 100, 1), 40);
        bytes memory call = abi.encodeCall(market.payoutShare, (compositePlan, composite));
        refused(anyone, call, noShare(compositePlan, composite));
    }

    function test_payoutShare_aPlanThatEarnedNothing_paysNothing() public {
        paysNothing(abi.encodeCall(market.payoutShare, (compositePlan, component)));
    }

    function test_payoutShare_aPlanThatEarnedSomething_paysTheComponentsOwnerTheShareRoundedDown(uint40 units) public {
        units = uint40(bound(units, 4, 1_000_000));
        uint64 plan = oddPlan();
        settle(active(plan, units, 0), units);
        sharePaid(plan, componentOwner, uint256(units) * SHARE / 10_000);
    }

    function test_payoutShare_calledAgain_paysNothing() public {
        settle(active(compositePlan, 100, 1), 40);
        market.payoutShare(compositePlan, component);
        paysNothing(abi.encodeCall(market.payoutShare, (compositePlan, component)));
    }

    function test_payoutShare_itEarnedMoreSince_paysUpToTheShareOfAll(uint40 first, uint40 second) public {
        uint64 plan = oddPlan();
        uint96 id = active(plan, 1_000_000, 0);
        first = uint40(bound(first, 1, 500_000));
        second = uint40(bound(second, first + 4, 1_000_000));
        settle(id, first);
        market.payoutShare(plan, component);
        settle(id, second);
        market.payout(plan);
        market.payoutShare(plan, component);
        assertEq(tokens(componentOwner), uint256(second) * SHARE / 10_000);
        assertEq(tokens(componentOwner) + tokens(provider), second);
    }

    function test_payoutShare_aComponentThatWasSold_paysTheNewOwner() public {
        settle(active(compositePlan, 100, 1), 40);
        vm.prank(componentOwner);
        catalog.transferFrom(componentOwner, friend, component);
        sharePaid(compositePlan, friend, 12 * UNIT_PRICE);
    }

    /// forge-config: default.fuzz.runs = 100
    /// @dev Seventy calls a run.
    function test_payoutShare_drawnInAnyOrder_paysNoMoreThanWasEarnedAndEveryShareInFull(uint256 seed) public {
        uint64 plan = crowd(seed);
        uint96 id = active(plan, 100_000, 0);
        uint40 units = 0;
        for (uint256 step = 0; step < 24; ++step) {
            uint256 random = uint256(keccak256(abi.encode(seed, "step", step)));
            units += uint40(1 + random % 9);
            settle(id, units);
            if (random >> 250 & 1 == 0) market.payout(plan);
            else market.payoutShare(plan, components[(random >> 240) % COMPONENTS]);
            assertLe(tokens(provider) + tokens(componentOwner), units, "paid within earned");
        }
        uint256 shares = drawAll(plan, units);
        market.payout(plan);
        assertEq(tokens(componentOwner), shares, "every share in full");
        assertLt(units - shares - tokens(provider), COMPONENTS, "less than a unit a component waits");
    }

    function test_payoutShare_theCompositeDrewBefore_neverOwesTheDustTwice() public {
        uint64 plan = crowd(type(uint256).max);
        uint96 id = active(plan, 100, 0);
        settle(id, 7);
        market.payout(plan);
        settle(id, 8);
        assertEq(drawAll(plan, 8), 8, "an eighth each");
        market.payout(plan);
        (uint256 all, uint256 out) = market.earningsOf(plan);
        assertEq(out, all);
    }

    function test_sharePending_aPlanWithoutShares_isRefused() public {
        refused(anyone, abi.encodeCall(market.sharePending, (unitPlan, component)), noShare(unitPlan, component));
    }

    function test_sharePending_forAModelThatIsNotAComponent_isRefused(uint32 modelId) public {
        vm.assume(modelId != component);
        bytes memory call = abi.encodeCall(market.sharePending, (compositePlan, modelId));
        refused(anyone, call, noShare(compositePlan, modelId));
    }

    function test_sharePending_aPlanThatEarnedNothing_isZero() public view {
        assertEq(market.sharePending(compositePlan, component), 0);
    }

    function test_sharePending_aPlanThatEarnedSomething_isTheShareRoundedDownLessWhatWasDrawn(
        uint40 first,
        uint40 second
    ) public {
        uint64 plan = oddPlan();
        uint96 id = active(plan, 1_000_000, 0);
        first = uint40(bound(first, 1, 999_999));
        second = uint40(bound(second, first + 1, 1_000_000));
        settle(id, first);
        uint256 drawn = uint256(first) * SHARE / 10_000;
        assertEq(market.sharePending(plan, component), drawn);
        market.payoutShare(plan, component);
        assertEq(market.sharePending(plan, component), 0);
        settle(id, second);
        assertEq(market.sharePending(plan, component), uint256(second) * SHARE / 10_000 - drawn);
    }

    function test_earningsOf_aPlanNeverBought_isZero() public view {
        (uint96 all, uint96 out) = market.earningsOf(planId);
        assertEq(all + out, 0);
    }

    function test_earningsOf_earningsAndPayouts_tellsBothSums() public {
        uint96 id = active(compositePlan, 100, 1);
        settle(id, 40);
        market.payoutShare(compositePlan, component);
        vm.warp(nowAt() + PERIOD);
        collect(id);
        (uint96 all, uint96 out) = market.earningsOf(compositePlan);
        assertEq(all, 40 * UNIT_PRICE + PERIOD_PRICE);
        assertEq(out, 12 * UNIT_PRICE);
    }

    function paid(uint64 plan, address to, uint256 amount) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.PaidOut(plan, to, amount);
        moves(abi.encodeCall(market.payout, (plan)), plan, to, amount);
    }

    function sharePaid(uint64 plan, address to, uint256 amount) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.SharePaidOut(plan, component, to, amount);
        moves(abi.encodeCall(market.payoutShare, (plan, component)), plan, to, amount);
    }

    /// @dev The call, by anyone, takes this from the plan to that owner and answers how much it was.
    function moves(bytes memory call, uint64 plan, address to, uint256 amount) private {
        (uint256 held, uint256 had) = (tokens(address(market)), tokens(to));
        (uint96 all, uint96 out) = market.earningsOf(plan);
        vm.prank(anyone);
        (bool passed, bytes memory answer) = address(market).call(call);
        assertTrue(passed);
        assertEq(abi.decode(answer, (uint256)), amount, "answer");
        assertEq(tokens(to) - had, amount, "received");
        assertEq(held - tokens(address(market)), amount, "sent");
        (uint96 allAfter, uint96 outAfter) = market.earningsOf(plan);
        assertEq(allAfter, all, "earned");
        assertEq(outAfter - out, amount, "paid");
    }

    function paysNothing(bytes memory call) private {
        bytes32 before = books();
        vm.recordLogs();
        (bool passed, bytes memory answer) = address(market).call(call);
        assertTrue(passed);
        assertEq(abi.decode(answer, (uint256)), 0);
        assertEq(vm.getRecordedLogs().length, 0, "says nothing");
        assertEq(books(), before, "moves nothing");
    }

    /// @dev A unit costs one: the shares do not divide evenly.
    function oddPlan() private returns (uint64) {
        return compositeOf(shareOf(component, SHARE));
    }

    /// @dev Eight components; their shares from the seed, or an eighth each for the greatest seed.
    function crowd(uint256 seed) private returns (uint64) {
        IModelCatalog.Share[] memory shares = new IModelCatalog.Share[](COMPONENTS);
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            vm.startPrank(componentOwner);
            components[i] = catalog.register(IModelCatalog.Kind.TaaS, "spec", "s4m:documents/c", meter, 0);
            catalog.setAsk(components[i], 0);
            vm.stopPrank();
            uint256 bps = seed == type(uint256).max ? 1_250 : uint256(keccak256(abi.encode(seed, i))) % 1_251;
            shares[i] = IModelCatalog.Share({modelId: components[i], bps: uint16(bps)});
        }
        return compositeOf(shares);
    }

    function compositeOf(IModelCatalog.Share[] memory shares) private returns (uint64) {
        IModelCatalog.PlanTerms memory cheap = terms();
        (cheap.unitPrice, cheap.period, cheap.periodPrice) = (1, 0, 0);
        vm.prank(provider);
        return catalog.publishPlan(composite, cheap, shares);
    }

    /// @return sum what all shares of `all` earned units are, each rounded down
    function drawAll(uint64 plan, uint256 all) private returns (uint256 sum) {
        IModelCatalog.Share[] memory shares = catalog.shares(plan);
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            market.payoutShare(plan, components[i]);
            sum += all * shares[i].bps / 10_000;
        }
    }

    function noShare(uint64 plan, uint32 modelId) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.NotEntitledToShare.selector, plan, modelId);
    }
}
