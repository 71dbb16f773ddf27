"""Takes updates of running requests: a signed document is checked, kept, and carried out once.

`Updates` is used by the API's `PUT /subscriptions/{subscription}/request`; the work is `adjuster`'s. An update is
accepted or refused as a whole; until then the running share stays as it is. The purchase's document on the chain is
never replaced: an update is the session key's word beside it.
"""

import time
from typing import Any, Protocol

import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID, WorkflowHandle
from dbos import error as engine_errors

from orchestrator.activation import ENDED_BADLY
from orchestrator.adjuster import Adjuster
from orchestrator.documents import document_hash_of
from orchestrator.errors import NotReady, PeerUnavailable
from orchestrator.store import REQUEST_UPDATES, SERVED, Row, Store
from orchestrator.update_rows import (
    PENDING,
    REFUSED,
    BadUpdate,
    StaleRevision,
    Update,
    UpdateRefused,
    require_newest,
    row_of,
    update_row,
    view,
)

LONGEST_DEADLINE_S = 3_600
"""How far in the future an update's deadline may lie, seconds: nobody keeps a signed one for a better day."""
RESULT_POLL_S = 0.02


class SignerOf(Protocol):
    """Who signed RequestUpdate{subscriptionId, requirementsHash, revision, deadline}; hashes in hex."""

    def __call__(
        self, subscription_id: str, requirements_hash: str, revision: int, deadline: int, signature: str
    ) -> str: ...


class Updates:
    """Takes updates, one at a time for each subscription, in the order of their revisions."""

    def __init__(self, store: Store, adjuster: Adjuster, signer_of: SignerOf) -> None:
        self._store = store
        self._adjuster = adjuster
        self._signer_of = signer_of

    def put(self, row: Row, update: Update) -> dict[str, Any]:
        """The accepted update's view; BadUpdate, StaleRevision, NotReady or UpdateRefused. A repeat answers alike."""
        with self._store.writer.begin() as writer:
            known = update_row(writer, update.subscription_id, update.revision)
            if known is None:
                self._check(row, update)
                require_newest(writer, update)
                writer.execute(sa.insert(REQUEST_UPDATES).values(row_of(update)))
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
            self._start(row["subscription_id"], row["revision"])

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
        try:
            self._start(update.subscription_id, update.revision).get_result(polling_interval_sec=RESULT_POLL_S)
        except engine_errors.DBOSException as cause:
            raise PeerUnavailable(f"The engine did not finish the update: {cause}. Send it again.") from cause

    def _start(self, subscription_id: str, revision: int) -> WorkflowHandle[str]:
        """The update's workflow, running or ended; a run that ended badly makes way for the next."""
        number = 0
        while True:
            workflow_id = f"adjust:{subscription_id}:{revision}:{number}"
            status = DBOS.get_workflow_status(workflow_id)
            if status is None or status.status not in ENDED_BADLY:
                break
            number += 1
        with SetWorkflowID(workflow_id):
            return DBOS.start_workflow(self._adjuster.adjust, subscription_id, revision)

    def _answer(self, update: Update) -> dict[str, Any]:
        with self._store.reader.connect() as reader:
            row = update_row(reader, update.subscription_id, update.revision)
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
