"""The money side of the audit, pure: each subscription's and the whole market's sums, from events alone.

Finding codes: reserved_differs, amount_differs, used_falls, over_cap, refund_differs, time_differs, overspent,
account_negative, overpaid, balance_short.
"""

from __future__ import annotations

from collections.abc import Iterator

from marketplace.audit.facts import MarketFacts, PlanFacts, SubscriptionFacts
from marketplace.audit.report import Finding, Money


def money_of(market: MarketFacts, token_balance: int, block_number: int) -> Money:
    return Money(
        block_number=block_number,
        token_balance=token_balance,
        accounts=sum(market.accounts.values()),
        reserved=market.reserved,
        earned_unpaid=market.earned - market.paid_out,
        earned=market.earned,
        paid_out=market.paid_out,
        deposited=market.deposited,
        withdrawn=market.withdrawn,
    )


def check_market(market: MarketFacts, money: Money) -> Iterator[Finding]:
    """Invariant 1: accounts + reserved + earned and not paid = the market's token balance, gifts aside."""
    for account, balance in market.accounts.items():
        if balance < 0:
            yield Finding("account_negative", None, f"{account} has {balance}.")
    if market.paid_out > market.earned:
        yield Finding("overpaid", None, f"paid out {market.paid_out}, earned {market.earned}.")
    if money.donated < 0:
        owed = money.token_balance - money.donated
        yield Finding("balance_short", None, f"the market owes {owed} and holds {money.token_balance}.")


def check_subscription(one: SubscriptionFacts, plan: PlanFacts) -> Iterator[Finding]:
    """Reserved, spent and returned money of one subscription, recomputed from prices."""
    due = one.cap * plan.unit_price + one.periods * plan.period_price
    if one.reserved != due:
        yield _finding("reserved_differs", one, f"reserved {one.reserved}, cap and periods cost {due}.")
    yield from _check_vouchers(one, plan)
    yield from _check_time(one, plan)
    left = one.reserved - one.spent - one.returned
    if left < 0:
        yield _finding("overspent", one, f"spent {one.spent} and returned {one.returned} of {one.reserved}.")
    if one.ended and left:
        yield _finding("refund_differs", one, f"it has ended and {left} was neither spent nor returned.")


def _check_vouchers(one: SubscriptionFacts, plan: PlanFacts) -> Iterator[Finding]:
    before = 0
    for voucher in one.settled:
        due = (voucher.units - before) * plan.unit_price
        if voucher.units < before:
            yield _finding("used_falls", one, f"units fell from {before} to {voucher.units}.")
        if voucher.amount != due:
            yield _finding("amount_differs", one, f"{voucher.units} units moved {voucher.amount}, due {due}.")
        before = voucher.units
    if before > one.cap:
        yield _finding("over_cap", one, f"{before} units were settled, the cap is {one.cap}.")


def _check_time(one: SubscriptionFacts, plan: PlanFacts) -> Iterator[Finding]:
    """Time accrues linearly from the activation, rounded down; on a request the rest of it goes back."""
    prepaid = one.periods * plan.period_price
    elapsed = one.collected_through - one.since
    due = plan.period_price * elapsed // plan.period if one.activated and plan.period else 0
    if one.time_collected != due:
        yield _finding("time_differs", one, f"time took {one.time_collected}, {elapsed} seconds cost {due}.")
    if one.requested and one.time_returned != prepaid - due:
        yield _finding("time_differs", one, f"{one.time_returned} of time came back, {prepaid - due} was unused.")
    if one.activated and one.paid_through != one.since + one.periods * plan.period:
        yield _finding(
            "time_differs", one, f"paid through {one.paid_through} from {one.since} by {one.periods} periods."
        )


def _finding(code: str, one: SubscriptionFacts, detail: str) -> Finding:
    return Finding(code, one.subscription_id, detail)
