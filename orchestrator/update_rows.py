"""Updates of running requests as rows, and what is said of them. Used by `updates`, `adjuster` and the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator import store as tables
from orchestrator.errors import NotReady, OrchestratorError, Refusal
from orchestrator.explanation import feasible_if
from orchestrator.requirements import Qoe
from orchestrator.store import REQUEST_UPDATES, SERVICES, Executor, Row

PENDING, ACCEPTED, REFUSED = "pending", "accepted", "refused"


class BadUpdate(OrchestratorError):
    """The update is not the session key's, has ended, or is not newer than what there is."""

    code = "bad_update"
    status = 422
    title = "The update cannot be taken"


class StaleRevision(BadUpdate):
    code = "stale_revision"
    status = 409
    title = "The update's revision is not newer"


class UpdateRefused(Refusal):
    """The share cannot be as it was asked for; it runs on as it was."""

    code = "update_refused"
    title = "The update was refused; the service runs on as it was"


@dataclass(frozen=True)
class Update:
    """An update as it was put."""

    subscription_id: str
    revision: int
    document: Mapping[str, Any]
    requirements_hash: str
    deadline: int
    signature: str


def updates_of(reader: Executor, subscription_id: str) -> list[dict[str, Any]]:
    """All updates of a subscription, oldest revision first."""
    query = sa.select(REQUEST_UPDATES).where(REQUEST_UPDATES.c.subscription_id == subscription_id)
    return [view(row) for row in reader.execute(query.order_by(REQUEST_UPDATES.c.revision)).mappings()]


def view(row: Row) -> dict[str, Any]:
    """An update as the routes show it."""
    refusal = row["refusal"]
    return {
        "subscriptionId": row["subscription_id"],
        "revision": row["revision"],
        "requirementsHash": row["requirements_hash"],
        "state": row["state"],
        "refusal": refusal,
        "feasibleIf": feasible_if(refusal, _asked(row["document"])) if refusal else [],
        "decision": row["decision"],
        "receivedMs": row["received_ms"],
        "endedMs": row["ended_ms"],
    }


def _asked(document: Mapping[str, Any]) -> dict[str, Any]:
    """What sentences about a refused update speak of; one that lacked something had been understood."""
    qoe = document.get("qoe") or {}
    return {"users": document.get("users", 1), "qoe": {"latency_ms": qoe.get("latency_ms", Qoe().latency_ms)}}


def require_newest(writer: sa.Connection, update: Update) -> None:
    """StaleRevision, or NotReady while the one before is carried out; the subscription's row is held meanwhile."""
    service = sa.select(SERVICES.c.subscription_id).where(SERVICES.c.subscription_id == update.subscription_id)
    writer.execute(service.with_for_update()).all()
    query = sa.select(REQUEST_UPDATES).where(REQUEST_UPDATES.c.subscription_id == update.subscription_id)
    newest = writer.execute(query.order_by(REQUEST_UPDATES.c.revision.desc()).limit(1)).mappings().first()
    if newest is None:
        return
    if newest["revision"] >= update.revision:
        raise StaleRevision(
            f"Revision {newest['revision']} of subscription {update.subscription_id} is there already. "
            f"Sign revision {newest['revision'] + 1}.",
            newest=newest["revision"],
        )
    if newest["state"] == PENDING:
        raise NotReady(f"Revision {newest['revision']} is still being carried out. Send yours again in a moment.")


def row_of(update: Update) -> dict[str, Any]:
    """A fresh update's row."""
    return {
        "subscription_id": update.subscription_id,
        "revision": update.revision,
        "requirements_hash": update.requirements_hash,
        "document": dict(update.document),
        "deadline": update.deadline,
        "signature": update.signature,
        "state": PENDING,
        "received_ms": tables.now_ms(),
    }


def update_row(reader: Executor, subscription_id: str, revision: int) -> Row | None:
    """The row of one update."""
    mine = (REQUEST_UPDATES.c.subscription_id == subscription_id) & (REQUEST_UPDATES.c.revision == revision)
    return reader.execute(sa.select(REQUEST_UPDATES).where(mine)).mappings().one_or_none()


def end_update(rows: Executor, subscription_id: str, revision: int, **values: Any) -> str:
    """Write how an update ended; answers its state."""
    mine = (REQUEST_UPDATES.c.subscription_id == subscription_id) & (REQUEST_UPDATES.c.revision == revision)
    rows.execute(sa.update(REQUEST_UPDATES).where(mine).values(ended_ms=tables.now_ms(), **values))
    return str(values["state"])
