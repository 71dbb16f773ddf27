"""Reads usage logs (JSONL): as the gateway streams them, a header line, then one line a record; or as a buyer's client
keeps them, records and vouchers without a header.

A header carries the subscription's newest voucher, if there is one; several subscriptions may follow each other in one
file. Pure; raises `MalformedLog` and judges nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError
from ledger.measured import Measured
from ledger.typed_data import Voucher
from ledger.usage_log import UsageRecord
from ledger.values import SubscriptionId, Units, expand, from_hex
from marketplace.errors import MalformedLog

LOG_SCHEMA = "s4m/log/1"


@dataclass(frozen=True)
class RecordLine:
    """A record, the leaf hash that was written beside it, and where it is kept what its immersion came from."""

    record: UsageRecord
    leaf_hash: bytes | None
    measured: Measured | None = None


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
    """One subscription's records in the order in which they were given."""

    subscription_id: int
    lines: list[RecordLine] = field(default_factory=list)
    voucher: VoucherLine | None = None


def parse(text: str) -> list[SubscriptionLog]:
    """The logs of a JSONL text, one a subscription."""
    logs: dict[int, SubscriptionLog] = {}
    current: SubscriptionLog | None = None
    for number, document in _documents(text):
        try:
            current = _take(logs, current, document)
        except (KeyError, TypeError, ValueError, LedgerError) as error:
            why = f"line {number}: {type(error).__name__}: {error}."
            raise MalformedLog(why, remedy="Fetch the log again from the gateway.") from error
    return list(logs.values())


def _documents(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            raise MalformedLog(f"line {number} is not JSON.", remedy="Fetch the log again.") from error
        if not isinstance(document, dict):
            raise MalformedLog(f"line {number} is not an object.", remedy="Fetch the log again.")
        yield number, document


def _take(
    logs: dict[int, SubscriptionLog], current: SubscriptionLog | None, document: Mapping[str, Any]
) -> SubscriptionLog | None:
    """Records belong to the header above them, whatever they say themselves; without one, to their own subscription."""
    if "record" in document:
        record = UsageRecord.from_json(document["record"])
        leaf, given = document.get("leafHash"), document.get("measured")
        measured = Measured.from_json(given) if given else None
        log = current or _log(logs, int(record.subscription_id))
        log.lines.append(RecordLine(record, from_hex(leaf) if leaf else None, measured))
        return current
    log = _log(logs, int(document["subscriptionId"]))
    voucher = document.get("voucher", document)
    if voucher and "usageRoot" in voucher:
        log.voucher = _voucher(voucher, log.subscription_id)
    return log if document.get("schema") == LOG_SCHEMA else current


def _log(logs: dict[int, SubscriptionLog], subscription_id: int) -> SubscriptionLog:
    return logs.setdefault(subscription_id, SubscriptionLog(subscription_id))


def _voucher(document: Mapping[str, Any], subscription_id: int) -> VoucherLine:
    identifier = SubscriptionId(int(document.get("subscriptionId", subscription_id)))
    voucher = Voucher(identifier, Units(int(document["units"])), from_hex(document["usageRoot"]))
    meter = from_hex(document.get("meterSignature") or "")
    return VoucherLine(voucher, int(document["size"]), meter, _session_signature(document))


def _session_signature(document: Mapping[str, Any]) -> bytes:
    if document.get("r") and document.get("vs"):
        return expand(from_hex(document["r"]), from_hex(document["vs"]))
    return from_hex(document.get("sessionSignature") or document.get("signature") or "")
