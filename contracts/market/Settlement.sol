// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IMaaSMarket} from "../interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../interfaces/IModelCatalog.sol";
import {Money} from "../libraries/Money.sol";
import {SignedStructs} from "../libraries/SignedStructs.sol";
import {UsageLog} from "../libraries/UsageLog.sol";
import {Books} from "./Books.sol";

// slither-disable-start timestamp -- a block's proposer can shift it by seconds: their price, no more
/// @title From vouchers and elapsed time to plans' earnings, from earnings to owners
/// @notice Settlement calls no other contract and moves no token; payout calls the catalogue and, last, the token.
abstract contract Settlement is Books {
    uint256 private constant CAP_AT = 160;
    uint256 private constant USED_AT = 200;
    uint256 private constant FLAGS_AT = 240;
    uint256 private constant MAX_UNITS = type(uint40).max;

    /// @inheritdoc IMaaSMarket
    function settle(Voucher[] calldata vouchers) external {
        uint256 desk = SignedStructs.deskFor(_domainSeparatorV4());
        uint256 planId = 0;
        uint256 unitPrice = 0;
        uint256 room = 0;
        uint256 left = 0;
        for (uint256 i = 0; i < vouchers.length; ++i) {
            Voucher calldata voucher = vouchers[i];
            (uint256 id, uint256 units) = _headOf(voucher);
            if (id >> 32 != planId) {
                _earn(uint64(planId), room - left);
                planId = id >> 32;
                unitPrice = _earnings[uint64(planId)].unitPrice;
                left = room = _roomOf(uint64(planId));
            }
            left = _settle(voucher, uint96(id), units, unitPrice, left, desk);
        }
        _earn(uint64(planId), room - left);
    }

    /// @inheritdoc IMaaSMarket
    function collectTime(uint96[] calldata subscriptionIds) external {
        for (uint256 i = 0; i < subscriptionIds.length; ++i) {
            _collectTime(subscriptionIds[i]);
        }
    }

    /// @inheritdoc IMaaSMarket
    function payout(uint64 planId) external nonReentrant returns (uint256 amount) {
        uint32 modelId = _modelOf(planId);
        Earnings storage row = _earnings[planId];
        if (row.shared) {
            amount = _draw(planId, modelId, _restOf(planId));
        } else {
            amount = row.earned - row.paid;
            row.paid = row.earned;
        }
        if (amount == 0) return 0;
        address owner = _ownerOf(modelId);
        if (msg.sender != owner) _requireWithoutCode(owner);
        emit PaidOut(planId, owner, amount);
        _push(owner, amount);
    }

    /// @inheritdoc IMaaSMarket
    function payoutShare(uint64 planId, uint32 modelId) external nonReentrant returns (uint256 amount) {
        amount = _draw(planId, modelId, _shareOf(planId, modelId));
        if (amount == 0) return 0;
        address owner = _ownerOf(modelId);
        if (msg.sender != owner) _requireWithoutCode(owner);
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
        // slither-disable-next-line unused-return -- a failure shows as the zero address, refused below
        (address meter,,) = ECDSA.tryRecoverCalldata(digest, meterSig);
        if (meterKey == address(0) || meter != meterKey) return false;
        (bool wellFormed, bytes32 root) = UsageLog.climb(UsageLog.leafOf(record), record.seq, proof.size, proof.path);
        return wellFormed && UsageLog.usageRootOf(proof.size, root) == voucher.usageRoot;
    }

    /// @inheritdoc IMaaSMarket
    function sharePending(uint64 planId, uint32 modelId) external view returns (uint256) {
        return _shareOf(planId, modelId) - _drawn[planId][modelId];
    }

    /// @inheritdoc IMaaSMarket
    function hashVoucher(uint96 subscriptionId, uint40 units, bytes32 usageRoot) public view returns (bytes32 digest) {
        return _hashTypedDataV4(SignedStructs.hashVoucher(subscriptionId, units, usageRoot));
    }

    /// @dev Applies one voucher or says why not; returns what the plan can still earn after it, of the `room` before. Reads
    ///      and writes the subscription's slot once.
    function _settle(Voucher calldata voucher, uint96 id, uint256 units, uint256 unitPrice, uint256 room, uint256 desk)
        private
        returns (uint256 left)
    {
        Hot storage hot = _hot[id];
        uint256 word = _wordOf(hot);
        if (word >> FLAGS_AT & (ACTIVATED | CLOSED) != ACTIVATED) {
            return _skip(id, word == 0 ? SkipReason.Unknown : SkipReason.NotActive, room);
        }
        unchecked {
            uint256 used = word >> USED_AT & MAX_UNITS;
            uint256 fresh = units - used;
            // one comparison for two: a stale voucher wraps around to more than any cap
            if (fresh - 1 >= (word >> CAP_AT & MAX_UNITS) - used) {
                return _skip(id, units <= used ? SkipReason.Stale : SkipReason.OverCap, room);
            }
            uint256 amount = fresh * unitPrice; // below 2^104
            if (amount > room) return _skip(id, SkipReason.OverCap, room);
            if (SignedStructs.signerOf(voucher, desk) != uint160(word)) {
                return _skip(id, SkipReason.BadSignature, room);
            }
            _setWord(hot, word + (fresh << USED_AT)); // used stays within cap, so within its 40 bits
            emit Settled(id, uint40(units), amount, voucher.usageRoot);
            return room - amount;
        }
    }

    function _collectTime(uint96 subscriptionId) private {
        Status status = statusOf(subscriptionId);
        if (status != Status.Active) {
            emit Skipped(subscriptionId, status == Status.None ? SkipReason.Unknown : SkipReason.NotActive);
            return;
        }
        uint64 planId = _planOf(subscriptionId);
        Slow storage slow = _slow[subscriptionId];
        (uint256 due, uint32 through) = _timeDue(planId, slow);
        if (due > _roomOf(planId)) {
            emit Skipped(subscriptionId, SkipReason.OverCap);
        } else if (due > 0) {
            slow.mark = through;
            _earn(planId, due);
            emit TimeCollected(subscriptionId, due, through);
        } else {
            emit Skipped(subscriptionId, SkipReason.Stale);
        }
    }

    /// @dev Leaves the plan's room as it is.
    function _skip(uint96 subscriptionId, SkipReason reason, uint256 room) private returns (uint256 left) {
        emit Skipped(subscriptionId, reason);
        return room;
    }

    /// @dev Notes as drawn and paid what `modelId`'s owner has not drawn yet of `due`, all that was ever due to it.
    function _draw(uint64 planId, uint32 modelId, uint256 due) private returns (uint256 amount) {
        amount = due - _drawn[planId][modelId];
        _drawn[planId][modelId] = due;
        _earnings[planId].paid += uint88(amount);
    }

    /// @dev A contract draws its own pay: money pushed into an escrow that holds the model for sale could never leave it.
    function _requireWithoutCode(address owner) private view {
        require(owner.code.length == 0, NotPayee(owner, msg.sender));
    }

    /// @dev All that a component of a composite plan ever earned in it.
    function _shareOf(uint64 planId, uint32 modelId) private view returns (uint256) {
        IModelCatalog.Share[] memory shares = CATALOG.shares(planId);
        for (uint256 i = 0; i < shares.length; ++i) {
            if (shares[i].modelId == modelId) return Money.shareDown(_earnings[planId].earned, shares[i].bps);
        }
        revert NotEntitledToShare(planId, modelId);
    }

    /// @dev All that a composite plan ever earned for the composite itself: what the shares together, rounded once, leave.
    ///      That never shrinks while earnings grow. (What they leave when each is rounded does: the composite could draw
    ///      dust that a component then earns.)
    function _restOf(uint64 planId) private view returns (uint256) {
        IModelCatalog.Share[] memory shares = CATALOG.shares(planId);
        uint256 together = 0;
        for (uint256 i = 0; i < shares.length; ++i) {
            together += shares[i].bps;
        }
        uint88 earned = _earnings[planId].earned;
        return earned - Money.shareDown(earned, together);
    }

    /// @dev The first two words, unchecked: a stray high bit makes the signature another's or the units too many.
    // slither-disable-next-line assembly -- two reads of calldata, whose length the loop's own access checked
    function _headOf(Voucher calldata voucher) private pure returns (uint256 id, uint256 units) {
        assembly ("memory-safe") {
            id := calldataload(voucher)
            units := calldataload(add(voucher, 0x20))
        }
    }

    /// @dev A `Hot` row as one word: signer in the low 160 bits, then cap, used, flags.
    // slither-disable-next-line assembly -- one read of one slot
    function _wordOf(Hot storage hot) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(hot.slot)
        }
    }

    // slither-disable-next-line assembly -- one write of the slot that was read
    function _setWord(Hot storage hot, uint256 word) private {
        assembly ("memory-safe") {
            sstore(hot.slot, word)
        }
    }
}
// slither-disable-end timestamp
