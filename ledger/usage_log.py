"""The append-only Merkle log of usage records: leaves, roots, proofs, verification (RFC 6962 with SHA-256).

Called by the gateway (writes), the buyer's client and the audit (verify). Leaf = SHA-256(0x00 ‖ packed record), node =
SHA-256(0x01 ‖ left ‖ right), usageRoot = SHA-256(0x02 ‖ uint64 size ‖ root), the same as in MaaSMarket.proveUsage.
It keeps hashes in memory and stores nothing: who owns the records rebuilds the log by appending them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import RecordMalformed, RecordOutOfOrder
from ledger.values import SubscriptionId, Units, from_hex, to_hex

EMPTY_ROOT = sha256(b"").digest()

HASH_BYTES = 32
PACKED_BYTES = 100
PACKED = struct.Struct(">QIQIQQQQQI32s")
"""planId, sequence (together the subscription's id), seq, meter, quantity, units, total, startMillis, endMillis,
immersion, requestHash: a record as its leaf hashes it."""
_SEQUENCES = 1 << 32


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One use: what was measured, what it costs, in a leaf of one subscription's log.

    `quantity` is raw, in the meter's unit; `units` are billable, net of included units and discounts; `total` the
    running billable units up to and including this record; `immersion` Meta-Immersion in thousandths.
    """

    subscription_id: SubscriptionId
    seq: int
    meter: int
    quantity: int
    units: Units
    total: Units
    start_millis: int
    end_millis: int
    immersion: int
    request_hash: bytes

    def packed(self) -> bytes:
        """All fields big-endian at fixed width: 100 bytes, as abi.encodePacked gives them."""
        if len(self.request_hash) != HASH_BYTES:
            raise RecordMalformed(f"requestHash has {len(self.request_hash)} bytes, not 32")
        try:
            return PACKED.pack(
                self.subscription_id // _SEQUENCES,
                self.subscription_id % _SEQUENCES,
                self.seq,
                self.meter,
                self.quantity,
                self.units,
                self.total,
                self.start_millis,
                self.end_millis,
                self.immersion,
                self.request_hash,
            )
        except struct.error as error:
            raise RecordMalformed(f"a field does not fit its width ({error})") from error

    @classmethod
    def unpack(cls, packed: bytes) -> UsageRecord:
        """The record of `packed`'s 100 bytes."""
        plan, sequence, seq, meter, quantity, units, total, start, end, immersion, request = PACKED.unpack(packed)
        found = SubscriptionId(plan * _SEQUENCES + sequence)
        return cls(found, seq, meter, quantity, Units(units), Units(total), start, end, immersion, request)

    def leaf(self) -> bytes:
        return sha256(b"\x00" + self.packed()).digest()

    def to_json(self) -> dict[str, str | int]:
        """JSON form: ids, quantities and units as decimal strings, the hash as 0x hexadecimal."""
        return {
            "subscriptionId": str(self.subscription_id),
            "seq": str(self.seq),
            "meter": self.meter,
            "quantity": str(self.quantity),
            "units": str(self.units),
            "total": str(self.total),
            "startMillis": str(self.start_millis),
            "endMillis": str(self.end_millis),
            "immersion": self.immersion,
            "requestHash": to_hex(self.request_hash),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> UsageRecord:
        """Reads `to_json`'s form; refuses anything missing, fractional or too wide for its field."""
        try:
            record = cls(
                SubscriptionId(_integer(document["subscriptionId"])),
                _integer(document["seq"]),
                _integer(document["meter"]),
                _integer(document["quantity"]),
                Units(_integer(document["units"])),
                Units(_integer(document["total"])),
                _integer(document["startMillis"]),
                _integer(document["endMillis"]),
                _integer(document["immersion"]),
                from_hex(str(document["requestHash"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordMalformed(f"{type(error).__name__}: {error}") from error
        record.packed()
        return record


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"{value!r} is not an integer")
    return int(value)


def leaves_of(packed: bytes) -> bytes:
    """The leaf hashes of packed records that follow each other, in one row."""
    width = PACKED_BYTES
    return b"".join([sha256(b"\x00" + packed[at : at + width]).digest() for at in range(0, len(packed), width)])


class UsageLog:
    """The Merkle tree of one subscription's records. Appending costs O(1) on average, a root or a proof O(log² n).

    `_levels[k]` holds the hashes of the complete subtrees of 2**k leaves in one row. Not thread-safe: one writer.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self.extend_leaves(b"".join(leaves))

    @classmethod
    def of(cls, records: Iterable[UsageRecord]) -> UsageLog:
        log = cls()
        log.extend(list(records))
        return log

    @property
    def size(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def append(self, record: UsageRecord) -> bytes:
        """Appends the record, whose `seq` must be the log's size; returns its leaf."""
        if record.seq != self.size:
            raise RecordOutOfOrder(self.size, record.seq)
        leaf = record.leaf()
        self.extend_leaves(leaf)
        return leaf

    def extend(self, records: Sequence[UsageRecord]) -> None:
        """Appends many records, all or none: their leaves first, then the tree a level at a time."""
        for expected, record in enumerate(records, start=self.size):
            if record.seq != expected:
                raise RecordOutOfOrder(expected, record.seq)
        self.extend_leaves(leaves_of(b"".join([record.packed() for record in records])))

    def extend_leaves(self, leaves: bytes) -> None:
        """Appends leaf hashes that follow each other, 32 bytes each."""
        self._levels[0] += leaves
        level, pair = 0, 2 * HASH_BYTES
        while self._above(level) < len(self._levels[level]) // pair:
            start, end = self._above(level) * pair, len(self._levels[level]) // pair * pair
            below = bytes(self._levels[level][start:end])
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level + 1] += b"".join(
                [sha256(b"\x01" + below[at : at + pair]).digest() for at in range(0, len(below), pair)]
            )
            level += 1

    def _above(self, level: int) -> int:
        """How many hashes stand on the level above this one."""
        return len(self._levels[level + 1]) // HASH_BYTES if level + 1 < len(self._levels) else 0

    def root(self, size: int | None = None) -> bytes:
        """The tree's root over the first `size` leaves (all, if None)."""
        return self._subtree(0, self._bounded(size))

    def usage_root(self, size: int | None = None) -> bytes:
        """What vouchers sign: SHA-256(0x02 ‖ uint64 size ‖ root)."""
        bounded = self._bounded(size)
        return usage_root(bounded, self._subtree(0, bounded))

    def inclusion_proof(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """RFC 6962 audit path of leaf `index` among the first `size` leaves, lowest neighbour first."""
        bounded = self._bounded(size)
        if not 0 <= index < bounded:
            raise IndexError(f"leaf {index} is not among the first {bounded}")
        return tuple(self._path(index, 0, bounded))

    def consistency_proof(self, old_size: int, size: int | None = None) -> tuple[bytes, ...]:
        """RFC 6962 proof that the first `old_size` leaves are a prefix of the first `size`."""
        bounded = self._bounded(size)
        if not 0 <= old_size <= bounded:
            raise IndexError(f"{old_size} leaves are no prefix of {bounded}")
        if old_size in (0, bounded):
            return ()
        return tuple(self._subproof(old_size, 0, bounded, whole=True))

    def _bounded(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise IndexError(f"the log has {self.size} leaves, not {size}")
        return size

    def _subtree(self, start: int, count: int) -> bytes:
        """Root of leaves [start, start + count); `start` is a multiple of the power of two at or above `count`."""
        if count == 0:
            return EMPTY_ROOT
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            at = (start >> level) * HASH_BYTES
            return bytes(self._levels[level][at : at + HASH_BYTES])
        left = _split(count)
        return _node(self._subtree(start, left), self._subtree(start + left, count - left))

    def _path(self, index: int, start: int, count: int) -> list[bytes]:
        if count == 1:
            return []
        left = _split(count)
        if index < left:
            return [*self._path(index, start, left), self._subtree(start + left, count - left)]
        return [*self._path(index - left, start + left, count - left), self._subtree(start, left)]

    def _subproof(self, old: int, start: int, count: int, *, whole: bool) -> list[bytes]:
        if old == count:
            return [] if whole else [self._subtree(start, count)]
        left = _split(count)
        if old <= left:
            return [*self._subproof(old, start, left, whole=whole), self._subtree(start + left, count - left)]
        rest = self._subproof(old - left, start + left, count - left, whole=False)
        return [*rest, self._subtree(start, left)]


def usage_root(size: int, root: bytes) -> bytes:
    """SHA-256(0x02 ‖ uint64 size ‖ root)."""
    return sha256(b"\x02" + size.to_bytes(8) + root).digest()


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to (RFC 9162, 2.1.3.2); None where the path's shape is impossible."""
    if not 0 <= index < size:
        return None
    node, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            value = _node(sibling, value)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            value = _node(value, sibling)
        node, last = node >> 1, last >> 1
    return value if last == 0 else None


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    return root_from_path(leaf, index, size, path) == root


def verify_consistency(old_size: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """True when the log under `old_root` is a prefix of the one under `root` (RFC 9162, 2.1.4.2)."""
    if old_size > size or old_size < 0:
        return False
    if old_size == size:
        return not path and old_root == root
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    proof = list(path)
    if old_size & (old_size - 1) == 0:
        proof.insert(0, old_root)
    if not proof:
        return False
    return _follow(old_size - 1, size - 1, proof) == (old_root, root)


def _follow(node: int, last: int, proof: list[bytes]) -> tuple[bytes, bytes] | None:
    """Folds a consistency proof into the (old, new) roots that it leads to."""
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old, new = _node(sibling, old), _node(sibling, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = _node(new, sibling)
        node, last = node >> 1, last >> 1
    return (old, new) if last == 0 else None


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
