"""The deployed set with its people and plans, and the moves that most tests begin with."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import signing
from eip712.messages import EIP712Domain

UNIT_PRICE = 25_000
PERIOD_PRICE = 1_000_000
PERIOD = 7 * 86_400  # seconds
RELEASE_WINDOW = 3_600  # seconds
ACTIVATION_WINDOW = 86_400  # seconds
FUNDS = 10**12  # smallest units of the credit
SHARE_BPS = 3_000
NO_PERMIT = (0, 0, 0, bytes(32), bytes(32))
REQUEST = sha256(b"request").digest()
ENDPOINT = sha256(b"endpoint").digest()
NONE, PURCHASED, REFUNDABLE, ACTIVE, RELEASING, RELEASED, REFUNDED = range(7)
UNKNOWN, NOT_ACTIVE, STALE, OVER_CAP, BAD_SIGNATURE = range(5)
TAAS, COMPOSITE = 1, 2
SPEC = b"spec".ljust(32)


def terms(
    unit_price: int = UNIT_PRICE,
    period_price: int = PERIOD_PRICE,
    period: int = PERIOD,
    release_window: int = RELEASE_WINDOW,
) -> tuple[int | bytes, ...]:
    """PlanTerms; times in seconds, prices in smallest units of the credit, the floor in thousandths."""
    return (unit_price, period_price, period, release_window, ACTIVATION_WINDOW, 500, b"terms".ljust(32))


@dataclass(frozen=True)
class House:
    """The contracts, the people, and three plans of one composite: with periods, units only, shared by a component."""

    chain: Any
    catalog: Any
    market: Any
    assets: Any
    identity: Any
    credit: Any
    provider: Any
    buyer: Any
    session: Any
    meter: Any
    component_owner: Any
    stranger: Any
    component: int
    composite: int
    plan: int
    unit_plan: int
    shared_plan: int

    @property
    def domain(self) -> EIP712Domain:
        return signing.domain(signing.MARKET_NAME, self.market, self.chain.chain_id)

    def buys(self, plan: int, cap: int, periods: int) -> int:
        """A direct purchase by the buyer; returns the subscription's id."""
        receipt = self.market.buy(plan, self.session, cap, periods, REQUEST, sender=self.buyer)
        return int(receipt.events.filter(self.market.Subscribed)[0].subscriptionId)

    def activates(self, subscription: int) -> Any:
        """The session key's consent, submitted by somebody else; returns the receipt."""
        message = signing.Activation(subscriptionId=subscription, endpointHash=ENDPOINT, eip712_domain=self.domain)
        r, vs = signing.compact(self.session.sign_message(message))
        return self.market.activate(subscription, ENDPOINT, r, vs, sender=self.stranger)

    def active(self, plan: int, cap: int, periods: int) -> int:
        subscription = self.buys(plan, cap, periods)
        self.activates(subscription)
        return subscription

    def voucher(self, subscription: int, units: int, root: bytes = bytes(32), signer: Any = None) -> tuple[Any, ...]:
        """A voucher signed by the session key, or by `signer`."""
        message = signing.Voucher(subscriptionId=subscription, units=units, usageRoot=root, eip712_domain=self.domain)
        return (subscription, units, root, *signing.compact((signer or self.session).sign_message(message)))

    def settles(self, *vouchers: tuple[Any, ...]) -> Any:
        return self.market.settle(list(vouchers), sender=self.stranger)

    def order(self, cap: int, periods: int, **changes: Any) -> signing.Order:
        """What the buyer would sign now; `changes` replace single fields."""
        now = self.chain.pending_timestamp
        fields = {
            "buyer": self.buyer.address,
            "planId": self.plan,
            "signer": self.session.address,
            "cap": cap,
            "periods": periods,
            "requirementsHash": REQUEST,
            "total": self.market.quote(self.plan, cap, periods),
            "nonce": self.market.accountOf(self.buyer).nonce,
            "deadline": now + 3_600,
        }
        return signing.Order(**(fields | changes), eip712_domain=self.domain)

    def permit(self, value: int) -> tuple[Any, ...]:
        """The buyer's ERC-2612 permit for the market."""
        deadline = self.chain.pending_timestamp + 3_600
        message = signing.Permit(
            owner=self.buyer.address,
            spender=self.market.address,
            value=value,
            nonce=self.credit.nonces(self.buyer),
            deadline=deadline,
            eip712_domain=signing.domain("MaaS Credit", self.credit, self.chain.chain_id),
        )
        signature = self.buyer.sign_message(message)
        return (value, deadline, signature.v, *signing.words(signature))

    def passes(self, seconds: int) -> None:
        self.chain.mine(deltatime=seconds)

    def balance(self, who: Any) -> int:
        return int(self.market.accountOf(who).balance)

    def status(self, subscription: int) -> int:
        return int(self.market.statusOf(subscription))
