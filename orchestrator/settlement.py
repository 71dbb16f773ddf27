"""Brings signed vouchers to the chain in batches: at most one voucher per subscription, at most 100 a transaction.

Used by app: every few seconds and on POST /settlements. A batch is written down before it is sent, under a key made
of its content, so that after a crash the same batch is finished and never sent twice; vouchers are cumulative, so
even that would pay nobody twice. It signs no voucher and judges none: the contract does.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import rfc8785
import sqlalchemy as sa
import structlog

from orchestrator import store as tables
from orchestrator.store import Row, Store
from storage import upsert

WAITING, FINAL = "", "final"
UNSETTLED = (WAITING, "settled", "stale", "not_active")
"""Results that a reorganisation can still take back: looked at again until the final block says the same."""

log = structlog.get_logger("settlement")


@dataclass(frozen=True)
class SignedVoucher:
    """A voucher with the session key's compact signature (hex)."""

    subscription_id: str
    units: str
    usage_root: str
    r: str
    vs: str

    @classmethod
    def of(cls, source: Mapping[str, Any] | Row) -> "SignedVoucher":
        """From a row or a batch's JSON."""
        return cls(**{name: str(source[name]) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch: subscription → settled units, subscription → why it was skipped."""

    settled: Mapping[str, str]
    skipped: Mapping[str, str]
    tx_hash: str
    gas_used: int


@dataclass
class Report:
    """The answer of one settlement."""

    settled: list[dict[str, str]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    tx: list[str] = field(default_factory=list)
    gas_used: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return {"settled": self.settled, "skipped": self.skipped, "tx": self.tx, "gasUsed": str(self.gas_used)}


class VoucherSource(Protocol):
    """The gateway, as settlement sees it."""

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any: ...


class MarketDoor(Protocol):
    """The market, as settlement sees it; ids and units as integers."""

    def used(self, subscription_ids: Sequence[int], *, final: bool = False) -> Mapping[int, int]:
        """Settled units of each subscription that can still be settled, at the newest (or newest final) block."""

    def settle(self, vouchers: Sequence[SignedVoucher], key: str) -> BatchResult:
        """Send one batch, once for each key however often it is called."""


class Settlement:
    """One settlement at a time."""

    def __init__(self, store: Store, gateway: VoucherSource, market: MarketDoor, batch_size: int = 100) -> None:
        self._store = store
        self._gateway = gateway
        self._market = market
        self._batch_size = batch_size
        self._lock = threading.Lock()

    def settle(self) -> Report:
        """Finish what a crash left, fetch new vouchers, send what is not settled yet."""
        with self._lock:
            report = Report()
            self._finish(report)
            self._fetch()
            self._plan(report)
            self._finish(report)
            return report

    def _fetch(self) -> None:
        """Take over the gateway's newest vouchers; an older one never replaces a newer."""
        with self._store.reader.connect() as reader:
            since = reader.execute(sa.select(sa.func.max(tables.VOUCHERS.c.number))).scalar() or 0
        answer = self._gateway.get("/vouchers", {"since": str(since)})
        vouchers = answer["vouchers"] if isinstance(answer, dict) else answer
        if not vouchers:
            return
        with self._store.writer.begin() as writer:
            for voucher in vouchers:
                writer.execute(_newest(voucher))

    def _plan(self, report: Report) -> None:
        """Write down batches of what the chain has not settled, or has no longer after a reorganisation."""
        unsettled = self._conclude()
        used = self._market.used([int(row["subscription_id"]) for row in unsettled]) if unsettled else {}
        vouchers = []
        for row in sorted(unsettled, key=lambda row: int(row["subscription_id"])):
            reason = _needless(row, used)
            if not reason:
                vouchers.append(SignedVoucher.of(row))
            elif row["result"] == WAITING:
                self._mark(row["subscription_id"], row["units"], reason)
                report.skipped.append({"subscriptionId": row["subscription_id"], "reason": reason})
        with self._store.writer.begin() as writer:
            for start in range(0, len(vouchers), self._batch_size):
                writer.execute(_batch(vouchers[start : start + self._batch_size]))

    def _conclude(self) -> list[Row]:
        """Close what the final block has settled; answers what is still open."""
        with self._store.reader.connect() as reader:
            query = sa.select(tables.VOUCHERS).where(tables.VOUCHERS.c.result.in_(UNSETTLED))
            found = reader.execute(query).mappings().all()
        sent = [int(row["subscription_id"]) for row in found if row["result"] != WAITING]
        used = self._market.used(sent, final=True) if sent else {}
        closed = [row for row in found if row["result"] != WAITING and _needless(row, used)]
        for row in closed:
            self._mark(row["subscription_id"], row["units"], FINAL)
        return [row for row in found if row not in closed]

    def _finish(self, report: Report) -> None:
        """Send every batch that has no result yet and record what came of it."""
        with self._store.reader.connect() as reader:
            query = sa.select(tables.SETTLEMENTS).where(tables.SETTLEMENTS.c.tx_hash == "")
            batches = reader.execute(query.order_by(tables.SETTLEMENTS.c.created_ms)).mappings().all()
        for batch in batches:
            vouchers = [SignedVoucher.of(voucher) for voucher in batch["vouchers"]]
            result = self._market.settle(vouchers, f"settle:{batch['batch']}")
            self._record(batch["batch"], vouchers, result)
            _add(report, vouchers, result)
            log.info(
                "settlement.sent",
                settled=len(result.settled),
                skipped=len(result.skipped),
                gas_used=result.gas_used,
                tx=result.tx_hash,
            )

    def _record(self, batch: str, vouchers: Iterable[SignedVoucher], result: BatchResult) -> None:
        outcome = {"settled": dict(result.settled), "skipped": dict(result.skipped)}
        with self._store.writer.begin() as writer:
            writer.execute(
                sa.update(tables.SETTLEMENTS)
                .where(tables.SETTLEMENTS.c.batch == batch)
                .values(tx_hash=result.tx_hash, gas_used=result.gas_used, result=outcome)
            )
            for voucher in vouchers:
                said = result.skipped.get(voucher.subscription_id, "settled")
                if said not in UNSETTLED:
                    log.warning("settlement.skipped", subscription=voucher.subscription_id, reason=said)
                writer.execute(_marked(voucher.subscription_id, voucher.units, said))

    def _mark(self, subscription_id: str, units: str, result: str) -> None:
        with self._store.writer.begin() as writer:
            writer.execute(_marked(subscription_id, units, result))


def _needless(row: Row, used: Mapping[int, int]) -> str:
    """Why this voucher need not be sent; empty where it must."""
    subscription_id = int(row["subscription_id"])
    if subscription_id not in used:
        return "not_active"
    return "stale" if int(row["units"]) <= used[subscription_id] else ""


def _newest(voucher: Mapping[str, Any]) -> Any:
    values = {
        "subscription_id": str(voucher["subscriptionId"]),
        "number": int(voucher["rowid"]),
        "units": str(voucher["units"]),
        "usage_root": voucher["usageRoot"],
        "r": voucher["r"],
        "vs": voucher["vs"],
        "result": "",
    }
    newer = tables.VOUCHERS.c.number < values["number"]
    return upsert(tables.VOUCHERS).values(values).on_conflict_do_update(
        index_elements=["subscription_id"], set_=values, where=newer
    )  # fmt: skip


def _batch(vouchers: Sequence[SignedVoucher]) -> Any:
    """A batch's row; its key is its content. One that a reorganisation took back is sent again, under the same key."""
    documents = [asdict(voucher) for voucher in vouchers]
    key = sha256(rfc8785.dumps(documents)).hexdigest()
    row = {"batch": key, "vouchers": documents, "created_ms": tables.now_ms()}
    again = {"tx_hash": "", "result": None}
    return upsert(tables.SETTLEMENTS).values(row).on_conflict_do_update(index_elements=["batch"], set_=again)


def _marked(subscription_id: str, units: str, result: str) -> Any:
    same = (tables.VOUCHERS.c.subscription_id == subscription_id) & (tables.VOUCHERS.c.units == units)
    return sa.update(tables.VOUCHERS).where(same).values(result=result)


def _add(report: Report, vouchers: Iterable[SignedVoucher], result: BatchResult) -> None:
    for voucher in vouchers:
        subscription_id = voucher.subscription_id
        if subscription_id in result.settled:
            report.settled.append({"subscriptionId": subscription_id, "units": result.settled[subscription_id]})
        else:
            reason = result.skipped.get(subscription_id, "unknown")
            report.skipped.append({"subscriptionId": subscription_id, "reason": reason})
    report.tx.append(result.tx_hash)
    report.gas_used += result.gas_used
