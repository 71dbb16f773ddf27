"""`s4m subscriptions list|show|await|extend|release|forget`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from s4m.command import Session, common, whole_number
from s4m.completion import SUBSCRIPTIONS, WALLETS
from s4m.spending import Bill, Choice, agreed, spends
from s4m.wallet import PASSWORD_FILE

SUBSCRIPTION = click.argument("subscription_id", shell_complete=SUBSCRIPTIONS)
WALLET = click.option("--wallet", "wallet_name", required=True, shell_complete=WALLETS, help="The buyer's wallet.")


@click.group()
def subscriptions() -> None:
    """List, show, await, extend and release subscriptions; have the gateway forget how they were used."""


@subscriptions.command("list")
@click.option("--wallet", "wallet_name", shell_complete=WALLETS, help="Only those that this wallet bought.")
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
@SUBSCRIPTION
@common
def show(session: Session, subscription_id: str) -> None:
    """The chain's side and the service's side."""
    from s4m.connect import market

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    with market(session) as client:
        session.show({**client.subscription(identifier), "usage": client.usage(identifier)})


@subscriptions.command("await")
@SUBSCRIPTION
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for the service.")
@common
def await_service(session: Session, subscription_id: str, timeout: float) -> None:
    """Wait for the service of a subscription bought here (`s4m buy --no-wait`), check its endpoint, take it over.

    Exit code 0 when it is delivered, 5 while it is pending, 3 where it was refused.
    """
    from s4m.connect import market, wallets
    from s4m.progress import taken_over

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    key = wallets(session).session(identifier)
    with market(session) as client:
        service = taken_over(session, client, identifier, key, timeout)
    session.show({"subscriptionId": str(identifier), **service})


@subscriptions.command()
@SUBSCRIPTION
@WALLET
@spends
@PASSWORD_FILE
@common
def release(
    session: Session, subscription_id: str, wallet_name: str, password_file: Path | None, choice: Choice
) -> None:
    """Take the money back, step by step.

    Active: requests the release, so that time stops now. Afterwards, when the release window is over: the rest comes
    back. Never activated, and past its deadline: refunds everything.
    """
    from s4m.connect import market, wallet_sender, wallets

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    buyer = wallets(session).address(wallet_name)
    with market(session) as client:
        bill = Bill(f"Release subscription {identifier}", buyer, warning="It cannot be taken back.")
        if not agreed(session, client.chain, bill, lambda play: client.give_back(play, identifier), choice):
            return
        with wallet_sender(session, client.chain, wallet_name, password_file) as sender:
            session.show(client.give_back(sender, identifier))


@subscriptions.command()
@SUBSCRIPTION
@WALLET
@click.option("--units", type=click.IntRange(0), default=0, help="Raise the cap by so many units.")
@click.option("--periods", type=click.IntRange(0), default=0, help="Pay so many more periods ahead.")
@spends
@PASSWORD_FILE
@common
def extend(
    session: Session,
    subscription_id: str,
    wallet_name: str,
    units: int,
    periods: int,
    password_file: Path | None,
    choice: Choice,
) -> None:
    """Raise the cap and pay periods ahead, at the plan's prices; what the account lacks is drawn from the wallet."""
    from s4m.connect import on_chain, wallet_sender, wallets
    from s4m.extension import extension, price_of

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    buyer = wallets(session).address(wallet_name)
    with on_chain(session) as ground:
        price = price_of(ground.contracts, identifier, units, periods)
        extended = partial(extension, ground.contracts, subscription_id=identifier, units=units, periods=periods)
        bill = Bill(f"Extend subscription {identifier} by {units} units and {periods} period(s)", buyer, price)
        if not agreed(session, ground.chain, bill, extended, choice):
            return
        with wallet_sender(session, ground.chain, wallet_name, password_file) as sender:
            session.show(extended(sender))


@subscriptions.command()
@SUBSCRIPTION
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
