"""Lines of a usage log into packed records. Called by `logs.py`; judges nothing.

msgspec decodes and checks the shape of a line at once; ids, units and times may be numbers or decimal strings.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np

from ledger.measured import Measured
from ledger.usage_log import HASH_BYTES, PACKED

PACKED_TYPE = np.dtype(
    [
        ("plan", ">u8"), ("sequence", ">u4"), ("seq", ">u8"), ("meter", ">u4"), ("quantity", ">u8"), ("units", ">u8"),
        ("total", ">u8"), ("start_millis", ">u8"), ("end_millis", ">u8"), ("immersion", ">u4"), ("request", "V32"),
    ]
)  # fmt: skip
"""A packed record (`ledger.usage_log.PACKED`) as numpy reads it."""
_LEAF = np.dtype(f"V{HASH_BYTES}")


class RecordBody(msgspec.Struct):
    """`UsageRecord.to_json`."""

    subscriptionId: int
    seq: int
    meter: int
    quantity: int
    units: int
    total: int
    startMillis: int
    endMillis: int
    immersion: int
    requestHash: str


class VoucherBody(msgspec.Struct):
    """A voucher as the gateway (r and vs, or signature) or the buyer's client (signature) writes it."""

    units: int
    usageRoot: str
    size: int
    subscriptionId: int | None = None
    meterSignature: str | None = None
    signature: str | None = None
    sessionSignature: str | None = None
    r: str | None = None
    vs: str | None = None


class LineBody(msgspec.Struct):
    """Any line: a record, a header, or a voucher (its fields inside `voucher`, or bare)."""

    record: RecordBody | None = None
    leafHash: str | None = None
    measured: dict[str, Any] | None = None
    schema: str | None = None
    subscriptionId: int | None = None
    voucher: VoucherBody | None = None
    units: int | None = None
    usageRoot: str | None = None
    size: int | None = None
    meterSignature: str | None = None
    signature: str | None = None
    r: str | None = None
    vs: str | None = None

    def as_voucher(self) -> VoucherBody | None:
        """The voucher that the line itself is, where it is one."""
        if self.usageRoot is None:
            return None
        fields = {name: getattr(self, name) for name in VoucherBody.__struct_fields__ if hasattr(self, name)}
        return msgspec.convert(fields, VoucherBody, strict=False)


@dataclass(frozen=True)
class Line:
    """A header or voucher line; `number` counts from 1."""

    number: int
    body: LineBody


@dataclass(frozen=True)
class Malformed:
    """The first line that cannot be read; nothing after it was."""

    line: int
    why: str


@dataclass
class Run:
    """Records that follow each other with no other line between them; indices count from the run's first."""

    packed: bytes
    leaves: bytes
    differing_leaves: list[int] = field(default_factory=list)
    immersions: list[int] = field(default_factory=list)
    differing_immersions: list[tuple[int, int]] = field(default_factory=list)

    def by_subscription(self) -> Iterator[tuple[int, Run]]:
        """The run's records apart, each subscription's in their order."""
        records, leaves = np.frombuffer(self.packed, PACKED_TYPE), np.frombuffer(self.leaves, _LEAF)
        for plan, sequence in dict.fromkeys(zip(records["plan"].tolist(), records["sequence"].tolist(), strict=True)):
            mine = np.flatnonzero((records["plan"] == plan) & (records["sequence"] == sequence))
            places = {index: place for place, index in enumerate(mine.tolist())}
            yield (
                plan << 32 | sequence,
                Run(
                    records[mine].tobytes(),
                    leaves[mine].tobytes(),
                    [places[index] for index in self.differing_leaves if index in places],
                    [places[index] for index in self.immersions if index in places],
                    [(places[index], due) for index, due in self.differing_immersions if index in places],
                ),
            )


Piece = Run | Line | Malformed


def read_text(text: bytes, first_line: int = 1) -> list[Piece]:
    """The pieces of a JSONL text, in order; ends with `Malformed` at the first line that cannot be read."""
    pieces: list[Piece] = []
    building = _Building()
    for number, raw in enumerate(text.split(b"\n"), start=first_line):
        try:
            body = _DECODER.decode(raw) if raw.strip() else None
            if body is None:
                continue
            if body.record is not None:
                building.add(body, body.record)
                continue
        except (msgspec.MsgspecError, struct.error, KeyError, TypeError, ValueError) as error:
            return [*pieces, *building.finished(), Malformed(number, f"{type(error).__name__}: {error}")]
        pieces += [*building.finished(), Line(number, body)]
        building = _Building()
    return [*pieces, *building.finished()]


_DECODER = msgspec.json.Decoder(LineBody, strict=False)


class _Building:
    """A run that grows a record at a time."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._leaves: list[bytes] = []
        self._differing_leaves: list[int] = []
        self._immersions: list[int] = []
        self._differing_immersions: list[tuple[int, int]] = []

    def add(self, line: LineBody, record: RecordBody) -> None:
        packed = pack(record)
        leaf = sha256(b"\x00" + packed).digest()
        if line.leafHash and bytes.fromhex(line.leafHash.removeprefix("0x")) != leaf:
            self._differing_leaves.append(len(self._packed))
        if line.measured:
            self._measure(line.measured, record.immersion)
        self._packed.append(packed)
        self._leaves.append(leaf)

    def _measure(self, document: dict[str, Any], said: int) -> None:
        due = Measured.from_json(document).immersion_milli
        self._immersions.append(len(self._packed))
        if due != said:
            self._differing_immersions.append((len(self._packed), due))

    def finished(self) -> Iterable[Run]:
        """The run, where it has records."""
        if self._packed:
            yield Run(
                b"".join(self._packed),
                b"".join(self._leaves),
                self._differing_leaves,
                self._immersions,
                self._differing_immersions,
            )


def pack(record: RecordBody) -> bytes:
    """As `UsageRecord.packed`; `struct.error` or `ValueError` for what does not fit."""
    request = bytes.fromhex(record.requestHash.removeprefix("0x"))
    if len(request) != HASH_BYTES:
        raise ValueError(f"requestHash has {len(request)} bytes, not 32")
    return PACKED.pack(
        record.subscriptionId >> 32, record.subscriptionId & 0xFFFFFFFF, record.seq, record.meter, record.quantity,
        record.units, record.total, record.startMillis, record.endMillis, record.immersion, request,
    )  # fmt: skip
