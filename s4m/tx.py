"""`s4m tx list|speed-up|cancel`: transactions of this home's wallets and accounts that are sent and not mined."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common
from s4m.spending import Choice, eth_of, spends
from s4m.wallet import PASSWORD_FILE

if TYPE_CHECKING:
    from ledger.chain import Chain
    from ledger.outbox import Send
    from ledger.sender import Sender
    from ledger.values import Address

OF_WALLETS = "wallet-"
"""How the journals of wallets begin; the others are of accounts (`s4m.accounts.journal_of`)."""


@dataclass(frozen=True)
class Owner:
    """Whose journal it is."""

    name: str
    is_wallet: bool
    account: Address
    journal: Path


@click.group()
def tx() -> None:
    """Transactions of this home that wait; speed one up, or cancel it."""


@tx.command("list")
@common
def list_waiting(session: Session) -> None:
    """What is signed and not on the chain, of every wallet and account; nothing, where all is mined."""
    from s4m.connect import node

    with node(session) as chain:
        rows = [_row(owner, send) for owner in _owners(session) for send in _waiting(chain, owner)]
    session.show(rows, "owner", "nonce", "what", "txHash", "maxFeeGwei", "attempts", "cancelling")


@tx.command("speed-up")
@click.argument("tx_hash")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait until it is mined.")
@spends
@PASSWORD_FILE
@common
def speed_up(session: Session, tx_hash: str, timeout: float, password_file: Path | None, choice: Choice) -> None:
    """Send a waiting transaction again with the same nonce and higher fees (a quarter more at least)."""
    _replace(session, tx_hash, timeout, password_file, choice, cancel=False)


@tx.command()
@click.argument("tx_hash")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait until it is decided.")
@spends
@PASSWORD_FILE
@common
def cancel(session: Session, tx_hash: str, timeout: float, password_file: Path | None, choice: Choice) -> None:
    """Put an empty transaction in the place of a waiting one, at higher fees.

    Either may be mined, never both: the answer says which, and ends with 3 where the old one was first.
    """
    _replace(session, tx_hash, timeout, password_file, choice, cancel=True)


def _replace(
    session: Session, tx_hash: str, timeout: float, password_file: Path | None, choice: Choice, *, cancel: bool
) -> None:
    from s4m.connect import node

    with node(session) as chain:
        owner, send = _found(session, chain, tx_hash)
        with _sender(session, chain, owner, password_file) as sending:
            facts = _facts(sending, owner, send, cancel)
            if choice.dry_run:
                session.show({"dryRun": True, **facts})
                return
            session.say(f"{facts['what']}: at most {facts['eth']}")
            session.confirm(f"{facts['action']} {send.description} (nonce {send.nonce})?", choice.yes)
            made = sending.cancel(send.key) if cancel else sending.speed_up(send.key)
            session.say(f"sent {made.tx_hash}")
            _conclude(session, sending, send, timeout, cancel)


def _conclude(session: Session, sending: Sender, send: Send, timeout: float, cancel: bool) -> None:
    """Which of the two was mined. Raises TransactionPending, NothingToReplace where a cancellation came too late."""
    from ledger.errors import NothingToReplace

    receipt, cancelled = sending.settled(send.key, timeout)
    session.show({"what": send.description, "nonce": send.nonce, "txHash": receipt.tx_hash, "cancelled": cancelled})
    if cancel and not cancelled:
        raise NothingToReplace(send.description, "it was mined before its cancellation")


def _facts(sending: Sender, owner: Owner, send: Send, cancel: bool) -> dict[str, Any]:
    fees = sending.raised_fees(send)
    gas = sending.gas_of(send, cancel=cancel)
    return {
        **_row(owner, send), "action": "Cancel" if cancel else "Speed up", "newMaxFeeGwei": _gwei(fees.max_fee),
        "credits": "0", "gas": str(gas), "gasWeiAtMost": str(gas * fees.max_fee), "eth": eth_of(gas * fees.max_fee),
    }  # fmt: skip


def _row(owner: Owner, send: Send) -> dict[str, Any]:
    return {
        "owner": owner.name, "address": owner.account, "nonce": send.nonce, "what": send.description,
        "txHash": send.newest.tx_hash, "maxFeeGwei": _gwei(send.newest.max_fee), "attempts": len(send.attempts),
        "cancelling": send.newest.cancels,
    }  # fmt: skip


def _gwei(wei: int) -> str:
    return f"{wei / 10**9:.3f}"


def _found(session: Session, chain: Chain, tx_hash: str) -> tuple[Owner, Send]:
    from s4m.errors import BadInput

    for owner in _owners(session):
        for send in _waiting(chain, owner):
            if tx_hash.lower() in [attempt.tx_hash.lower() for attempt in send.attempts]:
                return owner, send
    raise BadInput(f"No transaction {tx_hash[:80]} of this home waits.", "`s4m tx list` shows those that do.")


def _owners(session: Session) -> Iterator[Owner]:
    """Everyone with a journal in this home."""
    from s4m.connect import keys, wallets

    for journal in sorted((session.home / "db").glob("*-sends.db")):
        name = journal.name.removesuffix("-sends.db")
        if name.startswith(OF_WALLETS):
            wallet = name.removeprefix(OF_WALLETS)
            known = [info for info in wallets(session).list() if info.name == wallet]
            yield from (Owner(wallet, True, info.address, journal) for info in known)
        elif keys(session).has_account(name):
            yield Owner(name, False, keys(session).account(name).address, journal)


def _waiting(chain: Chain, owner: Owner) -> list[Send]:
    from ledger.outbox import Outbox

    outbox = Outbox(owner.journal, chain.genesis_hash, owner.account)
    try:
        return outbox.unmined(chain.transaction_count(owner.account))
    finally:
        outbox.close()


@contextmanager
def _sender(session: Session, chain: Chain, owner: Owner, password_file: Path | None) -> Iterator[Sender]:
    from s4m.connect import sender, wallet_sender

    if owner.is_wallet:
        with wallet_sender(session, chain, owner.name, password_file) as sending:
            yield sending
    else:
        with sender(session, chain, owner.name) as sending:
            yield sending
