// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @notice A valid signature is bent into another one of the same message; each signed thing has exactly one form.
contract MalleabilityAttackTest is AttackHouse {
    bytes32 private constant SHELL = keccak256("shell");
    uint96 private id;

    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 100, 0);
    }

    function test_attack_voucherTwin_isSkipped() public {
        IMaaSMarket.Voucher memory forged = voucher(id, 40);
        (uint8 v, bytes32 r, bytes32 s) = twin(sessionKey, digestOf(forged));
        assertEq(ecrecover(digestOf(forged), v, r, s), session, "the curve itself takes the twin");
        for (uint256 parity = 0; parity < 2; ++parity) {
            forged.vs = bytes32(uint256(s) & (type(uint256).max >> 1) | (parity << 255));
            skipped(forged, IMaaSMarket.SkipReason.BadSignature);
        }
        forged.vs = s;
        skipped(forged, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_attack_voucherParityFlipped_isSkipped() public {
        IMaaSMarket.Voucher memory forged = voucher(id, 40);
        forged.vs ^= bytes32(uint256(1) << 255);
        skipped(forged, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_attack_anyBitOfAVoucherSignature_isSkipped(uint256 bit) public {
        IMaaSMarket.Voucher memory forged = voucher(id, 40);
        bit = bound(bit, 0, 511);
        if (bit < 256) forged.r ^= bytes32(uint256(1) << bit);
        else forged.vs ^= bytes32(uint256(1) << (bit - 256));
        skipped(forged, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_attack_activationTwin_startsNothing() public {
        uint96 sleeping = buy(planId, 10, 1);
        (, bytes32 r, bytes32 s) = twin(sessionKey, market.hashActivation(sleeping, ENDPOINT));
        for (uint256 parity = 0; parity < 2; ++parity) {
            bytes32 vs = bytes32(uint256(s) & (type(uint256).max >> 1) | (parity << 255));
            vm.expectRevert(notSignedBy(session));
            market.activate(sleeping, ENDPOINT, r, vs);
        }
        expectStatus(sleeping, IMaaSMarket.Status.Purchased);
    }

    function test_attack_orderInOtherForms_buysNothing_andTheTrueOneOnce() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes32 kept = books(id);
        bytes[] memory forged = otherForms(buyerKey, market.hashOrder(wanted));
        for (uint256 i = 0; i < forged.length; ++i) {
            vm.expectRevert(notSignedBy(buyer));
            vm.prank(attacker);
            market.buyFor(wanted, forged[i], noPermit());
        }
        assertEq(books(id), kept);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        market.buyFor(wanted, signature, noPermit());
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.WrongNonce.selector, 2, 1));
        market.buyFor(wanted, signature, noPermit());
        assertEq(wealth(buyer), FUNDS - 100 * UNIT_PRICE - wanted.total);
    }

    function test_attack_anyBitOfAnOrderSignature_buysNothing(uint256 bit) public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory forged = sign(buyerKey, market.hashOrder(wanted));
        bit = bound(bit, 0, 8 * 65 - 1);
        forged[bit / 8] ^= bytes1(uint8(1) << uint8(bit % 8));
        vm.expectRevert(notSignedBy(buyer));
        market.buyFor(wanted, forged, noPermit());
    }

    function test_attack_permitTwin_givesNoAllowance() public {
        vm.prank(buyer);
        credit.approve(address(market), 0);
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        IMaaSMarket.Permit memory permit = permitFor(wanted.total);
        IMaaSMarket.Permit memory bent = permitFor(wanted.total);
        (bent.v, bent.s) = (bent.v == 27 ? 28 : 27, bytes32(SECP256K1_ORDER - uint256(bent.s)));
        bytes32 kept = books(id);
        vm.expectRevert();
        vm.prank(attacker);
        market.buyFor(wanted, signature, bent);
        assertEq(books(id), kept);
        assertEq(credit.nonces(buyer), 0);
        market.buyFor(wanted, signature, permit);
        assertEq(credit.allowance(buyer, address(market)), 0);
    }

    function test_attack_provenanceInOtherForms_mintsNothing() public {
        bytes32 digest = assets.hashProvenance(SHELL, buyer, id, "s4m:shell");
        bytes[] memory forged = otherForms(meterKey, digest);
        for (uint256 i = 0; i < forged.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, meter));
            assets.mint(buyer, SHELL, id, "s4m:shell", forged[i]);
        }
        assertEq(assets.assetCount(), 0);
    }

    function test_attack_passkeyTwin_bindsNothing() public {
        Assertion memory made = assertionFor(buyer, address(identity), block.chainid);
        bytes32 high = bytes32(P256_ORDER - uint256(made.s));
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSignature("BadAssertion()"));
        identity.registerPasskey(SHELL, made.x, made.y, made.data, made.json, 23, 1, made.r, high);
        vm.expectRevert(abi.encodeWithSignature("BadAssertion()"));
        identity.registerPasskey(SHELL, made.x, made.y, made.data, made.json, 23, 1, 0, 0);
        vm.expectRevert(abi.encodeWithSignature("BadAssertion()"));
        identity.registerPasskey(SHELL, 0, 0, made.data, made.json, 23, 1, made.r, made.s);
        identity.registerPasskey(SHELL, made.x, made.y, made.data, made.json, 23, 1, made.r, made.s);
    }

    /// @dev Twin with either v, other chains' and nobody's v, compact, cut, padded, empty, and the compact form's vs.
    function otherForms(uint256 key, bytes32 digest) private pure returns (bytes[] memory forged) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        (uint8 twinV, bytes32 twinR, bytes32 twinS) = twin(key, digest);
        (bytes32 compactR, bytes32 vs) = compact(key, digest);
        forged = new bytes[](11);
        forged[0] = abi.encodePacked(twinR, twinS, twinV);
        forged[1] = abi.encodePacked(twinR, twinS, v);
        forged[2] = abi.encodePacked(r, s, twinV);
        forged[3] = abi.encodePacked(r, s, v - 27);
        forged[4] = abi.encodePacked(r, s, uint8(29));
        forged[5] = abi.encodePacked(r, s, uint8(37 + v - 27));
        forged[6] = abi.encodePacked(compactR, vs);
        forged[7] = abi.encodePacked(r, s);
        forged[8] = abi.encodePacked(r, s, v, uint8(0));
        forged[9] = "";
        forged[10] = abi.encodePacked(compactR, vs, v);
        // where the parity bit of the compact form is 0, the last one is the signature itself
        if (vs == s) forged[10] = abi.encodePacked(compactR, vs, uint8(0xff));
    }

    function digestOf(IMaaSMarket.Voucher memory one) private view returns (bytes32) {
        return market.hashVoucher(one.subscriptionId, one.units, one.usageRoot);
    }
}

/// @notice `ecrecover` answers zero for a malformed signature; an attacker looks for a place where zero is expected.
contract SignerZeroAttackTest is AttackHouse {
    bytes32 private constant SHELL = keccak256("shell");

    function test_attack_malformedVoucherForNobody_isSkipped(bytes32 r, bytes32 vs) public {
        vs |= bytes32(uint256(1) << 254 | uint256(1) << 253 | uint256(7) << 250);
        uint96 unknown = uint96(unitPlan) << 32 | 1;
        skipped(malformed(unknown, r, vs), IMaaSMarket.SkipReason.Unknown);
        skipped(malformed(0, r, vs), IMaaSMarket.SkipReason.Unknown);
        skipped(malformed(type(uint96).max, 0, 0), IMaaSMarket.SkipReason.Unknown);
    }

    function test_attack_malformedVoucherForAClosedSubscription_isSkipped() public {
        uint96 refunded = buy(unitPlan, 100, 0);
        skipped(malformed(refunded, 0, 0), IMaaSMarket.SkipReason.NotActive);
        vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
        skipped(malformed(refunded, 0, 0), IMaaSMarket.SkipReason.NotActive);
        market.refund(refunded);
        skipped(malformed(refunded, 0, 0), IMaaSMarket.SkipReason.NotActive);
        uint96 released = active(unitPlan, 100, 0);
        skipped(malformed(released, 0, 0), IMaaSMarket.SkipReason.BadSignature);
        vm.prank(buyer);
        market.requestRelease(released);
        skipped(malformed(released, 0, 0), IMaaSMarket.SkipReason.BadSignature);
        vm.prank(provider);
        market.release(released);
        skipped(malformed(released, 0, 0), IMaaSMarket.SkipReason.NotActive);
        assertEq(wealth(buyer), FUNDS);
    }

    function test_attack_malformedActivation_startsNothing() public {
        uint96 id = buy(planId, 100, 1);
        vm.startPrank(attacker);
        vm.expectRevert(notSignedBy(session));
        market.activate(id, ENDPOINT, 0, 0);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Purchased, IMaaSMarket.Status.None));
        market.activate(id + 1, ENDPOINT, 0, 0);
        expectStatus(id, IMaaSMarket.Status.Purchased);
    }

    function test_attack_zeroSigner_neverEnters() public {
        vm.startPrank(attacker);
        vm.expectRevert(IMaaSMarket.ZeroSigner.selector);
        market.buy(unitPlan, address(0), 10, 0, REQUEST);
        vm.stopPrank();
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.signer = address(0);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.expectRevert(IMaaSMarket.ZeroSigner.selector);
        market.buyFor(wanted, signature, noPermit());
        uint96 id = active(unitPlan, 10, 0);
        vm.startPrank(buyer);
        vm.expectRevert(IMaaSMarket.ZeroSigner.selector);
        market.proposeSigner(id, address(0));
        vm.warp(nowAt() + RELEASE_WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NothingProposed.selector, id));
        market.confirmSigner(id);
    }

    /// @dev Somebody has credited the zero account; nobody can spend it.
    function test_attack_orderOfNobody_buysNothing() public {
        vm.prank(attacker);
        market.deposit(address(0), 100e6);
        IMaaSMarket.Order memory wanted = order(10, 1);
        (wanted.buyer, wanted.signer, wanted.nonce) = (address(0), attacker, 0);
        bytes[3] memory forged = [new bytes(65), bytes(""), abi.encodePacked(bytes32(0), bytes32(0), uint8(27))];
        for (uint256 i = 0; i < forged.length; ++i) {
            vm.expectRevert(notSignedBy(address(0)));
            vm.prank(attacker);
            market.buyFor(wanted, forged[i], noPermit());
        }
        assertEq(balance(address(0)), 100e6);
    }

    function test_attack_provenanceWhereNoMeterIs_mintsNothing() public {
        uint96 id = active(unitPlan, 10, 0);
        vm.prank(provider);
        catalog.setMeterKey(composite, address(0));
        vm.startPrank(attacker);
        bytes memory refusal = abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, address(0));
        vm.expectRevert(refusal);
        assets.mint(attacker, SHELL, id, "s4m:shell", new bytes(65));
        vm.expectRevert(refusal);
        assets.mint(attacker, SHELL, id, "s4m:shell", abi.encodePacked(bytes32(0), bytes32(0), uint8(28)));
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.SubscriptionNotActive.selector, 0));
        assets.mint(attacker, SHELL, 0, "s4m:shell", new bytes(65));
    }

    function test_attack_proofForNobody_isFalse() public {
        uint96 id = buy(unitPlan, 10, 0);
        vm.prank(provider);
        catalog.setMeterKey(composite, address(0));
        IMaaSMarket.UsageRecord memory record;
        IMaaSMarket.InclusionProof memory proof = IMaaSMarket.InclusionProof({size: 1, path: new bytes32[](0)});
        assertFalse(market.proveUsage(record, proof, malformed(0, 0, 0), new bytes(65)));
        record.subscriptionId = id;
        IMaaSMarket.Voucher memory empty = malformed(id, 0, 0);
        empty.units = 0;
        assertFalse(market.proveUsage(record, proof, empty, new bytes(65)));
    }

    function malformed(uint96 id, bytes32 r, bytes32 vs) private pure returns (IMaaSMarket.Voucher memory) {
        return IMaaSMarket.Voucher({subscriptionId: id, units: 1, usageRoot: SHELL, r: r, vs: vs});
    }
}
