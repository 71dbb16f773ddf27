"""Activation at handover: checks the session key's signature, then lets the durable workflow bring it on-chain.

Used by the API's activation route. A wrong signature costs no gas and changes nothing; the same activation twice is
one transaction. It does not wait for finality: the listener moves the service to `active`.
"""

from collections.abc import Callable
from hashlib import sha256

from dbos import DBOS, SetWorkflowID, WorkflowHandle
from dbos import error as engine_errors
from dbos._core import WorkflowHandlePolling

from orchestrator.errors import BadActivation, NotReady, OrchestratorError, PeerUnavailable
from orchestrator.pipeline import Pipeline
from orchestrator.store import SERVED, Row

RESULT_POLL_S = 0.02
ENDED_BADLY = frozenset({"ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})

SignerOf = Callable[[str, str, str], str]
"""(subscription id, endpoint hash, signature) → the address that signed the activation."""


class Activations:
    """Checks and submits activations."""

    def __init__(self, pipeline: Pipeline, signer_of: SignerOf) -> None:
        self._pipeline = pipeline
        self._signer_of = signer_of

    def activate(self, row: Row, endpoint_hash: str, signature: str) -> str:
        """The hash of the mined transaction."""
        subscription_id = row["subscription_id"]
        if row["state"] not in SERVED:
            raise NotReady(
                f"Subscription {subscription_id} is {row['state']}; it can be activated once it is running. "
                "Ask for its state again in a moment.",
                state=row["state"],
            )
        self._check(row, endpoint_hash, signature)
        handle = self._begin(subscription_id, endpoint_hash, signature)
        try:
            return handle.get_result(polling_interval_sec=RESULT_POLL_S)
        except OrchestratorError:
            raise
        except engine_errors.DBOSException as cause:
            raise PeerUnavailable(f"The engine did not finish the activation: {cause}. Send it again.") from cause

    def _check(self, row: Row, endpoint_hash: str, signature: str) -> None:
        handed_over = row["outcome"].get("endpointHash")
        if endpoint_hash != handed_over:
            raise BadActivation(f"The handed-over endpoint's hash is {handed_over}, signed is {endpoint_hash}.")
        signer = self._signer_of(row["subscription_id"], endpoint_hash, signature)
        if signer.lower() != row["signer"].lower():
            raise BadActivation(
                f"The activation was signed by {signer}, the subscription's session key is {row['signer']}. "
                "Sign with the session key that was ordered.",
                expected=row["signer"],
            )

    def _begin(self, subscription_id: str, endpoint_hash: str, signature: str) -> WorkflowHandle[str]:
        """The workflow of this very activation, new or there already; a try that ended badly makes way for the next."""
        content = sha256(f"{endpoint_hash}:{signature.lower()}".encode()).hexdigest()[:16]
        number = 0
        while True:
            with SetWorkflowID(f"activate:{subscription_id}:{content}:{number}"):
                handle = DBOS.start_workflow(self._pipeline.activate, subscription_id, endpoint_hash, signature)
            if not (isinstance(handle, WorkflowHandlePolling) and handle.get_status().status in ENDED_BADLY):
                return handle
            number += 1
