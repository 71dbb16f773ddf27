"""The buyer's own books of one subscription: every record checked and recomputed before anything is signed.

Used by `use.py`. Pure but for the JSONL files that it is given: `<file>` holds records and vouchers as
`s4m audit --log` reads them, `<file>.sent` the hashes of requests, so that a restart knows its own. It never talks to
the gateway.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import rfc8785
from PIL import Image

from ledger.contracts import Contracts
from ledger.errors import SignatureMalformed
from ledger.measured import Measured
from ledger.metering import Tally, Terms, bill, vested
from ledger.typed_data import Domain, Voucher, recover
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import ZERO_ADDRESS, Address, SubscriptionId, Units, from_hex, model_of, plan_of, to_hex
from marketplace.errors import MalformedInput, WalletError

PIXELS_PER_K = 4608
"""One K on a devnet: 96×48 pixels."""
PAID_FOR_EVER = 1 << 40
"""Use is only ever recorded within the paid time, so vesting needs no end of its own here."""


class MeterDispute(WalletError):
    """The gateway's record is not what this client asked for, received or computed. Nothing is signed any more."""

    code, status, title = "meter_dispute", 409, "The gateway's metering is disputed"

    def __init__(self, record: int, field: str, expected: object, given: object) -> None:
        self.record = record
        self.field = field
        super().__init__(
            f"record {record}, field {field}: expected {expected}, the gateway says {given}.",
            remedy="Sign nothing, keep the log (`s4m audit --log FILE`), request the release of the subscription.",
            record=str(record),
            field=field,
        )


@dataclass(frozen=True)
class Agreement:
    """What both sides agreed on-chain: whose meter, by which terms, since when. `period` in seconds, 0 without periods.

    `meters` (operation → meter index) and `attention` (object → weight, of the request document) are checked where
    they are given.
    """

    subscription_id: SubscriptionId
    terms: Terms
    domain: Domain
    meter_key: Address
    since: int
    period: int
    buyer: Address = ZERO_ADDRESS
    meters: Mapping[str, int] = field(default_factory=dict)
    attention: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        contracts: Contracts,
        subscription_id: SubscriptionId,
        terms: Mapping[str, Any],
        *,
        operations: Mapping[str, Mapping[str, Any]] | None = None,
        objects: tuple[Mapping[str, Any], ...] | list[Mapping[str, Any]] = (),
    ) -> Self:
        """From the chain's latest block (blocks). The terms document must have the hash that the plan names.

        `operations` as in the service's spec document, `objects` as in the request document.
        """
        plan_id = plan_of(subscription_id)
        plan = contracts.catalog.plan(plan_id).terms
        state = contracts.market.subscription(subscription_id)
        if sha256(rfc8785.dumps(dict(terms))).digest() != plan.terms_hash:
            raise MalformedInput(
                f"these are not the terms of plan {plan_id}.", remedy="Fetch the document whose hash is on-chain."
            )
        return cls(
            subscription_id=subscription_id,
            terms=Terms.parse(terms),
            domain=contracts.market_domain,
            meter_key=contracts.catalog.meter_key_of(model_of(plan_id)),
            since=state.since,
            period=plan.period,
            buyer=state.buyer,
            meters={name: int(operation["meter"]) for name, operation in (operations or {}).items()},
            attention={int(item["object"]): float(item["attention"]) for item in objects},
        )


class Receipts:
    """Checked records in their order, and what of them is signed. Raises `MeterDispute` at the first difference."""

    def __init__(self, agreement: Agreement, file: Path | None = None) -> None:
        self._agreement = agreement
        self._file = file
        self._tally = Tally()
        self._waiting: dict[int, UsageRecord] = {}
        self._measured: dict[int, Measured] = {}
        self.log = UsageLog()
        self.records: list[UsageRecord] = []
        self.signed_size = 0
        self._sent = self._remembered()
        self._remember_records()

    @property
    def total(self) -> int:
        """Billable units so far."""
        return self._tally.billed

    @property
    def unsigned_units(self) -> int:
        return self.total - (self.records[self.signed_size - 1].total if self.signed_size else 0)

    @property
    def oldest_unsigned_ms(self) -> int:
        """When the oldest unsigned record ended, UTC ms; 0 where all are signed."""
        return self.records[self.signed_size].end_millis if self.signed_size < len(self.records) else 0

    @property
    def has_gap(self) -> bool:
        """A later record came while an earlier one did not."""
        return bool(self._waiting)

    @property
    def started_empty(self) -> bool:
        """Nothing is remembered of earlier use."""
        return not self._sent and not self.records

    def sending(self, request_hash: bytes) -> None:
        """Note a request before it leaves, so that its record is known even where the answer is lost."""
        if request_hash not in self._sent:
            self._sent.add(request_hash)
            self._write(".sent", {"requestHash": to_hex(request_hash)})

    def adopt(self, record: UsageRecord) -> None:
        """Take in a record of the fetched log that no answer brought: one of ours, or nothing is signed."""
        if record.seq < len(self.records):
            self._require(record.seq, "leafHash", to_hex(self.records[record.seq].leaf()), to_hex(record.leaf()))
            return
        if record.request_hash not in self._sent:
            raise MeterDispute(record.seq, "requestHash", "a request of ours", to_hex(record.request_hash))
        self.take(record)

    def trust_first(self, record: UsageRecord) -> None:
        """Take in a record of earlier use of which nothing is remembered here; its sums are checked all the same."""
        self._sent.add(record.request_hash)
        self.adopt(record)

    def take(self, record: UsageRecord) -> None:
        """Take in a record; one ahead of its turn waits. A repeated record must be the same."""
        known = self._waiting.get(record.seq)
        if record.seq < len(self.records):
            known = self.records[record.seq]
        if known is not None:
            self._require(record.seq, "leafHash", to_hex(known.leaf()), to_hex(record.leaf()))
            return
        self._waiting[record.seq] = record
        while (following := self._waiting.pop(len(self.records), None)) is not None:
            self._append(following)

    def check_answer(
        self, operation: str, request_hash: bytes, record: UsageRecord, info: Mapping[str, Any], body: bytes
    ) -> None:
        """One answer against its request: whose it is, which meter, and what the picture in it is worth."""
        self._require(record.seq, "requestHash", to_hex(request_hash), to_hex(record.request_hash))
        if operation in self._agreement.meters:
            self._require(record.seq, "meter", self._agreement.meters[operation], record.meter)
        if "tiles" in info:
            self._check_picture(record, info, body)

    def voucher(self) -> tuple[Voucher, int]:
        """The voucher over all checked records, and how many they are."""
        units, root = Units(self.total), self.log.usage_root()
        return Voucher(self._agreement.subscription_id, units, root), self.log.size

    def check_proposal(self, proposal: Mapping[str, Any]) -> None:
        """A meter-signed voucher against our own log at its size; sizes that we have not reached are left out."""
        size = int(proposal["size"])
        if not 0 < size <= len(self.records):
            return
        last = self.records[size - 1]
        root = self.log.usage_root(size)
        self._require(last.seq, "voucher.subscriptionId", str(last.subscription_id), proposal["subscriptionId"])
        self._require(last.seq, "voucher.units", str(last.total), proposal["units"])
        self._require(last.seq, "voucher.usageRoot", to_hex(root), proposal["usageRoot"])
        voucher = Voucher(last.subscription_id, last.total, root)
        self.check_meter_signature(voucher, size, str(proposal["meterSignature"]))

    def check_meter_signature(self, voucher: Voucher, size: int, signature: str) -> None:
        """The gateway's own signature under a voucher."""
        try:
            signer = recover(self._agreement.domain, voucher, from_hex(signature))
        except (SignatureMalformed, ValueError) as cause:
            raise MeterDispute(size - 1, "voucher.meterSignature", self._agreement.meter_key, signature) from cause
        self._require(size - 1, "voucher.meterSignature", self._agreement.meter_key, signer)

    def signed(self, voucher: Voucher, size: int, signature: str, meter_signature: str) -> None:
        """Note a voucher that both sides have signed."""
        self.signed_size = max(self.signed_size, size)
        document = {
            "subscriptionId": str(voucher.subscription_id),
            "units": str(voucher.units),
            "usageRoot": to_hex(voucher.usage_root),
            "size": size,
            "signature": signature,
            "meterSignature": meter_signature,
        }
        self._write("", {"subscriptionId": str(voucher.subscription_id), "voucher": document})

    def resume_signed(self, size: int, usage_root: str) -> None:
        """Take over what was signed before a restart; the gateway's word must fit our own log."""
        if size > len(self.records):
            raise MeterDispute(len(self.records), "size", f"at least {size} records", len(self.records))
        self._require(size - 1, "voucher.usageRoot", to_hex(self.log.usage_root(size)), usage_root)
        self.signed_size = max(self.signed_size, size)

    def _append(self, record: UsageRecord, *, write: bool = True) -> None:
        self._require(record.seq, "subscriptionId", self._agreement.subscription_id, record.subscription_id)
        self._require(record.seq, "seq", len(self.records), record.seq)
        self._require(record.seq, "endMillis", f"{record.start_millis} or later", record.end_millis, _in_order(record))
        if record.meter >= len(self._agreement.terms.meters):
            raise MeterDispute(record.seq, "meter", f"below {len(self._agreement.terms.meters)}", record.meter)
        free = vested(
            self._agreement.terms, self._agreement.since, self._agreement.period, PAID_FOR_EVER, record.end_millis
        )
        after = bill(self._agreement.terms, self._tally, record.meter, record.quantity, record.immersion, free)
        self._require(record.seq, "units", after.billed - self._tally.billed, record.units)
        self._require(record.seq, "total", after.billed, record.total)
        self.log.append(record)
        self.records.append(record)
        self._tally = after
        measured = self._measured.pop(record.seq, None)
        if write:
            line: dict[str, Any] = {"record": record.to_json(), "leafHash": to_hex(record.leaf())}
            self._write("", {**line, "measured": measured.to_json()} if measured else line)

    def _check_picture(self, record: UsageRecord, info: Mapping[str, Any], body: bytes) -> None:
        """Meta-Immersion from the tile layout of the picture that really came, at the rate and errors told.

        What it was computed from is kept with the record, for an audit.
        """
        with Image.open(io.BytesIO(body)) as picture:
            width, height = picture.size
        weights = {int(name): float(value) for name, value in info.get("attention", {}).items()}
        objects = []
        for tile in info["tiles"]:
            kind, (x, y, w, h) = int(tile["object"]), (int(tile[name]) for name in "xywh")
            inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= width and y + h <= height
            self._require(record.seq, "tiles", f"within {width}×{height}", (x, y, w, h), inside)
            expected = self._agreement.attention.get(kind, weights.get(kind, 0.0))
            objects.append((kind, expected, w * h / PIXELS_PER_K))
        measured = Measured(float(info.get("rate_bps", 0.0)), float(info.get("bep", 0.0)), tuple(objects))
        self._require(record.seq, "immersion", measured.immersion_milli, record.immersion)
        if record.seq >= len(self.records):
            self._measured[record.seq] = measured

    def _require(self, seq: int, name: str, expected: object, given: object, holds: bool | None = None) -> None:
        if not (expected == given if holds is None else holds):
            raise MeterDispute(seq, name, expected, given)

    def _remembered(self) -> set[bytes]:
        return {from_hex(line["requestHash"]) for line in _lines(self._path(".sent"))}

    def _remember_records(self) -> None:
        for line in _lines(self._path("")):
            if "record" in line:
                self._append(UsageRecord.from_json(line["record"]), write=False)

    def _path(self, suffix: str) -> Path | None:
        return self._file.with_name(self._file.name + suffix) if self._file else None

    def _write(self, suffix: str, document: Mapping[str, Any]) -> None:
        path = self._path(suffix)
        if path is not None:
            with path.open("a") as file:
                file.write(json.dumps(document, separators=(",", ":")) + "\n")


def _in_order(record: UsageRecord) -> bool:
    return record.start_millis <= record.end_millis


def _lines(path: Path | None) -> list[dict[str, Any]]:
    """The JSON lines of a file that only grows; a last line that a crash cut off is dropped (from the file too)."""
    if path is None or not path.exists():
        return []
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) != len(raw):
        path.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines()]
