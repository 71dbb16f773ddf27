"""Errors of the gateway, under the orchestrator's root.

GatewayError
├── NoRoute              404  the orchestrator has put no running service for this subscription
├── MalformedUse         422  the request is not what the operation takes
├── Draining             409  the service is ending: what is under way is finished, nothing new is taken
├── NotEntitled          403  released, refunded, lapsed or never active; sessions have ended
├── ClaimRequired        403  the plan asks for a claim about its user that is not shown or does not hold
├── BadBinding           401  the session binding is not the session key's, or not for this proof key
├── VoucherRequired      402  unsigned use passed the plan's credit: sign the enclosed voucher, then repeat
├── CapReached           402  the subscription's cap would be passed
├── BadVoucher           422  the voucher is not the log's or not the session key's
├── TooManyUses          429  too many uses of one subscription wait at once: nothing recorded, nothing billed
├── StaleVoucher         409  an older voucher than one that was accepted: nothing changes
├── RequestIdReused      409  the request id was used for another request
├── AnswerGone           410  the first answer to this request id is no longer kept
├── Erased               410  the request was served and billed; its answer was erased, as its user or time demanded
├── BadErasure           401  the demand to erase is not the buyer's or session key's, or has ended
├── ModelRefused         422  the model said no to the parameters
├── ModelUnavailable     503  a model is down, slow or failed: nothing recorded, nothing billed
├── ChainUnreachable     503  entitlement cannot be checked at the latest block
├── BehaviourKeyUnfit    500  the key of users' behaviour is exposed, damaged or another's: the gateway does not start
└── LogBroken            500  usage.db contradicts itself: the gateway does not start
"""

from orchestrator.errors import OrchestratorError


class GatewayError(OrchestratorError):
    """Root of the gateway's errors; `details` become fields of the problem document."""

    code = "gateway_error"
    title = "The gateway failed"


class NoRoute(GatewayError):
    code, status, title = "no_route", 404, "No running service for this subscription"


class Draining(GatewayError):
    code, status, title = "draining", 409, "The service is ending"


class MalformedUse(GatewayError):
    code, status, title = "malformed_request", 422, "The request is malformed"


class NotEntitled(GatewayError):
    code, status, title = "not_entitled", 403, "The subscription does not entitle to use"


class ClaimRequired(GatewayError):
    code, status, title = "claim_required", 403, "The plan asks for a claim about its user"


class BadBinding(GatewayError):
    code, status, title = "bad_binding", 401, "The session binding does not hold"


class VoucherRequired(GatewayError):
    code, status, title = "voucher_required", 402, "Sign the enclosed voucher first"


class CapReached(GatewayError):
    code, status, title = "cap_reached", 402, "The subscription's cap is reached"


class BadVoucher(GatewayError):
    code, status, title = "bad_voucher", 422, "The voucher is not acceptable"


class TooManyUses(GatewayError):
    code, status, title = "too_many_uses", 429, "Too many uses at once"


class StaleVoucher(GatewayError):
    code, status, title = "stale_voucher", 409, "A newer voucher was accepted before"


class RequestIdReused(GatewayError):
    code, status, title = "request_id_reused", 409, "The request id belongs to another request"


class AnswerGone(GatewayError):
    code, status, title = "answer_gone", 410, "The first answer is no longer kept"


class Erased(GatewayError):
    code, status, title = "erased", 410, "The answer was erased"


class BadErasure(GatewayError):
    code, status, title = "bad_erasure", 401, "The demand to erase does not hold"


class BehaviourKeyUnfit(GatewayError):
    code, status, title = "behaviour_key_unfit", 500, "The key of users' behaviour cannot be used"


class ModelRefused(GatewayError):
    code, status, title = "model_refused", 422, "The model refused the parameters"


class ModelUnavailable(GatewayError):
    code, status, title = "model_unavailable", 503, "A model of the service does not answer"


class ChainUnreachable(GatewayError):
    code, status, title = "chain_unreachable", 503, "The chain cannot be asked"


class LogBroken(GatewayError):
    code, status, title = "log_broken", 500, "The usage store contradicts itself"
