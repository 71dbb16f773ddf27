// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {Lives} from "./Lives.sol";

/// @title Steps that earn: vouchers of every kind in any order, and elapsed time
abstract contract Settling is Lives {
    uint256 private constant APPLIES = type(uint256).max;
    uint96 private constant NEVER_BOUGHT = 77 << 32 | 1;

    /// @dev Every voucher that a session key ever signed for its subscription, by this or an earlier key of it.
    IMaaSMarket.Voucher[] internal pool;
    mapping(bytes32 voucher => address) private _signerOf;
    /// @dev Where the batch that is being judged has come to.
    mapping(uint96 id => uint256) private _used;
    mapping(uint64 planId => uint256) private _earned;

    /// @dev Fresh, old, over the cap, forged, another's key, altered, unknown, twice: each applies or is named, in order.
    function settle(uint256 seed) external {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](1 + _dice(seed, 0) % 8);
        for (uint256 i = 0; i < batch.length; ++i) {
            batch[i] = _item(_dice(seed, 100 + i), batch, i);
        }
        _count(_settle(_one(people, _dice(seed, 1)), batch) != 0);
    }

    /// @dev Invariant 6: the same vouchers in two orders, the second with repetitions and in two calls, end in one state.
    function shuffle(uint256 seed) external {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](2 + _dice(seed, 0) % 6);
        for (uint256 i = 0; i < batch.length; ++i) {
            bool fresh = pool.length == 0 || i == 0 || _dice(seed, 100 + i) % 2 == 0;
            batch[i] = fresh ? _fresh(_dice(seed, 200 + i)) : pool[_dice(seed, 300 + i) % pool.length];
        }
        (bytes32 one, bytes32 other) = _bothOrders(batch, seed);
        if (_fitsRoom(batch)) assertEq(one, other, "6: any order and repetition");
        _count(_settle(_one(people, _dice(seed, 1)), batch) != 0);
        assertEq(_settle(_one(people, _dice(seed, 2)), batch), 0, "6: again is nothing");
    }

    /// @dev Invariant 6: all that was ever signed, twice: the second time nothing applies.
    function replayAll(uint256 seed) external {
        for (uint256 i = 0; i < 2; ++i) {
            _fresh(_dice(seed, i));
        }
        _count(_settle(_one(people, _dice(seed, 2)), pool) != 0);
        assertEq(_settle(_one(people, _dice(seed, 3)), pool), 0, "6: a replay is nothing");
    }

    function collectTime(uint256 seed) external {
        uint96[] memory some = new uint96[](1 + _dice(seed, 0) % 6);
        for (uint256 i = 0; i < some.length; ++i) {
            some[i] = _dice(seed, 100 + i) % 16 == 0 ? NEVER_BOUGHT : _any(_dice(seed, 200 + i));
        }
        some[0] = _accrued(seed);
        address caller = _one(people, _dice(seed, 1));
        (bool passed, Vm.Log[] memory logs) =
            _call(address(market), caller, caller, abi.encodeCall(IMaaSMarket.collectTime, (some)));
        assertTrue(passed, "L1: collecting never fails");
        uint256 collected = _told(logs, IMaaSMarket.TimeCollected.selector);
        assertEq(collected + _told(logs, IMaaSMarket.Skipped.selector), some.length, "5: one event an item");
        for (uint256 i = 0; i < some.length; ++i) {
            _requireCollected(some[i]);
        }
        _count(collected != 0);
    }

    /// @dev What is left to collect is nothing, or more than the plan can still earn.
    function _requireCollected(uint96 id) private view {
        Line storage line = lines[id];
        if (!_isActive(line)) return;
        uint256 through = nowAt() < line.paidThrough ? nowAt() : line.paidThrough;
        uint256 due = _timeCost(id, through) - _timeCost(id, line.collectedThrough);
        bool full = planLines[uint64(id >> 32)].earned + due > EARNABLE;
        assertTrue(due == 0 || full, "5: all elapsed time is collected");
    }

    /// @dev Settles and compares what applied with the rule, item by item.
    function _settle(address caller, IMaaSMarket.Voucher[] memory batch) internal returns (uint256 applied) {
        uint256[] memory expected = _outcomes(batch);
        (bool passed, Vm.Log[] memory logs) =
            _call(address(market), caller, caller, abi.encodeCall(IMaaSMarket.settle, (batch)));
        assertTrue(passed, "L1: settling never fails");
        assertEq(logs.length, batch.length, "5: one event an item");
        for (uint256 i = 0; i < logs.length; ++i) {
            bool applies = logs[i].topics[0] == IMaaSMarket.Settled.selector;
            uint256 outcome = applies ? APPLIES : abi.decode(logs[i].data, (uint256));
            assertEq(outcome, expected[i], "7: applied, or skipped for the right reason");
            assertEq(uint96(uint256(logs[i].topics[1])), batch[i].subscriptionId, "5: the item it tells of");
            if (applies) ++applied;
        }
    }

    /// @dev The rule of CONTRACTS, item by item: the reason to skip it, or that it applies.
    function _outcomes(IMaaSMarket.Voucher[] memory batch) private returns (uint256[] memory outcomes) {
        outcomes = new uint256[](batch.length);
        for (uint256 i = 0; i < batch.length; ++i) {
            uint96 id = batch[i].subscriptionId;
            (_used[id], _earned[uint64(id >> 32)]) = (lines[id].used, planLines[uint64(id >> 32)].earned);
        }
        for (uint256 i = 0; i < batch.length; ++i) {
            outcomes[i] = _outcome(batch[i]);
        }
    }

    function _outcome(IMaaSMarket.Voucher memory item) private returns (uint256) {
        uint96 id = item.subscriptionId;
        uint64 planId = uint64(id >> 32);
        Line storage line = lines[id];
        if (line.buyer == address(0)) return uint256(IMaaSMarket.SkipReason.Unknown);
        if (!line.activated || line.closed) return uint256(IMaaSMarket.SkipReason.NotActive);
        if (item.units <= _used[id]) return uint256(IMaaSMarket.SkipReason.Stale);
        uint256 amount = (item.units - _used[id]) * _termsOf(id).unitPrice;
        bool fits = _earned[planId] + amount <= EARNABLE;
        if (item.units > line.cap || !fits) return uint256(IMaaSMarket.SkipReason.OverCap);
        bool right = _signerOf[keccak256(abi.encode(item))] == line.signer;
        if (!right) return uint256(IMaaSMarket.SkipReason.BadSignature);
        (_used[id], _earned[planId]) = (item.units, _earned[planId] + amount);
        return APPLIES;
    }

    function _item(uint256 dice, IMaaSMarket.Voucher[] memory batch, uint256 place)
        private
        returns (IMaaSMarket.Voucher memory item)
    {
        uint256 kind = _dice(dice, 0) % 16;
        if (kind < 7) return _fresh(dice);
        if (kind == 7 && place != 0) return batch[_dice(dice, 1) % place];
        if (kind < 10 && pool.length != 0) return pool[_dice(dice, 1) % pool.length];
        uint96 id = kind == 10 ? NEVER_BOUGHT : _any(_dice(dice, 1));
        Line storage line = lines[id];
        uint256 units = _dice(dice, 2) % (uint256(line.cap) + 1);
        if (kind == 11) units = uint256(line.cap) + 1;
        if (kind == 12) units = line.used;
        address signer = kind == 13 ? _otherSession(line.signer) : kind == 14 ? line.buyer : line.signer;
        if (signer == address(0)) signer = sessions[0];
        item = _voucher(id, uint40(units), signer, kind == 15 ? 1 : 0);
        if (kind == 15) item = _alter(item, dice);
    }

    /// @dev One field of a signed voucher changed: nobody signed what is left.
    function _alter(IMaaSMarket.Voucher memory item, uint256 dice) private view returns (IMaaSMarket.Voucher memory) {
        uint256 field = _dice(dice, 5) % 5;
        if (field == 0) item.subscriptionId = _any(_dice(dice, 6)) == item.subscriptionId ? 1 : _any(_dice(dice, 6));
        else if (field == 1) item.units = item.units == 0 ? 1 : item.units - 1;
        else if (field == 2) item.usageRoot = bytes32(dice);
        else if (field == 3) item.r = bytes32(dice);
        else item.vs ^= bytes32(uint256(1) << 255);
        return item;
    }

    /// @dev More units than were used, signed by the session key of now, for an active subscription.
    function _fresh(uint256 dice) internal returns (IMaaSMarket.Voucher memory item) {
        uint96 id = _unfilled(dice);
        Line storage line = lines[id];
        uint256 rest = line.cap - line.used;
        uint256 added = rest == 0 ? 0 : 1 + _amount(_dice(dice, 4), rest - 1);
        item = _voucher(id, uint40(line.used + added), line.signer, 0);
    }

    function _voucher(uint96 id, uint40 units, address signer, uint256 salt)
        private
        returns (IMaaSMarket.Voucher memory item)
    {
        (item.subscriptionId, item.units, item.usageRoot) = (id, units, keccak256(abi.encode(id, units, salt)));
        bytes32 digest = market.hashVoucher(id, units, item.usageRoot);
        (item.r, item.vs) = _signedCompact(signer, digest);
        _signerOf[keccak256(abi.encode(item))] = signer;
        if (signer == lines[id].signer && units <= lines[id].cap && salt == 0) pool.push(item);
    }

    function _bothOrders(IMaaSMarket.Voucher[] memory batch, uint256 seed)
        private
        returns (bytes32 one, bytes32 other)
    {
        uint256 state = vm.snapshotState();
        market.settle(batch);
        one = _digestOf(batch);
        vm.revertToState(state);
        market.settle(_mixed(batch, batch.length, _dice(seed, 400)));
        market.settle(_mixed(batch, 2 * batch.length, _dice(seed, 500)));
        other = _digestOf(batch);
        vm.revertToStateAndDelete(state);
    }

    /// @dev All of `batch` in another order and, from its length on, any of them again.
    function _mixed(IMaaSMarket.Voucher[] memory batch, uint256 length, uint256 dice)
        private
        pure
        returns (IMaaSMarket.Voucher[] memory mixed)
    {
        mixed = new IMaaSMarket.Voucher[](length);
        for (uint256 i = 0; i < length; ++i) {
            mixed[i] = batch[i < batch.length ? i : _dice(dice, i) % batch.length];
        }
        for (uint256 i = length - 1; i > 0; --i) {
            uint256 j = _dice(dice, 1_000 + i) % (i + 1);
            (mixed[i], mixed[j]) = (mixed[j], mixed[i]);
        }
    }

    function _digestOf(IMaaSMarket.Voucher[] memory batch) private view returns (bytes32 digest) {
        for (uint256 i = 0; i < batch.length; ++i) {
            uint96 id = batch[i].subscriptionId;
            (uint96 earned, uint96 paid) = market.earningsOf(uint64(id >> 32));
            digest = keccak256(abi.encode(digest, market.subscription(id), earned, paid));
        }
    }

    /// @dev A plan that cannot earn all that a batch asks of it takes what comes first: there alone order matters.
    function _fitsRoom(IMaaSMarket.Voucher[] memory batch) private view returns (bool) {
        for (uint256 i = 0; i < batch.length; ++i) {
            uint64 planId = uint64(batch[i].subscriptionId >> 32);
            uint256 most = planLines[planId].earned;
            for (uint256 j = 0; j < batch.length; ++j) {
                if (uint64(batch[j].subscriptionId >> 32) != planId) continue;
                most += uint256(batch[j].units) * planLines[planId].terms.unitPrice;
            }
            if (most > EARNABLE) return false;
        }
        return true;
    }

    function _unfilled(uint256 dice) private returns (uint96 id) {
        for (uint256 i = 0; i < ids.length; ++i) {
            id = ids[(_dice(dice, 3) % ids.length + i) % ids.length];
            if (lines[id].activated && !lines[id].closed && lines[id].used < lines[id].cap) return id;
        }
        return _target(dice);
    }

    function _accrued(uint256 seed) private returns (uint96 id) {
        for (uint256 i = 0; i < ids.length; ++i) {
            id = ids[(_dice(seed, 3) % ids.length + i) % ids.length];
            Line storage line = lines[id];
            if (_isActive(line) && line.collectedThrough < nowAt() && line.collectedThrough < line.paidThrough) {
                return id;
            }
        }
        return _target(seed);
    }

    function _told(Vm.Log[] memory logs, bytes32 kind) internal view returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(market) && logs[i].topics[0] == kind) ++count;
        }
    }
}
