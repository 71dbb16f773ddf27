"""Errors of the orchestrator. HTTP status and stable code sit on the class; the message says what, why, what to do.

OrchestratorError
├── Refusal                 final: asking again gives the same answer
│   ├── MalformedDocument     the request or plan document breaks its schema or its hash
│   ├── DocumentMissing       nobody put the request document before the activation deadline
│   ├── PeerRefused           a neighbour said no; carries its problem document
│   └── BadActivation         the activation does not carry the session key's signature
├── TryLater                passing: the same call may succeed in a moment
│   ├── DocumentNotYet        the request document has not been put yet
│   ├── PeerUnavailable       a neighbour is down, slow or failed inside
│   └── CallsUnderWay         a service that ends still answers calls
├── UnknownSubscription     no final purchase with this id
├── HomeGone                the state directory was deleted under the running house
├── NotReady                the service is not in the state that the call needs
├── FinalityViolated        a final block changed: halt, touch nothing
├── StoreUnusable           the engine's database cannot be opened or belongs to another chain
├── ExecutorTaken           another live worker has this executor id
└── NotDeployed             no deployment file for this chain in home
"""

from typing import Any


class OrchestratorError(Exception):
    """Root of the package's errors."""

    code = "orchestrator_error"
    status = 500
    title = "The orchestrator failed"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details

    def problem(self) -> dict[str, Any]:
        """The error as an RFC 9457 problem document."""
        return {
            "type": f"urn:s4m:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": str(self),
            **self.details,
        }


class Refusal(OrchestratorError):
    """Final: asking again gives the same answer. Recorded with the subscription; the buyer refunds itself."""

    code = "refused"
    status = 409
    title = "Refused"

    @property
    def reason(self) -> dict[str, Any]:
        """The refusal as it is recorded and shown."""
        return self.problem()


class MalformedDocument(Refusal):
    code = "malformed_document"
    status = 422
    title = "The document breaks its schema or its hash"


class DocumentMissing(Refusal):
    code = "document_missing"
    title = "The request document never came"


class HomeGone(OrchestratorError):
    """The state directory of a running house is not there any more."""

    code = "home_gone"
    title = "The home of the house was deleted"


class NoSandbox(Refusal):
    code = "sandbox_unavailable"
    title = "This host cannot isolate models"


class PeerRefused(Refusal):
    code = "peer_refused"
    title = "A neighbour said no"

    @property
    def peer_status(self) -> int:
        """The HTTP status with which the neighbour said no."""
        return int(self.details.get("peer_status", self.status))

    @property
    def reason(self) -> dict[str, Any]:
        """The neighbour's problem document, or this error's own where it gave none."""
        problem = self.details.get("problem")
        return problem if isinstance(problem, dict) else self.problem()


class BadActivation(Refusal):
    code = "bad_activation"
    status = 422
    title = "The activation is not the session key's"


class ActivationRefused(Refusal):
    code = "activation_refused"
    title = "The market refused the activation"


class TryLater(OrchestratorError):
    """Passing: the same call may succeed in a moment."""

    code = "try_later"
    status = 503
    title = "Not now"


class DocumentNotYet(TryLater):
    code = "document_not_yet"
    title = "The request document has not been put yet"


class PeerUnavailable(TryLater):
    code = "peer_unavailable"
    title = "A neighbour did not answer"


class CallsUnderWay(TryLater):
    code = "calls_under_way"
    title = "Calls under way are finished first"


class StepFailed(TryLater):
    code = "step_failed"
    title = "A step failed"


class UnknownSubscription(OrchestratorError):
    code = "unknown_subscription"
    status = 404
    title = "No final purchase has this id"


class NotReady(OrchestratorError):
    code = "not_ready"
    status = 409
    title = "The service is not in the state that this call needs"


class FinalityViolated(OrchestratorError):
    code = "finality_violated"
    title = "A final block changed"


class StoreUnusable(OrchestratorError):
    code = "store_unusable"
    title = "The engine's database cannot be used"


class ExecutorTaken(OrchestratorError):
    code = "executor_taken"
    title = "Another live worker has this executor id"


class NotDeployed(OrchestratorError):
    code = "not_deployed"
    title = "No contracts are deployed on this chain"
