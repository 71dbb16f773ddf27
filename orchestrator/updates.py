"""Updates of running requests: a signed document is checked, kept, and carried through MSMF, VMOF and MMF once.

`Updates` is used by the API's `PUT /subscriptions/{subscription}/request`; `Adjuster` holds the short durable workflow
`adjust:<subscription>:<revision>`. An update is refused or accepted as a whole; until it is accepted the running share
stays as it is. The purchase's document on the chain is never replaced: an update is the session key's word beside it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID, SQLAlchemyDatasource
from dbos import error as engine_errors
from sqlalchemy.orm import Session

from orchestrator import store as tables
from orchestrator.documents import Documents, Purchase, document_hash_of
from orchestrator.errors import NotReady, OrchestratorError, PeerUnavailable, Refusal, StepFailed, TryLater
from orchestrator.explanation import feasible_if
from orchestrator.pipeline import regrant
from orchestrator.reconcile import Routes
from orchestrator.requirements import FunctionCall
from orchestrator.store import METADATA, SERVED, Executor, Row, Store

REQUEST_UPDATES = sa.Table(
    "request_updates",
    METADATA,
    sa.Column("subscription_id", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True),
    sa.Column("requirements_hash", sa.String, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("deadline", sa.BigInteger, nullable=False),
    sa.Column("signature", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("refusal", sa.JSON, nullable=True),
    sa.Column("decision", sa.JSON, nullable=True),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger, nullable=True),
)

PENDING, ACCEPTED, REFUSED = "pending", "accepted", "refused"
LONGEST_DEADLINE_S = 3_600
"""How far in the future an update's deadline may lie, seconds: nobody keeps a signed one for a better day."""
ATTEMPTS = 40
"""Tries of a workflow while neighbours do not answer, about three minutes."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
RESULT_POLL_S = 0.02

log = structlog.get_logger("updates")


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


class SignerOf(Protocol):
    """Who signed RequestUpdate{subscriptionId, requirementsHash, revision, deadline}; hashes in hex."""

    def __call__(
        self, subscription_id: str, requirements_hash: str, revision: int, deadline: int, signature: str
    ) -> str: ...


@dataclass(frozen=True)
class Update:
    """An update as it was put."""

    subscription_id: str
    revision: int
    document: Mapping[str, Any]
    requirements_hash: str
    deadline: int
    signature: str


@dataclass(frozen=True)
class AdjusterPeers:
    """Whom the workflow talks to."""

    msmf: FunctionCall
    vmof: FunctionCall
    documents: Documents
    routes: Routes


@DBOS.dbos_class("Adjuster")
class Adjuster(DBOSConfiguredInstance):
    """The workflow. One instance a process, made before the engine is launched so that it can recover it."""

    def __init__(self, transactions: SQLAlchemyDatasource, peers: AdjusterPeers) -> None:
        super().__init__("adjuster")
        self._transactions = transactions
        self._peers = peers

    @DBOS.workflow(name="adjust", max_recovery_attempts=None)
    def adjust(self, subscription_id: str, revision: int) -> str:
        """The update's end: accepted, refused, or overtaken by another run."""
        for attempt in range(ATTEMPTS):
            try:
                return self._once(subscription_id, revision, attempt)
            except TryLater as cause:
                log.warning("update.postponed", subscription=subscription_id, code=cause.code, error=str(cause))
                last: OrchestratorError = cause
                DBOS.sleep(min(FIRST_PAUSE_S * 2 ** min(attempt, 10), LONGEST_PAUSE_S))
            except Refusal as cause:
                return str(self._change(_refuse, subscription_id, revision, cause.reason))
        return str(self._change(_refuse, subscription_id, revision, last.problem()))

    def _once(self, subscription_id: str, revision: int, attempt: int) -> str:
        purchase, document = self._change(_begin, subscription_id, revision)
        if purchase is None:
            return "overtaken"
        spec = self._step("spec", self._spec, purchase)
        requirements = self._step("step_i", self._translate, purchase, document, spec, revision)
        share = self._step("step_ii_iii", self._adjust_share, subscription_id, requirements, revision, attempt)
        ended = str(self._change(_accept, subscription_id, revision, share))
        self._step("route", self._peers.routes.push, subscription_id)
        log.info("update.ended", subscription=subscription_id, revision=revision, state=ended, attempt=attempt)
        return ended

    def _spec(self, purchase: Purchase) -> Any:
        return self._peers.documents.of(purchase)["spec"]

    def _translate(self, purchase: Purchase, document: Any, spec: Any, revision: int) -> Any:
        body = {
            "subscriptionId": purchase.subscription_id,
            "planId": purchase.plan_id,
            "document": document,
            "spec": spec,
        }
        key = f"{purchase.subscription_id}:update:{revision}"
        return self._peers.msmf.post("/service-requirements", body, key)

    def _adjust_share(self, subscription_id: str, requirements: Any, revision: int, attempt: int) -> Any:
        body = {"requirements": requirements, "revision": revision}
        key = f"{subscription_id}:update:{revision}:{attempt}"
        return self._peers.vmof.put(f"/shares/{subscription_id}", body, key)

    def _step(self, name: str, work: Callable[..., Any], *args: Any) -> Any:
        """A plain durable step; an error nobody foresaw becomes a later attempt."""

        def guarded() -> Any:
            try:
                return work(*args)
            except (TryLater, Refusal):
                raise
            except Exception as cause:
                log.exception("step.failed", step=name)
                raise StepFailed(f"Step {name} failed: {type(cause).__name__}: {cause}. It is tried again.") from cause

        return DBOS.run_step({"name": name}, guarded)

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        def transaction() -> Any:
            return change(self._transactions.sql_session(), *args)

        return self._transactions.run_tx_step({"name": change.__name__}, transaction)


class Updates:
    """Takes updates, one at a time for each subscription, in the order of their revisions."""

    def __init__(self, store: Store, adjuster: Adjuster, signer_of: SignerOf) -> None:
        self._store = store
        self._adjuster = adjuster
        self._signer_of = signer_of

    def put(self, row: Row, update: Update) -> dict[str, Any]:
        """The accepted update's view; BadUpdate, StaleRevision, NotReady or UpdateRefused. A repeat answers alike."""
        with self._store.writer.begin() as writer:
            known = _one(writer, update.subscription_id, update.revision)
            if known is None:
                self._check(row, update)
                _require_newest(writer, update)
                writer.execute(sa.insert(REQUEST_UPDATES).values(_row(update)))
            elif (known["requirements_hash"], known["deadline"]) != (update.requirements_hash, update.deadline):
                raise StaleRevision(
                    f"Revision {update.revision} of subscription {update.subscription_id} was put for another "
                    f"document. Sign revision {update.revision + 1} instead."
                )
        self._run(update)
        return self._answer(update)

    def recover(self) -> None:
        """Start again what was kept but whose workflow was not begun before a crash."""
        with self._store.reader.connect() as reader:
            query = sa.select(REQUEST_UPDATES).where(REQUEST_UPDATES.c.state == PENDING)
            pending = reader.execute(query).mappings().all()
        for row in pending:
            with SetWorkflowID(f"adjust:{row['subscription_id']}:{row['revision']}"):
                DBOS.start_workflow(self._adjuster.adjust, row["subscription_id"], row["revision"])

    def _check(self, row: Row, update: Update) -> None:
        if row["state"] not in SERVED:
            raise NotReady(
                f"Subscription {update.subscription_id} is {row['state']}; only a running service can be updated. "
                "Ask for its state again in a moment, or buy anew.",
                state=row["state"],
            )
        found = "0x" + document_hash_of(dict(update.document))
        if found != update.requirements_hash:
            raise BadUpdate(f"The document's hash is {found}, signed is {update.requirements_hash}. Sign its own hash.")
        now = int(time.time())
        if not now <= update.deadline <= now + LONGEST_DEADLINE_S:
            raise BadUpdate(f"The update's deadline {update.deadline} is not within {LONGEST_DEADLINE_S} s from {now}.")
        signer = self._signer_of(
            update.subscription_id, update.requirements_hash, update.revision, update.deadline, update.signature
        )
        if signer.lower() != row["signer"].lower():
            raise BadUpdate(
                f"The update was signed by {signer}, the subscription's session key is {row['signer']}. "
                "Sign with the session key that was ordered.",
                expected=row["signer"],
            )

    def _run(self, update: Update) -> None:
        with SetWorkflowID(f"adjust:{update.subscription_id}:{update.revision}"):
            handle = DBOS.start_workflow(self._adjuster.adjust, update.subscription_id, update.revision)
        try:
            handle.get_result(polling_interval_sec=RESULT_POLL_S)
        except engine_errors.DBOSException as cause:
            raise PeerUnavailable(f"The engine did not finish the update: {cause}. Send it again.") from cause

    def _answer(self, update: Update) -> dict[str, Any]:
        with self._store.reader.connect() as reader:
            row = _one(reader, update.subscription_id, update.revision)
        told = view(row) if row is not None else {}
        if told.get("state") == REFUSED:
            refusal = told["refusal"]
            why = {name: refusal[name] for name in ("needed", "decision") if name in refusal}
            raise UpdateRefused(
                f"[{refusal.get('code')}] {refusal.get('detail', '')}",
                reason=refusal.get("code"),
                feasibleIf=told["feasibleIf"],
                revision=update.revision,
                **why,
            )
        return told


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
        "feasibleIf": feasible_if(refusal, None) if refusal else [],
        "decision": row["decision"],
        "receivedMs": row["received_ms"],
        "endedMs": row["ended_ms"],
    }


def _require_newest(writer: sa.Connection, update: Update) -> None:
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


def _row(update: Update) -> dict[str, Any]:
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


def _one(reader: Executor, subscription_id: str, revision: int) -> Row | None:
    mine = (REQUEST_UPDATES.c.subscription_id == subscription_id) & (REQUEST_UPDATES.c.revision == revision)
    return reader.execute(sa.select(REQUEST_UPDATES).where(mine)).mappings().one_or_none()


def _begin(rows: Session, subscription_id: str, revision: int) -> tuple[Purchase | None, Any]:
    """None where the update has ended already."""
    update, row = _one(rows, subscription_id, revision), tables.service(rows, subscription_id)
    if update is None or row is None or update["state"] != PENDING:
        return None, None
    if row["state"] not in SERVED or row["route"] is None:
        raise UpdateRefused(f"Subscription {subscription_id} is {row['state']} and ending; buy anew.")
    return Purchase.of(row), update["document"]


def _accept(rows: Session, subscription_id: str, revision: int, share: Mapping[str, Any]) -> str:
    """The route and the outcome tell of the new share; of one that is ending meanwhile they are let be."""
    update, row = _one(rows, subscription_id, revision), tables.service(rows, subscription_id)
    if update is None or row is None or update["state"] != PENDING:
        return "overtaken"
    if row["route"] is not None:
        route = {
            **row["route"],
            "msi": share["msi"],
            "grant": dict(share["grant"]),
            "sockets": dict(share["sockets"]),
            "objects": update["document"].get("objects", []),
        }
        models = [
            {name: model[name] for name in ("role", "model", "instance", "isolation", "verdict", "node")}
            for model in share["models"]
        ]
        outcome = {"msi": share["msi"], "models": models, "decision": share["decision"], "revision": revision}
        tables.amend(rows, subscription_id, route=route, outcome=outcome, times={"updated": tables.now_ms()})
    regrant(rows, share.get("grants", {}))
    return _end(rows, subscription_id, revision, state=ACCEPTED, decision=share["decision"])


def _refuse(rows: Session, subscription_id: str, revision: int, refusal: Mapping[str, Any]) -> str:
    return _end(rows, subscription_id, revision, state=REFUSED, refusal=dict(refusal))


def _end(rows: Session, subscription_id: str, revision: int, **values: Any) -> str:
    mine = (REQUEST_UPDATES.c.subscription_id == subscription_id) & (REQUEST_UPDATES.c.revision == revision)
    rows.execute(sa.update(REQUEST_UPDATES).where(mine).values(ended_ms=tables.now_ms(), **values))
    return str(values["state"])
