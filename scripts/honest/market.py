"""One market of a seed: three models (one a composite with shares), buyers, purchases, use, vouchers, payouts, assets.

Called by the tamper suite, its tests and the bench. Everything is signed by real keys and sent to the real contracts;
only the models' work itself is left out: quantities and immersions are drawn, units follow from the terms as in the
gateway. Times are the chain's, which the play moves on: give it a node of its own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import Any

from ledger import metering
from ledger.chain import Chain, MinedTransaction
from ledger.contracts import Contracts
from ledger.deployment import Deployment, deploy
from ledger.devnet import Devnet
from ledger.events import ModelRegistered, PlanPublished, Subscribed
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.structs import PlanTerms, Share, SignedVoucher
from ledger.typed_data import Activation, Order, Permit, Voucher, sign, signed_permit
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import (
    CREDIT,
    Call,
    Kind,
    ModelId,
    Money,
    PlanId,
    SubscriptionId,
    Units,
    compact,
    to_hex,
)
from marketplace.documents import canonical

HOUR = 3_600
Line = dict[str, Any]


@dataclass
class Sold:
    """One subscription, its keys and its records."""

    subscription_id: SubscriptionId
    plan: PlanId
    buyer: WalletKey
    session: WalletKey
    since: int = 0
    records: list[UsageRecord] = field(default_factory=list)
    signed_size: int = 0
    signature: bytes = b""

    @property
    def tree(self) -> UsageLog:
        return UsageLog.of(self.records)


class HonestMarket:
    """The keys and contracts of one market; `with` closes its senders."""

    def __init__(self, devnet: Devnet, seed: int = 7) -> None:
        self.devnet = devnet
        self.draw = random.Random(seed)
        self.chain = Chain.connect(devnet.rpc_url)
        self.meter, self.relayer = WalletKey.create(), self.funded()
        self.providers = [self.funded() for _ in range(3)]
        self._senders: dict[str, Sender] = {}
        self.deployment: Deployment = deploy(self.chain, self.relayer)
        self.contracts = Contracts(self.chain, self.deployment)
        self.terms: dict[bytes, dict[str, Any]] = {}
        self.plan_terms: dict[PlanId, tuple[PlanTerms, metering.Terms]] = {}
        self.models: list[ModelId] = []
        self.sold: list[Sold] = []

    def __enter__(self) -> HonestMarket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for sender in self._senders.values():
            sender.close()
        self.chain.close()

    # the ground

    def funded(self) -> WalletKey:
        """A fresh key with gas money."""
        key = WalletKey.create()
        self.devnet.fund(key.address)
        return key

    def send(self, key: WalletKey, call: Call) -> MinedTransaction:
        if key.address not in self._senders:
            self._senders[key.address] = Sender(self.chain, key)
        return self._senders[key.address].send(call)

    @property
    def now(self) -> int:
        return self.chain.latest().timestamp

    def wait(self, seconds: int) -> None:
        """Lets the chain's time pass."""
        self.chain.request("evm_increaseTime", [seconds])
        self.devnet.mine(1)

    # what is sold

    def register(self, owner: WalletKey, kind: Kind, name: str) -> ModelId:
        """A model; one that is no composite may be a part of others from 5 % on."""
        spec = sha256(name.encode()).digest()
        call = self.contracts.catalog.register(kind, spec, f"s4m:documents/{spec.hex()}", self.meter.address, 250)
        model = self.contracts.event_in(self.send(owner, call), ModelRegistered).model_id
        if kind is not Kind.COMPOSITE:
            self.send(owner, self.contracts.catalog.set_ask(model, 500))
        self.models.append(model)
        return model

    def publish(
        self, owner: WalletKey, model: ModelId, document: dict[str, Any], *, unit_price: int, period_price: int,
        period: int, shares: Sequence[Share] = (),
    ) -> PlanId:  # fmt: skip
        """A plan by a terms document; money in smallest units, times in seconds."""
        digest = sha256(canonical(document)).digest()
        terms = PlanTerms(Money(unit_price), Money(period_price), period, HOUR, HOUR, 0, digest)
        receipt = self.send(owner, self.contracts.catalog.publish_plan(model, terms, shares))
        plan = self.contracts.event_in(receipt, PlanPublished).plan_id
        self.terms[digest] = document
        self.plan_terms[plan] = terms, metering.Terms.parse(document)
        return plan

    # buying

    def buyer(self, credits: int = 100) -> WalletKey:
        key = self.funded()
        self.send(key, self.contracts.credit.faucet(key.address, credits * CREDIT))
        return key

    def buy(self, buyer: WalletKey, plan: PlanId, cap: int, periods: int, *, by_order: bool = True) -> Sold:
        """By a signed order that the relayer sends, or directly; handed over at once."""
        session = WalletKey.create()
        request = self.draw.randbytes(32)
        if by_order:
            receipt = self._order(buyer, plan, session, cap, periods, request)
        else:
            total = self.contracts.market.quote(plan, cap, periods)
            self.send(buyer, self.contracts.credit.approve(self.deployment.market, total))
            call = self.contracts.market.buy(plan, session.address, cap, periods, request)
            receipt = self.send(buyer, call)
        found = self.contracts.event_in(receipt, Subscribed).subscription_id
        sold = Sold(found, plan, buyer, session)
        self.sold.append(sold)
        return sold

    def _order(
        self, buyer: WalletKey, plan: PlanId, session: WalletKey, cap: int, periods: int, request: bytes
    ) -> MinedTransaction:
        market, soon = self.contracts.market, self.now + HOUR
        total = market.quote(plan, cap, periods)
        nonce = market.account_of(buyer.address).nonce
        order = Order(buyer.address, plan, session.address, Units(cap), periods, request, total, nonce, soon)
        allowed = self.contracts.credit.permit_nonce(buyer.address)
        permit = signed_permit(
            buyer, self.contracts.credit_domain, Permit(buyer.address, market.address, total, allowed, soon)
        )
        return self.send(self.relayer, market.buy_for(order, sign(buyer, self.contracts.market_domain, order), permit))

    def activate(self, sold: Sold) -> None:
        endpoint = sha256(b"endpoint").digest()
        word = sign(sold.session, self.contracts.market_domain, Activation(sold.subscription_id, endpoint))
        self.send(self.relayer, self.contracts.market.activate(sold.subscription_id, endpoint, *compact(word)))
        sold.since = self.contracts.market.subscription(sold.subscription_id).since

    # using

    def use(self, sold: Sold, count: int) -> None:
        """Records of drawn quantities, billed by the plan's terms as the gateway bills."""
        plan, terms = self.plan_terms[sold.plan]
        paid_through = self.contracts.market.subscription(sold.subscription_id).paid_through
        tally = metering.Tally()
        for record in sold.records:
            gross = metering.gross_units(terms, record.meter, record.quantity, record.immersion)
            tally = tally.add(gross, record.units)
        at = sold.records[-1].end_millis if sold.records else sold.since * 1000
        for seq in range(len(sold.records), len(sold.records) + count):
            meter = self.draw.randrange(len(terms.meters))
            quantity, immersion = self.draw.randint(1, 40), self.draw.choice([0, self.draw.randint(1, 2_000)])
            start, at = at + self.draw.randint(1, 900), at + 1_000
            free = metering.vested(terms, sold.since, plan.period, paid_through, at)
            after = metering.bill(terms, tally, meter, quantity, immersion, free)
            units = Units(after.billed - tally.billed)
            sold.records.append(
                UsageRecord(
                    sold.subscription_id, seq, meter, quantity, units, Units(after.billed), start, at, immersion,
                    self.draw.randbytes(32),
                )
            )  # fmt: skip
            tally = after

    def voucher(self, sold: Sold) -> Voucher:
        return Voucher(sold.subscription_id, sold.records[-1].total, sold.tree.usage_root())

    def sign(self, sold: Sold) -> SignedVoucher:
        """The session key signs for all records so far."""
        voucher = self.voucher(sold)
        sold.signed_size, sold.signature = len(sold.records), sign(sold.session, self.contracts.market_domain, voucher)
        return SignedVoucher(voucher.subscription_id, voucher.units, voucher.usage_root, *compact(sold.signature))

    def settle(self, *sold: Sold) -> None:
        self.send(self.relayer, self.contracts.market.settle([self.sign(one) for one in sold]))

    # what the gateway would show

    def lines(self, sold: Sold) -> list[Line]:
        """The subscription's log as the gateway streams it: header with the newest voucher, then the records."""
        header: Line = {"schema": "s4m/log/1", "subscriptionId": str(sold.subscription_id), "voucher": None}
        if sold.signature:
            header["voucher"] = self._voucher_line(sold)
        return [header, *({"record": each.to_json(), "leafHash": to_hex(each.leaf())} for each in sold.records)]

    def _voucher_line(self, sold: Sold) -> Line:
        root, units = sold.tree.usage_root(sold.signed_size), sold.records[sold.signed_size - 1].total
        voucher = Voucher(sold.subscription_id, units, root)
        r, vs = compact(sold.signature)
        return {
            "subscriptionId": str(sold.subscription_id), "units": str(units), "usageRoot": to_hex(root),
            "size": sold.signed_size, "signature": to_hex(sold.signature), "r": to_hex(r), "vs": to_hex(vs),
            "meterSignature": to_hex(sign(self.meter, self.contracts.market_domain, voucher)),
        }  # fmt: skip

    def terms_of(self, digest: bytes) -> dict[str, Any] | None:
        return self.terms.get(digest)


def terms_document(
    meters: Mapping[str, int], *, included: int = 0, floor_milli: int = 0, discount_bps: int = 0
) -> dict[str, Any]:
    """A terms document; `meters`: name → units for each 1,000."""
    return {
        "schema": metering.SCHEMA,
        "meters": [{"name": name, "unit": "piece", "units_per_1000": rate} for name, rate in meters.items()],
        "included_units_per_period": included,
        "qoe": {"floor_milli": floor_milli, "discount_bps": discount_bps},
        "credit_units": 1_000,
        "credit_seconds": HOUR,
    }
