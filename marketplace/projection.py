"""Folds the chain's confirmed events into the `projected` tables of its store. Features read the tables only.

`refresh` is called before every read: where the tables are older than `refresh_ms` it asks the node for the newest
block and folds the logs since the cursor. As long as there are readers, `follow` does that ahead of them, so that they
need not wait. Where the cursor's block is no longer in the chain (a reorganisation), the tables are emptied and folded
anew from the deployment's block, in one transaction: readers see the old or the new history, never a mixture. It acts
on nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, insert, select, update

from ledger import events as chain_events
from ledger.chain import Chain
from ledger.deployment import Deployment
from ledger.errors import BlockGone, LedgerError
from ledger.events import ChainEvent, to_json
from ledger.values import ZERO_ADDRESS, Address, BlockStamp, model_of, plan_of, to_hex, version_of
from marketplace.database import activity, assets, cursor, models, plans, projected, settlements, subscriptions
from storage import upsert

READERS_S = 2.0
"""How long after a read the tables are kept fresh ahead of the next, seconds."""
_CURSOR = select(cursor.c.block_number, cursor.c.block_hash)


def addresses_of(deployment: Deployment) -> dict[str, Address]:
    """The contracts whose events make up the market's history."""
    return {"catalog": deployment.catalog, "market": deployment.market, "assets": deployment.assets}


class Projection:
    """The one writer of the projected tables. Thread-safe."""

    def __init__(self, engine: Engine, chain: Chain, deployment: Deployment, refresh_ms: int = 50) -> None:
        self._engine = engine
        self._chain = chain
        self._deployment = deployment
        self._pause_s = refresh_ms / 1000
        self._lock = threading.Lock()
        self._refreshed = self._read = float("-inf")
        self._stopped = threading.Event()
        self.catalogue_version = 0
        """Grows whenever models or plans may have changed."""

    def refresh(self, force: bool = False) -> None:
        """Brings the tables up to the newest block, at most once every `refresh_ms` unless forced."""
        self._read = time.monotonic()
        if not force and self._is_fresh():
            return
        with self._lock:
            if force or not self._is_fresh():
                self._fold_new()

    def follow(self) -> None:
        """Until `stop`: keeps the tables fresh while they are read. A node that is away is the readers' to be told."""
        while self._pause_s and not self._stopped.wait(self._pause_s / 2):
            if time.monotonic() - self._read < READERS_S:
                with self._lock, suppress(LedgerError):
                    self._fold_new()

    def stop(self) -> None:
        """Ends `follow`."""
        self._stopped.set()

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._refreshed < self._pause_s

    def rebuild(self) -> None:
        """Empties the tables and folds the whole history again."""
        with self._lock:
            head = self._chain.latest()
            entries = self._entries(self._deployment.block_number, head)
            with self._engine.begin() as connection:
                _empty(connection)
                self._store(connection, entries, head)
            self.catalogue_version += 1

    def _fold_new(self) -> None:
        asked = time.monotonic()
        self._fold_up_to(self._chain.latest())
        self._refreshed = asked

    def _fold_up_to(self, head: BlockStamp) -> None:
        at = self._cursor()
        if at is not None and at == (head.number, head.hash):
            return
        rewound = at is not None and not self._still_there(at, head)
        start = self._deployment.block_number if at is None or rewound else at[0] + 1
        entries = self._entries(start, head)
        with self._engine.begin() as connection:
            if rewound:
                _empty(connection)
            self._store(connection, entries, head)
        if rewound or any(entry.contract == "catalog" for entry in entries):
            self.catalogue_version += 1

    def _cursor(self) -> tuple[int, str] | None:
        with self._engine.connect() as connection:
            row = connection.execute(_CURSOR).first()
        return None if row is None else (int(row[0]), str(row[1]))

    def _still_there(self, at: tuple[int, str], head: BlockStamp) -> bool:
        number, block_hash = at
        if number > head.number:
            return False
        try:
            return self._chain.block(number).hash == block_hash
        except BlockGone:
            return False

    def _entries(self, start: int, head: BlockStamp) -> list[ChainEvent]:
        """All events of the catalogue, the market and the assets from `start` up to the head."""
        entries = self._chain.logs(start, head.number, addresses_of(self._deployment))
        untimed = {entry.block_number for entry in entries if entry.timestamp is None}
        times = {number: self._chain.block(number).timestamp for number in untimed}
        return [replace(entry, timestamp=times.get(entry.block_number, entry.timestamp)) for entry in entries]

    def _store(self, connection: Connection, entries: Sequence[ChainEvent], head: BlockStamp) -> None:
        for entry in entries:
            fold(connection, entry)
        place = {"block_number": head.number, "block_hash": head.hash}
        row = upsert(cursor).values(name="head", **place)
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=place))


def _empty(connection: Connection) -> None:
    for table in projected.sorted_tables:
        connection.execute(delete(table))


def fold(connection: Connection, entry: ChainEvent) -> None:
    """One event into the tables. Events must come once each, in chain order."""
    _fold_catalogue(connection, entry.event)
    _fold_subscription(connection, entry)
    _fold_income(connection, entry)
    _fold_asset(connection, entry.event)
    connection.execute(insert(activity).values(_activity_row(entry)))


def _activity_row(entry: ChainEvent) -> dict[str, Any]:
    subscription = getattr(entry.event, "subscription_id", None)
    return {
        "block_number": entry.block_number, "log_index": entry.log_index, "name": entry.name,
        "contract": entry.contract, "subscription_id": None if subscription is None else str(subscription),
        "tx_hash": entry.tx_hash, "at": entry.timestamp or 0, "fields": to_json(entry.event),
    }  # fmt: skip


def _fold_catalogue(connection: Connection, event: object) -> None:
    match event:
        case chain_events.ModelRegistered():
            row = {
                "model_id": str(event.model_id), "owner": event.owner, "kind": event.kind.name.lower(),
                "spec_hash": to_hex(event.spec_hash), "uri": event.uri, "royalty_bps": event.royalty_bps,
                "meter_key": ZERO_ADDRESS, "ask_bps": 10_001,
            }  # fmt: skip
            connection.execute(insert(models).values(row))
        case chain_events.MeterKeySet(model_id=model, meter_key=key):
            _set(connection, models, model, meter_key=key)
        case chain_events.AskSet(model_id=model, bps=bps):
            _set(connection, models, model, ask_bps=bps)
        case chain_events.ModelTransferred(previous_owner=previous, owner=owner, model_id=model):
            if previous != ZERO_ADDRESS:
                _set(connection, models, model, owner=owner, meter_key=ZERO_ADDRESS, ask_bps=10_001)
        case chain_events.PlanPublished():
            connection.execute(insert(plans).values(_plan_row(event)))
        case chain_events.PlanRetired(plan_id=plan):
            _set(connection, plans, plan, retired=True)


def _plan_row(event: chain_events.PlanPublished) -> dict[str, Any]:
    terms = event.terms
    return {
        "plan_id": str(event.plan_id),
        "model_id": str(model_of(event.plan_id)),
        "version": version_of(event.plan_id),
        "unit_price": str(terms.unit_price),
        "period_price": str(terms.period_price),
        "period": terms.period,
        "release_window": terms.release_window,
        "activation_window": terms.activation_window,
        "qoe_floor": terms.qoe_floor,
        "terms_hash": to_hex(terms.terms_hash),
        "shares": [{"modelId": str(share.model_id), "bps": share.bps} for share in event.shares],
        "retired": False,
    }


def _fold_subscription(connection: Connection, entry: ChainEvent) -> None:
    match entry.event:
        case chain_events.Subscribed() as event:
            connection.execute(insert(subscriptions).values(_subscription_row(event, entry.tx_hash)))
        case chain_events.Activated(subscription_id=found, endpoint_hash=endpoint, since=since, paid_through=through):
            _set(connection, subscriptions, found, endpoint_hash=to_hex(endpoint), since=since, paid_through=through)
        case chain_events.CapRaised(subscription_id=found, cap=cap, amount=amount):
            _set(connection, subscriptions, found, cap=str(cap))
            _grow(connection, found, "reserved", amount)
        case chain_events.Renewed(subscription_id=found, periods=periods, paid_through=through, amount=amount):
            added = subscriptions.c.periods + periods
            _set(connection, subscriptions, found, paid_through=through, periods=added)
            _grow(connection, found, "reserved", amount)
        case chain_events.SignerConfirmed(subscription_id=found, signer=signer):
            _set(connection, subscriptions, found, signer=signer)
        case chain_events.ReleaseRequested(subscription_id=found, time_refunded=back, releasable_at=at):
            _set(connection, subscriptions, found, releasable_at=at)
            _grow(connection, found, "returned", back)
        case chain_events.Released(subscription_id=found, refunded=amount):
            _set(connection, subscriptions, found, ended="released")
            _grow(connection, found, "returned", amount)
        case chain_events.Refunded(subscription_id=found, amount=amount):
            _set(connection, subscriptions, found, ended="refunded")
            _grow(connection, found, "returned", amount)


def _subscription_row(event: chain_events.Subscribed, tx_hash: str) -> dict[str, Any]:
    return {
        "subscription_id": str(event.subscription_id),
        "plan_id": str(plan_of(event.subscription_id)),
        "buyer": event.buyer,
        "signer": event.signer,
        "cap": str(event.cap),
        "used": "0",
        "periods": event.periods,
        "reserved": str(event.reserved),
        "deadline": event.deadline,
        "requirements_hash": to_hex(event.requirements_hash),
        "since": 0,
        "paid_through": 0,
        "returned": "0",
        "tx_hash": tx_hash,
    }


def _fold_income(connection: Connection, entry: ChainEvent) -> None:
    match entry.event:
        case chain_events.Settled(subscription_id=found, units=units, amount=amount, usage_root=root):
            _set(connection, subscriptions, found, used=str(units))
            _settlement(connection, entry, found, "voucher", units, amount, to_hex(root))
        case chain_events.TimeCollected(subscription_id=found, amount=amount):
            _settlement(connection, entry, found, "time", 0, amount, None)
        case chain_events.ReleaseRequested(subscription_id=found, time_paid=amount):
            _settlement(connection, entry, found, "time", 0, amount, None)


def _settlement(
    connection: Connection, entry: ChainEvent, found: int, kind: str, units: int, amount: int, root: str | None
) -> None:
    row = {
        "block_number": entry.block_number, "log_index": entry.log_index, "subscription_id": str(found), "kind": kind,
        "units": str(units), "amount": str(amount), "usage_root": root, "tx_hash": entry.tx_hash,
    }  # fmt: skip
    connection.execute(insert(settlements).values(row))


def _fold_asset(connection: Connection, event: object) -> None:
    match event:
        case chain_events.AssetMinted():
            connection.execute(upsert(assets).values(_asset_row(event)).on_conflict_do_nothing())
        case chain_events.AssetTransferred(previous_owner=previous, owner=owner, asset_id=asset):
            if previous != ZERO_ADDRESS:
                _set(connection, assets, asset, owner=owner, price=None)
        case chain_events.AssetBurned(asset_id=asset):
            _set(connection, assets, asset, burned=True)
        case chain_events.AssetListed(asset_id=asset, price=price):
            _set(connection, assets, asset, price=str(price))
        case chain_events.AssetUnlisted(asset_id=asset):
            _set(connection, assets, asset, price=None)
        case chain_events.UpdateUser(asset_id=asset, user=user, expires=expires):
            _set(connection, assets, asset, user=user, user_expires=expires)


def _asset_row(event: chain_events.AssetMinted) -> dict[str, Any]:
    return {
        "asset_id": str(event.asset_id),
        "owner": event.creator,
        "creator": event.creator,
        "subscription_id": str(event.subscription_id),
        "content_hash": to_hex(event.content_hash),
        "uri": event.uri,
        "burned": False,
    }


def _set(connection: Connection, table: Table, identifier: int, **values: Any) -> None:
    key = next(iter(table.primary_key.columns))
    connection.execute(update(table).where(key == str(identifier)).values(**values))


def _grow(connection: Connection, identifier: int, column: str, amount: int) -> None:
    """Adds to a decimal text column: sums can pass 64 bits."""
    key = subscriptions.c.subscription_id == str(identifier)
    before = connection.execute(select(subscriptions.c[column]).where(key)).scalar_one()
    connection.execute(update(subscriptions).where(key).values({column: str(int(before) + amount)}))
