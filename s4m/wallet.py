"""`s4m wallet …`: keys of people in V3 keystores, accounts whose key another program holds, addresses to watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from s4m.command import Session, common, credits_of, money_from
from s4m.completion import WALLETS

if TYPE_CHECKING:
    from marketplace.wallet.keystore import WalletInfo

PASSWORD_FILE = click.option(
    "--password-file", type=click.Path(path_type=Path, dir_okay=False), help="Else asked for (or S4M_WALLET_PASSWORD)."
)
NAME = click.argument("name", shell_complete=WALLETS)
YES = click.option("--yes", is_flag=True, help="Do not ask.")
SECRET_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group()
def wallet() -> None:
    """Create, import, list, show, fund, export and remove wallets."""


@wallet.command()
@click.argument("name")
@PASSWORD_FILE
@common
def create(session: Session, name: str, password_file: Path | None) -> None:
    """Make a key and seal it with a password."""
    from s4m.connect import password, wallets

    key = wallets(session).create(name, password(session, password_file, confirm=True))
    session.show({"name": name, "address": key.address})


@wallet.command("import")
@click.argument("name")
@click.option("--keystore", type=SECRET_FILE, help="V3 keystore of another program; its password is asked for.")
@click.option("--mnemonic", type=SECRET_FILE, help="File with 12 to 24 words (BIP-39); - reads standard input.")
@click.option("--key", "raw_key", type=SECRET_FILE, help="File with the key, 32 bytes in hexadecimal; - as above.")
@click.option("--path", default="m/44'/60'/0'/0/0", show_default=True, help="Derivation path of --mnemonic (BIP-44).")
@click.option("--passphrase-file", type=SECRET_FILE, help="The mnemonic's passphrase, where it has one.")
@click.option("--keystore-password-file", type=SECRET_FILE, help="Password of --keystore, else asked for.")
@PASSWORD_FILE
@common
def import_key(
    session: Session,
    name: str,
    keystore: Path | None,
    mnemonic: Path | None,
    raw_key: Path | None,
    path: str,
    passphrase_file: Path | None,
    keystore_password_file: Path | None,
    password_file: Path | None,
) -> None:
    """Seal a key that you have under a password of this home: of a keystore, of a mnemonic, or the key itself."""
    from s4m.connect import password, wallets
    from s4m.secrets import imported

    key = imported(keystore, mnemonic, raw_key, path, passphrase_file, keystore_password_file)
    wallets(session).create(name, password(session, password_file, confirm=True), key)
    session.show({"name": name, "address": key.address})


@wallet.command()
@click.argument("name")
@click.argument("address")
@common
def watch(session: Session, name: str, address: str) -> None:
    """Name an ADDRESS to look at: balances, subscriptions, dry runs; it signs nothing."""
    from ledger.values import address as checked
    from s4m.connect import wallets

    session.show(_line(wallets(session).watch(name, checked(address))))


@wallet.command()
@click.argument("name")
@click.argument("url")
@click.option("--address", help="The account there; else the only one that it has.")
@click.option(
    "--speech", type=click.Choice(["eth", "clef"]), default="eth", show_default=True,
    help="eth: wallets and nodes (eth_signTypedData_v4, eth_signTransaction or eth_sendTransaction); clef: account_….",
)  # fmt: skip
@common
def connect(session: Session, name: str, url: str, address: str | None, speech: str) -> None:
    """Use an account whose key the signer at URL (JSON-RPC) holds; what is signed is approved there."""
    from ledger.signer import Speech
    from s4m.connect import wallets
    from s4m.secrets import account_at

    session.show(_line(wallets(session).connect(name, account_at(url, Speech(speech), address), url, Speech(speech))))


@wallet.command("list")
@common
def list_wallets(session: Session) -> None:
    """Names, addresses, and where each key is."""
    from s4m.connect import wallets

    session.show([_line(info) for info in wallets(session).list()], "name", "address", "key")


@wallet.command()
@NAME
@common
def show(session: Session, name: str) -> None:
    """Name, address, file and kind of one wallet; never its key."""
    from ledger.errors import without_credentials
    from s4m.connect import wallets

    info = wallets(session).info(name)
    signer = {"signer": without_credentials(info.signer)} if info.signer else {}
    session.show({**_line(info), "file": str(wallets(session).file_of(name)), **signer})


@wallet.command()
@NAME
@click.option("--to", "target", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@PASSWORD_FILE
@common
def export(session: Session, name: str, target: Path, password_file: Path | None) -> None:
    """Copy a keystore, still sealed, to a file (0600); its password is tried first. Any wallet program reads it."""
    from s4m.connect import password, wallets
    from s4m.secrets import exported

    session.show(exported(wallets(session), name, target, lambda: password(session, password_file)))


@wallet.command("password")
@NAME
@click.option("--new-password-file", type=SECRET_FILE, help="The new password, else asked for twice.")
@PASSWORD_FILE
@common
def change_password(session: Session, name: str, new_password_file: Path | None, password_file: Path | None) -> None:
    """Seal a wallet's key with another password."""
    from s4m.connect import password, wallets
    from s4m.secrets import keystore_only, secret

    store = wallets(session)
    info = keystore_only(store, name)
    old = password(session, password_file)
    store.open(name, old)
    store.seal_anew(name, old, secret(new_password_file, "New password", confirm=True))
    session.show(_line(info))


@wallet.command()
@NAME
@YES
@common
def remove(session: Session, name: str, yes: bool) -> None:
    """Delete a wallet. Without an export its key is lost, and with it whatever the account owns."""
    from s4m.connect import wallets

    info = wallets(session).info(name)
    session.confirm(f"Delete wallet {name} ({info.address})? Without an export its key is lost.", yes)
    session.show({"removed": _line(wallets(session).remove(name))})


@wallet.command()
@NAME
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
@NAME
@click.option("--credits", "amount", default="1000", show_default=True, help="Credits from the faucet.")
@common
def fund(session: Session, name: str, amount: str) -> None:
    """Credits and gas from the devnet's faucet."""
    from s4m.devnet import fund_wallet

    session.show(fund_wallet(session, name, money_from(amount)))


def _line(info: WalletInfo) -> dict[str, str]:
    return {"name": info.name, "address": info.address, "key": info.holding.value}
