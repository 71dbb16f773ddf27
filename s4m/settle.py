"""`s4m settle`: the operator has the orchestrator settle all signed vouchers now; providers may draw their pay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common
from s4m.spending import Choice, eth_of, spends

if TYPE_CHECKING:
    from ledger.values import Address, Call
    from s4m.connect import OnChain


@click.command()
@click.option("--payout", is_flag=True, help="Then let the reference catalogue's providers draw what they earned.")
@spends
@common
def settle(session: Session, payout: bool, choice: Choice) -> None:
    """Settle signed vouchers on-chain, now.

    The orchestrator's operator pays the gas; --dry-run tells how many vouchers wait, and the gas of payouts.
    """
    from s4m.connect import on_chain

    with on_chain(session) as ground:
        if choice.dry_run:
            session.show(_rehearsed(session, ground, list(_owed(session, ground)) if payout else []))
            return
        report = _settled(session)
        if payout:
            report["payouts"] = pay_out(session, ground)
    session.show(report)


def _rehearsed(session: Session, ground: OnChain, due: list[Owed]) -> dict[str, Any]:
    """What waits, and what each provider's draw would cost in gas. Nothing is asked before settling: it moves nobody's
    own money, and the house does the same by itself every few seconds."""
    from ledger.rehearsal import Rehearsal

    costs = []
    for one in due:
        rehearsal = Rehearsal(ground.chain, one.owner)
        rehearsal.send(one.call(ground))
        costs.append(rehearsal.gas())
    return {
        "dryRun": True, "what": "Settle what waits", "vouchersWaiting": _waiting(session), "credits": "0",
        "gas": str(sum(cost.units for cost in costs)), "eth": eth_of(sum(cost.expected for cost in costs)),
        "payouts": [one.told() for one in due],
    }  # fmt: skip


def _settled(session: Session) -> dict[str, Any]:
    return _asked(session, "POST", "/settlements")


def _waiting(session: Session) -> int:
    return int(_asked(session, "GET", "/top")["settlement"]["vouchersWaiting"])


def _asked(session: Session, method: str, path: str) -> dict[str, Any]:
    import httpx

    from marketplace.errors import OrchestratorDown, ProblemAnswer
    from s4m.connect import component

    with component(session, "orchestrator") as orchestrator:
        try:
            answer = orchestrator.request(method, path)
        except httpx.TransportError as error:
            raise OrchestratorDown(f"{type(error).__name__}: {error}.", remedy="Start the house (`s4m up`).") from error
        if answer.is_error:
            raise ProblemAnswer(answer.status_code, dict(answer.json()))
    return dict(answer.json())


@dataclass(frozen=True)
class Owed:
    """What one model's owner may draw of one plan; `account` is its key's name in this home."""

    plan: int
    model: int
    whole: bool
    owner: Address
    account: str
    amount: int

    def call(self, ground: OnChain) -> Call:
        market = ground.contracts.market
        return market.payout(self.plan) if self.whole else market.payout_share(self.plan, self.model)

    def told(self) -> dict[str, str]:
        return {
            "planId": str(self.plan), "modelId": str(self.model), "to": self.owner, "upTo": str(self.amount),
        }  # fmt: skip


def pay_out(session: Session, ground: OnChain) -> list[dict[str, str]]:
    """Every plan whose owner's key is in this home: the owner draws; so do the owners of a composite's components."""
    from s4m.connect import sender

    done = []
    for one in _owed(session, ground):
        with sender(session, ground.chain, one.account) as sending:
            sending.send(one.call(ground))
        done.append(one.told())
    return done


def _owed(session: Session, ground: OnChain) -> Iterator[Owed]:
    """One after the other, as it is when it is asked for: a draw changes what the next may draw."""
    from ledger.values import model_of, plan_id
    from s4m.connect import keys
    from s4m.reference import PROVIDERS

    names = {keys(session).account(name).address: name for name in PROVIDERS.values()}
    catalog, market = ground.contracts.catalog, ground.contracts.market
    for model in range(1, catalog.model_count() + 1):
        for version in range(1, catalog.model(model).versions + 1):
            plan = plan_id(model, version)
            for part in (model, *(share.model_id for share in catalog.shares(plan))):
                owner, whole = catalog.owner_of(part), part == model_of(plan)
                due = _due(ground, plan) if whole else market.share_pending(plan, part)
                if owner in names and due:
                    yield Owed(plan, part, whole, owner, names[owner], due)


def _due(ground: OnChain, plan: int) -> int:
    """What the owner of the plan's model may draw: all that is unpaid, less what its components may still draw."""
    market = ground.contracts.market
    earnings = market.earnings_of(plan)
    shares = ground.contracts.catalog.shares(plan)
    return earnings.earned - earnings.paid - sum(market.share_pending(plan, share.model_id) for share in shares)
