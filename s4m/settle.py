"""`s4m settle`: the operator has the orchestrator settle all signed vouchers now; providers may draw their pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common

if TYPE_CHECKING:
    from s4m.connect import OnChain


@click.command()
@click.option("--payout", is_flag=True, help="Then let the reference catalogue's providers draw what they earned.")
@common
def settle(session: Session, payout: bool) -> None:
    """Settle signed vouchers on-chain, now."""
    import httpx

    from marketplace.errors import OrchestratorDown, ProblemAnswer
    from s4m.connect import component, on_chain

    with component(session, "orchestrator") as orchestrator:
        try:
            answer = orchestrator.post("/settlements")
        except httpx.TransportError as error:
            raise OrchestratorDown(f"{type(error).__name__}.", remedy="Start the house (`s4m up`).") from error
        if answer.is_error:
            raise ProblemAnswer(answer.status_code, dict(answer.json()))
    report = dict(answer.json())
    if payout:
        with on_chain(session) as ground:
            report["payouts"] = pay_out(session, ground)
    session.show(report)


def pay_out(session: Session, ground: OnChain) -> list[dict[str, Any]]:
    """Every plan whose owner's key is in this home: the owner draws; so do the owners of a composite's components."""
    from ledger.values import model_of, plan_id
    from s4m.accounts import Keys
    from s4m.connect import keys, sender
    from s4m.reference import PROVIDERS

    home_keys: Keys = keys(session)
    names = {home_keys.account(name).address: name for name in PROVIDERS.values()}
    catalog, market = ground.contracts.catalog, ground.contracts.market
    done: list[dict[str, Any]] = []
    for model in range(1, catalog.model_count() + 1):
        for version in range(1, catalog.model(model).versions + 1):
            plan = plan_id(model, version)
            for part in (model, *(share.model_id for share in catalog.shares(plan))):
                owner = catalog.owner_of(part)
                whole = part == model_of(plan)
                due = _due(ground, plan) if whole else market.share_pending(plan, part)
                if owner not in names or due == 0:
                    continue
                with sender(session, ground.chain, names[owner]) as sending:
                    sending.send(market.payout(plan) if whole else market.payout_share(plan, part))
                done.append({"planId": str(plan), "modelId": str(part), "to": owner, "upTo": str(due)})
    return done


def _due(ground: OnChain, plan: int) -> int:
    """What the owner of the plan's model may draw: all that is unpaid, less what its components may still draw."""
    market = ground.contracts.market
    earnings = market.earnings_of(plan)
    shares = ground.contracts.catalog.shares(plan)
    return earnings.earned - earnings.paid - sum(market.share_pending(plan, share.model_id) for share in shares)
