"""What the tests of tests/nodes stand on: a node of either kind, the set of contracts on it, its people and its books.

Both nodes take the same control verbs (anvil answers to hardhat's names), so `House` knows no kind of node.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ledger import events
from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.errors import Reverted
from ledger.keys import WalletKey
from ledger.sender import Receipt, Sender
from ledger.signer import Signer
from ledger.structs import PlanTerms, Share, SignedVoucher, Subscription
from ledger.typed_data import Activation, Order, Voucher, sign
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import (
    CREDIT,
    Address,
    BlockStamp,
    Call,
    Kind,
    ModelId,
    Money,
    PlanId,
    Status,
    SubscriptionId,
    Units,
    compact,
    plan_of,
)

ROOT = Path(__file__).parents[2]
HARDHAT = ROOT / "node_modules" / "hardhat"
CONFIG = Path(__file__).with_name("hardhat.config.js")
START_LIMIT_S = 60.0  # 2 s on an idle machine

HOUR, DAY = 3_600, 86_400
CAP = Units(5_000)
SPEC, TERMS_HASH, REQUEST, ENDPOINT = (sha256(word).digest() for word in (b"spec", b"terms", b"request", b"endpoint"))
TERMS = PlanTerms(Money(1_000), Money(1_000_003), 7 * DAY, HOUR, HOUR, 0, TERMS_HASH)  # the week's price divides badly
BY_UNITS = PlanTerms(Money(999), Money(0), 0, HOUR, HOUR, 0, TERMS_HASH)


@contextmanager
def hardhat_node(nodejs: str, home: Path) -> Iterator[str]:
    """Hardhat's node on a free port, ended at the end: its RPC URL. What it writes goes into `home`."""
    log = home / "hardhat.log"
    command = [nodejs, str(HARDHAT / "internal" / "cli" / "bootstrap.js"), "--config", str(CONFIG)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "node", "--hostname", "127.0.0.1", "--port", "0"],
            cwd=ROOT,  # hardhat refuses to run from where it is not installed
            env={"PATH": os.environ["PATH"], "HOME": str(home), "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _announced_url(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _announced_url(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address in the node's log, where it says that it listens."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        told = re.search(r"JSON-RPC server at (http://127\.0\.0\.1:\d+)/", log.read_text())
        if told:
            return told[1]
        time.sleep(0.05)
    raise RuntimeError(f"hardhat's node did not start:\n{log.read_text()}")


@dataclass(frozen=True)
class Sold:
    """A model with a plan, and a subscription to it."""

    provider: WalletKey
    meter: WalletKey
    buyer: WalletKey
    session: WalletKey
    plan: PlanId
    subscription: SubscriptionId


class House:
    """The deployed set on the node at `rpc_url`, and hands for everybody in it.

    One `deployer` on two fresh chains gives equal addresses on both.
    """

    def __init__(self, rpc_url: str, deployer: WalletKey) -> None:
        self.chain = Chain.connect(rpc_url)
        self._senders: dict[Address, Sender] = {}
        self.fund(deployer)
        self.contracts = Contracts(self.chain, deploy(self.chain, deployer))
        self.stranger = self.person()

    def close(self) -> None:
        for sender in self._senders.values():
            sender.close()
        self.chain.close()

    # people and the clock

    def person(self, credits: int = 0) -> WalletKey:
        """A fresh key with gas money and so many credits."""
        key = WalletKey.create()
        self.fund(key)
        if credits:
            self.send(key, self.contracts.credit.faucet(key.address, credits * CREDIT))
        return key

    def send(self, key: WalletKey, call: Call) -> Receipt:
        if key.address not in self._senders:
            self._senders[key.address] = Sender(self.chain, key)
        return self._senders[key.address].send(call)

    def refusal(self, key: WalletKey, call: Call) -> Reverted:
        """Why the call is refused; it must be."""
        try:
            receipt = self.send(key, call)
        except Reverted as error:
            return error
        raise AssertionError(f"{call.description} went through: {receipt.tx_hash}")

    def now(self) -> int:
        return self.chain.latest().timestamp

    def time_of(self, receipt: Receipt) -> int:
        return self.chain.block(receipt.block_number).timestamp

    def wait_until(self, second: int) -> None:
        """Moves the chain's clock on, to that second or a little later."""
        ahead = second - self.now()
        if ahead > 0:
            self.chain.request("evm_increaseTime", [hex(ahead)])
            self.mine()

    def mine(self) -> None:
        self.chain.request("evm_mine")

    @contextmanager
    def blocks_held(self) -> Iterator[None]:
        """Inside, transactions wait; at the end they are mined."""
        self.chain.request("evm_setAutomine", [False])
        self.chain.request("evm_setIntervalMining", [0])
        try:
            yield
        finally:
            self.mine()
            self.chain.request("evm_setAutomine", [True])

    def fund(self, key: WalletKey) -> None:
        """Gas money."""
        self.chain.request("hardhat_setBalance", [key.address, hex(10**20)])

    # trade

    def model(self, provider: WalletKey, meter: WalletKey, kind: Kind = Kind.TAAS) -> ModelId:
        call = self.contracts.catalog.register(kind, SPEC, "s4m:documents/x", meter.address, 250)
        return self.contracts.event_in(self.send(provider, call), events.ModelRegistered).model_id

    def plan(self, provider: WalletKey, model: ModelId, terms: PlanTerms, shares: Sequence[Share] = ()) -> PlanId:
        call = self.contracts.catalog.publish_plan(model, terms, shares)
        return self.contracts.event_in(self.send(provider, call), events.PlanPublished).plan_id

    def offered(self, terms: PlanTerms = TERMS) -> tuple[WalletKey, WalletKey, PlanId]:
        """Provider, meter key and plan of a fresh model."""
        provider, meter = self.person(), WalletKey.create()
        return provider, meter, self.plan(provider, self.model(provider, meter), terms)

    def bought(self, terms: PlanTerms = TERMS, periods: int = 2) -> Sold:
        """A fresh model's plan, bought directly from an account of 100 credits; not yet activated."""
        provider, meter, plan = self.offered(terms)
        return self.bought_of(provider, meter, plan, periods)

    def bought_of(self, provider: WalletKey, meter: WalletKey, plan: PlanId, periods: int) -> Sold:
        buyer, session, market = self.person(100), WalletKey.create(), self.contracts.market
        self.send(buyer, self.contracts.credit.approve(market.address, 100 * CREDIT))
        receipt = self.send(buyer, market.buy(plan, session.address, CAP, periods, REQUEST))
        subscription = self.contracts.event_in(receipt, events.Subscribed).subscription_id
        return Sold(provider, meter, buyer, session, plan, subscription)

    def activation(self, subscription: SubscriptionId, session: WalletKey) -> Call:
        signature = sign(session, self.contracts.market_domain, Activation(subscription, ENDPOINT))
        return self.contracts.market.activate(subscription, ENDPOINT, *compact(signature))

    def active(self, terms: PlanTerms = TERMS, periods: int = 2) -> Sold:
        sold = self.bought(terms, periods)
        self.send(self.stranger, self.activation(sold.subscription, sold.session))
        return sold

    def order(self, buyer: Signer, plan: PlanId, session: WalletKey, periods: int) -> Order:
        """Over the plan's exact price, good for an hour of the chain's time."""
        market = self.contracts.market
        total, nonce = market.quote(plan, CAP, periods), market.account_of(buyer.address).nonce
        until = self.now() + HOUR
        return Order(buyer.address, plan, session.address, CAP, periods, REQUEST, total, nonce, until)

    def facts(self, sold: Sold) -> Subscription:
        return self.contracts.market.subscription(sold.subscription)

    # usage

    def voucher(self, sold: Sold, units: int, root: bytes = REQUEST, signer: WalletKey | None = None) -> SignedVoucher:
        message = Voucher(sold.subscription, Units(units), root)
        r, vs = compact(sign(signer or sold.session, self.contracts.market_domain, message))
        return SignedVoucher(sold.subscription, Units(units), root, r, vs)

    def meter_signature(self, sold: Sold, voucher: SignedVoucher) -> bytes:
        message = Voucher(voucher.subscription_id, voucher.units, voucher.usage_root)
        return sign(sold.meter, self.contracts.market_domain, message)

    def settle(self, *vouchers: SignedVoucher) -> list[events.Event]:
        """What a stranger's batch told."""
        receipt = self.send(self.stranger, self.contracts.market.settle(vouchers))
        return [entry.event for entry in self.contracts.events_in(receipt)]

    # the books

    def books(self) -> tuple[Money, Money]:
        """At one block, what the market owes everybody, computed from its views, and the tokens that it holds."""
        block = self.chain.latest()
        told = [entry.event for entry in self.contracts.logs(self.contracts.deployment.block_number, block.number)]
        sales = [event for event in told if isinstance(event, events.Subscribed)]
        accounts = {sale.buyer for sale in sales} | {e.account for e in told if isinstance(e, events.Deposited)}
        market = self.contracts.market
        owed = 0
        for account in accounts:
            owed += market.account_of(account, block).balance
        for plan in {plan_of(sale.subscription_id) for sale in sales}:
            terms, earnings = self.contracts.catalog.plan(plan, block).terms, market.earnings_of(plan, block)
            owed += earnings.earned - earnings.paid
            owed += sum(self._reserved(sale, terms, block) for sale in sales if plan_of(sale.subscription_id) == plan)
        return Money(owed), self.contracts.credit.balance_of(market.address, block)

    def _reserved(self, sale: events.Subscribed, terms: PlanTerms, block: BlockStamp) -> Money:
        """What a subscription still holds: units not used, and prepaid time that the plan has not earned."""
        facts = self.contracts.market.subscription(sale.subscription_id, block)
        match facts.status:
            case Status.PURCHASED | Status.REFUNDABLE:
                return sale.reserved
            case Status.RELEASED | Status.REFUNDED:
                return Money(0)
        prepaid = time_cost(terms, facts.paid_through - facts.since)
        collected = time_cost(terms, facts.collected_through - facts.since)
        return Money((facts.cap - facts.used) * terms.unit_price + prepaid - collected)


def time_cost(terms: PlanTerms, elapsed: int) -> Money:
    """Of so many seconds since activation, rounded down."""
    return Money(terms.period_price * elapsed // terms.period if terms.period else 0)


def log_of(sold: Sold, count: int) -> tuple[UsageLog, list[UsageRecord]]:
    """So many records of ten units each."""
    records = [
        UsageRecord(sold.subscription, seq, 0, 480, Units(10), Units(10 * seq + 10), seq, seq + 5, 900, bytes(32))
        for seq in range(count)
    ]
    return UsageLog.of(records), records
