"""The short durable workflow that carries an update of a running request through MSMF, VMOF and MMF.

`Adjuster` is made by `app` before the engine is launched, so that the engine recovers it; `updates` starts
`adjust:<subscription>:<revision>:<run>`. Until the update is accepted, route and outcome tell of the share as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from dbos import DBOS, DBOSConfiguredInstance, SQLAlchemyDatasource
from sqlalchemy.orm import Session

from orchestrator import store as tables
from orchestrator.documents import Documents, Purchase, models_told
from orchestrator.errors import OrchestratorError, Refusal, StepFailed, TryLater
from orchestrator.pipeline import regrant
from orchestrator.reconcile import Routes
from orchestrator.requirements import FunctionCall
from orchestrator.store import SERVED
from orchestrator.update_rows import ACCEPTED, PENDING, REFUSED, UpdateRefused, end_update, update_row

ATTEMPTS = 40
"""Tries of a workflow while neighbours do not answer, about three minutes."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0

log = structlog.get_logger("adjuster")


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
        sold = self._step("sold", self._sold, purchase)
        requirements = self._step("step_i", self._translate, purchase, document, sold, revision)
        share = self._step("step_ii_iii", self._adjust_share, subscription_id, requirements, revision, attempt)
        ended = str(self._change(_accept, subscription_id, revision, share))
        self._step("route", self._peers.routes.push, subscription_id)
        log.info("update.ended", subscription=subscription_id, revision=revision, state=ended, attempt=attempt)
        return ended

    def _sold(self, purchase: Purchase) -> dict[str, Any]:
        """What the plan sells: the service's spec, and at which degree of isolation."""
        documents = self._peers.documents.of(purchase)
        return {name: documents[name] for name in ("spec", "isolationSold")}

    def _translate(self, purchase: Purchase, document: Any, sold: Mapping[str, Any], revision: int) -> Any:
        body = {
            "subscriptionId": purchase.subscription_id,
            "planId": purchase.plan_id,
            "document": document,
            **sold,
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


def _begin(rows: Session, subscription_id: str, revision: int) -> tuple[Purchase | None, Any]:
    """None where the update has ended already."""
    update, row = update_row(rows, subscription_id, revision), tables.service(rows, subscription_id)
    if update is None or row is None or update["state"] != PENDING:
        return None, None
    if row["state"] not in SERVED or row["route"] is None:
        raise UpdateRefused(f"Subscription {subscription_id} is {row['state']} and ending; buy anew.")
    return Purchase.of(row), update["document"]


def _accept(rows: Session, subscription_id: str, revision: int, share: Mapping[str, Any]) -> str:
    """The route and the outcome tell of the new share; of one that is ending meanwhile they are let be."""
    update, row = update_row(rows, subscription_id, revision), tables.service(rows, subscription_id)
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
        outcome = {
            "msi": share["msi"],
            "models": models_told(share),
            "decision": share["decision"],
            "revision": revision,
        }
        tables.amend(rows, subscription_id, route=route, outcome=outcome, times={"updated": tables.now_ms()})
    regrant(rows, share.get("grants", {}))
    return end_update(rows, subscription_id, revision, state=ACCEPTED, decision=share["decision"])


def _refuse(rows: Session, subscription_id: str, revision: int, refusal: Mapping[str, Any]) -> str:
    return end_update(rows, subscription_id, revision, state=REFUSED, refusal=dict(refusal))
