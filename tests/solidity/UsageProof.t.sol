// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {House} from "./House.sol";

/// @notice proveUsage against an independent, recursive reading of RFC 6962, section 2.1.
contract UsageProofTest is House {
    uint96 private id;
    IMaaSMarket.UsageRecord[] private records;
    bytes32[] private leaves;

    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 10_000, 0);
    }

    function test_proveUsage_everyLeafOfEveryShape() public {
        for (uint64 size = 1; size <= 17; ++size) {
            growTo(size);
            IMaaSMarket.Voucher memory signed = settledVoucher(size);
            bytes memory meterSig = meterSigned(signed);
            for (uint64 seq = 0; seq < size; ++seq) {
                IMaaSMarket.InclusionProof memory proof = proofOf(seq, size);
                assertTrue(market.proveUsage(records[seq], proof, signed, meterSig), "a true record");
                assertFalse(
                    market.proveUsage(records[(seq + 1) % size], proof, signed, meterSig) && size > 1, "another's"
                );
            }
        }
    }

    function test_proveUsage_anyChange_isFalse() public {
        growTo(11);
        IMaaSMarket.Voucher memory signed = settledVoucher(11);
        bytes memory meterSig = meterSigned(signed);
        IMaaSMarket.InclusionProof memory proof = proofOf(6, 11);
        IMaaSMarket.UsageRecord memory record = records[6];
        assertTrue(market.proveUsage(record, proof, signed, meterSig));
        record.quantity += 1;
        assertFalse(market.proveUsage(record, proof, signed, meterSig), "quantity");
        record = records[6];
        record.seq = 7;
        assertFalse(market.proveUsage(record, proof, signed, meterSig), "place");
        record = records[6];
        proof.size = 12;
        assertFalse(market.proveUsage(record, proof, signed, meterSig), "size");
        proof = proofOf(6, 11);
        proof.path[1] = keccak256("other");
        assertFalse(market.proveUsage(record, proof, signed, meterSig), "path");
        proof = longer(proofOf(6, 11));
        assertFalse(market.proveUsage(record, proof, signed, meterSig), "longer path");
        proof = proofOf(6, 11);
        assertFalse(market.proveUsage(record, proof, signed, sign(buyerKey, digestOf(signed))), "meter key");
        (signed.r, signed.vs) = compact(buyerKey, digestOf(signed));
        assertFalse(market.proveUsage(record, proof, signed, meterSig), "session key");
    }

    function test_proveUsage_unsettledVoucher_isFalse() public {
        growTo(3);
        IMaaSMarket.Voucher memory signed = voucherOver(id, uint40(records[2].total), usageRoot(3));
        assertFalse(market.proveUsage(records[1], proofOf(1, 3), signed, meterSigned(signed)));
    }

    function test_proveUsage_recordBeyondTheVoucher_isFalse() public {
        growTo(3);
        IMaaSMarket.Voucher memory signed = voucherOver(id, uint40(records[1].total), usageRoot(3));
        settle(signed);
        assertTrue(market.proveUsage(records[1], proofOf(1, 3), signed, meterSigned(signed)));
        assertFalse(market.proveUsage(records[2], proofOf(2, 3), signed, meterSigned(signed)));
    }

    function test_proveUsage_afterTheMeterKeyChanged_isFalse() public {
        growTo(2);
        IMaaSMarket.Voucher memory signed = settledVoucher(2);
        bytes memory meterSig = meterSigned(signed);
        vm.prank(provider);
        catalog.setMeterKey(composite, address(0));
        assertFalse(market.proveUsage(records[1], proofOf(1, 2), signed, meterSig));
    }

    function growTo(uint64 size) private {
        for (uint64 seq = uint64(records.length); seq < size; ++seq) {
            IMaaSMarket.UsageRecord memory record = IMaaSMarket.UsageRecord({
                subscriptionId: id,
                seq: seq,
                meter: uint32(seq % 3),
                quantity: 1_000 + seq,
                units: seq + 1,
                total: (seq + 1) * (seq + 2) / 2,
                startMillis: 1_000 * seq,
                endMillis: 1_000 * seq + 30,
                immersion: 900,
                requestHash: keccak256(abi.encode(seq))
            });
            records.push(record);
            leaves.push(sha256(bytes.concat(hex"00", packed(record))));
        }
    }

    function packed(IMaaSMarket.UsageRecord memory record) private pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(
            record.subscriptionId, record.seq, record.meter, record.quantity, record.units, record.total
        );
        return bytes.concat(
            head, abi.encodePacked(record.startMillis, record.endMillis, record.immersion, record.requestHash)
        );
    }

    function settledVoucher(uint64 size) private returns (IMaaSMarket.Voucher memory signed) {
        signed = voucherOver(id, uint40(records[size - 1].total), usageRoot(size));
        settle(signed);
    }

    function digestOf(IMaaSMarket.Voucher memory signed) private view returns (bytes32) {
        return market.hashVoucher(signed.subscriptionId, signed.units, signed.usageRoot);
    }

    function meterSigned(IMaaSMarket.Voucher memory signed) private view returns (bytes memory) {
        return sign(meterKey, digestOf(signed));
    }

    function usageRoot(uint64 size) private view returns (bytes32) {
        return sha256(abi.encodePacked(hex"02", size, root(0, size)));
    }

    /// @dev MTH(D[from:to]) of RFC 6962.
    function root(uint64 from, uint64 to) private view returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint64 split = from + splitOf(to - from);
        return sha256(bytes.concat(hex"01", root(from, split), root(split, to)));
    }

    function proofOf(uint64 seq, uint64 size) private view returns (IMaaSMarket.InclusionProof memory) {
        return IMaaSMarket.InclusionProof({size: size, path: pathOf(seq, 0, size)});
    }

    /// @dev PATH(seq, D[from:to]) of RFC 6962.
    function pathOf(uint64 seq, uint64 from, uint64 to) private view returns (bytes32[] memory) {
        if (to - from == 1) return new bytes32[](0);
        uint64 split = from + splitOf(to - from);
        return seq < split
            ? append(pathOf(seq, from, split), root(split, to))
            : append(pathOf(seq, split, to), root(from, split));
    }

    /// @dev The largest power of two below `n`.
    function splitOf(uint64 n) private pure returns (uint64 k) {
        k = 1;
        while (2 * k < n) k *= 2;
    }

    function append(bytes32[] memory path, bytes32 last) private pure returns (bytes32[] memory whole) {
        whole = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            whole[i] = path[i];
        }
        whole[path.length] = last;
    }

    function longer(IMaaSMarket.InclusionProof memory proof) private pure returns (IMaaSMarket.InclusionProof memory) {
        return IMaaSMarket.InclusionProof({size: proof.size, path: append(proof.path, keccak256("more"))});
    }
}
