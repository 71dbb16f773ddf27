"""Every public route of /api/v1 as a typed method. It believes the server: whoever pays uses `wallet.client`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from ledger.values import Address
from marketplace.answers import (
    Accepted,
    ActivityAnswer,
    AssetAnswer,
    AuditAnswer,
    Health,
    MintAnswer,
    ModelAnswer,
    OrderAnswer,
    Page,
    PlanAnswer,
    ProgressEvent,
    QuoteAnswer,
    RequestDocument,
    SubscriptionAnswer,
    SubscriptionRow,
    UsageAnswer,
)
from marketplace.client import streams
from marketplace.client.connection import Connection, readable
from marketplace.documents import canonical, hash_of


class ApiClient:
    """Close it, or use it as a context manager. Lists come whole: every page is fetched.

    Any call raises `ProblemAnswer` where the server refuses, `MarketplaceDown` where it is silent, `AnswerMalformed`
    where what it says is not what it should be.
    """

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.connection = Connection(url, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the HTTP connections."""
        self.connection.close()

    def health(self) -> Health:
        return self.connection.ask(Health, "GET", "/health")

    def openapi(self) -> dict[str, Any]:
        return dict(self._call("GET", "/openapi.json"))

    # what is for sale

    def models(self, **search: str) -> list[ModelAnswer]:
        """The models that fit the search: `text`, `kind`, `scenario`, `minQoe`, `maxUnitPrice`, `isolation`, …"""
        return self.connection.all(ModelAnswer, "/models", search)

    def model(self, model_id: int | str) -> ModelAnswer:
        return self.connection.ask(ModelAnswer, "GET", f"/models/{model_id}")

    def plan(self, plan_id: int | str) -> PlanAnswer:
        return self.connection.ask(PlanAnswer, "GET", f"/plans/{plan_id}")

    # documents

    def put_document(self, document: Mapping[str, Any]) -> bytes:
        """Stores the canonical document; returns its hash, the order's `requirementsHash`."""
        digest = hash_of(dict(document))
        self._call("PUT", f"/documents/{digest.hex()}", content=canonical(dict(document)))
        return digest

    def document(self, digest: str) -> dict[str, Any]:
        return dict(self._call("GET", f"/documents/{digest}"))

    def request_document(self, text: str) -> RequestDocument:
        """What the marketplace understands of a request in words: a document, its hash, plans, perhaps a question."""
        return self.connection.ask(RequestDocument, "POST", "/request-documents", json={"text": text})

    # buying

    def post_quote(self, body: Mapping[str, Any]) -> QuoteAnswer:
        """Asks for a price; nobody has checked it yet."""
        return self.connection.ask(QuoteAnswer, "POST", "/quotes", json=body)

    def post_order(self, body: Mapping[str, Any]) -> OrderAnswer:
        """{orderId, txHash, subscriptionId}; the same body again gives the same answer."""
        return self.connection.ask(OrderAnswer, "POST", "/orders", json=body)

    def order_state(self, order_id: str) -> OrderAnswer:
        return self.connection.ask(OrderAnswer, "GET", f"/orders/{order_id}")

    # subscriptions

    def subscriptions(self, buyer: Address | None = None, **wanted: str) -> list[SubscriptionRow]:
        return self.connection.all(SubscriptionRow, "/subscriptions", wanted | ({"buyer": buyer} if buyer else {}))

    def subscription(self, subscription_id: int | str) -> SubscriptionAnswer:
        return self.connection.ask(SubscriptionAnswer, "GET", f"/subscriptions/{subscription_id}")

    def progress(self, subscription_id: int | str) -> list[ProgressEvent]:
        """What happened so far, oldest first."""
        path = f"/subscriptions/{subscription_id}/events"
        return self.connection.ask(Page[ProgressEvent], "GET", path)["items"]

    def follow_progress(self, subscription_id: int | str) -> Iterator[ProgressEvent]:
        """What happens as it happens, from the beginning, for ever."""
        for event in streams.follow(self.connection.http, f"/subscriptions/{subscription_id}/events", ""):
            with readable("events"):
                yield ProgressEvent(**event.data)  # type: ignore[typeddict-item]

    def post_activation(self, subscription_id: int | str, body: Mapping[str, Any]) -> Accepted:
        return self.connection.ask(Accepted, "POST", f"/subscriptions/{subscription_id}/activation", json=body)

    def usage(self, subscription_id: int | str) -> UsageAnswer:
        """Everything settled, all pages of it."""
        page = usage = self.connection.ask(UsageAnswer, "GET", f"/usage/{subscription_id}", params={"limit": "200"})
        while page["next"]:
            page = self.connection.ask(UsageAnswer, "GET", page["next"].removeprefix("/api/v1"))
            usage["settled"] += page["settled"]
        return {**usage, "next": None}

    # assets

    def assets(self, owner: Address | None = None, **wanted: str) -> list[AssetAnswer]:
        return self.connection.all(AssetAnswer, "/assets", wanted | ({"owner": owner} if owner else {}))

    def asset(self, asset_id: int | str) -> AssetAnswer:
        return self.connection.ask(AssetAnswer, "GET", f"/assets/{asset_id}")

    def post_asset(self, body: Mapping[str, Any]) -> MintAnswer:
        return self.connection.ask(MintAnswer, "POST", "/assets", json=body)

    # the market

    def activity(self, most: int = 50, **wanted: str) -> list[ActivityAnswer]:
        """The newest events of the contracts, newest first, at most 200."""
        params = {"limit": str(most), **wanted}
        return self.connection.ask(Page[ActivityAnswer], "GET", "/activity", params=params)["items"]

    def follow_activity(self, since: str = "") -> Iterator[streams.Told]:
        """Events of the contracts as they happen; an event `reorganised` says what is sent anew."""
        return streams.follow(self.connection.http, "/activity/stream", since)

    def audit(self, log: str | None = None, proofs: str = "16") -> AuditAnswer:
        """Without a log, the money of the whole market; with a JSONL log, its records too."""
        if log is None:
            return self.connection.ask(AuditAnswer, "GET", "/audit")
        return self.connection.ask(AuditAnswer, "POST", "/audit", content=log.encode(), params={"proofs": proofs})

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return self.connection.call(method, path, **options)
