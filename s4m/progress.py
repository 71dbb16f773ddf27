"""Waiting for a service, with a bar on a terminal's stderr and a line for each stage elsewhere; then the handover.

Called by `s4m buy` and `s4m subscriptions await`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ledger.keys import WalletKey
from ledger.values import SubscriptionId, plan_of
from marketplace.errors import StillPending
from marketplace.wallet.client import POLL_S, Cost, MarketClient, Purchase
from marketplace.wallet.handover import refused, state_of
from s4m.command import Session, console

STAGES = {
    "requested": "heard: waiting for its turn",
    "preparing": "Step I: what is required",
    "planning": "Steps II and III: a service instance, its models and resources",
    "running": "handover: endpoint checked, activation signed",
    "active": "active",
}
"""States of a service in their order, in words."""
THERE = ("running", "active")


def taken_over(
    session: Session, client: MarketClient, subscription_id: int, key: WalletKey, timeout_s: float
) -> Mapping[str, Any]:
    """Waits, checks the endpoint, activates; the service's side then. Raises ServiceRefused, StillPending."""
    facts = client.contracts.market.subscription(subscription_id)
    cost = Cost(plan_of(subscription_id), facts.cap, 0, 0, 0, 0, 0)
    return handed_over(session, client, Purchase(SubscriptionId(subscription_id), "", "", cost, key), timeout_s).service


def handed_over(session: Session, client: MarketClient, purchase: Purchase, timeout_s: float) -> Purchase:
    """As `MarketClient.take_over`, and people see how far it is."""
    with _shown(session) as show:
        _follow(client, purchase.subscription_id, timeout_s, show)
        done = client.take_over(purchase, timeout_s)
        show("active")
    return done


def _follow(client: MarketClient, subscription_id: int, timeout_s: float, show: Callable[[str], None]) -> None:
    until = time.monotonic() + timeout_s
    while True:
        answer = client.subscription(subscription_id)
        state = state_of(answer)
        show(state)
        if state in THERE:
            return
        refused(answer)
        if time.monotonic() > until:
            why = f"subscription {subscription_id} is {state} after {timeout_s:.0f} s."
            raise StillPending(why, remedy=f"Wait on: s4m subscriptions await {subscription_id}")
        time.sleep(POLL_S)


@contextmanager
def _shown(session: Session) -> Iterator[Callable[[str], None]]:
    """Where to tell the state: a bar for people who look, a line for each new stage else, nothing with --json."""
    paper = console(stderr=True)
    if session.as_json or not paper.is_terminal:
        yield _lines(session)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=paper, transient=True) as bar:
        task = bar.add_task("ordered", total=len(STAGES))
        order = list(STAGES)

        def show(state: str) -> None:
            if state in STAGES:
                bar.update(task, completed=order.index(state) + 1, description=STAGES[state])

        yield show


def _lines(session: Session) -> Callable[[str], None]:
    told: set[str] = set()

    def show(state: str) -> None:
        if not session.as_json and state in STAGES and state not in told:
            told.add(state)
            session.say(f"  {STAGES[state]}")

    return show
