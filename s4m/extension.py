"""More units and more prepaid time for a subscription: what it costs, and the transactions, in order.

Called by `s4m subscriptions extend`, once with a rehearsal and once with a sender.
"""

from __future__ import annotations

from ledger.contracts import Contracts
from ledger.rehearsal import Sends
from ledger.values import Call, Money, plan_of
from s4m.errors import BadInput


def price_of(contracts: Contracts, subscription_id: int, units: int, periods: int) -> Money:
    """By the subscription's own plan, in the token's smallest unit; raises BadInput where nothing is asked for."""
    if not units and not periods:
        raise BadInput("Nothing to extend.", "Give --units, --periods or both.")
    terms = contracts.catalog.plan(plan_of(subscription_id)).terms
    return Money(units * terms.unit_price + periods * terms.period_price)


def extension(
    contracts: Contracts, sender: Sends, subscription_id: int, units: int, periods: int
) -> dict[str, str | list[str]]:
    """Allows the market to draw what the account there lacks, then raises the cap and renews."""
    price = price_of(contracts, subscription_id, units, periods)
    balance = contracts.market.account_of(sender.address).balance
    calls: list[Call] = []
    if (short := price - balance) > 0:
        calls.append(contracts.credit.approve(contracts.market.address, short))
    if units:
        calls.append(contracts.market.raise_cap(subscription_id, units))
    if periods:
        calls.append(contracts.market.renew(subscription_id, periods))
    sent = [sender.send(call).tx_hash for call in calls]
    return {"subscriptionId": str(subscription_id), "paid": str(price), "transactions": sent}
