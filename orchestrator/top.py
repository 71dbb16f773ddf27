"""The live view of the whole orchestrator: its own queue, rates and settlement, beside VMOF's and MMF's parts.

Used by the API's `GET /top`. Each part is counted in SQL within one snapshot of its rows; the parts are milliseconds
apart. It changes nothing.
"""

from typing import Any

import sqlalchemy as sa
from dbos import DBOS

from orchestrator import store as tables
from orchestrator.instances.transact import snapshot
from orchestrator.requirements import FunctionCall
from orchestrator.store import EVENTS, SERVICES, SETTLEMENTS, VOUCHERS, ServiceState, Store

MINUTE_MS = 60_000
WAITING = (ServiceState.REQUESTED, ServiceState.PREPARING, ServiceState.PLANNING)
MOST_WORKFLOWS = 1_000
"""Pending workflows that are counted; more are shown as so many."""


def top(store: Store, vmof: FunctionCall, mmf: FunctionCall) -> dict[str, Any]:
    """Everything `s4m top` shows; times in UTC milliseconds."""
    now = tables.now_ms()
    own = snapshot(store.reader, own_part, now)
    pending = DBOS.list_workflows(
        status=["PENDING", "ENQUEUED"], limit=MOST_WORKFLOWS, load_input=False, load_output=False
    )
    own["queue"]["workflowsPending"] = len(pending)
    return {"atMs": now, **own, **vmof.get("/top"), **mmf.get("/top")}


def own_part(rows: sa.Connection, now: int) -> dict[str, Any]:
    """{"queue", "lastMinute", "settlement"} of the orchestrator's own rows."""
    since = now - MINUTE_MS
    bought = (EVENTS.c.name == "Subscribed") & (EVENTS.c.seen_ms > since)
    return {
        "queue": _queue(rows, now),
        "lastMinute": {
            "purchases": _count(rows, EVENTS, bought),
            "instantiations": _count(rows, SERVICES, _since("running", since)),
            "refusals": _count(rows, SERVICES, _since("refused", since)),
            "ends": _count(rows, SERVICES, _since("decommissioned", since)),
        },
        "settlement": {
            "vouchersWaiting": _count(rows, VOUCHERS, VOUCHERS.c.result == ""),
            "batchesUnderWay": _count(rows, SETTLEMENTS, SETTLEMENTS.c.tx_hash == ""),
            "batchesSent": _count(rows, SETTLEMENTS, SETTLEMENTS.c.tx_hash != ""),
        },
    }


def _queue(rows: sa.Connection, now: int) -> dict[str, Any]:
    states = rows.execute(sa.select(SERVICES.c.state, sa.func.count()).group_by(SERVICES.c.state))
    waiting = SERVICES.c.state.in_([state.value for state in WAITING])
    oldest = rows.scalar(sa.select(sa.func.min(_time("final"))).where(waiting))
    return {
        "services": {str(row[0]): int(row[1]) for row in states},
        "oldestWaitingMs": None if oldest is None else max(now - int(oldest), 0),
    }


def _time(name: str) -> sa.ColumnElement[int]:
    """A moment of a service, UTC milliseconds, out of its JSON; NULL where it has not come."""
    at: sa.ColumnElement[int] = sa.cast(SERVICES.c.times[name].as_string(), sa.BigInteger)
    return at


def _since(name: str, since: int) -> sa.ColumnElement[bool]:
    return _time(name) > since


def _count(rows: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> int:
    return int(rows.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0)
