// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IAssetToken} from "../Deploy.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @notice What was signed for one chain, one market, one subscription and one purpose is presented where it was not meant.
/// @dev A fork of the chain keeps addresses, ids and balances; only its chain id differs: `vm.chainId` alone is that fork.
contract ReplayAttackTest is AttackHouse {
    bytes32 private constant SHELL = keccak256("shell");
    uint256 private constant KEPT = 100e6;

    IMaaSMarket private here;
    IMaaSMarket private elsewhere;
    uint256 private homeChain;

    /// @dev The buyer has money and a standing allowance at both markets: a replay would be paid.
    function setUp() public override {
        super.setUp();
        homeChain = block.chainid;
        here = market;
        elsewhere = deployMarket(address(catalog), address(credit));
        vm.startPrank(buyer);
        credit.approve(address(elsewhere), type(uint256).max);
        here.deposit(buyer, KEPT);
        elsewhere.deposit(buyer, KEPT);
        vm.stopPrank();
    }

    function test_attack_orderOnAnotherChain_buysNothing() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes32 digest = market.hashOrder(wanted);
        bytes memory signature = sign(buyerKey, digest);
        otherChain();
        assertNotEq(market.hashOrder(wanted), digest, "the separator follows the chain");
        vm.expectRevert(notSignedBy(buyer));
        vm.prank(attacker);
        market.buyFor(wanted, signature, noPermit());
        assertEq(balance(buyer), KEPT);
        assertEq(nonceOf(buyer), 0);
        market.buyFor(wanted, sign(buyerKey, market.hashOrder(wanted)), noPermit());
        assertEq(balance(buyer), KEPT - wanted.total, "signed for this chain it holds");
    }

    function test_attack_orderOnAnotherMarket_buysNothing() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, here.hashOrder(wanted));
        here.buyFor(wanted, signature, noPermit());
        vm.expectRevert(notSignedBy(buyer));
        vm.prank(attacker);
        elsewhere.buyFor(wanted, signature, noPermit());
        market = elsewhere;
        assertEq(balance(buyer), KEPT);
    }

    function test_attack_orderTurnedOnAnotherAccount_buysNothing() public {
        address victim = makeAddr("victim");
        fund(victim);
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.signer = attacker;
        wanted.buyer = attacker;
        bytes memory signature = sign(attackerKey, market.hashOrder(wanted));
        wanted.buyer = victim;
        vm.expectRevert(notSignedBy(victim));
        vm.prank(attacker);
        market.buyFor(wanted, signature, noPermit());
        assertEq(wealth(victim), FUNDS);
    }

    function test_attack_orderAfterItsRefund_buysNothingAgain() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.deadline = type(uint64).max;
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        uint96 id = market.buyFor(wanted, signature, noPermit());
        vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
        market.refund(id);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, 1, 0));
        vm.prank(attacker);
        market.buyFor(wanted, signature, noPermit());
        assertEq(balance(buyer), KEPT);
    }

    function test_attack_permitOfAnother_movesOnlyTheCallersMoney() public {
        IMaaSMarket.Permit memory permit = permitFor(50e6);
        vm.startPrank(attacker);
        credit.approve(address(market), 0);
        vm.expectRevert();
        market.depositWithPermit(attacker, 50e6, permit);
        credit.approve(address(market), 50e6);
        market.depositWithPermit(attacker, 50e6, permit);
        assertEq(credit.balanceOf(attacker), FUNDS - 50e6);
        assertEq(credit.balanceOf(buyer), FUNDS - 2 * KEPT);
        assertEq(credit.nonces(buyer), 0, "the buyer's permit is still its own");
    }

    function test_attack_voucherOnAnotherChain_isSkipped() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory signed = voucher(id, 100);
        otherChain();
        skipped(signed, IMaaSMarket.SkipReason.BadSignature);
        settle(id, 7);
        assertEq(used(id), 7, "signed for this chain it holds");
    }

    function test_attack_voucherOnAnotherMarket_isSkipped() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory signed = voucher(id, 100);
        market = elsewhere;
        assertEq(active(unitPlan, 100, 0), id, "same id, same session key");
        skipped(signed, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_attack_voucherOnAnotherSubscription_isSkipped() public {
        uint96 one = active(unitPlan, 100, 0);
        uint96 two = active(unitPlan, 100, 0);
        uint96 ofAnotherPlan = active(planId, 100, 1);
        IMaaSMarket.Voucher memory signed = voucher(one, 100);
        settle(signed);
        signed.subscriptionId = two;
        skipped(signed, IMaaSMarket.SkipReason.BadSignature);
        signed.subscriptionId = ofAnotherPlan;
        skipped(signed, IMaaSMarket.SkipReason.BadSignature);
        assertEq(used(two) + used(ofAnotherPlan), 0);
    }

    function test_attack_activationElsewhere_startsNoTime() public {
        uint96 one = buy(planId, 100, 1);
        uint96 two = buy(planId, 100, 1);
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(one, ENDPOINT));
        vm.expectRevert(notSignedBy(session));
        market.activate(two, ENDPOINT, r, vs);
        otherChain();
        vm.expectRevert(notSignedBy(session));
        market.activate(one, ENDPOINT, r, vs);
        vm.chainId(homeChain);
        market = elsewhere;
        assertEq(buy(planId, 100, 1), one, "same id, same session key");
        vm.expectRevert(notSignedBy(session));
        market.activate(one, ENDPOINT, r, vs);
        assertEq(market.subscription(one).since, 0);
    }

    function test_attack_activationAfterRelease_startsNothing() public {
        uint96 id = active(planId, 100, 1);
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(id, ENDPOINT));
        vm.prank(buyer);
        market.requestRelease(id);
        vm.prank(provider);
        market.release(id);
        bytes32 kept = books(id);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Purchased, IMaaSMarket.Status.Released));
        market.activate(id, ENDPOINT, r, vs);
        assertEq(books(id), kept);
    }

    function test_attack_activationOfferedAsVoucher_isSkipped() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory forged = voucherOver(id, 100, ENDPOINT);
        (forged.r, forged.vs) = compact(sessionKey, market.hashActivation(id, ENDPOINT));
        skipped(forged, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_attack_provenanceElsewhere_mintsNothing() public {
        uint96 id = active(unitPlan, 100, 0);
        uint96 other = active(unitPlan, 100, 0);
        bytes memory signed = sign(meterKey, assets.hashProvenance(SHELL, buyer, id, "s4m:shell"));
        IAssetToken another = deployAssets(address(market));
        bytes memory refusal = abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, meter);
        vm.startPrank(attacker);
        vm.expectRevert(refusal);
        another.mint(buyer, SHELL, id, "s4m:shell", signed);
        vm.expectRevert(refusal);
        assets.mint(buyer, SHELL, other, "s4m:shell", signed);
        otherChain();
        vm.expectRevert(refusal);
        assets.mint(buyer, SHELL, id, "s4m:shell", signed);
        assertEq(assets.assetCount() + another.assetCount(), 0);
    }

    function test_attack_passkeyAssertionElsewhere_bindsNothing() public {
        refusedPasskey(attacker, assertionFor(buyer, address(identity), block.chainid));
        refusedPasskey(buyer, assertionFor(buyer, address(market), block.chainid));
        Assertion memory made = assertionFor(buyer, address(identity), block.chainid);
        otherChain();
        refusedPasskey(buyer, made);
        (bytes32 x,) = identity.passkey(buyer, SHELL);
        assertEq(x, 0);
    }

    function refusedPasskey(address sender, Assertion memory made) private {
        vm.expectRevert(abi.encodeWithSignature("BadAssertion()"));
        vm.prank(sender);
        identity.registerPasskey(SHELL, made.x, made.y, made.data, made.json, 23, 1, made.r, made.s);
    }

    function otherChain() private {
        vm.chainId(homeChain + 1);
    }
}
