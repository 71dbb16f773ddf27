"""`s4m subscriptions list|show|release|forget`."""

from __future__ import annotations

from pathlib import Path

import click

from s4m.command import Session, common, whole_number
from s4m.wallet import PASSWORD_FILE


@click.group()
def subscriptions() -> None:
    """List, show and release subscriptions; have the gateway forget how they were used."""


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

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    with market(session) as client:
        session.show({**client.subscription(identifier), "usage": client.usage(identifier)})


@subscriptions.command()
@click.argument("subscription_id")
@click.option("--wallet", "wallet_name", required=True, help="The buyer's wallet.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@PASSWORD_FILE
@common
def release(session: Session, subscription_id: str, wallet_name: str, yes: bool, password_file: Path | None) -> None:
    """Take the money back, step by step.

    Active: requests the release, so that time stops now. Afterwards, when the release window is over: the rest comes
    back. Never activated, and past its deadline: refunds everything.
    """
    from ledger.sender import Sender
    from s4m.accounts import journal_of
    from s4m.connect import market, password, wallets

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    session.confirm(f"Release subscription {identifier}? It cannot be taken back.", yes)
    key = wallets(session).open(wallet_name, password(session, password_file))
    journal = journal_of(session.home, f"wallet-{wallet_name}")
    with market(session) as client, Sender(client.chain, key, journal) as sender:
        session.show(client.give_back(sender, identifier))


@subscriptions.command()
@click.argument("subscription_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def forget(session: Session, subscription_id: str, yes: bool) -> None:
    """Have the gateway erase what it keeps of how the subscription was used.

    Signed with the subscription's session key. Records, vouchers and proofs stay; the records' own file of this home
    stays too.
    """
    from ledger.values import SubscriptionId
    from marketplace.wallet.erasure import demand_erasure
    from s4m.connect import on_chain, url, wallets

    identifier = SubscriptionId(whole_number(subscription_id, "SUBSCRIPTION_ID"))
    key = wallets(session).session(identifier)
    session.confirm(f"Erase what the gateway keeps of how {identifier} was used? It cannot be taken back.", yes)
    with on_chain(session) as ground:
        session.show(demand_erasure(url(session, "gateway"), ground.contracts.market_domain, identifier, key))
