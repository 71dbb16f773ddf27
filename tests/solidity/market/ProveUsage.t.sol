// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {UsageLogs} from "./UsageLogs.sol";

/// @notice What a voucher proves of one record, and that nothing else is proven.
contract ProveUsageTest is UsageLogs {
    uint64 private constant SEQ = 6;
    uint64 private constant SIZE = 11;

    Proof private proven;

    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 1_000_000, 0);
        proven = settledProof(SEQ, SIZE);
        assertTrue(isProven(proven), "what the tests below change one part of");
    }

    function test_proveUsage_aRecordOfAnotherSubscription_isFalse() public {
        Proof memory proof = proven;
        proof.record.subscriptionId = active(unitPlan, 100, 0);
        assertFalse(isProven(proof));
    }

    function test_proveUsage_noSuchSubscription_isFalse(uint96 other) public view {
        Proof memory proof = proven;
        if (other == id) other += 1;
        (proof.record.subscriptionId, proof.voucher.subscriptionId) = (other, other);
        assertFalse(isProven(proof));
        (proof.record.total, proof.voucher.units, proof.voucher.r, proof.voucher.vs) = (0, 0, 0, 0);
        assertFalse(isProven(proof), "nobody's signature is not the zero signer's");
    }

    function test_proveUsage_theRecordIsBeyondTheVoucher_isFalse() public {
        IMaaSMarket.Voucher memory lower = voucherOver(id, uint40(records[SEQ].total - 1), usageRoot(SIZE));
        Proof memory proof = proven;
        (proof.voucher, proof.meterSig) = (lower, signedBy(meterKey, lower));
        assertFalse(isProven(proof));
        lower = voucherOver(id, uint40(records[SEQ].total), usageRoot(SIZE));
        (proof.voucher, proof.meterSig) = (lower, signedBy(meterKey, lower));
        assertTrue(isProven(proof), "up to its total");
    }

    function test_proveUsage_theVoucherIsBeyondWhatWasSettled_isFalse() public {
        Proof memory proof = proofOf(SEQ, SIZE + 1);
        assertFalse(isProven(proof));
        settle(proof.voucher);
        assertTrue(isProven(proof), "once it is settled");
    }

    function test_proveUsage_anotherKeySignedTheVoucher_isFalse() public {
        sessionKey = buyerKey;
        Proof memory proof = proven;
        proof.voucher = voucherOver(id, proof.voucher.units, proof.voucher.usageRoot);
        assertFalse(isProven(proof));
    }

    function test_proveUsage_theSessionSignatureIsMalformed_isFalse(bytes32 r, bytes32 vs) public view {
        Proof memory proof = proven;
        vm.assume(r != proof.voucher.r || vs != proof.voucher.vs);
        (proof.voucher.r, proof.voucher.vs) = (r, vs);
        assertFalse(isProven(proof));
    }

    function test_proveUsage_aSessionKeyThatWasReplaced_isFalseForWhatTheOldKeySigned() public {
        (address fresh, uint256 freshKey) = makeAddrAndKey("fresh");
        vm.prank(buyer);
        market.proposeSigner(id, fresh);
        assertTrue(isProven(proven), "until it is confirmed");
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
        assertFalse(isProven(proven));
        sessionKey = freshKey;
        Proof memory proof = proven;
        proof.voucher = voucherOver(id, proof.voucher.units, proof.voucher.usageRoot);
        assertTrue(isProven(proof), "the new key may sign it again");
    }

    function test_proveUsage_aModelWithoutMeterKey_isFalse() public {
        setMeterKey(address(0));
        assertFalse(isProven(proven));
        Proof memory proof = proven;
        proof.meterSig = new bytes(65);
        assertFalse(isProven(proof), "nobody's signature is not the zero key's");
    }

    function test_proveUsage_aMeterKeyThatWasReplaced_isFalseForWhatTheOldKeySigned() public {
        setMeterKey(friend);
        assertFalse(isProven(proven));
        setMeterKey(meter);
        assertTrue(isProven(proven), "put back");
    }

    function test_proveUsage_aModelThatWasSold_isFalseUntilTheNewOwnersMeterSigns() public {
        sellModel(friend);
        assertFalse(isProven(proven));
        vm.prank(friend);
        catalog.setMeterKey(composite, buyer);
        Proof memory proof = proven;
        proof.meterSig = signedBy(buyerKey, proof.voucher);
        assertTrue(isProven(proof));
    }

    function test_proveUsage_anotherMeterSigned_isFalse() public view {
        Proof memory proof = proven;
        proof.meterSig = signedBy(sessionKey, proof.voucher);
        assertFalse(isProven(proof));
    }

    function test_proveUsage_theMetersSignatureIsMalformed_isFalse(bytes memory given) public view {
        Proof memory proof = proven;
        bytes memory right = proof.meterSig;
        vm.assume(keccak256(given) != keccak256(right));
        proof.meterSig = given;
        assertFalse(isProven(proof), "any bytes");
        proof.meterSig = mirrored(right);
        assertFalse(isProven(proof), "high s");
        proof.meterSig = bytes.concat(right, hex"00");
        assertFalse(isProven(proof), "one byte more");
    }

    function test_proveUsage_anyFieldOfTheRecordDiffers_isFalse(uint64 other) public view {
        for (uint256 field = 0; field < 8; ++field) {
            Proof memory proof = proven;
            if (field == 0) proof.record.meter = differing(proof.record.meter, uint32(other));
            if (field == 1) proof.record.quantity = differing64(proof.record.quantity, other);
            if (field == 2) proof.record.units = differing64(proof.record.units, other);
            if (field == 3) proof.record.total = proof.record.total - 1 - other % proof.record.total;
            if (field == 4) proof.record.startMillis = differing64(proof.record.startMillis, other);
            if (field == 5) proof.record.endMillis = differing64(proof.record.endMillis, other);
            if (field == 6) proof.record.immersion = differing(proof.record.immersion, uint32(other));
            if (field == 7) proof.record.requestHash = keccak256(abi.encode(other, "other"));
            assertFalse(isProven(proof));
        }
    }

    function test_proveUsage_theRecordIsAtAnotherPlace_isFalse(uint64 seq) public view {
        Proof memory proof = proven;
        seq = uint64(bound(seq, 0, SIZE - 1));
        if (seq == SEQ) seq += 1;
        proof.inclusion = inclusionOf(seq, SIZE);
        assertFalse(isProven(proof), "another's path");
        proof = proven;
        proof.record.seq = seq;
        assertFalse(isProven(proof), "another number");
        proof = proven;
        proof.record = records[seq];
        assertFalse(isProven(proof), "another record");
    }

    function test_proveUsage_thePlaceIsBeyondTheLog_isFalse(uint64 seq) public view {
        Proof memory proof = proven;
        proof.record.seq = uint64(bound(seq, SIZE, type(uint64).max));
        assertFalse(isProven(proof));
        proof.inclusion.size = 0;
        assertFalse(isProven(proof), "an empty log");
    }

    function test_proveUsage_theLogHasAnotherSize_isFalse(uint64 size) public view {
        Proof memory proof = proven;
        proof.inclusion.size = size == SIZE ? SIZE + 1 : size;
        assertFalse(isProven(proof));
    }

    function test_proveUsage_thePathIsShorter_isFalse() public view {
        Proof memory proof = proven;
        while (proof.inclusion.path.length > 0) {
            proof.inclusion.path = shortened(proof.inclusion.path);
            assertFalse(isProven(proof));
        }
    }

    function test_proveUsage_thePathIsLonger_isFalse(bytes32 more) public view {
        Proof memory proof = proven;
        proof.inclusion.path = append(proof.inclusion.path, more);
        assertFalse(isProven(proof));
    }

    function test_proveUsage_anyStepOfThePathDiffers_isFalse(bytes32 other) public view {
        for (uint256 step = 0; step < proven.inclusion.path.length; ++step) {
            Proof memory proof = proven;
            vm.assume(other != proof.inclusion.path[step]);
            proof.inclusion.path[step] = other;
            assertFalse(isProven(proof));
        }
    }

    function test_proveUsage_theVoucherNamesAnotherLog_isFalse(bytes32 other) public view {
        vm.assume(other != proven.voucher.usageRoot);
        Proof memory proof = proven;
        proof.voucher = voucherOver(id, proof.voucher.units, other);
        proof.meterSig = signedBy(meterKey, proof.voucher);
        assertFalse(isProven(proof));
    }

    function test_proveUsage_aRecordInTheSettledLog_isTrueForEveryLeafOfEverySmallLog() public {
        id = active(unitPlan, 10_000, 0);
        delete records;
        delete leaves;
        for (uint64 size = 1; size <= 17; ++size) {
            settledProof(0, size);
            for (uint64 seq = 0; seq < size; ++seq) {
                assertTrue(isProven(proofOf(seq, size)));
            }
        }
    }

    /// forge-config: default.fuzz.runs = 50
    /// @dev A log of hundreds of records is hashed in each run.
    function test_proveUsage_aRecordInTheSettledLog_isTrueInALogOfAnySize(uint64 seq, uint64 size) public {
        size = uint64(bound(size, SIZE + 1, 300));
        seq = uint64(bound(seq, 0, size - 1));
        assertTrue(isProven(settledProof(seq, size)));
    }

    function test_proveUsage_aNewerVoucherWasSettled_isTrueWithTheOlderVoucherToo() public {
        assertTrue(isProven(settledProof(SEQ, SIZE + 5)));
        assertTrue(isProven(proven));
    }

    function test_proveUsage_itWasReleased_isTrue() public {
        request(id);
        release(id);
        assertTrue(isProven(proven));
    }

    function setMeterKey(address key) private {
        vm.prank(provider);
        catalog.setMeterKey(composite, key);
    }

    function differing(uint32 own, uint32 other) private pure returns (uint32) {
        return other == own ? other ^ 1 : other;
    }

    function differing64(uint64 own, uint64 other) private pure returns (uint64) {
        return other == own ? other ^ 1 : other;
    }
}
