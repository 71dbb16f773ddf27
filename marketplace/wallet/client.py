"""The buyer's typed client of the marketplace. It trusts the chain, never the marketplace.

Called by `s4m`, the demo's travellers and tests. Before it signs anything it recomputes price, nonce, contract and
chain from its own node and deployment file; before it activates, it checks the endpoint against its hash. Synchronous;
one client may be used from several threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ledger import structs
from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.events import Refunded, Released, ReleaseRequested
from ledger.keys import WalletKey
from ledger.metering import Terms
from ledger.rehearsal import Sends
from ledger.signer import Signer
from ledger.typed_data import Activation, Order, Permit, sign, signed_permit, typed_data
from ledger.values import Address, Money, PlanId, Status, SubscriptionId, Units, from_hex, to_hex
from marketplace.answers import Accepted, MintAnswer
from marketplace.client.api import ApiClient
from marketplace.client.connection import readable
from marketplace.documents import hash_of
from marketplace.errors import (
    ProblemAnswer,
    PurchaseDiffers,
    QuoteDiffers,
    StillPending,
)
from marketplace.wallet.handover import check_endpoint, refused, state_of
from marketplace.wallet.keystore import WalletStore
from marketplace.wallet.own import OwnService
from marketplace.wallet.plans import plan_named
from marketplace.wallet.webhooks import OwnWebhooks

POLL_S = 0.1
LAG_S = 10.0
"""How far this client's node may be behind the marketplace's, seconds."""
LONGEST_ORDER_S = 900
"""How long a signed order may stay good, seconds: time to sign by hand, not to wait for another price of gas."""


@dataclass(frozen=True)
class Cost:
    """What a purchase reserves, recomputed from the chain; money in the token's smallest unit."""

    plan_id: int
    cap: int
    periods: int
    unit_price: int
    period_price: int
    total: int
    permit: int
    """What a permit must draw from the wallet: 0 where the account's balance is enough."""


@dataclass(frozen=True)
class Quote:
    """The server's offer; `order` is the client's own reconstruction of what will be signed."""

    quote_id: str
    cost: Cost
    nonce: int
    deadline: int
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Purchase:
    """A subscription as its buyer holds it. `times` are UTC seconds of each step, for reports."""

    subscription_id: SubscriptionId
    order_id: str
    tx_hash: str
    cost: Cost
    session: WalletKey
    endpoint: str = ""
    endpoint_hash: str = ""
    service: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)


class MarketClient(ApiClient):
    """Close it, or use it as a context manager; the chain stays its owner's."""

    def __init__(self, url: str, chain: Chain, deployment: Deployment, timeout_s: float = 30.0) -> None:
        super().__init__(url, timeout_s)
        self.chain = chain
        self.deployment = deployment
        self.contracts = Contracts(chain, deployment)

    def plan_of_service(self, name: str, isolation: int = 0) -> int:
        """The newest open plan, for this degree of isolation, of the model or service with this name.

        Its terms are fetched by the hash on the chain and must name the degree: the marketplace only proposes. Raises
        ProblemAnswer `unknown_model`, `unknown_plan` (with the degrees that are sold), QuoteDiffers.
        """
        plan_id = plan_named(self.models(), name, isolation)
        if (found := self.isolation_of(plan_id)) != isolation:
            why = f"the marketplace says that plan {plan_id} sells isolation degree {isolation}, its terms say {found}."
            raise QuoteDiffers(why, remedy="Check the marketplace's address, or buy another plan.")
        return plan_id

    def isolation_of(self, plan_id: int) -> int:
        """The degree that a plan sells, by its terms and their hash on the chain. Raises QuoteDiffers, TermsInvalid."""
        digest = self.contracts.catalog.plan(plan_id).terms.terms_hash
        terms = self.document(digest.hex())
        if hash_of(terms) != digest:
            why = f"the terms of plan {plan_id} are not those whose hash is on the chain."
            raise QuoteDiffers(why, remedy="Check the marketplace's address and the deployment file.")
        return Terms.parse(terms).isolation

    def own(self, subscription_id: int, key: WalletKey) -> OwnService:
        """What concerns this subscription only: for its session key, its buyer or the owner of its model."""
        return OwnService(
            str(self.connection.http.base_url), self.contracts.market_domain, SubscriptionId(subscription_id), key
        )

    def webhooks(self, owner: Signer) -> OwnWebhooks:
        """The owner's webhooks, by the owner's key."""
        return OwnWebhooks(self.connection, self.contracts.market_domain, owner)

    def cost(self, buyer: Address, plan_id: int, cap: int, periods: int = 0) -> Cost:
        """The price by the chain itself: plan terms and account at one block."""
        block = self.chain.latest()
        terms = self.contracts.catalog.plan(plan_id, block=block).terms
        total = cap * terms.unit_price + periods * terms.period_price
        balance = self.contracts.market.account_of(buyer, block=block).balance
        allowed = self.contracts.credit.allowance(buyer, self.deployment.market, block=block)
        short = max(0, total - balance)
        draw = short if short > allowed else 0
        return Cost(plan_id, cap, periods, terms.unit_price, terms.period_price, total, draw)

    def quote(self, buyer: Address, plan_id: int, cap: int, periods: int = 0) -> Quote:
        """Asks for a quote and checks every figure against the chain; raises `QuoteDiffers`: nothing was signed yet."""
        request = {"planId": str(plan_id), "cap": str(cap), "periods": periods, "buyer": buyer}
        body = self.post_quote(request)
        cost = self.cost(buyer, plan_id, cap, periods)
        with readable("quote"):
            quote = Quote(str(body["quoteId"]), cost, int(body["nonce"]), int(body["deadline"]), body)
            self._check_quote(quote, buyer)
        return quote

    def _check_quote(self, quote: Quote, buyer: Address) -> None:
        """The typed data that the server shows must be the one that we build ourselves, field by field.

        The deadline is the server's to choose, but near: who holds a signed order must not keep it for a better day.
        """
        now = max(int(time.time()), self.chain.latest().timestamp)
        if not now <= quote.deadline <= now + LONGEST_ORDER_S:
            why = f"the marketplace's deadline is {quote.deadline}: due is {now} to {now + LONGEST_ORDER_S}."
            raise QuoteDiffers(why, remedy="Check this machine's clock, then the marketplace.")
        nonce = self.contracts.market.account_of(buyer).nonce
        given = dict(quote.body["typedData"])
        blank = self.order(quote, buyer, buyer, bytes(32))
        due = typed_data(self.contracts.market_domain, blank)
        for document in (given, due):
            document["message"] = {**document["message"], "signer": None, "requirementsHash": None}
        facts = (("total", int(quote.body["total"]), quote.cost.total), ("nonce", quote.nonce, nonce))
        for name, said, known in (*facts, ("typedData", given, due)):
            if said != known:
                why = f"the marketplace says {name} {said}, the chain says {known}."
                raise QuoteDiffers(why, remedy="Check the marketplace's address and the deployment file.")

    def order(self, quote: Quote, buyer: Address, signer: Address, requirements_hash: bytes) -> Order:
        """What will be signed, from the client's own figures."""
        cost = quote.cost
        return Order(
            buyer=buyer, plan_id=PlanId(cost.plan_id), signer=signer, cap=Units(cost.cap), periods=cost.periods,
            requirements_hash=requirements_hash, total=Money(cost.total), nonce=quote.nonce, deadline=quote.deadline,
        )  # fmt: skip

    def signed_order(self, wallet: Signer, quote: Quote, signer: Address, requirements_hash: bytes) -> dict[str, Any]:
        """The body of POST /orders: the order and, where the account is short, a permit over exactly the shortfall."""
        order = self.order(quote, wallet.address, signer, requirements_hash)
        message = typed_data(self.contracts.market_domain, order)["message"]
        return {
            "quoteId": quote.quote_id,
            "order": {name: str(value) for name, value in message.items()},
            "signature": to_hex(sign(wallet, self.contracts.market_domain, order)),
            "permit": self._permit(wallet, quote),
            "chainId": str(self.deployment.chain_id),
        }

    def _permit(self, wallet: Signer, quote: Quote) -> dict[str, Any] | None:
        if quote.cost.permit == 0:
            return None
        nonce = self.contracts.credit.permit_nonce(wallet.address)
        drawn = Permit(wallet.address, self.deployment.market, Money(quote.cost.permit), nonce, quote.deadline)
        permit: structs.Permit = signed_permit(wallet, self.contracts.credit_domain, drawn)
        return {
            "value": str(permit.value), "deadline": str(permit.deadline), "v": permit.v,
            "r": to_hex(permit.r), "s": to_hex(permit.s),
        }  # fmt: skip

    def buy(
        self,
        wallet: Signer,
        plan_id: int,
        document: Mapping[str, Any],
        cap: int,
        periods: int = 0,
        *,
        store: WalletStore,
        timeout_s: float = 60.0,
        agree: Callable[[Cost], None] = lambda _cost: None,
    ) -> Purchase:
        """From document to active service: one call, every step checked. `agree` may raise to stop before signing."""
        ordered = self.buy_only(wallet, plan_id, document, cap, periods, store=store, agree=agree)
        return self.take_over(ordered, timeout_s)

    def buy_only(
        self,
        wallet: Signer,
        plan_id: int,
        document: Mapping[str, Any],
        cap: int,
        periods: int = 0,
        *,
        store: WalletStore,
        agree: Callable[[Cost], None] = lambda _cost: None,
    ) -> Purchase:
        """Quote, check, sign, order: the money is reserved, the service not yet awaited."""
        times = {"begun": time.time()}
        digest = self.put_document(document)
        quote = self.quote(wallet.address, plan_id, cap, periods)
        agree(quote.cost)
        session = store.new_session()
        answer = self.post_order(self.signed_order(wallet, quote, session.address, digest))
        with readable("order"):
            subscription_id = SubscriptionId(int(answer["subscriptionId"] or ""))
            order_id, tx_hash = str(answer["orderId"]), str(answer["txHash"])
        self._check_purchase(subscription_id, wallet.address, session.address)
        store.bind_session(session, subscription_id)
        store.keep_request(subscription_id, document)
        times["ordered"] = time.time()
        return Purchase(subscription_id, order_id, tx_hash, quote.cost, session, times=times)

    def _check_purchase(self, subscription_id: SubscriptionId, buyer: Address, signer: Address) -> None:
        """The subscription that the server names is really this buyer's, metered by this very session key."""
        until = time.monotonic() + LAG_S
        found = self.contracts.market.subscription(subscription_id)
        while found.status == Status.NONE and time.monotonic() < until:
            time.sleep(POLL_S)
            found = self.contracts.market.subscription(subscription_id)
        if (found.buyer, found.signer) != (buyer, signer):
            why = f"subscription {subscription_id} is of {found.buyer}, signed by {found.signer}; due was {signer}."
            raise PurchaseDiffers(why, remedy="Look for your purchase in the market's events; keep the session key.")

    def take_over(self, purchase: Purchase, timeout_s: float = 60.0) -> Purchase:
        """Waits for `running`, checks the endpoint, signs the activation, waits for `active`."""
        service = self.follow(purchase.subscription_id, ("running", "active"), timeout_s)
        times = {**purchase.times, "running": time.time()}
        endpoint, digest = check_endpoint(purchase.subscription_id, service)
        if service["state"] != "active":
            self._activate_patiently(purchase, from_hex(digest), timeout_s)
            service = self.follow(purchase.subscription_id, ("active",), timeout_s)
        times["active"] = time.time()
        return Purchase(
            purchase.subscription_id, purchase.order_id, purchase.tx_hash, purchase.cost, purchase.session,
            endpoint, digest, service, times,
        )  # fmt: skip

    def follow(self, subscription_id: int, states: tuple[str, ...], timeout_s: float = 60.0) -> dict[str, Any]:
        """The service's side once it is in one of `states`; raises `ServiceRefused`, or `StillPending` in the end."""
        until = time.monotonic() + timeout_s
        while True:
            answer = self.subscription(subscription_id)
            state = state_of(answer)
            if state in states:
                return dict(answer["service"])
            refused(answer)
            if time.monotonic() > until:
                why = f"subscription {subscription_id} is {state} after {timeout_s:.0f} s."
                raise StillPending(why, remedy=f"Look again: s4m subscriptions show {subscription_id}")
            time.sleep(POLL_S)

    def _activate_patiently(self, purchase: Purchase, endpoint_hash: bytes, timeout_s: float) -> None:
        """The same signature again while the orchestrator is away: twice is one transaction."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                self.activate(purchase.subscription_id, purchase.session, endpoint_hash)
                return
            except ProblemAnswer as refusal:
                if refusal.http_status != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                    raise
            time.sleep(POLL_S)

    def activate(self, subscription_id: int, session: WalletKey, endpoint_hash: bytes) -> Accepted:
        """Signs Activation with the session key and posts it."""
        message = Activation(SubscriptionId(subscription_id), endpoint_hash)
        signature = to_hex(sign(session, self.contracts.market_domain, message))
        body = {"endpointHash": to_hex(endpoint_hash), "signature": signature}
        return self.post_activation(subscription_id, body)

    def give_back(self, sender: Sends, subscription_id: int) -> dict[str, Any]:
        """The buyer's own transaction: the next step towards the money, by the chain's status.

        Never activated and past the deadline: refund. Active: request the release (time stops now). Releasing and its
        window over: release. Anything else is the contract's to refuse.
        """
        market = self.contracts.market
        status = market.status_of(subscription_id)
        if status in (Status.PURCHASED, Status.REFUNDABLE):
            back = self.contracts.event_in(sender.send(market.refund(subscription_id)), Refunded)
            return {"subscriptionId": str(subscription_id), "state": "refunded", "refunded": str(back.amount)}
        if status == Status.RELEASING:
            done = self.contracts.event_in(sender.send(market.release(subscription_id)), Released)
            return {"subscriptionId": str(subscription_id), "state": "released", "refunded": str(done.refunded)}
        receipt = sender.send(market.request_release(subscription_id))
        asked = self.contracts.event_in(receipt, ReleaseRequested)
        return {
            "subscriptionId": str(subscription_id), "state": "releasing", "timePaid": str(asked.time_paid),
            "timeRefunded": str(asked.time_refunded), "releasableAt": asked.releasable_at,
        }  # fmt: skip

    def mint(
        self, creator: Address, content_hash: bytes, subscription_id: int, uri: str, provenance: bytes
    ) -> MintAnswer:
        """Mints through the relayer: {assetId, txHash, contentHash}."""
        body = {
            "creator": creator, "contentHash": to_hex(content_hash), "subscriptionId": str(subscription_id),
            "uri": uri, "provenance": to_hex(provenance),
        }  # fmt: skip
        return self.post_asset(body)
