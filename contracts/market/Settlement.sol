// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IMaaSMarket} from "../interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../interfaces/IModelCatalog.sol";
import {Money} from "../libraries/Money.sol";
import {SignedStructs} from "../libraries/SignedStructs.sol";
import {UsageLog} from "../libraries/UsageLog.sol";
import {Books} from "./Books.sol";

/// @title From vouchers and elapsed time to plans' earnings, from earnings to owners
/// @dev Settlement calls no other contract and moves no token; payout calls the catalogue and, last, the token.
abstract contract Settlement is Books {
    /// @inheritdoc IMaaSMarket
    function settle(Voucher[] calldata vouchers) external {
        bytes32 domain = _domainSeparatorV4();
        uint64 planId = 0;
        uint256 unitPrice = 0;
        uint256 room = 0;
        uint256 credit = 0;
        for (uint256 i = 0; i < vouchers.length; ++i) {
            uint64 next = _planOf(vouchers[i].subscriptionId);
            if (next != planId) {
                _earn(planId, credit);
                (planId, unitPrice, room, credit) = (next, _earnings[next].unitPrice, _roomOf(next), 0);
            }
            uint256 amount = _settle(vouchers[i], unitPrice, room, domain);
            unchecked {
                (credit, room) = (credit + amount, room - amount); // amount <= room
            }
        }
        _earn(planId, credit);
    }

    /// @inheritdoc IMaaSMarket
    function collectTime(uint96[] calldata subscriptionIds) external {
        for (uint256 i = 0; i < subscriptionIds.length; ++i) {
            _collectTime(subscriptionIds[i]);
        }
    }

    /// @inheritdoc IMaaSMarket
    /// @dev Anyone may call; the model's owner at that moment is paid.
    function payout(uint64 planId) external nonReentrant returns (uint256 amount) {
        uint32 modelId = _modelOf(planId);
        (address owner, IModelCatalog.Share[] memory shares) = CATALOG.payees(planId);
        Earnings storage row = _earnings[planId];
        (uint96 earned, uint96 paid) = (row.earned, row.paid);
        if (shares.length == 0) {
            amount = earned - paid;
        } else {
            amount = earned - Money.shareDown(earned, _togetherOf(shares)) - _drawn[planId][modelId];
            _drawn[planId][modelId] += amount;
        }
        if (amount == 0) return 0;
        row.paid = uint96(paid + amount);
        emit PaidOut(planId, owner, amount);
        _push(owner, amount);
    }

    /// @inheritdoc IMaaSMarket
    /// @dev Anyone may call; the component's owner at that moment is paid.
    function payoutShare(uint64 planId, uint32 modelId) external nonReentrant returns (uint256 amount) {
        amount = sharePending(planId, modelId);
        if (amount == 0) return 0;
        address owner = _ownerOf(modelId);
        _drawn[planId][modelId] += amount;
        _earnings[planId].paid += uint96(amount);
        emit SharePaidOut(planId, modelId, owner, amount);
        _push(owner, amount);
    }

    /// @inheritdoc IMaaSMarket
    function earningsOf(uint64 planId) external view returns (uint96 earned, uint96 paid) {
        return (_earnings[planId].earned, _earnings[planId].paid);
    }

    /// @inheritdoc IMaaSMarket
    function proveUsage(
        UsageRecord calldata record,
        InclusionProof calldata proof,
        Voucher calldata voucher,
        bytes calldata meterSig
    ) external view returns (bool) {
        Hot storage hot = _hot[voucher.subscriptionId];
        if (record.subscriptionId != voucher.subscriptionId || hot.signer == address(0)) return false;
        if (record.total > voucher.units || voucher.units > hot.used) return false;
        bytes32 digest = hashVoucher(voucher.subscriptionId, voucher.units, voucher.usageRoot);
        if (_recover(digest, voucher.r, voucher.vs) != hot.signer) return false;
        address meterKey = CATALOG.meterKeyOf(_modelOf(_planOf(voucher.subscriptionId)));
        (address meter,,) = ECDSA.tryRecoverCalldata(digest, meterSig);
        if (meterKey == address(0) || meter != meterKey) return false;
        (bool wellFormed, bytes32 root) = UsageLog.climb(UsageLog.leafOf(record), record.seq, proof.size, proof.path);
        return wellFormed && UsageLog.usageRootOf(proof.size, root) == voucher.usageRoot;
    }

    /// @inheritdoc IMaaSMarket
    function sharePending(uint64 planId, uint32 modelId) public view returns (uint256) {
        IModelCatalog.Share[] memory shares = CATALOG.shares(planId);
        for (uint256 i = 0; i < shares.length; ++i) {
            if (shares[i].modelId != modelId) continue;
            return Money.shareDown(_earnings[planId].earned, shares[i].bps) - _drawn[planId][modelId];
        }
        revert NotEntitledToShare(planId, modelId);
    }

    /// @inheritdoc IMaaSMarket
    function hashVoucher(uint96 subscriptionId, uint40 units, bytes32 usageRoot) public view returns (bytes32 digest) {
        return _hashTypedDataV4(SignedStructs.hashVoucher(subscriptionId, units, usageRoot));
    }

    /// @dev Applies one voucher or says why not; returns what it earns, at most `room`. Reads and writes the
    ///      subscription's slot once.
    function _settle(Voucher calldata voucher, uint256 unitPrice, uint256 room, bytes32 domain)
        private
        returns (uint256 amount)
    {
        uint96 id = voucher.subscriptionId;
        uint40 units = voucher.units;
        Hot storage hot = _hot[id];
        (uint256 word, address signer, uint40 cap, uint40 used, uint16 flags) = _unpacked(hot);
        if (signer == address(0)) return _skip(id, SkipReason.Unknown);
        if (flags & (ACTIVATED | CLOSED) != ACTIVATED) return _skip(id, SkipReason.NotActive);
        if (units <= used) return _skip(id, SkipReason.Stale);
        amount = (units - used) * unitPrice;
        if (units > cap || amount > room) return _skip(id, SkipReason.OverCap);
        bytes32 digest = SignedStructs.digestVoucher(domain, id, units, voucher.usageRoot);
        if (_recover(digest, voucher.r, voucher.vs) != signer) return _skip(id, SkipReason.BadSignature);
        _writeUsed(hot, word, units);
        emit Settled(id, units, amount, voucher.usageRoot);
    }

    function _collectTime(uint96 subscriptionId) private {
        Status status = statusOf(subscriptionId);
        if (status != Status.Active) {
            _skip(subscriptionId, status == Status.None ? SkipReason.Unknown : SkipReason.NotActive);
            return;
        }
        uint64 planId = _planOf(subscriptionId);
        Slow storage slow = _slow[subscriptionId];
        (uint256 due, uint32 through) = _timeDue(planId, slow);
        if (due == 0) {
            _skip(subscriptionId, SkipReason.Stale);
            return;
        }
        if (due > _roomOf(planId)) {
            _skip(subscriptionId, SkipReason.OverCap);
            return;
        }
        slow.mark = through;
        _earn(planId, due);
        emit TimeCollected(subscriptionId, due, through);
    }

    function _skip(uint96 subscriptionId, SkipReason reason) private returns (uint256 nothing) {
        emit Skipped(subscriptionId, reason);
        return 0;
    }

    /// @dev The composite keeps what the shares together, rounded once, leave: that never shrinks while earnings grow.
    ///      (What the shares leave when each is rounded does: the composite could draw dust that a component then earns.)
    function _togetherOf(IModelCatalog.Share[] memory shares) private pure returns (uint256 bps) {
        for (uint256 i = 0; i < shares.length; ++i) {
            bps += shares[i].bps;
        }
    }

    /// @dev The fields of a `Hot` row by one read: signer in the low 160 bits, then cap, used, flags.
    function _unpacked(Hot storage hot)
        private
        view
        returns (uint256 word, address signer, uint40 cap, uint40 used, uint16 flags)
    {
        assembly ("memory-safe") {
            word := sload(hot.slot)
        }
        return (word, address(uint160(word)), uint40(word >> 160), uint40(word >> 200), uint16(word >> 240));
    }

    /// @dev Replaces `used` in the row that was read as `word`.
    function _writeUsed(Hot storage hot, uint256 word, uint40 used) private {
        word = word & ~(uint256(type(uint40).max) << 200) | uint256(used) << 200;
        assembly ("memory-safe") {
            sstore(hot.slot, word)
        }
    }
}
