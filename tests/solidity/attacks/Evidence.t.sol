// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {Rfc6962} from "./Rfc6962.sol";

/// @notice A record is minted after the fact, or denied; hashes are passed off for other hashes. `proveUsage` says yes to
///         what both keys signed, is in the log, and was paid, and to nothing else.
contract EvidenceAttackTest is AttackHouse {
    uint256 private constant SIZE = 7;
    uint96 private id;
    IMaaSMarket.UsageRecord[SIZE] private records;
    bytes32[] private leaves;
    IMaaSMarket.Voucher private signed;
    bytes private meterSig;

    /// @dev A log of seven records, one unit each, its voucher signed by both and settled.
    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 100, 0);
        for (uint64 seq = 0; seq < SIZE; ++seq) {
            records[seq] = recordOf(id, seq, 1);
            leaves.push(Rfc6962.leaf(records[seq]));
        }
        signed = voucherOver(id, uint40(SIZE), usageRoot(SIZE, Rfc6962.root(leaves, 0, SIZE)));
        meterSig = sign(meterKey, digestOf(signed));
        settle(signed);
        assertTrue(market.proveUsage(records[3], proofOf(3), signed, meterSig));
    }

    /// @dev The provider invents a record and signs a root over it; the session key has not, whichever signature it borrows.
    function test_attack_recordInventedByTheProvider_isNotProven() public {
        IMaaSMarket.UsageRecord memory invented = recordOf(id, 3, 1);
        invented.quantity = 999;
        bytes32[] memory forged = leaves;
        forged[3] = Rfc6962.leaf(invented);
        IMaaSMarket.InclusionProof memory proof = proofIn(forged, 3);
        bytes32 root = usageRoot(SIZE, Rfc6962.root(forged, 0, SIZE));
        IMaaSMarket.Voucher memory byProvider = signed;
        byProvider.usageRoot = root;
        bytes memory overIt = sign(meterKey, market.hashVoucher(id, uint40(SIZE), root));
        assertFalse(market.proveUsage(invented, proof, byProvider, overIt), "borrowed session signature");
        (byProvider.r, byProvider.vs) = compact(meterKey, digestOf(byProvider));
        assertFalse(market.proveUsage(invented, proof, byProvider, overIt), "the meter's own key for both");
        assertFalse(market.proveUsage(invented, proof, signed, meterSig), "under the true root");
        skipped(byProvider, IMaaSMarket.SkipReason.Stale);
    }

    /// @dev The buyer signs another history of the same units; without the meter's signature it proves nothing, and the
    ///      true one stays proven.
    function test_attack_recordDeniedByTheBuyer_staysProven() public {
        bytes32[] memory rewritten = leaves;
        IMaaSMarket.UsageRecord memory harmless = recordOf(id, 3, 0);
        rewritten[3] = Rfc6962.leaf(harmless);
        IMaaSMarket.Voucher memory denial =
            voucherOver(id, uint40(SIZE), usageRoot(SIZE, Rfc6962.root(rewritten, 0, SIZE)));
        settle(denial);
        assertFalse(market.proveUsage(harmless, proofIn(rewritten, 3), denial, sign(sessionKey, digestOf(denial))));
        assertFalse(market.proveUsage(harmless, proofIn(rewritten, 3), denial, meterSig));
        assertTrue(market.proveUsage(records[3], proofOf(3), signed, meterSig));
    }

    function test_attack_moreUsageThanWasPaid_isNotProven() public {
        IMaaSMarket.UsageRecord memory more = recordOf(id, 7, 1);
        leaves.push(Rfc6962.leaf(more));
        IMaaSMarket.Voucher memory unpaid = voucherOver(id, 8, usageRoot(8, Rfc6962.root(leaves, 0, 8)));
        bytes memory overIt = sign(meterKey, digestOf(unpaid));
        assertFalse(market.proveUsage(more, proofIn(leaves, 7), unpaid, overIt), "signed by both, not settled");
        settle(unpaid);
        assertTrue(market.proveUsage(more, proofIn(leaves, 7), unpaid, overIt));
        more.total = 9;
        assertFalse(market.proveUsage(more, proofIn(leaves, 7), unpaid, overIt));
    }

    /// @dev Second preimage: inner nodes have a prefix of their own, so a pair of leaves is not a record, nor a record a pair.
    function test_attack_innerNodePassedOff_isNotProven() public view {
        bytes32 pair = Rfc6962.node(leaves[0], leaves[1]);
        bytes32 quad = Rfc6962.node(pair, Rfc6962.node(leaves[2], leaves[3]));
        bytes32 rest = Rfc6962.root(leaves, 4, SIZE);
        assertEq(Rfc6962.node(quad, rest), Rfc6962.root(leaves, 0, SIZE));
        IMaaSMarket.InclusionProof memory shorter;
        for (uint64 size = 1; size <= 2 * SIZE; ++size) {
            shorter.size = size;
            shorter.path = Rfc6962.append(new bytes32[](0), rest);
            assertFalse(market.proveUsage(records[0], shorter, signed, meterSig), "as a leaf of two");
            shorter.path = new bytes32[](0);
            assertFalse(market.proveUsage(records[0], shorter, signed, meterSig), "as the root");
        }
    }

    /// @dev The true path under every other size: a size is part of what was signed.
    function test_attack_otherSizes_areNotProven(uint64 size, uint64 seq) public view {
        IMaaSMarket.InclusionProof memory proof = proofOf(3);
        if (size == SIZE) size += 1;
        proof.size = size;
        assertFalse(market.proveUsage(records[3], proof, signed, meterSig));
        IMaaSMarket.UsageRecord memory moved = records[3];
        if (seq == 3) seq += 1;
        moved.seq = seq;
        proof.size = uint64(SIZE);
        assertFalse(market.proveUsage(moved, proof, signed, meterSig));
    }

    /// @dev CVE-2012-2459: where an odd last leaf is hashed with itself, seven leaves and eight have one root. Not here.
    function test_attack_lastLeafDuplicated_isNotProven() public {
        bytes32[] memory doubled = Rfc6962.append(leaves, leaves[SIZE - 1]);
        assertNotEq(Rfc6962.root(doubled, 0, 8), Rfc6962.root(leaves, 0, SIZE));
        IMaaSMarket.UsageRecord memory again = records[SIZE - 1];
        again.seq = uint64(SIZE);
        assertFalse(market.proveUsage(again, proofIn(doubled, 7), signed, meterSig));
        IMaaSMarket.Voucher memory two = voucherOver(id, uint40(SIZE), usageRoot(8, Rfc6962.root(doubled, 0, 8)));
        bytes memory overIt = sign(meterKey, digestOf(two));
        assertFalse(market.proveUsage(again, proofIn(doubled, 7), two, overIt), "a copied leaf names another place");
    }

    function test_attack_rootOfAnotherSubscription_isNotProven() public {
        uint96 other = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory elsewhere = voucherOver(other, uint40(SIZE), signed.usageRoot);
        bytes memory overIt = sign(meterKey, digestOf(elsewhere));
        settle(elsewhere);
        assertFalse(
            market.proveUsage(records[3], proofOf(3), elsewhere, overIt), "both signed a root of foreign records"
        );
        IMaaSMarket.UsageRecord memory renamed = records[3];
        renamed.subscriptionId = other;
        assertFalse(market.proveUsage(renamed, proofOf(3), elsewhere, overIt));
        IMaaSMarket.Voucher memory crossed = signed;
        crossed.subscriptionId = other;
        assertFalse(market.proveUsage(renamed, proofOf(3), crossed, meterSig));
    }

    /// @dev A bare root, or a node, in the place of SHA-256(0x02 || size || root).
    function test_attack_rootWithoutItsPrefix_isNotProven() public {
        bytes32 bare = Rfc6962.root(leaves, 0, SIZE);
        IMaaSMarket.Voucher memory odd = voucherOver(id, uint40(SIZE), bare);
        assertFalse(market.proveUsage(records[3], proofOf(3), odd, sign(meterKey, digestOf(odd))));
    }

    function test_attack_meterSignatureBent_isNotProven() public view {
        (uint8 v, bytes32 r, bytes32 s) = twin(meterKey, digestOf(signed));
        assertFalse(market.proveUsage(records[3], proofOf(3), signed, abi.encodePacked(r, s, v)));
        assertFalse(market.proveUsage(records[3], proofOf(3), signed, new bytes(65)));
        assertFalse(market.proveUsage(records[3], proofOf(3), signed, ""));
    }

    /// @dev A path without end costs its caller's own node time only; it is a view, and it ends at the root.
    function test_attack_endlessPath_isNotProven() public view {
        IMaaSMarket.InclusionProof memory proof = proofOf(3);
        proof.path = new bytes32[](2_000);
        assertFalse(market.proveUsage(records[3], proof, signed, meterSig));
    }

    function recordOf(uint96 of_, uint64 seq, uint64 units) private pure returns (IMaaSMarket.UsageRecord memory) {
        return IMaaSMarket.UsageRecord({
            subscriptionId: of_,
            seq: seq,
            meter: 0,
            quantity: 1_000 * units,
            units: units,
            total: seq + units,
            startMillis: 1_000 * seq,
            endMillis: 1_000 * seq + 30,
            immersion: 900,
            requestHash: keccak256(abi.encode(seq))
        });
    }

    function proofOf(uint64 seq) private view returns (IMaaSMarket.InclusionProof memory) {
        return IMaaSMarket.InclusionProof({size: uint64(SIZE), path: Rfc6962.path(leaves, seq, 0, SIZE)});
    }

    function proofIn(bytes32[] memory tree, uint64 seq) private pure returns (IMaaSMarket.InclusionProof memory) {
        return IMaaSMarket.InclusionProof({size: uint64(tree.length), path: Rfc6962.path(tree, seq, 0, tree.length)});
    }

    function usageRoot(uint256 size, bytes32 root) private pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"02", uint64(size), root));
    }

    function digestOf(IMaaSMarket.Voucher memory one) private view returns (bytes32) {
        return market.hashVoucher(one.subscriptionId, one.units, one.usageRoot);
    }
}
