"""Folds the market's events into what an audit needs to know. Pure; called by `checks.py` and `money.py`.

Everything here comes from the chain's events alone, never from the marketplace's own tables: those are audited too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ledger import events as chain_events
from ledger.events import ChainEvent
from ledger.structs import Share
from ledger.values import model_of, plan_of


@dataclass(frozen=True)
class SettledVoucher:
    """One `Settled` event: cumulative units after it, the money it moved, the root it stood on."""

    units: int
    amount: int
    usage_root: bytes
    block_number: int


@dataclass
class SubscriptionFacts:
    """What the chain says of one subscription; money in the token's smallest unit, times in UTC seconds."""

    subscription_id: int
    buyer: str
    signers: list[str]
    cap: int
    periods: int
    reserved: int
    since: int = 0
    paid_through: int = 0
    settled: list[SettledVoucher] = field(default_factory=list)
    time_collected: int = 0
    time_returned: int = 0
    collected_through: int = 0
    """The second up to which time was settled; since the activation at first."""
    returned: int = 0
    activated: bool = False
    requested: bool = False
    released: bool = False
    refunded: bool = False

    @property
    def plan_id(self) -> int:
        return plan_of(self.subscription_id)

    @property
    def used(self) -> int:
        return self.settled[-1].units if self.settled else 0

    @property
    def spent_on_use(self) -> int:
        return sum(voucher.amount for voucher in self.settled)

    @property
    def spent(self) -> int:
        return self.spent_on_use + self.time_collected

    @property
    def ended(self) -> bool:
        return self.released or self.refunded


@dataclass(frozen=True)
class PlanFacts:
    """What the chain says of one plan."""

    unit_price: int
    period_price: int
    period: int
    release_window: int
    terms_hash: bytes
    shares: tuple[Share, ...] = ()


@dataclass
class MarketFacts:
    """The whole market as its events tell it."""

    plans: dict[int, PlanFacts] = field(default_factory=dict)
    meter_keys: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    meter_key: dict[int, str] = field(default_factory=dict)
    """Model → the key that counts now; zero once the model was sold, until its new owner sets one."""
    subscriptions: dict[int, SubscriptionFacts] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    earned: int = 0
    paid_out: int = 0
    deposited: int = 0
    withdrawn: int = 0
    earnings: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Plan → money earned so far."""
    drawn: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Plan → money paid out so far, shares and rest."""
    orphans: list[ChainEvent] = field(default_factory=list)
    """Events about plans or subscriptions that no event before them made."""

    def meter_keys_of(self, plan_id: int) -> set[str]:
        """Every gateway key that this plan's model ever had."""
        return self.meter_keys[int(model_of(plan_id))]

    @property
    def reserved(self) -> int:
        """Money still held for subscriptions: reserved, neither spent nor returned."""
        return sum(each.reserved - each.spent - each.returned for each in self.subscriptions.values())


def fold(events: Iterable[ChainEvent]) -> MarketFacts:
    """The market after these events, which must be in chain order and complete from the deployment on."""
    market = MarketFacts()
    for entry in events:
        if not _has_origin(market, entry.event):
            market.orphans.append(entry)
            continue
        _catalogue(market, entry.event)
        _account(market, entry.event)
        _life(market, entry.event)
        _income(market, entry)
    return market


def _has_origin(market: MarketFacts, event: object) -> bool:
    """Whether what the event is about was made before; what is of no concern here has it always."""
    match event:
        case chain_events.Subscribed(subscription_id=found):
            return int(plan_of(found)) in market.plans
        case chain_events.Skipped():
            return True
        case chain_events.PaidOut(plan_id=plan) | chain_events.SharePaidOut(plan_id=plan):
            return int(plan) in market.plans
    about = getattr(event, "subscription_id", None)
    return about is None or int(about) in market.subscriptions


def _catalogue(market: MarketFacts, event: object) -> None:
    match event:
        case chain_events.PlanPublished(plan_id=plan_id, terms=terms, shares=shares):
            market.plans[int(plan_id)] = PlanFacts(
                terms.unit_price,
                terms.period_price,
                terms.period,
                terms.release_window,
                bytes(terms.terms_hash),
                shares,
            )
        case chain_events.MeterKeySet(model_id=model_id, meter_key=key):
            market.meter_keys[int(model_id)].add(str(key))
            market.meter_key[int(model_id)] = str(key)


def _account(market: MarketFacts, event: object) -> None:
    match event:
        case chain_events.Deposited(account=account, amount=amount):
            market.accounts[str(account)] += amount
            market.deposited += amount
        case chain_events.Withdrawn(account=account, amount=amount):
            market.accounts[str(account)] -= amount
            market.withdrawn += amount
        case chain_events.PaidOut(plan_id=plan, amount=amount) | chain_events.SharePaidOut(plan_id=plan, amount=amount):
            market.paid_out += amount
            market.drawn[int(plan)] += amount


def _life(market: MarketFacts, event: object) -> None:
    match event:
        case chain_events.Subscribed():
            _subscribed(market, event)
        case chain_events.Activated(subscription_id=found, since=since, paid_through=through):
            one = market.subscriptions[int(found)]
            one.activated, one.since, one.paid_through, one.collected_through = True, since, through, since
        case chain_events.CapRaised(subscription_id=found, payer=payer, cap=cap, amount=amount):
            one = market.subscriptions[int(found)]
            one.cap = cap
            _reserve(market, one, str(payer), amount)
        case chain_events.Renewed(
            subscription_id=found, payer=payer, periods=periods, paid_through=through, amount=amount
        ):
            one = market.subscriptions[int(found)]
            one.periods, one.paid_through = one.periods + periods, through
            _reserve(market, one, str(payer), amount)
        case chain_events.SignerConfirmed(subscription_id=found, signer=signer):
            market.subscriptions[int(found)].signers.append(str(signer))
        case chain_events.Refunded(subscription_id=found, amount=amount):
            one = market.subscriptions[int(found)]
            one.refunded = True
            _return(market, one, amount)
        case chain_events.ReleaseRequested(subscription_id=found, time_paid=paid, time_refunded=back, releasable_at=at):
            one = market.subscriptions[int(found)]
            one.requested = True
            one.time_collected += paid
            one.time_returned += back
            one.collected_through = min(at - market.plans[one.plan_id].release_window, one.paid_through)
            _earn(market, one, paid)
            _return(market, one, back)
        case chain_events.Released(subscription_id=found, refunded=amount):
            one = market.subscriptions[int(found)]
            one.released = True
            _return(market, one, amount)


def _subscribed(market: MarketFacts, event: chain_events.Subscribed) -> None:
    one = SubscriptionFacts(
        int(event.subscription_id), str(event.buyer), [str(event.signer)], event.cap, event.periods, 0
    )
    market.subscriptions[one.subscription_id] = one
    _reserve(market, one, one.buyer, event.reserved)


def _reserve(market: MarketFacts, one: SubscriptionFacts, payer: str, amount: int) -> None:
    """Who raises a cap or renews pays for it, the buyer or anybody else."""
    one.reserved += amount
    market.accounts[payer] -= amount


def _return(market: MarketFacts, one: SubscriptionFacts, amount: int) -> None:
    one.returned += amount
    market.accounts[one.buyer] += amount


def _income(market: MarketFacts, entry: ChainEvent) -> None:
    match entry.event:
        case chain_events.Settled(subscription_id=found, units=units, amount=amount, usage_root=root):
            voucher = SettledVoucher(units, amount, bytes(root), entry.block_number)
            market.subscriptions[int(found)].settled.append(voucher)
            _earn(market, market.subscriptions[int(found)], amount)
        case chain_events.TimeCollected(subscription_id=found, amount=amount, through=through):
            market.subscriptions[int(found)].time_collected += amount
            market.subscriptions[int(found)].collected_through = through
            _earn(market, market.subscriptions[int(found)], amount)


def _earn(market: MarketFacts, one: SubscriptionFacts, amount: int) -> None:
    market.earned += amount
    market.earnings[one.plan_id] += amount
