// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @notice What lies in the mempool is copied and sent first by somebody else.
contract FrontRunningAttackTest is AttackHouse {
    address private relayer = makeAddr("relayer");

    function test_attack_orderCopied_buysTheSameOnce() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.prank(attacker);
        uint96 id = market.buyFor(wanted, signature, noPermit());
        vm.prank(relayer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, 1, 0));
        market.buyFor(wanted, signature, noPermit());
        IMaaSMarket.Subscription memory bought = market.subscription(id);
        assertEq(bought.buyer, buyer);
        assertEq(bought.signer, session);
        assertEq(bought.cap, 1_000);
        assertEq(wealth(buyer), FUNDS - wanted.total, "paid once");
        assertEq(wealth(attacker), FUNDS, "the copier paid only gas, and got nothing");
        expectStatus(id + 1, IMaaSMarket.Status.None);
    }

    function test_attack_orderCopiedAndChanged_buysNothing() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        IMaaSMarket.Order[7] memory changed;
        for (uint256 i = 0; i < changed.length; ++i) {
            changed[i] = order(1_000, 1);
        }
        changed[0].signer = attacker;
        changed[1].requirementsHash = keccak256("other");
        changed[2].deadline += 1;
        changed[3].cap += 1;
        changed[4].periods += 1;
        changed[5].planId = compositePlan;
        changed[6].total += 1;
        changed[3].total += UNIT_PRICE;
        changed[4].total += PERIOD_PRICE;
        for (uint256 i = 0; i < changed.length; ++i) {
            vm.prank(attacker);
            vm.expectRevert();
            market.buyFor(changed[i], signature, noPermit());
        }
        assertEq(wealth(buyer), FUNDS);
        assertEq(nonceOf(buyer), 0);
    }

    /// @dev Without its permit the copied order cannot pull; it reverts whole and the honest one still stands.
    function test_attack_orderStrippedOfItsPermit_doesNotSpoilIt() public {
        forgetAllowance();
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        IMaaSMarket.Permit memory permit = permitFor(wanted.total);
        vm.prank(attacker);
        vm.expectRevert();
        market.buyFor(wanted, signature, noPermit());
        assertEq(nonceOf(buyer), 0);
        vm.prank(relayer);
        market.buyFor(wanted, signature, permit);
        assertEq(wealth(buyer), FUNDS - wanted.total);
    }

    function test_attack_permitUsedFirst_purchaseStillGoesThrough() public {
        forgetAllowance();
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        IMaaSMarket.Permit memory permit = permitFor(wanted.total);
        vm.prank(attacker);
        credit.permit(buyer, address(market), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        vm.prank(relayer);
        market.buyFor(wanted, signature, permit);
        assertEq(wealth(buyer), FUNDS - wanted.total);
        assertEq(credit.allowance(buyer, address(market)), 0);
    }

    /// @dev The allowance that a permit gave serves the buyer's own calls and orders only.
    function test_attack_permitUsedFirst_givesTheAttackerNothing() public {
        forgetAllowance();
        IMaaSMarket.Permit memory permit = permitFor(100e6);
        vm.startPrank(attacker);
        credit.permit(buyer, address(market), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        vm.expectRevert();
        credit.transferFrom(buyer, attacker, 1);
        market.deposit(buyer, 1);
        vm.stopPrank();
        assertEq(credit.balanceOf(buyer), FUNDS);
        assertEq(wealth(attacker), FUNDS - 1);
    }

    function test_attack_permitUsedFirst_depositStillGoesThrough() public {
        forgetAllowance();
        IMaaSMarket.Permit memory permit = permitFor(70e6);
        vm.prank(attacker);
        credit.permit(buyer, address(market), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        vm.prank(buyer);
        market.depositWithPermit(buyer, 70e6, permit);
        assertEq(balance(buyer), 70e6);
        assertEq(credit.balanceOf(buyer), FUNDS - 70e6);
    }

    /// @dev A permit with a wrong value, deadline or signature is worth nothing; where an allowance stands, none is needed.
    function test_attack_orderWithASpoiltPermit_buysOnlyOnAStandingAllowance() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        IMaaSMarket.Permit[4] memory spoilt;
        for (uint256 i = 0; i < spoilt.length; ++i) {
            spoilt[i] = permitFor(wanted.total);
        }
        spoilt[0].value = type(uint256).max;
        spoilt[1].value -= 1;
        spoilt[2].deadline -= 1;
        (spoilt[3].r, spoilt[3].s) = (0, 0);
        forgetAllowance();
        for (uint256 i = 0; i < spoilt.length; ++i) {
            vm.prank(attacker);
            vm.expectRevert();
            market.buyFor(wanted, signature, spoilt[i]);
        }
        assertEq(credit.nonces(buyer) + nonceOf(buyer), 0);
        vm.prank(buyer);
        credit.approve(address(market), wanted.total);
        vm.prank(attacker);
        market.buyFor(wanted, signature, spoilt[0]);
        assertEq(wealth(buyer), FUNDS - wanted.total, "the exact total, whatever the permit says");
        assertEq(credit.allowance(buyer, address(market)), 0);
    }

    /// @dev Buying first shifts the sequence: the buyer gets the next id, and everything else as it ordered it.
    function test_attack_purchaseSqueezedIn_changesNothingButTheId() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.prank(attacker);
        uint96 foreign = market.buy(planId, attacker, 1, 1, REQUEST);
        uint96 id = market.buyFor(wanted, signature, noPermit());
        assertEq(id, foreign + 1);
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(foreign, ENDPOINT));
        vm.expectRevert(notSignedBy(attacker));
        market.activate(foreign, ENDPOINT, r, vs);
        activate(id);
        assertEq(market.subscription(id).buyer, buyer);
        assertEq(wealth(buyer), FUNDS - wanted.total);
    }

    function test_attack_activationCopied_startsTheSameTime() public {
        uint96 id = buy(planId, 10, 1);
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(id, ENDPOINT));
        vm.expectEmit(address(market));
        emit IMaaSMarket.Activated(id, ENDPOINT, uint32(nowAt()), uint32(nowAt()) + PERIOD);
        vm.prank(attacker);
        market.activate(id, ENDPOINT, r, vs);
        assertEq(wealth(attacker), FUNDS);
    }

    /// @dev A provider cannot slip a dearer plan, nor a price, under an order: plans are versions, the total is signed.
    function test_attack_newPlanSqueezedIn_doesNotChangeThePrice() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        publish(10 * UNIT_PRICE, PERIOD, PERIOD_PRICE, noShares());
        vm.prank(provider);
        catalog.transferFrom(provider, attacker, composite);
        market.buyFor(wanted, signature, noPermit());
        assertEq(wealth(buyer), FUNDS - wanted.total);
    }

    /// @dev The plan is closed first: the order fails whole, and fails for good once its nonce is passed.
    function test_attack_planRetiredFirst_costsTheBuyerNothing() public {
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.prank(provider);
        catalog.retirePlan(planId);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.PlanIsRetired.selector, planId));
        market.buyFor(wanted, signature, noPermit());
        assertEq(wealth(buyer), FUNDS);
        assertEq(nonceOf(buyer), 0);
    }

    function forgetAllowance() private {
        vm.prank(buyer);
        credit.approve(address(market), 0);
    }
}
