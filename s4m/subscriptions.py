"""`s4m subscriptions list|show|release`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from s4m.command import Session, common, credits_of, whole_number
from s4m.wallet import PASSWORD_FILE


@click.group()
def subscriptions() -> None:
    """List, show and release subscriptions."""


@subscriptions.command("list")
@click.option("--wallet", "wallet_name", help="Only those that this wallet bought.")
@common
def list_subscriptions(session: Session, wallet_name: str | None) -> None:
    """Subscriptions as the chain's events tell them."""
    from s4m.connect import market, wallets

    buyer = wallets(session).address(wallet_name) if wallet_name else None
    with market(session) as client:
        rows = client.subscriptions(buyer)
    columns = ("subscriptionId", "planId", "buyer", "used", "cap", "reserved", "returned", "ended")
    session.show(rows, *columns)


@subscriptions.command()
@click.argument("subscription_id")
@common
def show(session: Session, subscription_id: str) -> None:
    """The chain's side and the service's side."""
    from s4m.connect import market

    with market(session) as client:
        session.show({**client.subscription(subscription_id), "usage": client.usage(subscription_id)})


@subscriptions.command()
@click.argument("subscription_id")
@click.option("--wallet", "wallet_name", required=True, help="The buyer's wallet.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@PASSWORD_FILE
@common
def release(session: Session, subscription_id: str, wallet_name: str, yes: bool, password_file: Path | None) -> None:
    """Request the release: time stops now, the rest of the money comes back when the release window is over."""
    from ledger.sender import Sender
    from s4m.connect import on_chain, password, wallets

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    session.confirm(f"Release subscription {identifier}? It cannot be taken back.", yes)
    key = wallets(session).open(wallet_name, password(session, password_file))
    with on_chain(session) as ground, Sender(ground.chain, key) as sender:
        answer = request_release(ground.contracts, sender, identifier)
    session.show(answer)


def request_release(contracts: Any, sender: Any, subscription_id: int) -> dict[str, Any]:
    """Sends requestRelease, or release where the window is over already."""
    from ledger.contracts import Contracts
    from ledger.events import Released, ReleaseRequested
    from ledger.values import Status

    assert isinstance(contracts, Contracts)  # noqa: S101 — typed lazily, to keep this module light
    market = contracts.market
    if market.status_of(subscription_id) == Status.RELEASING:
        done = contracts.event_in(sender.send(market.release(subscription_id)), Released)
        return {"subscriptionId": str(subscription_id), "state": "released", "refunded": str(done.refunded)}
    asked = contracts.event_in(sender.send(market.request_release(subscription_id)), ReleaseRequested)
    return {
        "subscriptionId": str(subscription_id),
        "state": "releasing",
        "timePaid": str(asked.time_paid),
        "timeRefunded": str(asked.time_refunded),
        "releasableAt": asked.releasable_at,
        "shown": f"{credits_of(asked.time_refunded)} of prepaid time are back",
    }
