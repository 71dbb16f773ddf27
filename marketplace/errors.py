"""Every error of the marketplace: a stable code, an HTTP status, what happened, why, and what to do next.

Raised by the feature folders and by the wallet's client; `app.py` turns them into problem+json (RFC 9457). Errors of
`ledger` are not re-wrapped here: `problem_of` reads their code and remedy.

MarketplaceError
├── UnknownModel  UnknownPlan  UnknownQuote  UnknownOrder  UnknownSubscription  UnknownAsset  UnknownDocument
├── UnknownWebhook
├── UnknownSignIn  UnknownPasskey  PasskeyRefused  TooManyNonces  ClaimRequired
├── MalformedInput
│   ├── MalformedDocument  MalformedLog  MalformedCursor
│   └── OrderDiffers  WebhookRefused
├── QuoteExpired  InsufficientFunds  BadSignature  WrongChain  DocumentMissing  PlanRetired
├── KeyReused  KeyBusy  TooManyWebhooks
├── OrchestratorDown  GatewayDown  StoreUnusable  TooManyReaders
├── UnknownOnChain  UnknownPage  NoPictures  FaucetDry  OperatorOnly
└── WalletError (client side)
    ├── UnknownWallet  WalletExists  WatchOnly  WrongPassword  UnknownSession
    ├── QuoteDiffers  EndpointDiffers        (the server says other than the chain: nothing was signed)
    ├── PurchaseDiffers                      (the chain does not hold what the server says was bought)
    ├── AnswerMalformed                      (the server's answer cannot be read)
    ├── ServiceRefused  StillPending
    ├── MarketplaceDown
    └── ProblemAnswer                        (a problem+json answer, with the server's own code)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ledger.errors import Reverted


class MarketplaceError(Exception):
    """Root. `what` happened, `why`, and the `remedy`; `details` are values for programs."""

    code: ClassVar[str] = "marketplace_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The marketplace failed"

    def __init__(self, why: str, *, remedy: str = "", **details: str) -> None:
        super().__init__(f"{self.title}: {why}" + (f" {remedy}" if remedy else ""))
        self.why = why
        self.remedy = remedy
        self.details: Mapping[str, str] = details

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 body."""
        return {
            "type": f"urn:slicing4meta:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.why,
            "remedy": self.remedy,
            **self.details,
        }


class StoreUnusable(MarketplaceError):
    code, status, title = "store_unusable", 500, "The marketplace's database cannot be used"


class UnknownModel(MarketplaceError):
    code, status, title = "unknown_model", 404, "No such model"


class UnknownPlan(MarketplaceError):
    code, status, title = "unknown_plan", 404, "No such plan"


class UnknownQuote(MarketplaceError):
    code, status, title = "unknown_quote", 404, "No such quote"


class UnknownOrder(MarketplaceError):
    code, status, title = "unknown_order", 404, "No such order"


class UnknownSubscription(MarketplaceError):
    code, status, title = "unknown_subscription", 404, "No such subscription"


class UnknownAsset(MarketplaceError):
    code, status, title = "unknown_asset", 404, "No such asset"


class UnknownDocument(MarketplaceError):
    code, status, title = "unknown_document", 404, "No such document"


class UnknownWebhook(MarketplaceError):
    code, status, title = "unknown_webhook", 404, "No such webhook"


class UnknownSignIn(MarketplaceError):
    code, status, title = "unknown_sign_in", 404, "No such sign-in"


class UnknownPasskey(MarketplaceError):
    code, status, title = "unknown_passkey", 404, "No such passkey"


class PasskeyRefused(MarketplaceError):
    code, status, title = "passkey_refused", 422, "The passkey is refused"


class TooManyNonces(MarketplaceError):
    code, status, title = "too_many_nonces", 503, "Too many sign-ins were begun"


class ClaimRequired(MarketplaceError):
    code, status, title = "claim_required", 403, "The plan asks for a claim that is not shown"


class MalformedInput(MarketplaceError):
    code, status, title = "malformed_input", 400, "The request is malformed"


class MalformedDocument(MalformedInput):
    code, status, title = "malformed_document", 400, "The document is malformed"


class MalformedLog(MalformedInput):
    code, status, title = "malformed_log", 400, "The usage log is malformed"


class MalformedCursor(MalformedInput):
    code, status, title = "malformed_cursor", 400, "The cursor is malformed"


class WebhookRefused(MalformedInput):
    code, status, title = "webhook_refused", 400, "The webhook cannot be registered"


class OrderDiffers(MalformedInput):
    code, status, title = "order_differs", 400, "The order is not the one that was quoted"


class QuoteExpired(MarketplaceError):
    code, status, title = "quote_expired", 410, "The quote has expired"


class InsufficientFunds(MarketplaceError):
    code, status, title = "insufficient_funds", 402, "Not enough money"


class BadSignature(MarketplaceError):
    code, status, title = "bad_signature", 401, "The signature is not the buyer's"


class WrongChain(MarketplaceError):
    code, status, title = "wrong_chain", 409, "Signed for another chain"


class DocumentMissing(MarketplaceError):
    code, status, title = "document_missing", 409, "The request document is missing"


class PlanRetired(MarketplaceError):
    code, status, title = "plan_retired", 410, "The plan is closed to new buyers"


class KeyReused(MarketplaceError):
    code, status, title = "idempotency_key_reused", 422, "The idempotency key belongs to another request"


class KeyBusy(MarketplaceError):
    code, status, title = "idempotency_key_busy", 409, "A request with this idempotency key is at work"


class TooManyWebhooks(MarketplaceError):
    code, status, title = "too_many_webhooks", 429, "Too many webhooks"


class OrchestratorDown(MarketplaceError):
    code, status, title = "orchestrator_down", 503, "The orchestrator does not answer"


class UnknownOnChain(MarketplaceError):
    code, status, title = "unknown_on_chain", 404, "The chain knows nothing of this"


class UnknownPage(MarketplaceError):
    code, status, title = "unknown_page", 404, "There is no such page"


class NoPictures(MarketplaceError):
    code, status, title = "no_pictures", 404, "The service shows no pictures"


class FaucetDry(MarketplaceError):
    code, status, title = "faucet_dry", 429, "The faucet gives no more for now"


class OperatorOnly(MarketplaceError):
    code, status, title = "operator_only", 403, "This desk is the operator's"


class TooManyReaders(MarketplaceError):
    code, status, title = "too_many_readers", 503, "Too many streams are open"


class GatewayDown(MarketplaceError):
    code, status, title = "gateway_down", 503, "The gateway does not answer"


class WalletError(MarketplaceError):
    code, status, title = "wallet_error", 400, "The wallet refused"


class UnknownWallet(WalletError):
    code, status, title = "unknown_wallet", 404, "No such wallet"


class WalletExists(WalletError):
    code, status, title = "wallet_exists", 409, "The wallet exists already"


class WatchOnly(WalletError):
    code, status, title = "watch_only", 409, "The wallet has no key"


class WrongPassword(WalletError):
    code, status, title = "wrong_password", 401, "The password does not open the wallet"


class UnknownSession(WalletError):
    code, status, title = "unknown_session", 404, "No session key for this subscription"


class QuoteDiffers(WalletError):
    code, status, title = "quote_differs", 409, "The quote is not what the chain says; nothing was signed"


class PurchaseDiffers(WalletError):
    code, status, title = "purchase_differs", 409, "The chain does not hold the purchase that the marketplace tells of"


class AnswerMalformed(WalletError):
    code, status, title = "answer_malformed", 502, "The server's answer cannot be read"


class EndpointDiffers(WalletError):
    code, status, title = "endpoint_differs", 409, "The endpoint does not match its hash; nothing was signed"


class ServiceRefused(WalletError):
    code, status, title = "service_refused", 409, "The orchestrator refused the service"


class StillPending(WalletError):
    code, status, title = "still_pending", 202, "Not there yet"


class MarketplaceDown(WalletError):
    code, status, title = "marketplace_down", 503, "The marketplace does not answer"


class ProblemAnswer(WalletError):
    """The marketplace answered with a problem; `server_code` is its stable code."""

    code, status, title = "problem_answer", 400, "The marketplace refused"

    def __init__(self, http_status: int, body: Mapping[str, Any]) -> None:
        self.http_status = http_status
        self.server_code = str(body.get("code", "unknown"))
        self.body = dict(body)
        super().__init__(
            f"{body.get('title', 'refused')}: {body.get('detail', '')}".strip(), remedy=str(body.get("remedy", ""))
        )


def problem_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and problem+json body of any error with a `code`: ours, the ledger's or trust's."""
    if isinstance(error, ProblemAnswer):  # another program's problem, passed on as it said it
        return error.http_status, error.body
    if isinstance(error, MarketplaceError):
        return error.status, error.problem()
    code = str(getattr(error, "code", "internal_error"))
    status = status_of(type(error), code)
    return status, {
        "type": f"urn:slicing4meta:problem:{code}",
        "title": type(error).__name__,
        "status": status,
        "code": code,
        "detail": str(error),
        "remedy": str(getattr(error, "remedy", "")),
    }


def status_of(kind: type[Exception], code: str) -> int:
    """The HTTP status of an error that is not the marketplace's own."""
    refused = 409 if issubclass(kind, Reverted) else int(getattr(kind, "status", 500))
    return _STATUS_OF_CODE.get(code, refused)


_STATUS_OF_CODE = {
    "node_down": 503,
    "node_error": 502,
    "gas_unfunded": 503,
    "transaction_pending": 504,
    "wrong_chain": 409,
    "chain_replaced": 409,
    "key_reused": 409,
    "address_malformed": 400,
    "signature_malformed": 400,
    "value_out_of_range": 400,
}
