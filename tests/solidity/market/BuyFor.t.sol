// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice A relayed purchase; OrderSignature.t.sol has what its signature must be.
contract BuyForTest is MarketUnit {
    function test_buyFor_afterTheOrdersDeadline_isRefused(uint32 late) public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        vm.warp(wanted.deadline + bound(late, 1, 3_650 days));
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.OrderExpired.selector, wanted.deadline, nowAt()));
    }

    function test_buyFor_atTheOrdersDeadline_buys() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        vm.warp(wanted.deadline);
        expectStatus(buyFor(wanted), IMaaSMarket.Status.Purchased);
    }

    function test_buyFor_theNonceIsNotTheAccountsNext_isRefused(uint64 next, uint64 given) public {
        next = uint64(bound(next, 1, type(uint64).max - 1));
        vm.prank(buyer);
        market.cancelOrders(next);
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.nonce = given == next ? next - 1 : given;
        refusedOrder(wanted, wrongNonce(next, wanted.nonce));
    }

    function test_buyFor_anOrderUsedBefore_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        buyFor(wanted);
        refusedOrder(wanted, wrongNonce(1, 0));
    }

    function test_buyFor_anOrderCancelledBefore_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        vm.prank(buyer);
        market.cancelOrders(5);
        refusedOrder(wanted, wrongNonce(5, 0));
    }

    function test_buyFor_aDirectPurchaseSinceItWasSigned_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        buy(planId, 10, 1);
        refusedOrder(wanted, wrongNonce(1, 0));
    }

    function test_buyFor_aPlanThatNobodyPublished_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.planId = planId + 99;
        refusedOrder(wanted, abi.encodeWithSelector(IModelCatalog.UnknownPlan.selector, planId + 99));
    }

    function test_buyFor_aRetiredPlan_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        vm.prank(provider);
        catalog.retirePlan(planId);
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.PlanIsRetired.selector, planId));
    }

    function test_buyFor_orderingPeriods_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.planId = unitPlan;
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.NoPeriods.selector, unitPlan));
    }

    function test_buyFor_orderingNoUnits_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        (wanted.planId, wanted.cap, wanted.periods) = (unitPlan, 0, 0);
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.NothingBought.selector));
    }

    function test_buyFor_orderingNoPeriod_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.periods = 0;
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.NothingBought.selector));
    }

    function test_buyFor_theTotalWouldPass96Bits_isRefused() public {
        IModelCatalog.PlanTerms memory dear = terms();
        dear.periodPrice = type(uint96).max;
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.planId = publish(dear);
        refusedOrder(wanted, overflow("total"));
    }

    function test_buyFor_thePaidTimeCouldPass32Bits_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.periods = type(uint32).max;
        refusedOrder(wanted, overflow("paidThrough"));
    }

    function test_buyFor_theTotalIsNotThePrice_isRefused(uint256 total) public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        uint256 price = wanted.total;
        wanted.total = total == price ? price + 1 : total;
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.WrongTotal.selector, price, wanted.total));
    }

    function test_buyFor_theSessionSignerIsZero_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.signer = address(0);
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.ZeroSigner.selector));
    }

    function test_buyFor_theSessionSignerHasCode_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.signer = address(credit);
        refusedOrder(wanted, abi.encodeWithSelector(IMaaSMarket.SignerHasCode.selector, address(credit)));
    }

    function test_buyFor_anyoneRelaysIt_buysForTheBuyerAndTellsAllOfIt(uint40 cap, uint32 periods) public {
        cap = uint40(bound(cap, 0, 1_000_000));
        periods = uint32(bound(periods, 1, 100));
        IMaaSMarket.Order memory wanted = order(cap, periods);
        bytes memory signature = signedBy(buyerKey, wanted);
        uint96 id = uint96(planId) << 32 | 1;
        vm.expectEmit(address(market));
        emit IMaaSMarket.Subscribed(
            id, buyer, session, cap, periods, wanted.total, uint64(nowAt() + ACTIVATION_WINDOW), REQUEST
        );
        vm.expectEmit(address(market));
        emit IMaaSMarket.Deposited(buyer, buyer, wanted.total);
        vm.prank(anyone);
        assertEq(market.buyFor(wanted, signature, noPermit()), id);
        IMaaSMarket.Subscription memory bought = market.subscription(id);
        assertEq(bought.buyer, buyer);
        assertEq(bought.signer, session);
        assertEq(bought.cap, cap);
        assertEq(tokens(buyer), FUNDS - wanted.total);
        (, uint64 nonce) = market.accountOf(buyer);
        assertEq(nonce, 1);
    }

    function test_buyFor_anAccountThatCoversTheTotal_pullsNothing(uint256 held) public {
        IMaaSMarket.Order memory wanted = order(1_000, 2);
        held = bound(held, wanted.total, FUNDS);
        leaveInAccount(held);
        buyFor(wanted);
        assertEq(balance(buyer), held - wanted.total);
        assertEq(tokens(address(market)), held);
    }

    function test_buyFor_anAccountThatLacksSomeOfTheTotal_pullsExactlyTheShortfallFromTheBuyer(uint256 held) public {
        IMaaSMarket.Order memory wanted = order(1_000, 2);
        held = bound(held, 0, wanted.total - 1);
        fund(anyone, 1e12);
        vm.prank(buyer);
        market.deposit(buyer, held);
        buyFor(wanted);
        assertEq(balance(buyer), 0);
        assertEq(tokens(buyer), FUNDS - wanted.total);
        assertEq(tokens(anyone), 1e12, "the relayer pays nothing");
    }

    function test_buyFor_tooLittleInAccountAndWallet_isRefusedAndTheOrderStaysGood(uint256 held) public {
        IMaaSMarket.Order memory wanted = order(1_000, 2);
        held = bound(held, 0, wanted.total - 1);
        leaveInAccount(held);
        uint256 lacking = wanted.total - held;
        refusedOrder(wanted, abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, buyer, 0, lacking));
        credit.faucet(buyer, lacking);
        expectStatus(buyFor(wanted), IMaaSMarket.Status.Purchased);
    }

    function test_buyFor_aPermitOfTheBuyer_needsNoAllowance() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        disapprove();
        buyFor(wanted, permitFor(wanted.total));
        assertEq(tokens(address(market)), wanted.total);
        assertEq(credit.allowance(buyer, address(market)), 0);
    }

    function test_buyFor_aPermitThatSomebodyUsedBefore_buysAllTheSame() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        disapprove();
        IMaaSMarket.Permit memory permit = permitFor(wanted.total);
        credit.permit(buyer, address(market), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        buyFor(wanted, permit);
        assertEq(tokens(address(market)), wanted.total);
    }

    function test_buyFor_anAllowance_buysByTheAllowance() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        buyFor(wanted, permitOfAnother(wanted.total));
        assertEq(tokens(address(market)), wanted.total);
        assertEq(credit.nonces(buyer), 0);
    }

    function test_buyFor_noAllowance_isRefused() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        disapprove();
        bytes memory call =
            abi.encodeCall(market.buyFor, (wanted, signedBy(buyerKey, wanted), permitOfAnother(wanted.total)));
        bytes4 reason = IERC20Errors.ERC20InsufficientAllowance.selector;
        refused(anyone, call, abi.encodeWithSelector(reason, address(market), 0, wanted.total));
    }

    function test_buyFor_aPermitOfNothing_buysAndLeavesThePermitUnused() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        buyFor(wanted, permitFor(0));
        assertEq(tokens(address(market)), wanted.total);
        assertEq(credit.nonces(buyer), 0);
    }

    function buyFor(IMaaSMarket.Order memory wanted) private returns (uint96) {
        return buyFor(wanted, noPermit());
    }

    function buyFor(IMaaSMarket.Order memory wanted, IMaaSMarket.Permit memory permit) private returns (uint96) {
        bytes memory signature = signedBy(buyerKey, wanted);
        vm.prank(anyone);
        return market.buyFor(wanted, signature, permit);
    }

    function refusedOrder(IMaaSMarket.Order memory wanted, bytes memory reason) private {
        bytes memory call = abi.encodeCall(market.buyFor, (wanted, signedBy(buyerKey, wanted), noPermit()));
        refused(anyone, call, reason);
    }

    function signedBy(uint256 key, IMaaSMarket.Order memory wanted) private view returns (bytes memory) {
        return sign(key, market.hashOrder(wanted));
    }

    function permitOfAnother(uint256 value) private returns (IMaaSMarket.Permit memory permit) {
        uint256 own = buyerKey;
        buyerKey = sessionKey;
        permit = permitFor(value);
        buyerKey = own;
    }

    function disapprove() private {
        vm.prank(buyer);
        credit.approve(address(market), 0);
    }

    function wrongNonce(uint64 expected, uint64 given) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, expected, given);
    }
}
