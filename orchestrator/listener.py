"""Reads the market's final events in order, exactly once, and folds them into one row per subscription.

Runs in one thread of its own, started by `app`. It pulls with getLogs up to the node's `finalized` block, links every
block's hash to the one before, and stores events, rows and cursor in one transaction: a crash between two
instructions repeats the look, never the effect. Events are keyed by block and index, rows by subscription id. It
decides nothing about services: it wakes the pipeline's dispatcher, which looks at the rows. When a block that was
final has changed it halts for good: then no answer of this node can be trusted.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from ledger.errors import BlockGone, LedgerError
from ledger.events import ChainEvent, to_json
from ledger.values import Address, BlockStamp
from orchestrator import store as tables
from orchestrator.errors import FinalityViolated, StoreUnusable
from orchestrator.store import ChainStatus, ServiceState, Store
from storage import upsert

KEPT_BLOCKS = 4096
"""Final block hashes kept to recognise a changed chain under a node whose final block went back."""

_CURSOR = sa.select(tables.CURSOR)
_STEP = sa.update(tables.CURSOR).where(tables.CURSOR.c.hash == sa.bindparam("from"))
_HASH = sa.select(tables.FINAL_BLOCKS.c.hash).where(tables.FINAL_BLOCKS.c.number == sa.bindparam("at"))
_ADD_BLOCKS = upsert(tables.FINAL_BLOCKS).on_conflict_do_nothing()
_FORGET_BLOCKS = sa.delete(tables.FINAL_BLOCKS).where(tables.FINAL_BLOCKS.c.number < sa.bindparam("before"))
_ADD_EVENT = upsert(tables.EVENTS).on_conflict_do_nothing().returning(tables.EVENTS.c.log_index)
_ADD_SERVICE = upsert(tables.SERVICES).on_conflict_do_nothing()

log = structlog.get_logger("listener")


class FinalChain(Protocol):
    """What the listener asks of a chain."""

    @property
    def chain_id(self) -> int: ...
    @property
    def genesis_hash(self) -> str: ...
    def finalized(self) -> BlockStamp: ...
    def block(self, number: int) -> BlockStamp: ...
    def blocks(self, first: int, last: int) -> list[BlockStamp]: ...
    def logs(self, first: int, last: int, addresses: Mapping[str, Address]) -> list[ChainEvent]: ...


class Listener:
    """Follows one market contract from the block of its deployment.

    `looked_ms` is when the last whole look ended, `trouble` what hinders the present one, `halted` why none follows.
    """

    def __init__(
        self,
        chain: FinalChain,
        market: Address,
        first_block: int,
        store: Store,
        wake: Callable[[], None] = lambda: None,
        *,
        poll_interval_s: float = 0.2,
        span_blocks: int = 500,
    ) -> None:
        self._chain = chain
        self._market = market
        self._first_block = first_block
        self._store = store
        self._wake = wake
        self._poll_interval_s = poll_interval_s
        self._span_blocks = span_blocks
        self.halted: FinalityViolated | None = None
        self.looked_ms: int | None = None
        self.trouble: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Look until `stop`; a node that is down is asked again, a changed final block ends the loop."""
        while not stop.is_set():
            try:
                self.look()
                self.looked_ms, self.trouble = tables.now_ms(), None
            except LedgerError as cause:
                if self.trouble is None:
                    log.warning("listener.node_down", error=str(cause), remedy="retried until the node answers")
                self.trouble = str(cause)
            except FinalityViolated as violation:
                self.halted = violation
                log.critical("listener.halted", **violation.problem())
                return
            except Exception as cause:  # outermost: a listener that ended would leave every later purchase unheard
                if self.trouble is None:
                    log.exception("listener.failed", error=str(cause), remedy="tried again by itself")
                self.trouble = str(cause)
            stop.wait(self._poll_interval_s)

    def look(self) -> int:
        """One look at the chain: stores all events up to the final block and returns how many."""
        final = self._chain.finalized()
        seen_ms = tables.now_ms()
        cursor = self._cursor(final)
        if cursor is None:
            return 0
        self._verify(cursor, final)
        stored = 0
        while cursor.number < final.number:
            last = min(cursor.number + self._span_blocks, final.number)
            events, blocks = self._read(cursor, last)
            self._commit(cursor, blocks, events, seen_ms)
            stored, cursor = stored + len(events), blocks[-1]
        if stored:
            self._wake()
        return stored

    def final(self) -> BlockStamp | None:
        """The newest final block whose events are stored; None before the first look."""
        with self._store.reader.connect() as reader:
            row = reader.execute(_CURSOR).mappings().one_or_none()
        return None if row is None else BlockStamp(row["number"], row["hash"], row["timestamp"])

    def final_timestamp(self) -> int:
        """Its timestamp, UTC seconds; 0 before the first look."""
        final = self.final()
        return 0 if final is None else final.timestamp

    def _cursor(self, final: BlockStamp) -> BlockStamp | None:
        """Where the last look ended; set to just before the deployment at the first one."""
        with self._store.reader.connect() as reader:
            row = reader.execute(_CURSOR).mappings().one_or_none()
        if row is not None:
            if row["genesis_hash"] != self._chain.genesis_hash:
                raise StoreUnusable(
                    f"The store follows the chain with genesis {row['genesis_hash']}, the node has "
                    f"{self._chain.genesis_hash}. Point S4M_RPC_URL at the old chain or use another S4M_HOME."
                )
            return BlockStamp(row["number"], row["hash"], row["timestamp"])
        before = max(self._first_block - 1, 0)
        if final.number < before:
            return None
        first = self._chain.block(before)
        identity = {"chain_id": str(self._chain.chain_id), "genesis_hash": self._chain.genesis_hash}
        with self._store.writer.begin() as writer:
            writer.execute(sa.insert(tables.CURSOR).values(id=1, **identity, **_position(first)))
            writer.execute(_ADD_BLOCKS, [_position(first)])
        return first

    def _verify(self, cursor: BlockStamp, final: BlockStamp) -> None:
        """The cursor's block, and a final block we already know, must still be the same."""
        if final.number > cursor.number:
            now = self._chain.block(cursor.number)
            if now.hash != cursor.hash:
                raise _violated(cursor.number, cursor.hash, now.hash)
            return
        with self._store.reader.connect() as reader:
            known = reader.execute(_HASH, {"at": final.number}).scalar()
        if known is not None and known != final.hash:
            raise _violated(final.number, known, final.hash)

    def _read(self, cursor: BlockStamp, last: int) -> tuple[list[ChainEvent], list[BlockStamp]]:
        """Events and blocks after the cursor up to `last`, each block linked to the one before."""
        events = self._chain.logs(cursor.number + 1, last, {"market": self._market})
        blocks = self._chain.blocks(cursor.number + 1, last)
        if len(blocks) != last - cursor.number:
            raise BlockGone(cursor.number + 1 + len(blocks), "unknown")
        parent = cursor
        for block in blocks:
            if block.parent_hash != parent.hash:
                raise _violated(parent.number, parent.hash, block.parent_hash)
            parent = block
        hashes = {block.number: block.hash for block in blocks}
        for event in events:
            if hashes[event.block_number] != event.block_hash:
                raise _violated(event.block_number, hashes[event.block_number], event.block_hash)
        return sorted(events, key=lambda event: (event.block_number, event.log_index)), blocks

    def _commit(
        self, cursor: BlockStamp, blocks: Sequence[BlockStamp], events: Sequence[ChainEvent], seen_ms: int
    ) -> None:
        """Events, rows and cursor in one transaction; nothing where another look got there first."""
        last = blocks[-1]
        with self._store.writer.begin() as writer:
            if writer.execute(_STEP, {"from": cursor.hash, **_position(last)}).rowcount != 1:
                return
            writer.execute(_ADD_BLOCKS, [_position(block) for block in blocks])
            writer.execute(_FORGET_BLOCKS, {"before": last.number - KEPT_BLOCKS})
            tables.lock_services(writer, {_subscription(event) for event in events})
            for event in events:
                _store_event(writer, event, seen_ms)
        for event in events:
            log.info("listener.final", chain_event=event.name, block=event.block_number)


def _position(block: BlockStamp) -> dict[str, Any]:
    return {"number": block.number, "hash": block.hash, "timestamp": block.timestamp}


def _violated(number: int, known: str, now: str) -> FinalityViolated:
    return FinalityViolated(
        f"Block {number} was final with hash {known} and is {now} now. Nothing more is started or ended. "
        "Find out which chain the node follows; then restart with the true one, or with a new S4M_HOME.",
        block=number,
    )


def _subscription(event: ChainEvent) -> str:
    """Whom it concerns; empty where nobody in particular."""
    return str(getattr(event.event, "subscription_id", ""))


def _store_event(writer: sa.Connection, event: ChainEvent, seen_ms: int) -> None:
    """Keep the event and fold it; an event that is there already changes nothing."""
    fields = to_json(event.event)
    kept = {
        "block_number": event.block_number,
        "log_index": event.log_index,
        "block_hash": event.block_hash,
        "tx_hash": event.tx_hash,
        "name": event.name,
        "subscription_id": _subscription(event),
        "fields": fields,
        "seen_ms": seen_ms,
    }
    if writer.execute(_ADD_EVENT, kept).first() is not None:
        fold(writer, event.name, fields, event.block_number, seen_ms)


def fold(writer: sa.Connection, name: str, fields: Mapping[str, Any], block_number: int, seen_ms: int) -> None:
    """Fold one final event into the row of its subscription."""
    if name == "Subscribed":
        writer.execute(_ADD_SERVICE, _requested(fields, block_number, seen_ms))
        return
    changes = _CHANGES.get(name)
    if changes is None:
        return
    subscription_id = str(fields["subscription_id"])
    tables.amend(writer, subscription_id, **changes(fields))
    if name == "Activated":
        since = {"activated": seen_ms}
        tables.move(writer, subscription_id, ServiceState.ACTIVE, {ServiceState.RUNNING}, times=since)


def _requested(fields: Mapping[str, Any], block_number: int, seen_ms: int) -> dict[str, Any]:
    subscription_id = int(fields["subscription_id"])
    return {
        "subscription_id": str(subscription_id),
        "plan_id": str(subscription_id >> 32),
        "buyer": fields["buyer"],
        "signer": fields["signer"],
        "cap": fields["cap"],
        "requirements_hash": fields["requirements_hash"],
        "block_number": block_number,
        "deadline": int(fields["deadline"]),
        "prepaid": int(fields["periods"]) > 0,
        "chain_status": ChainStatus.PURCHASED.value,
        "state": ServiceState.REQUESTED.value,
        "times": {"final": seen_ms},
        "outcome": {},
    }


_CHANGES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "Activated": lambda fields: {
        "chain_status": ChainStatus.ACTIVE.value,
        "paid_through": int(fields["paid_through"]),
    },
    "Refunded": lambda _: {"chain_status": ChainStatus.REFUNDED.value},
    "ReleaseRequested": lambda _: {"chain_status": ChainStatus.RELEASING.value},
    "Released": lambda _: {"chain_status": ChainStatus.RELEASED.value},
    "CapRaised": lambda fields: {"cap": fields["cap"]},
    "Renewed": lambda fields: {"paid_through": int(fields["paid_through"])},
    "SignerConfirmed": lambda fields: {"signer": fields["signer"]},
}
"""Event → what it changes in the subscription's row."""
