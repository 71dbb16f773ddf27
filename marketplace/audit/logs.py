"""Reads usage logs (JSONL): as the gateway streams them, a header line, then one line a record; or as a buyer's client
keeps them, records and vouchers without a header.

A header carries the subscription's newest voucher, if there is one; several subscriptions may follow each other in one
file. Records are kept packed, 100 bytes each, so that a million of them fit (`lines.py` packs them).
Raises `MalformedLog` and judges nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ledger.errors import LedgerError
from ledger.typed_data import Voucher
from ledger.usage_log import HASH_BYTES, PACKED_BYTES, UsageLog, UsageRecord
from ledger.values import SubscriptionId, Units, expand, from_hex
from marketplace.audit.lines import (
    PACKED_TYPE,
    Line,
    Malformed,
    Piece,
    Run,
    VoucherBody,
    read_text,
)
from marketplace.errors import MalformedLog

LOG_SCHEMA = "s4m/log/1"
BLOCK_BYTES = 8 << 20
"""Of a file, read at once: some 24,000 records."""


@dataclass(frozen=True)
class VoucherLine:
    """The newest voucher of a log; signatures have 65 bytes, empty where that side has not signed."""

    voucher: Voucher
    size: int
    meter_signature: bytes
    session_signature: bytes

    @property
    def units(self) -> int:
        return self.voucher.units

    @property
    def usage_root(self) -> bytes:
        return self.voucher.usage_root


@dataclass
class SubscriptionLog:
    """One subscription's records in the order in which they were given, complete before it is judged."""

    subscription_id: int
    packed: bytearray = field(default_factory=bytearray)
    leaves: bytearray = field(default_factory=bytearray)
    differing_leaves: list[int] = field(default_factory=list)
    """Records beside which another leaf hash was written than theirs."""
    immersions: int = 0
    """Records that tell what their Meta-Immersion was computed from."""
    differing_immersions: list[tuple[int, int]] = field(default_factory=list)
    """Record and the immersion, in thousandths, that what was measured makes."""
    voucher: VoucherLine | None = None

    @property
    def size(self) -> int:
        return len(self.packed) // PACKED_BYTES

    @property
    def columns(self) -> np.ndarray:
        """The records as a structured array, a column a field."""
        return np.frombuffer(self.packed, PACKED_TYPE)

    @cached_property
    def tree(self) -> UsageLog:
        """The RFC 6962 tree over the records, hashed once."""
        log = UsageLog()
        log.extend_leaves(bytes(self.leaves))
        return log

    def record(self, index: int) -> UsageRecord:
        return UsageRecord.unpack(bytes(self.packed[index * PACKED_BYTES : (index + 1) * PACKED_BYTES]))

    def take(self, run: Run) -> None:
        """Records that go on after those that are here."""
        start = self.size
        self.packed += run.packed
        self.leaves += run.leaves
        self.differing_leaves += [start + index for index in run.differing_leaves]
        self.immersions += len(run.immersions)
        self.differing_immersions += [(start + index, due) for index, due in run.differing_immersions]


def parse(text: str | bytes) -> list[SubscriptionLog]:
    """The logs of a JSONL text, one a subscription."""
    return _assembled(read_text(text.encode() if isinstance(text, str) else text))


def read(path: Path) -> list[SubscriptionLog]:
    """The logs of a JSONL file of any size, one a subscription; it is read in parts."""
    return _assembled(piece for block, line in _blocks(path) for piece in read_text(block, line))


def _blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    """The file cut after line ends, and the number of each part's first line."""
    with path.open("rb") as file:
        line = 1
        while block := file.read(BLOCK_BYTES):
            block += file.readline()
            yield block, line
            line += block.count(b"\n")


def _assembled(pieces: Iterable[Piece]) -> list[SubscriptionLog]:
    """Records belong to the header above them, whatever they say themselves; without one, to their own subscription."""
    logs: dict[int, SubscriptionLog] = {}
    current: SubscriptionLog | None = None
    for piece in pieces:
        match piece:
            case Malformed(line=line, why=why):
                raise MalformedLog(f"line {line}: {why}.", remedy="Fetch the log again from the gateway.")
            case Run() if current is not None:
                current.take(piece)
            case Run():
                for found, part in piece.by_subscription():
                    _log(logs, found).take(part)
            case Line():
                current = _take_line(logs, current, piece)
    return list(logs.values())


def _take_line(logs: dict[int, SubscriptionLog], current: SubscriptionLog | None, line: Line) -> SubscriptionLog | None:
    """A header or a voucher line."""
    try:
        log = _log(logs, int(line.body.subscriptionId or ""))
        body = line.body.voucher if line.body.voucher is not None else line.body.as_voucher()
        if body is not None:
            log.voucher = _voucher(body, log.subscription_id)
    except (ValueError, LedgerError) as error:
        why = f"line {line.number}: {type(error).__name__}: {error}."
        raise MalformedLog(why, remedy="Fetch the log again from the gateway.") from error
    return log if line.body.schema == LOG_SCHEMA else current


def _log(logs: dict[int, SubscriptionLog], subscription_id: int) -> SubscriptionLog:
    return logs.setdefault(subscription_id, SubscriptionLog(subscription_id))


def _voucher(body: VoucherBody, subscription_id: int) -> VoucherLine:
    identifier = SubscriptionId(subscription_id if body.subscriptionId is None else body.subscriptionId)
    root = from_hex(body.usageRoot)
    if len(root) != HASH_BYTES:
        raise ValueError(f"usageRoot has {len(root)} bytes, not 32")
    voucher = Voucher(identifier, Units(body.units), root)
    return VoucherLine(voucher, body.size, from_hex(body.meterSignature or ""), _session_signature(body))


def _session_signature(body: VoucherBody) -> bytes:
    if body.r and body.vs:
        return expand(from_hex(body.r), from_hex(body.vs))
    return from_hex(body.sessionSignature or body.signature or "")
