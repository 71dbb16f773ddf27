// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

contract AccountsTest is MarketUnit {
    function test_constructor_keepsTheCatalogueAndTheToken() public view {
        assertEq(market.catalog(), address(catalog));
        assertEq(market.token(), address(credit));
    }

    function test_catalog_namesTheCatalogue() public view {
        assertEq(market.catalog(), address(catalog));
    }

    function test_token_namesTheToken() public view {
        assertEq(market.token(), address(credit));
    }

    function test_deposit_theCallerHasNotApprovedTheMarket_isRefused() public {
        disapprove();
        refused(buyer, abi.encodeCall(market.deposit, (buyer, 5e6)), noAllowance(5e6));
    }

    function test_deposit_theCallerHasTooLittle_isRefused() public {
        bytes memory reason =
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, buyer, FUNDS, FUNDS + 1);
        refused(buyer, abi.encodeCall(market.deposit, (buyer, FUNDS + 1)), reason);
    }

    function test_deposit_theAccountWouldHoldMoreThan128Bits_isRefused(uint256 amount) public {
        vm.prank(buyer);
        market.deposit(buyer, 5e6);
        amount = bound(amount, (1 << 128) - 5e6, type(uint256).max - 5e6);
        refused(buyer, abi.encodeCall(market.deposit, (buyer, amount)), overflow("balance"));
    }

    function test_deposit_forOneself_creditsTheCallerAndTakesExactlyThat(uint256 amount) public {
        amount = bound(amount, 1, FUNDS);
        expectDeposited(buyer, amount);
        vm.prank(buyer);
        market.deposit(buyer, amount);
        assertDeposited(buyer, amount);
    }

    function test_deposit_forAnother_creditsThatAccountFromTheCallersMoney(uint256 amount) public {
        amount = bound(amount, 1, FUNDS);
        expectDeposited(friend, amount);
        vm.prank(buyer);
        market.deposit(friend, amount);
        assertDeposited(friend, amount);
        assertEq(balance(buyer), 0);
    }

    function test_deposit_ofNothing_saysSoAndMovesNothing() public {
        bytes32 before = books();
        expectDeposited(buyer, 0);
        vm.prank(buyer);
        market.deposit(buyer, 0);
        assertEq(books(), before);
    }

    function test_depositWithPermit_aPermitOfTheCaller_needsNoAllowance(uint256 amount) public {
        amount = bound(amount, 1, FUNDS);
        disapprove();
        IMaaSMarket.Permit memory permit = permitFor(amount);
        expectDeposited(buyer, amount);
        vm.prank(buyer);
        market.depositWithPermit(buyer, amount, permit);
        assertDeposited(buyer, amount);
        assertEq(credit.allowance(buyer, address(market)), 0);
    }

    function test_depositWithPermit_aPermitThatSomebodyUsedBefore_depositsAllTheSame() public {
        disapprove();
        IMaaSMarket.Permit memory permit = permitFor(7e6);
        credit.permit(buyer, address(market), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        vm.prank(buyer);
        market.depositWithPermit(buyer, 7e6, permit);
        assertDeposited(buyer, 7e6);
    }

    function test_depositWithPermit_anAllowance_depositsByTheAllowance() public {
        IMaaSMarket.Permit memory permit = permitOfAnother(7e6);
        vm.prank(buyer);
        market.depositWithPermit(buyer, 7e6, permit);
        assertDeposited(buyer, 7e6);
        assertEq(credit.nonces(buyer), 0);
    }

    function test_depositWithPermit_noAllowance_isRefused() public {
        disapprove();
        IMaaSMarket.Permit memory permit = permitOfAnother(7e6);
        refused(buyer, abi.encodeCall(market.depositWithPermit, (buyer, 7e6, permit)), noAllowance(7e6));
    }

    function test_depositWithPermit_anAllowanceFromBefore_depositsAndLeavesThePermitUnused() public {
        IMaaSMarket.Permit memory permit = permitFor(0);
        vm.prank(buyer);
        market.depositWithPermit(buyer, 7e6, permit);
        assertDeposited(buyer, 7e6);
        assertEq(credit.nonces(buyer), 0);
        assertEq(credit.allowance(buyer, address(market)), type(uint256).max);
    }

    function test_depositWithPermit_noAllowanceFromBefore_isRefused() public {
        disapprove();
        IMaaSMarket.Permit memory permit = permitFor(0);
        refused(buyer, abi.encodeCall(market.depositWithPermit, (buyer, 7e6, permit)), noAllowance(7e6));
    }

    function test_depositWithPermit_aTokenWithoutPermits_depositsByTheAllowance() public {
        IMaaSMarket.Permit memory permit = permitFor(7e6);
        useAbundantToken();
        vm.prank(buyer);
        market.depositWithPermit(buyer, 7e6, permit);
        assertEq(balance(buyer), 7e6);
        assertEq(tokens(address(market)), 7e6);
    }

    function test_depositWithPermit_theAccountWouldHoldMoreThan128Bits_isRefused() public {
        bytes memory call = abi.encodeCall(market.depositWithPermit, (buyer, 1 << 128, noPermit()));
        refused(buyer, call, overflow("balance"));
    }

    function test_depositWithPermit_forAnother_creditsThatAccountFromTheCallersMoney() public {
        disapprove();
        IMaaSMarket.Permit memory permit = permitFor(7e6);
        expectDeposited(friend, 7e6);
        vm.prank(buyer);
        market.depositWithPermit(friend, 7e6, permit);
        assertDeposited(friend, 7e6);
        assertEq(balance(buyer), 0);
    }

    function test_withdraw_beyondTheBalance_isRefused(uint256 held, uint256 asked) public {
        held = bound(held, 0, FUNDS);
        asked = bound(asked, held + 1, type(uint256).max);
        vm.prank(buyer);
        market.deposit(buyer, held);
        refused(buyer, abi.encodeCall(market.withdraw, (asked)), insufficient(asked, held));
    }

    function test_withdraw_moneyThatAPurchaseReserved_isRefused() public {
        vm.prank(buyer);
        market.deposit(buyer, 10 * UNIT_PRICE);
        buy(unitPlan, 6, 0);
        bytes memory call = abi.encodeCall(market.withdraw, (10 * UNIT_PRICE));
        refused(buyer, call, insufficient(10 * UNIT_PRICE, 4 * UNIT_PRICE));
    }

    function test_withdraw_withinTheBalance_paysTheCallerAndLowersTheAccount(uint256 held, uint256 asked) public {
        held = bound(held, 1, FUNDS);
        asked = bound(asked, 1, held);
        vm.startPrank(buyer);
        market.deposit(buyer, held);
        vm.expectEmit(address(market));
        emit IMaaSMarket.Withdrawn(buyer, asked);
        market.withdraw(asked);
        assertEq(balance(buyer), held - asked);
        assertEq(tokens(buyer), FUNDS - held + asked);
        assertEq(tokens(address(market)), held - asked);
    }

    function test_withdraw_ofNothing_paysNothing() public {
        bytes32 before = books();
        vm.expectEmit(address(market));
        emit IMaaSMarket.Withdrawn(buyer, 0);
        vm.prank(buyer);
        market.withdraw(0);
        assertEq(books(), before);
    }

    function test_cancelOrders_theNonceIsNotAboveTheAccounts_isRefused(uint64 held, uint64 asked) public {
        held = uint64(bound(held, 1, type(uint64).max - 1));
        asked = uint64(bound(asked, 0, held));
        vm.prank(buyer);
        market.cancelOrders(held);
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, held + 1, asked);
        refused(buyer, abi.encodeCall(market.cancelOrders, (asked)), reason);
    }

    function test_cancelOrders_theNonceIsAboveTheAccounts_raisesTheAccountsToThat(uint64 asked) public {
        buy(unitPlan, 1, 0);
        asked = uint64(bound(asked, 2, type(uint64).max));
        vm.expectEmit(address(market));
        emit IMaaSMarket.OrdersCancelled(buyer, asked);
        vm.prank(buyer);
        market.cancelOrders(asked);
        (uint128 held, uint64 nonce) = market.accountOf(buyer);
        assertEq(nonce, asked);
        assertEq(held, 0);
    }

    function test_accountOf_anAccountNeverUsed_isEmpty() public view {
        (uint128 held, uint64 nonce) = market.accountOf(friend);
        assertEq(held, 0);
        assertEq(nonce, 0);
    }

    function test_accountOf_depositsAndPurchases_tellsWhatIsLeftAndTheNextNonce() public {
        vm.prank(buyer);
        market.deposit(buyer, 10 * UNIT_PRICE);
        buy(unitPlan, 3, 0);
        buy(unitPlan, 4, 0);
        (uint128 held, uint64 nonce) = market.accountOf(buyer);
        assertEq(held, 3 * UNIT_PRICE);
        assertEq(nonce, 2);
    }

    function expectDeposited(address account, uint256 amount) private {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Deposited(account, buyer, amount);
    }

    function assertDeposited(address account, uint256 amount) private view {
        assertEq(balance(account), amount, "account");
        assertEq(tokens(buyer), FUNDS - amount, "wallet");
        assertEq(tokens(address(market)), amount, "market");
    }

    function disapprove() private {
        vm.prank(buyer);
        credit.approve(address(market), 0);
    }

    function permitOfAnother(uint256 value) private returns (IMaaSMarket.Permit memory permit) {
        buyerKey = sessionKey;
        return permitFor(value);
    }

    function noAllowance(uint256 needed) private view returns (bytes memory) {
        return abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(market), 0, needed);
    }
}
