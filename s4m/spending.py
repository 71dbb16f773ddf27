"""Before a command spends: what it will cost, in credits and gas; then a question, unless --yes; nothing at --dry-run.

Called by every command that moves money or sends transactions. What will be sent is played first (`ledger.rehearsal`),
by the same code that then sends it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from s4m.command import Session, credits_of

if TYPE_CHECKING:
    from ledger.chain import Chain
    from ledger.rehearsal import GasCost, Rehearsal
    from ledger.values import Address

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Choice:
    """What the caller decided on the command line."""

    dry_run: bool
    yes: bool


def spends(function: Command) -> Command:
    """Adds --dry-run and --yes, handed to the command as `choice`."""
    dry = click.option("--dry-run", is_flag=True, help="Show gas and total, estimated on the node; sign nothing.")
    yes = click.option("--yes", is_flag=True, help="Do not ask.")

    @functools.wraps(function)
    def run(*args: Any, dry_run: bool, yes: bool, **options: Any) -> Any:
        return function(*args, choice=Choice(dry_run, yes), **options)

    return dry(yes(run))  # type: ignore[return-value]


@dataclass(frozen=True)
class Bill:
    """What is about to be spent by `payer`: `credits` in smallest units, and gas, which a `relayed` call's payer
    does not pay. `warning` is a consequence that cannot be undone; `facts` are further lines."""

    what: str
    payer: Address
    credits: int = 0
    warning: str = ""
    relayed: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


def agreed(
    session: Session, chain: Chain, bill: Bill, play: Callable[[Rehearsal], Mapping[str, Any]], choice: Choice
) -> bool:
    """True when it shall be done; on a dry run the bill is the command's answer. Raises NotConfirmed.

    `play` makes the calls by the rehearsal; what it foresees is shown too. On a devnet gas is free, so that a bill of
    gas alone needs no question there. Raises Reverted where it would fail, RehearsalUnavailable on a dry run only.
    """
    from s4m.connect import is_devnet

    foreseen, gas = _rehearsed(chain, bill, play, choice)
    if choice.dry_run and gas:
        session.show({"dryRun": True, **_told(bill, gas), **foreseen})
        return False
    if bill.credits or bill.warning or not is_devnet(chain):
        session.say(_spoken(bill, gas))
        session.confirm(f"{bill.what}?", choice.yes)
    return True


def _rehearsed(
    chain: Chain, bill: Bill, play: Callable[[Rehearsal], Mapping[str, Any]], choice: Choice
) -> tuple[Mapping[str, Any], GasCost | None]:
    """What is foreseen, and the gas; None where the node cannot tell and nobody asked for just that."""
    from ledger.errors import RehearsalUnavailable
    from ledger.rehearsal import Rehearsal

    rehearsal = Rehearsal(chain, bill.payer)
    try:
        return play(rehearsal), rehearsal.gas()
    except RehearsalUnavailable:
        if choice.dry_run:
            raise
        return {}, None


def _told(bill: Bill, gas: GasCost) -> dict[str, Any]:
    expected, most = (0, 0) if bill.relayed else (gas.expected, gas.most)
    return {
        "what": bill.what, "payer": bill.payer, "credits": str(bill.credits), "total": credits_of(bill.credits),
        "gas": str(gas.units), "gasPriceWei": str(gas.price), "gasPaidBy": "relayer" if bill.relayed else "payer",
        "gasWei": str(expected), "gasWeiAtMost": str(most), "eth": eth_of(expected), **bill.facts,
    }  # fmt: skip


def _spoken(bill: Bill, gas: GasCost | None) -> str:
    if bill.relayed:
        paid = "the marketplace's relayer pays the gas"
    elif gas is None:
        paid = "gas unknown, for the node cannot rehearse"
    else:
        paid = f"gas about {gas.units:,}: {eth_of(gas.expected)}, at most {eth_of(gas.most)}"
    return f"{bill.payer} spends {credits_of(bill.credits)}; {paid}" + (f"\n{bill.warning}" if bill.warning else "")


def eth_of(wei: int) -> str:
    """Gas money for people, to a billionth of an ETH (a gwei), rounded up."""
    gwei = -(-wei // 10**9)
    return f"{gwei // 10**9:,}.{gwei % 10**9:09d} ETH"
