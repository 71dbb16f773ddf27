"""`s4m wallet create|list|show|balance|fund`: keys of people, in V3 keystores."""

from __future__ import annotations

from pathlib import Path

import click

from s4m.command import Session, common, credits_of, money_from

PASSWORD_FILE = click.option(
    "--password-file", type=click.Path(path_type=Path, dir_okay=False), help="Else asked for (or S4M_WALLET_PASSWORD)."
)


@click.group()
def wallet() -> None:
    """Create, list, show and fund wallets."""


@wallet.command()
@click.argument("name")
@PASSWORD_FILE
@common
def create(session: Session, name: str, password_file: Path | None) -> None:
    """Make a key and seal it with a password."""
    from s4m.connect import password, wallets

    key = wallets(session).create(name, password(session, password_file, confirm=True))
    session.show({"name": name, "address": key.address})


@wallet.command("list")
@common
def list_wallets(session: Session) -> None:
    """Names and addresses."""
    from s4m.connect import wallets

    session.show([{"name": info.name, "address": info.address} for info in wallets(session).list()], "name", "address")


@wallet.command()
@click.argument("name")
@common
def show(session: Session, name: str) -> None:
    """Name, address and file of one wallet; never its key."""
    from s4m.connect import wallets

    address = wallets(session).address(name)
    session.show({"name": name, "address": address, "file": str(session.home / "wallets" / f"{name}.json")})


@wallet.command()
@click.argument("name")
@common
def balance(session: Session, name: str) -> None:
    """Credits in the wallet, and in its account at the market."""
    from s4m.connect import on_chain, wallets

    address = wallets(session).address(name)
    with on_chain(session) as ground:
        block = ground.chain.latest()
        tokens = ground.contracts.credit.balance_of(address, block=block)
        account = ground.contracts.market.account_of(address, block=block)
        gas = ground.chain.balance(address, block=block)
    answer = {
        "name": name, "address": address, "wallet": str(tokens), "account": str(account.balance), "gasWei": str(gas),
        "shown": f"{credits_of(tokens)} in the wallet, {credits_of(account.balance)} at the market",
    }  # fmt: skip
    session.show(answer)


@wallet.command()
@click.argument("name")
@click.option("--credits", "amount", default="1000", show_default=True, help="Credits from the faucet.")
@common
def fund(session: Session, name: str, amount: str) -> None:
    """Credits and gas from the devnet's faucet."""
    from s4m.devnet import fund_wallet

    session.show(fund_wallet(session, name, money_from(amount)))
