// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @title A usage log, its roots and its paths: an independent, recursive reading of RFC 6962, section 2.1
abstract contract UsageLogs is MarketUnit {
    uint96 internal id;
    IMaaSMarket.UsageRecord[] internal records;
    bytes32[] internal leaves;

    /// @dev What proves one record; a test changes one part of it.
    struct Proof {
        IMaaSMarket.UsageRecord record;
        IMaaSMarket.InclusionProof inclusion;
        IMaaSMarket.Voucher voucher;
        bytes meterSig;
    }

    function isProven(Proof memory proof) internal view returns (bool) {
        return market.proveUsage(proof.record, proof.inclusion, proof.voucher, proof.meterSig);
    }

    function growTo(uint64 size) internal {
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
            leaves.push(leafOf(record));
        }
    }

    function leafOf(IMaaSMarket.UsageRecord memory record) internal pure returns (bytes32) {
        bytes memory head = abi.encodePacked(
            record.subscriptionId, record.seq, record.meter, record.quantity, record.units, record.total
        );
        bytes memory tail = abi.encodePacked(record.startMillis, record.endMillis, record.immersion, record.requestHash);
        return sha256(bytes.concat(hex"00", head, tail));
    }

    /// @dev The log of this size, settled, and what proves its record `seq`.
    function settledProof(uint64 seq, uint64 size) internal returns (Proof memory proof) {
        proof = proofOf(seq, size);
        settle(proof.voucher);
        assertEq(market.subscription(id).used, proof.voucher.units, "settled");
    }

    function proofOf(uint64 seq, uint64 size) internal returns (Proof memory) {
        growTo(size);
        IMaaSMarket.Voucher memory signed = voucherOver(id, uint40(records[size - 1].total), usageRoot(size));
        return Proof({
            record: records[seq],
            inclusion: inclusionOf(seq, size),
            voucher: signed,
            meterSig: signedBy(meterKey, signed)
        });
    }

    function signedBy(uint256 key, IMaaSMarket.Voucher memory signed) internal view returns (bytes memory) {
        return sign(key, market.hashVoucher(signed.subscriptionId, signed.units, signed.usageRoot));
    }

    function inclusionOf(uint64 seq, uint64 size) internal view returns (IMaaSMarket.InclusionProof memory) {
        return IMaaSMarket.InclusionProof({size: size, path: pathOf(seq, 0, size)});
    }

    function usageRoot(uint64 size) internal view returns (bytes32) {
        return sha256(abi.encodePacked(hex"02", size, root(0, size)));
    }

    /// @dev MTH(D[from:to]) of RFC 6962.
    function root(uint64 from, uint64 to) internal view returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint64 split = from + splitOf(to - from);
        return sha256(bytes.concat(hex"01", root(from, split), root(split, to)));
    }

    /// @dev PATH(seq, D[from:to]) of RFC 6962.
    function pathOf(uint64 seq, uint64 from, uint64 to) internal view returns (bytes32[] memory) {
        if (to - from == 1) return new bytes32[](0);
        uint64 split = from + splitOf(to - from);
        return seq < split
            ? append(pathOf(seq, from, split), root(split, to))
            : append(pathOf(seq, split, to), root(from, split));
    }

    /// @dev The largest power of two below `n`.
    function splitOf(uint64 n) internal pure returns (uint64 k) {
        k = 1;
        while (2 * k < n) k *= 2;
    }

    function append(bytes32[] memory path, bytes32 last) internal pure returns (bytes32[] memory whole) {
        whole = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            whole[i] = path[i];
        }
        whole[path.length] = last;
    }

    function shortened(bytes32[] memory path) internal pure returns (bytes32[] memory less) {
        less = new bytes32[](path.length - 1);
        for (uint256 i = 0; i < less.length; ++i) {
            less[i] = path[i];
        }
    }
}
