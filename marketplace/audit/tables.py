"""The marketplace's own tables against the chain: they serve its pages, so they must tell the same story.

The tables say up to which block they were folded; they are held against the events up to that very block. Finding
codes: table_differs, table_row_missing, table_row_unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from ledger import events as chain_events
from ledger.events import ChainEvent
from ledger.values import to_hex
from marketplace.audit.facts import MarketFacts, fold
from marketplace.audit.report import Finding
from marketplace.database import assets, cursor, plans, settlements, subscriptions

Rows = dict[str, dict[str, Any]]
"""Key → the columns that the chain knows."""


@dataclass(frozen=True)
class MarketTables:
    """What the tables say, read in one transaction, and the block that they were folded to."""

    block_number: int
    rows: Mapping[str, Rows]


def read_tables(engine: Engine) -> MarketTables:
    """Reads all at once; an empty store is at block -1."""
    with engine.connect() as connection:
        at = connection.execute(select(cursor.c.block_number)).scalar()
        rows = {table.name: _read(connection, table, keys, names) for table, (keys, names) in _COMPARED.items()}
    return MarketTables(-1 if at is None else at, rows)


_COMPARED: dict[Table, tuple[tuple[str, ...], tuple[str, ...]]] = {
    plans: (("plan_id",), ("unit_price", "period_price", "period", "terms_hash")),
    subscriptions: (
        ("subscription_id",), ("buyer", "signer", "cap", "used", "periods", "reserved", "returned", "since"),
    ),
    settlements: (("block_number", "log_index"), ("subscription_id", "kind", "units", "amount", "usage_root")),
    assets: (("asset_id",), ("owner", "creator", "subscription_id", "content_hash")),
}  # fmt: skip
"""Table → its key and the columns that are compared."""


def _read(connection: Connection, table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Rows:
    found = connection.execute(select(table)).mappings().all()
    return {"/".join(str(row[key]) for key in keys): {name: row[name] for name in names} for row in found}


def check_tables(tables: MarketTables, events: Iterable[ChainEvent]) -> Iterator[Finding]:
    """Every row that the chain's events make, and none besides."""
    known = [entry for entry in events if entry.block_number <= tables.block_number]
    for name, due in _due(fold(known), known).items():
        told = tables.rows[name]
        for key in due.keys() | told.keys():
            yield from _check_row(f"{name} {key}", due.get(key), told.get(key))


def _check_row(where: str, due: dict[str, Any] | None, told: dict[str, Any] | None) -> Iterator[Finding]:
    if due is None:
        yield Finding("table_row_unknown", None, f"{where}: no event made this row.")
    elif told is None:
        yield Finding("table_row_missing", None, f"{where}: the events make such a row, the table has none.")
    else:
        for name in due:
            if due[name] != told[name]:
                yield Finding("table_differs", None, f"{where}: {name} is {told[name]}, the events make {due[name]}.")


def _due(market: MarketFacts, events: Iterable[ChainEvent]) -> dict[str, Rows]:
    """The rows that the events make, in the tables' own form."""
    due: dict[str, Rows] = {plans.name: {}, subscriptions.name: {}, settlements.name: {}, assets.name: {}}
    for plan_id, plan in market.plans.items():
        due[plans.name][str(plan_id)] = {
            "unit_price": str(plan.unit_price), "period_price": str(plan.period_price), "period": plan.period,
            "terms_hash": to_hex(plan.terms_hash),
        }  # fmt: skip
    for found, one in market.subscriptions.items():
        due[subscriptions.name][str(found)] = {
            "buyer": one.buyer, "signer": one.signers[-1], "cap": str(one.cap), "used": str(one.used),
            "periods": one.periods, "reserved": str(one.reserved), "returned": str(one.returned), "since": one.since,
        }  # fmt: skip
    for entry in events:
        _settlement(due[settlements.name], entry)
        _asset(due[assets.name], entry.event)
    return due


def _settlement(rows: Rows, entry: ChainEvent) -> None:
    match entry.event:
        case chain_events.Settled(subscription_id=found, units=units, amount=amount, usage_root=root):
            row = _settled_row(found, "voucher", units, amount, to_hex(root))
        case chain_events.TimeCollected(subscription_id=found, amount=amount):
            row = _settled_row(found, "time", 0, amount, None)
        case chain_events.ReleaseRequested(subscription_id=found, time_paid=amount):
            row = _settled_row(found, "time", 0, amount, None)
        case _:
            return
    rows[f"{entry.block_number}/{entry.log_index}"] = row


def _settled_row(found: int, kind: str, units: int, amount: int, root: str | None) -> dict[str, Any]:
    return {
        "subscription_id": str(found), "kind": kind, "units": str(units), "amount": str(amount), "usage_root": root,
    }  # fmt: skip


def _asset(rows: Rows, event: object) -> None:
    match event:
        case chain_events.AssetMinted():
            rows[str(event.asset_id)] = {
                "owner": event.creator, "creator": event.creator, "subscription_id": str(event.subscription_id),
                "content_hash": to_hex(event.content_hash),
            }  # fmt: skip
        case chain_events.AssetTransferred(owner=owner, asset_id=asset) if str(asset) in rows:
            rows[str(asset)]["owner"] = owner
