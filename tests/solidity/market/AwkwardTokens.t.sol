// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AwkwardToken} from "./AwkwardToken.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice Invariant 8: a token that charges fees, returns false or nothing, or re-enters: refused or harmless.
contract AwkwardTokensTest is MarketUnit {
    AwkwardToken private token;

    function setUp() public override {
        super.setUp();
        token = new AwkwardToken();
        market = deployMarket(address(catalog), address(token));
        token.mint(buyer, 1_000e6);
        vm.startPrank(buyer);
        token.approve(address(market), type(uint256).max);
        market.deposit(buyer, 100e6);
        vm.stopPrank();
    }

    function test_deposit_aTokenThatTakesAFeeOfWhatArrives_isRefused() public {
        token.become(AwkwardToken.Vice.FeeOnTransfer);
        refused(buyer, abi.encodeCall(market.deposit, (buyer, 10e6)), misbehaved(10e6, 9.9e6));
    }

    function test_deposit_aTokenThatTakesAFeeOnTop_isAcceptedSinceTheMarketGetsAllOfIt() public {
        token.become(AwkwardToken.Vice.FeeOnTop);
        vm.prank(buyer);
        market.deposit(buyer, 10e6);
        assertEq(balance(buyer), 110e6);
        assertEq(tokens(address(market)), 110e6);
    }

    function test_deposit_aTokenThatReturnsFalse_isRefused() public {
        token.become(AwkwardToken.Vice.ReturnsFalse);
        refused(buyer, abi.encodeCall(market.deposit, (buyer, 10e6)), returnedFalse());
    }

    function test_deposit_aTokenThatReturnsNothing_isAccepted() public {
        token.become(AwkwardToken.Vice.ReturnsNothing);
        vm.prank(buyer);
        market.deposit(buyer, 10e6);
        assertEq(balance(buyer), 110e6);
        assertEq(tokens(address(market)), 110e6);
    }

    function test_deposit_aTokenThatReEnters_refusesEveryCallThatMovesMoney() public {
        uint96 id = active(planId, 10, 1);
        IMaaSMarket.Order memory wanted = order(1, 1);
        bytes[9] memory attacks = [
            abi.encodeCall(market.deposit, (buyer, 0)),
            abi.encodeCall(market.depositWithPermit, (buyer, 0, noPermit())),
            abi.encodeCall(market.withdraw, (0)),
            abi.encodeCall(market.buy, (unitPlan, session, 1, 0, REQUEST)),
            abi.encodeCall(market.buyFor, (wanted, sign(buyerKey, market.hashOrder(wanted)), noPermit())),
            abi.encodeCall(market.raiseCap, (id, 1)),
            abi.encodeCall(market.renew, (id, 1)),
            abi.encodeCall(market.payout, (planId)),
            abi.encodeCall(market.payoutShare, (compositePlan, component))
        ];
        for (uint256 i = 0; i < attacks.length; ++i) {
            token.reEnter(address(market), attacks[i]);
            vm.prank(buyer);
            market.deposit(buyer, 1e6);
            assertTrue(token.attacked());
            assertFalse(token.attackPassed(), "re-entered");
        }
        assertEq(balance(buyer), 100e6 - 10 * UNIT_PRICE - PERIOD_PRICE + 9e6);
    }

    function test_deposit_tokensSentWithoutIt_leavesThemNobodys() public {
        vm.prank(buyer);
        assertTrue(token.transfer(address(market), 5e6));
        assertEq(balance(buyer), 100e6);
        assertEq(balance(address(market)), 0);
        assertEq(tokens(address(market)), 105e6);
    }

    function test_withdraw_aTokenThatTakesAFeeOfWhatArrives_isAcceptedSinceTheMarketGivesNoMore() public {
        token.become(AwkwardToken.Vice.FeeOnTransfer);
        vm.prank(buyer);
        market.withdraw(10e6);
        assertEq(balance(buyer), 90e6);
        assertEq(tokens(address(market)), 90e6);
    }

    function test_withdraw_aTokenThatTakesAFeeOnTop_isRefusedSoThatOthersStayFunded() public {
        token.become(AwkwardToken.Vice.FeeOnTop);
        refused(buyer, abi.encodeCall(market.withdraw, (10e6)), misbehaved(10e6, 10.1e6));
    }

    function test_withdraw_aTokenThatReturnsFalse_isRefused() public {
        token.become(AwkwardToken.Vice.ReturnsFalse);
        refused(buyer, abi.encodeCall(market.withdraw, (10e6)), returnedFalse());
    }

    function test_withdraw_aTokenThatReturnsNothing_isAccepted() public {
        token.become(AwkwardToken.Vice.ReturnsNothing);
        vm.prank(buyer);
        market.withdraw(10e6);
        assertEq(balance(buyer), 90e6);
        assertEq(tokens(address(market)), 90e6);
    }

    function test_withdraw_aTokenThatReEnters_paysOnce() public {
        token.reEnter(address(market), abi.encodeCall(market.withdraw, (10e6)));
        vm.prank(buyer);
        market.withdraw(10e6);
        assertTrue(token.attacked());
        assertEq(balance(buyer), 90e6);
        assertEq(tokens(buyer), 910e6);
    }

    function test_buy_aTokenThatTakesAFeeOfWhatArrives_isRefusedWhereMoneyMustBePulled() public {
        token.become(AwkwardToken.Vice.FeeOnTransfer);
        refused(buyer, dearPurchase(), misbehaved(900e6, 891e6));
        buy(unitPlan, 4_000, 0);
    }

    function test_buy_aTokenThatReturnsFalse_isRefusedWhereMoneyMustBePulled() public {
        token.become(AwkwardToken.Vice.ReturnsFalse);
        refused(buyer, dearPurchase(), returnedFalse());
        buy(unitPlan, 4_000, 0);
    }

    function test_buy_aTokenThatReEnters_sellsOnce() public {
        token.reEnter(address(market), abi.encodeCall(market.buy, (unitPlan, session, 1, 0, REQUEST)));
        uint96 id = buy(unitPlan, 40_000, 0);
        assertTrue(token.attacked());
        assertFalse(token.attackPassed());
        assertEq(uint8(market.statusOf(id + 1)), uint8(IMaaSMarket.Status.None));
        assertEq(tokens(buyer), 0);
    }

    function test_payout_aTokenThatTakesAFeeOnTop_isRefusedSoThatOthersStayFunded() public {
        settle(active(unitPlan, 100, 0), 100);
        token.become(AwkwardToken.Vice.FeeOnTop);
        uint256 owed = 100 * UNIT_PRICE;
        refused(anyone, abi.encodeCall(market.payout, (unitPlan)), misbehaved(owed, owed + owed / 100));
    }

    function test_payout_aTokenThatReturnsFalse_isRefusedAndStillOwed() public {
        settle(active(unitPlan, 100, 0), 100);
        token.become(AwkwardToken.Vice.ReturnsFalse);
        refused(anyone, abi.encodeCall(market.payout, (unitPlan)), returnedFalse());
        token.become(AwkwardToken.Vice.None);
        assertEq(market.payout(unitPlan), 100 * UNIT_PRICE);
    }

    function test_payout_aTokenThatReEnters_paysOnce() public {
        settle(active(unitPlan, 100, 0), 100);
        token.reEnter(address(market), abi.encodeCall(market.payout, (unitPlan)));
        market.payout(unitPlan);
        assertTrue(token.attacked());
        assertEq(tokens(provider), 100 * UNIT_PRICE);
        assertEq(market.payout(unitPlan), 0);
    }

    function test_payoutShare_aTokenThatReturnsFalse_isRefusedAndStillOwed() public {
        settle(active(compositePlan, 100, 1), 100);
        token.become(AwkwardToken.Vice.ReturnsFalse);
        refused(anyone, abi.encodeCall(market.payoutShare, (compositePlan, component)), returnedFalse());
        token.become(AwkwardToken.Vice.None);
        assertEq(market.payoutShare(compositePlan, component), 30 * UNIT_PRICE);
    }

    function test_payoutShare_aTokenThatReEnters_paysOnce() public {
        settle(active(compositePlan, 100, 1), 100);
        token.reEnter(address(market), abi.encodeCall(market.payoutShare, (compositePlan, component)));
        market.payoutShare(compositePlan, component);
        assertTrue(token.attacked());
        assertEq(tokens(componentOwner), 30 * UNIT_PRICE);
        assertEq(market.payoutShare(compositePlan, component), 0);
    }

    /// @dev All that the buyer has: 100 credits in its account, 900 in its wallet.
    function dearPurchase() private view returns (bytes memory) {
        return abi.encodeCall(market.buy, (unitPlan, session, 40_000, 0, REQUEST));
    }

    function returnedFalse() private view returns (bytes memory) {
        return abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token));
    }

    function misbehaved(uint256 expected, uint256 received) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.TokenMisbehaved.selector, expected, received);
    }
}
