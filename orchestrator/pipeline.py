"""The durable path of a purchase: Step I (MSMF) → Step II and III (VMOF, MMF) → handover → activation; and its end.

`Pipeline` holds three short workflows, each keyed by the chain's own ids, so that a crash at any instruction repeats
work and never an effect (docs/decisions/0032, 0044). `Dispatcher` looks at the rows that the listener wrote and
starts what is due. Neither chooses models or resources (the functions do), nor writes their rows.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID, SQLAlchemyDatasource
from sqlalchemy.orm import Session

from orchestrator import store as tables
from orchestrator.documents import Documents, Purchase, endpoint_of, outcome_of, route_of, served_by
from orchestrator.errors import CallsUnderWay, OrchestratorError, Refusal, StepFailed, TryLater
from orchestrator.instances.transact import options, transact_again
from orchestrator.reconcile import Routes
from orchestrator.requirements import FunctionCall
from orchestrator.store import SERVED, ChainStatus, Executor, Row, ServiceState, Store

ENDABLE = SERVED | {ServiceState.REQUESTED}
"""States in which a service may be ended; one in the making is left alone until its workflow ends."""
MAKING = frozenset({ServiceState.PREPARING, ServiceState.PLANNING})
"""States that only the instantiating workflow moves on."""
OPEN = ("PENDING", "ENQUEUED")
"""The engine's statuses of a workflow that goes on."""

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 250, 5_000
"""Pauses between attempts double from the first to the longest, milliseconds."""
DRAIN_PAUSE_MS = 500
"""Pause until a service that ends is asked again whether it still answers calls, milliseconds."""

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger("pipeline")


class Submission(Protocol):
    """Submits an activation to the chain, once however often it is called; answers the transaction's hash."""

    def __call__(self, subscription_id: str, endpoint_hash: str, signature: str) -> str: ...


@dataclass(frozen=True)
class Peers:
    """Whom the pipeline talks to."""

    msmf: FunctionCall
    vmof: FunctionCall
    documents: Documents
    routes: Routes
    submit_activation: Submission
    require_runtime: Callable[[], None]
    """raises a Refusal where models cannot be run at all"""


@DBOS.dbos_class("Pipeline")
class Pipeline(DBOSConfiguredInstance):
    """The three workflows. One instance a process, made before the engine is launched so that it can recover them."""

    def __init__(
        self, transactions: SQLAlchemyDatasource, peers: Peers, gateway_url: str, document_retry_s: float = 0.5
    ) -> None:
        super().__init__("pipeline")
        self._transactions = transactions
        self._peers = peers
        self._gateway_url = gateway_url
        self._document_retry_ms = int(document_retry_s * 1000)

    @DBOS.workflow(name="instantiate", max_recovery_attempts=None)
    def instantiate(self, subscription_id: str, attempt: int) -> str:
        """A final purchase becomes a running service, a recorded refusal, or waits for the next attempt."""
        try:
            return self._foreseen("serve", self._serve, subscription_id, attempt)
        except TryLater as cause:
            return self._change(self._postpone, subscription_id, attempt, cause, ServiceState.REQUESTED)
        except Refusal as cause:
            return self._decline(subscription_id, attempt, cause)

    def _decline(self, subscription_id: str, attempt: int, cause: Refusal) -> str:
        """Refused for good: what was placed until then goes first, else nobody would ever end it."""
        key = f"{subscription_id}:decline:{attempt}"
        try:
            released = self._step("undo", self._peers.vmof.delete, f"/shares/{subscription_id}", key)
        except TryLater as later:
            return self._change(self._postpone, subscription_id, attempt, later, ServiceState.REQUESTED)
        return self._change(self._refuse, subscription_id, cause, released or {})

    @DBOS.workflow(name="activate", max_recovery_attempts=None)
    def activate(self, subscription_id: str, endpoint_hash: str, signature: str) -> str:
        """The session key's activation goes on-chain; the listener moves the row when the event is final."""
        return self._foreseen("submit", self._submit, subscription_id, endpoint_hash, signature)

    @DBOS.workflow(name="release", max_recovery_attempts=None)
    def release(self, subscription_id: str, attempt: int, reason: str) -> str:
        """The share goes: first the buyers' door, then the models, then the row. While calls are under way the share
        drains: nothing waits here for them, a later attempt asks again."""
        key = f"{subscription_id}:release:{attempt}"
        try:
            if not self._change(self._let_go, subscription_id):
                return "overtaken"
            under_way = self._step("close_route", self._peers.routes.withdraw, subscription_id)
            if under_way:
                self._drain(subscription_id, under_way)
            released = self._step("release_share", self._peers.vmof.delete, f"/shares/{subscription_id}", key)
            return self._change(self._end, subscription_id, reason, released or {})
        except (TryLater, Refusal) as cause:
            return self._change(self._postpone, subscription_id, attempt, cause, None)

    def _drain(self, subscription_id: str, under_way: int) -> NoReturn:
        path, key = f"/shares/{subscription_id}/draining", f"{subscription_id}:draining"
        self._step("drain_share", self._peers.vmof.post, path, {}, key)
        raise CallsUnderWay(f"{under_way} calls are under way; they are answered and billed before the service ends.")

    # calls, each at least once, each idempotent at the callee

    def _serve(self, subscription_id: str, attempt: int) -> str:
        """Step I to III and handover. No steps of the engine's: after a crash all of it comes again, under the same
        keys, to the same answers, and finds its rows where they were."""
        purchase = transact_again(self._transactions, self._begin, subscription_id, attempt)
        if purchase is None:
            return "overtaken"
        wanted = self._translate(purchase)
        share = self._instantiate(purchase, wanted)
        return transact_again(self._transactions, self._hand_over, purchase, wanted["served"], share)

    def _translate(self, purchase: Purchase) -> dict[str, Any]:
        """Step I: the requirements, and what of the documents the gateway must know to serve them."""
        self._peers.require_runtime()
        documents = self._peers.documents.of(purchase)
        body = {
            "subscriptionId": purchase.subscription_id,
            "planId": purchase.plan_id,
            "document": documents["request"],
            "spec": documents["spec"],
            "isolationSold": documents["isolationSold"],
            "isolationPlans": documents["isolationPlans"],
        }
        requirements = self._peers.msmf.post("/service-requirements", body, purchase.key("requirements"))
        return {"requirements": requirements, "served": served_by(documents)}

    def _instantiate(self, purchase: Purchase, wanted: Mapping[str, Any]) -> Any:
        """Steps II and III: the share, its route known to the gateway before anybody is told that it runs."""
        transact_again(self._transactions, self._planning, purchase.subscription_id)
        body = {"requirements": wanted["requirements"]}
        share = self._peers.vmof.post("/instances", body, purchase.key("instance"))
        self._peers.routes.put(route_of(purchase, wanted["served"], share))
        return share

    def _submit(self, subscription_id: str, endpoint_hash: str, signature: str) -> str:
        tx_hash = self._peers.submit_activation(subscription_id, endpoint_hash, signature)
        with self._transactions.engine.begin() as rows:
            tables.amend(rows, subscription_id, outcome={"activationTx": tx_hash}, times={"submitted": tables.now_ms()})
        return tx_hash

    # what the transactions do: rows of this room

    def _begin(self, rows: sa.Connection, subscription_id: str, attempt: int) -> Purchase | None:
        """None where the chain wants no service any more, judged at the very block the dispatcher judges by, so that
        an end and a beginning never work side by side. Activated already (nobody need wait for us) is still owed."""
        row = tables.locked_service(rows, subscription_id)
        final = rows.scalar(sa.select(tables.CURSOR.c.timestamp)) or 0
        if row is None or row["attempt"] != attempt or end_reason(row, final) is not None:
            return None
        if not tables.move(rows, subscription_id, ServiceState.PREPARING, {ServiceState.REQUESTED, *MAKING}):
            return None
        return Purchase.of(row)

    def _planning(self, rows: sa.Connection, subscription_id: str) -> None:
        times = {"stepI": tables.now_ms()}
        tables.move(rows, subscription_id, ServiceState.PLANNING, {ServiceState.PREPARING}, times=times)

    def _hand_over(
        self, rows: sa.Connection, purchase: Purchase, served: Mapping[str, Any], share: Mapping[str, Any]
    ) -> str:
        at, subscription_id = tables.now_ms(), purchase.subscription_id
        tables.lock_services(rows, {subscription_id, *share.get("grants", {})})
        moved = tables.move(
            rows,
            subscription_id,
            ServiceState.RUNNING,
            {ServiceState.PLANNING},
            route=route_of(purchase, served, share),
            prepaid=served["period"] > 0,
            times={"stepII": at, "stepIII": at},
            outcome={**endpoint_of(self._gateway_url, subscription_id), **outcome_of(share), "waiting": None},
        )
        row = tables.locked_service(rows, subscription_id)
        if moved and row is not None:
            regrant(rows, share.get("grants", {}))
            if row["chain_status"] == ChainStatus.ACTIVE:
                since = {"activated": tables.now_ms()}
                tables.move(rows, subscription_id, ServiceState.ACTIVE, {ServiceState.RUNNING}, times=since)
            log.info(
                "service.running",
                subscription=subscription_id,
                event_to_running_ms=row["times"]["running"] - row["times"]["final"],
            )
        return "running"

    def _postpone(
        self, rows: Session, subscription_id: str, attempt: int, cause: OrchestratorError, state: ServiceState | None
    ) -> str:
        pause = min(FIRST_PAUSE_MS * 2 ** min(attempt, 10), LONGEST_PAUSE_MS)
        if cause.code == "document_not_yet":
            pause = self._document_retry_ms
        if isinstance(cause, CallsUnderWay):
            pause = DRAIN_PAUSE_MS
        changes: dict[str, Any] = {"state": state.value} if state else {}
        tables.amend(
            rows,
            subscription_id,
            attempt=attempt + 1,
            due_ms=tables.now_ms() + pause,
            outcome={"waiting": {"code": cause.code, "detail": str(cause)}},
            **changes,
        )
        log.warning("service.postponed", subscription=subscription_id, code=cause.code, error=str(cause))
        return "postponed"

    def _refuse(self, rows: Session, subscription_id: str, cause: Refusal, released: Mapping[str, Any]) -> str:
        refusal = cause.reason
        states = {ServiceState.PREPARING, ServiceState.PLANNING}
        outcome = {"refusal": refusal, "waiting": None}
        tables.lock_services(rows, {subscription_id, *released.get("grants", {})})
        tables.move(rows, subscription_id, ServiceState.REFUSED, states, outcome=outcome, route=None)
        regrant(rows, released.get("grants", {}))
        log.warning("service.refused", subscription=subscription_id, code=refusal.get("code", cause.code))
        return "refused"

    def _let_go(self, rows: Session, subscription_id: str) -> bool:
        """From here on reconciliation puts the route back no more. False where a service is in the making after all."""
        row = tables.service(rows, subscription_id)
        if row is None or row["state"] not in ENDABLE:
            return False
        tables.amend(rows, subscription_id, route=None)
        return True

    def _end(self, rows: Session, subscription_id: str, reason: str, released: Mapping[str, Any]) -> str:
        tables.lock_services(rows, {subscription_id, *released.get("grants", {})})
        regrant(rows, released.get("grants", {}))
        row = tables.service(rows, subscription_id)
        if row is None:
            return "unknown"
        never_ran = row["state"] == ServiceState.REQUESTED and reason == EndReason.DEADLINE
        state = ServiceState.REFUSED if never_ran else ServiceState.DECOMMISSIONED
        outcome: dict[str, Any] = {"endReason": reason, "waiting": None}
        if never_ran:
            outcome["refusal"] = _deadline_refusal(row)
        tables.move(rows, subscription_id, state, ENDABLE, outcome=outcome, route=None)
        log.info("service.ended", subscription=subscription_id, reason=reason, state=state.value)
        return state.value

    def _step(self, name: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A plain durable step: its answer is kept."""
        return DBOS.run_step({"name": name}, lambda: self._foreseen(name, work, *args, **kwargs))

    def _foreseen(self, name: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The work's answer; an error nobody foresaw becomes a later attempt."""
        try:
            return work(*args, **kwargs)
        except (TryLater, Refusal):
            raise
        except Exception as cause:
            log.exception("step.failed", step=name)
            raise StepFailed(f"Step {name} failed: {type(cause).__name__}: {cause}. It is tried again.") from cause

    def _change(self, change: Callable[..., R], *args: Any) -> R:
        """A step that is one transaction on the engine's database: exactly once."""

        def transaction() -> R:
            return change(self._transactions.sql_session(), *args)

        return self._transactions.run_tx_step(options(self._transactions, change.__name__), transaction)


def regrant(rows: Executor, grants: Mapping[str, Mapping[str, Any]]) -> None:
    """Neighbours' grants in the same MSI changed: note them in their routes, which are then pushed again."""
    for subscription_id, grant in grants.items():
        row = tables.locked_service(rows, subscription_id)
        if row is not None and row["route"] is not None:
            tables.amend(rows, subscription_id, route={**row["route"], "grant": dict(grant)})


def _deadline_refusal(row: Row) -> dict[str, Any]:
    waiting = row["outcome"].get("waiting") or {}
    missing = waiting.get("code") == "document_not_yet"
    return {
        "code": "document_missing" if missing else "deadline_passed",
        "detail": (
            "The activation deadline passed before the service could be handed over"
            + (f": {waiting['detail']}" if waiting else ".")
            + " The whole price can be refunded now, by anyone, to the buyer."
        ),
    }


class Kind(StrEnum):
    """Which workflow is due."""

    INSTANTIATE = "instantiate"
    RELEASE = "release"


class EndReason(StrEnum):
    """Why a service ends."""

    RELEASED = "released"
    REFUNDED = "refunded"
    DEADLINE = "deadline"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Work:
    """One workflow that is due."""

    kind: Kind
    subscription_id: str
    attempt: int
    reason: str = ""

    @property
    def workflow_id(self) -> str:
        """The engine's id: a second start of the same work is no start."""
        return f"{self.kind}:{self.subscription_id}:{self.attempt}"


def end_reason(row: Row, final_timestamp: int) -> EndReason | None:
    """Why the chain no longer wants this service, judged at the newest final block."""
    match row["chain_status"]:
        case ChainStatus.RELEASING | ChainStatus.RELEASED:
            return EndReason.RELEASED
        case ChainStatus.REFUNDED:
            return EndReason.REFUNDED
        case ChainStatus.PURCHASED if final_timestamp > row["deadline"]:
            return EndReason.DEADLINE
        case ChainStatus.ACTIVE if row["prepaid"] and final_timestamp > row["paid_through"]:
            return EndReason.LAPSED
    return None


def due_work(row: Row, final_timestamp: int, now_ms: int) -> Work | None:
    """What a row asks for now. A service in the making is left alone until its workflow ends."""
    if row["state"] not in ENDABLE or row["due_ms"] > now_ms:
        return None
    reason = end_reason(row, final_timestamp)
    if reason is not None:
        return Work(Kind.RELEASE, row["subscription_id"], row["attempt"], reason)
    if row["state"] == ServiceState.REQUESTED:
        return Work(Kind.INSTANTIATE, row["subscription_id"], row["attempt"])
    return None


def wanted_work(row: Row, final_timestamp: int, now_ms: int) -> Work | None:
    """The workflow that must be at work, or be started, for this row."""
    if row["state"] in MAKING:
        return Work(Kind.INSTANTIATE, row["subscription_id"], row["attempt"])
    return due_work(row, final_timestamp, now_ms)


class Dispatcher:
    """Starts due workflows; called when the listener wakes it and at every reconciliation.

    Alone it starts them in this process, `max_parallel` at once. With a queue it only puts them there: every worker
    takes from it what it can bear.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        final_timestamp: Callable[[], int],
        max_parallel: int,
        queue: str | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._final_timestamp = final_timestamp
        self._max_parallel = max_parallel
        self._queue = queue
        self._started: set[str] = set()
        self._lock = threading.Lock()

    def dispatch(self) -> int:
        """Start what is due, oldest purchase first, of each kind no more at once than may be; returns how many."""
        with self._lock:
            due, making = self._look()
            self._started &= {work.workflow_id for work in due}
            at_work = Counter(work.kind for work in due if self._has(work)) + Counter({Kind.INSTANTIATE: making})
            count = 0
            for work in due:
                if self._has(work) or (at_work[work.kind] >= self._max_parallel and self._queue is None):
                    continue
                at_work[work.kind] += 1
                self._start(work)
                count += 1
            return count

    def mend(self) -> None:
        """A workflow that ended, well or badly, without moving its row makes way for the next attempt.

        Its id is used up: without this the row would ask for the same work for ever, and nobody would do it.
        """
        timestamp, now = self._final_timestamp(), tables.now_ms()
        with self._store.reader.connect() as reader:
            rows = tables.asking(reader, timestamp, *ENDABLE, *MAKING)
        for row in rows:
            work = wanted_work(row, timestamp, now)
            if work is not None and row["state"] not in MAKING and not self._has(work):
                continue  # it waits for its start; the engine does not know it
            status = DBOS.get_workflow_status(work.workflow_id) if work else None
            if work is None or status is None or status.status in OPEN:
                continue
            with self._store.writer.begin() as writer:
                fresh = tables.locked_service(writer, work.subscription_id)
                if fresh is None or wanted_work(fresh, timestamp, now) != work:
                    continue
                state = {"state": ServiceState.REQUESTED.value} if fresh["state"] in MAKING else {}
                tables.amend(writer, work.subscription_id, attempt=work.attempt + 1, **state)
            log.error("workflow.broken", workflow=work.workflow_id, status=status.status)

    def _look(self) -> tuple[list[Work], int]:
        """The time first: a row read after it can only know more (that it was activated before its deadline)."""
        timestamp, now = self._final_timestamp(), tables.now_ms()
        with self._store.reader.connect() as reader:
            rows = tables.asking(reader, timestamp, *ENDABLE, *MAKING)
        making = sum(row["state"] in MAKING for row in rows)
        return [work for row in rows if (work := due_work(row, timestamp, now)) is not None], making

    def _has(self, work: Work) -> bool:
        return work.workflow_id in self._started

    def _start(self, work: Work) -> None:
        self._started.add(work.workflow_id)
        with SetWorkflowID(work.workflow_id):
            if work.kind == Kind.INSTANTIATE:
                self._begin(self._pipeline.instantiate, work.subscription_id, work.attempt)
            else:
                self._begin(self._pipeline.release, work.subscription_id, work.attempt, work.reason)

    def _begin(self, workflow: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        if self._queue is None:
            DBOS.start_workflow(workflow, *args, **kwargs)
        else:
            DBOS.enqueue_workflow(self._queue, workflow, *args, **kwargs)
