// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {House} from "./House.sol";

/// @dev A contract account whose owner signs for it.
contract Purse is IERC1271 {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 hash, bytes memory signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == OWNER ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Accounts and purchases.
/// given an account: deposit (self, gift, permit), withdraw (within, beyond)
/// given a plan: buy (funded, shortfall, retired, unknown, nothing, zero signer, signer with code)
/// given an order: once; replayed; cancelled; late; wrong total; wrong signer; changed; contract account; bad permit
contract MarketBuyingTest is House {
    function test_deposit_forAnother_creditsThatAccount() public {
        address friend = makeAddr("friend");
        vm.prank(buyer);
        vm.expectEmit();
        emit IMaaSMarket.Deposited(friend, buyer, 5e6);
        market.deposit(friend, 5e6);
        assertEq(balance(friend), 5e6);
        assertEq(credit.balanceOf(address(market)), 5e6);
    }

    function test_depositWithPermit_needsNoAllowance() public {
        vm.startPrank(buyer);
        credit.approve(address(market), 0);
        market.depositWithPermit(buyer, 7e6, permitFor(7e6));
        assertEq(balance(buyer), 7e6);
    }

    function test_withdraw_returnsTheMoney() public {
        vm.startPrank(buyer);
        market.deposit(buyer, 5e6);
        market.withdraw(2e6);
        assertEq(balance(buyer), 3e6);
        assertEq(credit.balanceOf(buyer), FUNDS - 3e6);
    }

    function test_withdraw_beyondTheBalance_reverts() public {
        vm.startPrank(buyer);
        market.deposit(buyer, 5e6);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.InsufficientBalance.selector, 5e6 + 1, 5e6));
        market.withdraw(5e6 + 1);
    }

    function test_buy_pullsExactlyTheShortfall(uint256 deposited) public {
        uint256 total = market.quote(planId, 1_000, 2);
        assertEq(total, 1_000 * UNIT_PRICE + 2 * uint256(PERIOD_PRICE));
        deposited = bound(deposited, 0, 2 * total);
        vm.prank(buyer);
        market.deposit(buyer, deposited);
        uint96 id = buy(planId, 1_000, 2);
        assertEq(id, uint96(planId) << 32 | 1);
        assertEq(balance(buyer), deposited > total ? deposited - total : 0);
        assertEq(credit.balanceOf(buyer), FUNDS - (deposited > total ? deposited : total));
        assertEq(market.activationDeadlineOf(id), nowAt() + ACTIVATION_WINDOW);
        IMaaSMarket.Subscription memory bought = market.subscription(id);
        assertEq(bought.buyer, buyer);
        assertEq(bought.signer, session);
        assertEq(bought.cap, 1_000);
        assertEq(bought.since, 0);
        assertEq(bought.paidThrough, 0);
        expectStatus(id, IMaaSMarket.Status.Purchased);
        assertFalse(market.isEntitled(id));
    }

    function test_buy_withoutMoney_changesNothing() public {
        address poor = makeAddr("poor");
        vm.prank(poor);
        vm.expectRevert();
        market.buy(planId, session, 1, 1, REQUEST);
        (uint256 left, uint64 nonce) = market.accountOf(poor);
        assertEq(left + nonce, 0);
    }

    function test_buy_refusesWhatCannotBeBought() public {
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.UnknownPlan.selector, planId + 99));
        market.buy(planId + 99, session, 1, 1, REQUEST);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NoPeriods.selector, unitPlan));
        market.buy(unitPlan, session, 1, 1, REQUEST);
        vm.expectRevert(IMaaSMarket.NothingBought.selector);
        market.buy(unitPlan, session, 0, 0, REQUEST);
        vm.expectRevert(IMaaSMarket.NothingBought.selector);
        market.buy(planId, session, 5, 0, REQUEST);
        vm.expectRevert(IMaaSMarket.ZeroSigner.selector);
        market.buy(planId, address(0), 1, 1, REQUEST);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.SignerHasCode.selector, address(credit)));
        market.buy(planId, address(credit), 1, 1, REQUEST);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.Overflow.selector, bytes32("paidThrough")));
        market.buy(planId, session, 1, type(uint32).max, REQUEST);
    }

    function test_buy_retiredPlan_reverts_whileRunningOnesStay() public {
        uint96 id = active(planId, 10, 1);
        vm.prank(provider);
        catalog.retirePlan(planId);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.PlanIsRetired.selector, planId));
        market.buy(planId, session, 1, 1, REQUEST);
        settle(id, 4);
        assertEq(earned(planId), 4 * UNIT_PRICE);
    }

    function test_buyFor_relayed_takesTheBuyersMoneyOnly() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.prank(buyer);
        credit.approve(address(market), 0);
        IMaaSMarket.Permit memory permit = permitFor(wanted.total);
        vm.prank(makeAddr("relayer"));
        uint96 id = market.buyFor(wanted, signature, permit);
        assertEq(market.subscription(id).buyer, buyer);
        assertEq(credit.balanceOf(buyer), FUNDS - wanted.total);
        assertEq(credit.allowance(buyer, address(market)), 0);
    }

    function test_buyFor_twice_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        market.buyFor(wanted, signature, noPermit());
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, 1, 0));
        market.buyFor(wanted, signature, noPermit());
    }

    function test_buyFor_afterADirectPurchase_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        buy(planId, 10, 1);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, 1, 0));
        market.buyFor(wanted, signature, noPermit());
    }

    function test_buyFor_cancelled_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.startPrank(buyer);
        market.cancelOrders(5);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, 6, 5));
        market.cancelOrders(5);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, 5, 0));
        market.buyFor(wanted, signature, noPermit());
    }

    function test_buyFor_lateOrder_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.warp(wanted.deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMaaSMarket.OrderExpired.selector, wanted.deadline, uint256(wanted.deadline) + 1)
        );
        market.buyFor(wanted, signature, noPermit());
    }

    function test_buyFor_wrongTotal_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.total += 1;
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongTotal.selector, wanted.total - 1, wanted.total));
        market.buyFor(wanted, signature, noPermit());
    }

    function test_buyFor_anyFieldChanged_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        wanted.signer = makeAddr("thief");
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, buyer));
        market.buyFor(wanted, signature, noPermit());
        wanted = order(11, 1);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, buyer));
        market.buyFor(wanted, signature, noPermit());
    }

    function test_buyFor_otherChain_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, buyer));
        market.buyFor(wanted, signature, noPermit());
    }

    function test_buyFor_contractAccount_signsByErc1271() public {
        Purse purse = new Purse(buyer);
        credit.faucet(address(purse), 1e9);
        vm.prank(address(purse));
        credit.approve(address(market), 1e9);
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.buyer = address(purse);
        bytes memory wrong = sign(sessionKey, market.hashOrder(wanted));
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, address(purse)));
        market.buyFor(wanted, wrong, noPermit());
        uint96 id = market.buyFor(wanted, sign(buyerKey, market.hashOrder(wanted)), noPermit());
        assertEq(market.subscription(id).buyer, address(purse));
    }

    function test_buyFor_frontRunPermit_stillBuys() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        IMaaSMarket.Permit memory permit = permitFor(wanted.total);
        credit.permit(buyer, address(market), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        market.buyFor(wanted, signature, permit);
        assertEq(credit.balanceOf(buyer), FUNDS - wanted.total);
    }
}
