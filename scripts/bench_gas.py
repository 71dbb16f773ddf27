"""Gas of the contracts from full receipts on a fresh node, under the names of the gas table. Used by bench.py.

`raw` holds every transaction measured (name, hash, gas), so that anyone can recompute the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.events import PlanPublished, Subscribed
from ledger.keys import WalletKey
from ledger.sender import Receipt, Sender
from ledger.structs import InclusionProof, PlanTerms, SignedVoucher
from ledger.typed_data import Activation, Order, Permit, Voucher, sign, signed_permit
from ledger.usage_log import UsageRecord, usage_root
from ledger.values import Call, Kind, Money, PlanId, SubscriptionId, Units, compact

LOAD = 100
DIGEST = sha256(b"bench").digest()
FAR = 1 << 40
Figures = list[dict[str, Any]]


class Yard:
    """A node, the contracts, one provider, one buyer and a session key; and what was measured so far."""

    def __init__(self, devnet: Devnet) -> None:
        self.chain = Chain.connect(devnet.rpc_url)
        self.provider, self.buyer, self.relayer = (WalletKey.create() for _ in range(3))
        self.session, self.meter, deployer = WalletKey.create(), WalletKey.create(), WalletKey.create()
        for key in (self.provider, self.buyer, self.relayer, deployer):
            devnet.fund(key.address)
        self.contracts = Contracts(self.chain, deploy(self.chain, deployer))
        self._senders = {key.address: Sender(self.chain, key) for key in (self.provider, self.buyer, self.relayer)}
        self.raw: list[dict[str, Any]] = []

    def close(self) -> None:
        """Hang up."""
        for sender in self._senders.values():
            sender.close()
        self.chain.close()

    def send(self, key: WalletKey, call: Call, name: str = "") -> Receipt:
        """Send; where it has a name, the receipt's gas is kept."""
        receipt = self._senders[key.address].send(call)
        if name:
            self.raw.append({"name": name, "tx": receipt.tx_hash, "gas": receipt.gas_used})
        return receipt

    def plans(self, count: int) -> list[PlanId]:
        """So many plans of one model, all alike."""
        catalog = self.contracts.catalog
        self.send(self.provider, catalog.register(Kind.TAAS, DIGEST, "s4m:documents/bench", self.meter.address, 500))
        terms = PlanTerms(Money(25_000), Money(1_000_000), 604_800, 3600, 86_400, 500, DIGEST)
        model = catalog.model_count()
        receipts = [self.send(self.provider, catalog.publish_plan(model, terms)) for _ in range(count)]
        return [self.contracts.event_in(receipt, PlanPublished).plan_id for receipt in receipts]

    def buy(self, plan: PlanId, name: str = "") -> SubscriptionId:
        """Bought from the buyer's account and activated."""
        market = self.contracts.market
        receipt = self.send(self.buyer, market.buy(plan, self.session.address, 100_000, 1, DIGEST), name)
        bought = self.contracts.event_in(receipt, Subscribed).subscription_id
        word = compact(sign(self.session, self.contracts.market_domain, Activation(bought, DIGEST)))
        self.send(self.relayer, market.activate(bought, DIGEST, *word))
        return bought

    def voucher(self, subscription: SubscriptionId, units: int, root: bytes | None = None) -> SignedVoucher:
        """Signed by the session key; a root of its own unless one is given."""
        known = root or sha256(f"{subscription}:{units}".encode()).digest()
        voucher = Voucher(subscription, Units(units), known)
        r, vs = compact(sign(self.session, self.contracts.market_domain, voucher))
        return SignedVoucher(subscription, Units(units), known, r, vs)

    def settle(self, vouchers: Sequence[SignedVoucher], name: str = "") -> int:
        """One batch; its gas."""
        return self.send(self.relayer, self.contracts.market.settle(vouchers), name).gas_used


def measure(figure: Callable[..., dict[str, Any]]) -> tuple[Figures, list[dict[str, Any]]]:
    """All figures of the gas table and the raw receipts behind them."""
    with Devnet.start(block_time=1) as devnet:
        yard = Yard(devnet)
        try:
            measured = {**_buying(yard), **_settling(yard), **_paying(yard)}
        finally:
            yard.close()
    table = {
        "settle_100_per_voucher": ("100 vouchers, one plan, steady", 15_000, ("x402 batch, published", 19_205)),
        "settle_100_plans_per_voucher": ("100 vouchers, 100 plans, steady", 20_000, None),
        "settle_1": ("1 voucher, steady", 42_000, ("x402, published", 48_435)),
        "stale_in_batch": ("100 stale vouchers", 6_500, None),
        "record_at_10000": ("10,000 records in each of 100 vouchers", 1.5, ("one transaction a record", 29_757)),
        "buy_funded": ("account funded, steady", 95_000, ("SingularityNET openChannel, published", 172_492)),
        "buy_funded_first": ("account funded, first of its plan", 115_000, ("Sablier, published", 127_027)),
        "buy_relayed_permit": ("order and permit, steady", 140_000, None),
        "buy_relayed_permit_first": ("order and permit, first of its buyer", 175_000, None),
        "payout": ("one plan, steady", 52_000, ("Sablier withdraw, published", 45_945)),
        "prove_record_2_20": ("log of 2^20 records, estimate of the view", 85_000, None),
    }
    figures = [
        figure(name, measured[name], "gas", load, ("<=", bar), against) for name, (load, bar, against) in table.items()
    ]
    return figures, yard.raw


def _buying(yard: Yard) -> dict[str, float]:
    market, credit = yard.contracts.market, yard.contracts.credit
    for _ in range(4):
        yard.send(yard.buyer, credit.faucet(yard.buyer.address, 10**12))
    yard.send(yard.buyer, credit.approve(market.address, 2**255))
    yard.send(yard.buyer, market.deposit(yard.buyer.address, 3 * 10**12))
    plan, other = yard.plans(2)
    for name in ("buy_funded_first", "", "buy_funded"):
        yard.buy(plan, name)
    yard.buy(other)
    stranger = WalletKey.create()
    yard.send(yard.relayer, credit.faucet(stranger.address, 10**12))
    for name in ("buy_relayed_permit_first", "", "buy_relayed_permit"):
        yard.send(yard.relayer, _relayed(yard, stranger, other), name)
    return {entry["name"]: entry["gas"] for entry in yard.raw}


def _relayed(yard: Yard, buyer: WalletKey, plan: PlanId) -> Call:
    """An order over exactly its total, with a permit over the same."""
    market, credit, contracts = yard.contracts.market, yard.contracts.credit, yard.contracts
    total = market.quote(plan, 1000, 1)
    order = Order(
        buyer=buyer.address, plan_id=plan, signer=yard.session.address, cap=Units(1000), periods=1,
        requirements_hash=DIGEST, total=total, nonce=market.account_of(buyer.address).nonce, deadline=FAR,
    )  # fmt: skip
    permit = Permit(buyer.address, market.address, total, credit.permit_nonce(buyer.address), FAR)
    word = sign(buyer, contracts.market_domain, order)
    return market.buy_for(order, word, signed_permit(buyer, contracts.credit_domain, permit))


def _settling(yard: Yard) -> dict[str, float]:
    plans = yard.plans(LOAD + 1)
    alike = [yard.buy(plans[0]) for _ in range(LOAD)]
    apart = [yard.buy(plan) for plan in plans[1:]]
    for group in (alike, apart):
        yard.settle([yard.voucher(one, 1000) for one in group])
    full = [yard.voucher(one, 20_000) for one in alike]
    per_voucher = yard.settle(full, "settle_100") / LOAD
    return {
        "settle_100_per_voucher": per_voucher,
        "record_at_10000": round(per_voucher / 10_000, 3),
        "stale_in_batch": yard.settle(full, "stale_100") / LOAD,
        "settle_100_plans_per_voucher": yard.settle([yard.voucher(one, 20_000) for one in apart], "settle_plans")
        / LOAD,
        "settle_1": yard.settle([yard.voucher(alike[0], 21_000)], "settle_1"),
    }


def _paying(yard: Yard) -> dict[str, float]:
    market, (plan,) = yard.contracts.market, yard.plans(1)
    bought = yard.buy(plan)
    yard.settle([yard.voucher(bought, 100)])
    yard.send(yard.relayer, market.payout(plan))
    yard.settle([yard.voucher(bought, 200)])
    payout = yard.send(yard.relayer, market.payout(plan), "payout").gas_used
    return {"payout": payout, "prove_record_2_20": _proof(yard, bought)}


def _proof(yard: Yard, bought: SubscriptionId) -> int:
    """One record in a log of 2^20, made from its audit path upwards; the view's gas if it were a transaction."""
    market, index = yard.contracts.market, 12_345
    record = UsageRecord(
        subscription_id=bought, seq=index, meter=0, quantity=5000, units=Units(5), total=Units(5), start_millis=1,
        end_millis=2, immersion=900, request_hash=DIGEST,
    )  # fmt: skip
    path = tuple(sha256(bytes([level])).digest() for level in range(20))
    node, place = record.leaf(), index
    for sibling in path:
        node = sha256(b"\x01" + (sibling + node if place & 1 else node + sibling)).digest()
        place >>= 1
    voucher = yard.voucher(bought, 400, usage_root(1 << 20, node))
    yard.settle([voucher])
    word = sign(yard.meter, yard.contracts.market_domain, Voucher(bought, Units(400), voucher.usage_root))
    proof = InclusionProof(1 << 20, path)
    if not market.prove_usage(record, proof, voucher, word):
        raise SystemExit("the market does not confirm a record that is in the log")
    return yard.chain.estimate_gas(market.build("proveUsage", record, proof, voucher, word), yard.relayer.address)
