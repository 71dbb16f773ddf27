"""The transactions of an update of a running share: aim, settle anew, or let the aim go. Rows only.

Used by VMOF's workflow `adjust`. The share stays in its MSI where that can promise the new quality of experience, or
where it stands there alone (the promise is then made stronger). Else it moves: `aim` keeps a place in the MSI it moves
to, under the name `subscription~revision`, until MMF has the models.
"""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from orchestrator.errors import Refusal
from orchestrator.instances import MsiMove, MsiState, ShareState, take_turn
from orchestrator.instances.msis import (
    Share,
    begin_share,
    drop_share,
    live_shares,
    move_msi,
    msi,
    promise,
    set_share,
    share,
)
from orchestrator.requirements import (
    InstanceShare,
    MsiCandidate,
    RunningModel,
    ServiceDecision,
    ServiceRequirements,
)
from orchestrator.vmof.grants import allocated, regrant, regrant_all, suppliers
from orchestrator.vmof.life_cycle import create_msi, end_unused, look_for

PROMISES = frozenset({"latency", "reliability"})
"""Kinds of lack that concern what an MSI promises; degree and seats are the share's already."""


class NotRunning(Refusal):
    """Only a running share can be updated."""

    code = "share_not_running"
    title = "The share does not run"


class OtherService(Refusal):
    """An update may change users, quality and objects, nothing else."""

    code = "update_not_allowed"
    title = "An update may not change this"


@dataclass(frozen=True, slots=True)
class Aim:
    """Where the share is to stand, and where it stands."""

    msi: str
    from_msi: str
    reused: bool
    stronger: bool
    """the MSI is to promise more than it does"""
    candidates: tuple[MsiCandidate, ...]


def aim(rows: sa.Connection, wanted: ServiceRequirements, revision: int, max_shares: int, key: str, now: int) -> Aim:
    """Keep the place; the running share is not touched. Raises NotRunning or OtherService."""
    take_turn(rows, wanted.service_type)
    held = share(rows, wanted.subscription_id)
    if held is None or held.state is not ShareState.RUNNING:
        state = held.state.value if held else "unknown"
        raise NotRunning(
            f"The share of subscription {wanted.subscription_id} is {state}. Only a running one is updated."
        )
    _require_same(held.requirements, wanted)
    _, reasons = look_for(rows, wanted, now)
    lacks = next((one.lacks for one in reasons if one.candidate == held.msi_id), ())
    stronger = any(lack.kind in PROMISES for lack in lacks)
    if not stronger or live_shares(rows, held.msi_id) == 1:
        return Aim(
            held.msi_id,
            held.msi_id,
            True,
            stronger,
            tuple(_stays(one, held.msi_id) for one in reasons if _is_open(one, held.msi_id)),
        )
    kept = share(rows, _place(wanted, revision))  # by an earlier attempt
    if kept is not None:
        return Aim(kept.msi_id, held.msi_id, kept.reused, False, kept.decision.msi_candidates if kept.decision else ())
    best, _ = look_for(rows, wanted, now, without=held.msi_id)
    target = best.msi_id if best else create_msi(rows, wanted, max_shares, key, now)
    place = Share(_place(wanted, revision), target, ShareState.PLANNING, best is not None, wanted, 0)
    begin_share(rows, place, f"keeps the place for revision {revision}", now)
    reused = best is not None
    marked = tuple(one.model_copy(update={"chosen": reused and one.candidate == target}) for one in reasons)
    return Aim(target, held.msi_id, reused, False, marked)


def unaim(rows: sa.Connection, wanted: ServiceRequirements, revision: int, target: str, now: int) -> None:
    """The update does not come: the kept place goes, and its MSI if nobody stands there."""
    take_turn(rows, wanted.service_type)
    drop_share(rows, _place(wanted, revision), f"revision {revision} does not come", now)
    regrant_all(rows)
    if live_shares(rows, target) == 0:
        end_unused(rows, target, f"revision {revision} of subscription {wanted.subscription_id} does not come", now)


def resettle(
    rows: sa.Connection,
    wanted: ServiceRequirements,
    revision: int,
    target: str,
    models: tuple[RunningModel, ...],
    rendering_k: int,
    decision: ServiceDecision,
    now: int,
) -> InstanceShare | None:
    """The share runs as wanted, in the MSI aimed at; rates are shared anew. None = released meanwhile."""
    take_turn(rows, wanted.service_type)
    held = share(rows, wanted.subscription_id)
    if held is None or held.state is not ShareState.RUNNING:
        unaim(rows, wanted, revision, target, now)
        return None
    drop_share(rows, _place(wanted, revision), f"the share itself has come by revision {revision}", now)
    running = replace(
        held,
        msi_id=target,
        requirements=wanted,
        rendering_k=rendering_k,
        models=models,
        grant=allocated(models),
        decision=decision,
    )
    set_share(rows, running, now)
    _stand(rows, held.msi_id, target, wanted, decision.models.reliability, now)
    changed = regrant(rows, suppliers(held, running))
    return InstanceShare(
        subscription_id=wanted.subscription_id,
        msi=target,
        service=wanted.service,
        cluster=wanted.service_type,
        isolation=wanted.isolation,
        reused=held.reused,
        models=models,
        sockets={model.role: model.socket for model in models},
        grant=changed.pop(wanted.subscription_id, running.grant),
        grants=changed,
        decision=decision,
    )


def _require_same(now: ServiceRequirements, wanted: ServiceRequirements) -> None:
    for name in ("service", "scenario", "isolation", "roles"):
        if getattr(now, name) != getattr(wanted, name):
            raise OtherService(
                f"The update asks for {name} {getattr(wanted, name)}, bought was {getattr(now, name)}. "
                "Change users, quality of experience or objects only, or buy anew."
            )


def _place(wanted: ServiceRequirements, revision: int) -> str:
    return f"{wanted.subscription_id}~{revision}"


def _is_open(one: MsiCandidate, msi_id: str) -> bool:
    """The share's own MSI is not to be made larger for it: it stands there."""
    return one.candidate != msi_id or one.action == "reuse"


def _stays(one: MsiCandidate, msi_id: str) -> MsiCandidate:
    """Where the share stays, its own seat and promise lack nothing."""
    mine = one.candidate == msi_id
    return one.model_copy(update={"chosen": mine, "lacks": () if mine else one.lacks})


def _stand(
    rows: sa.Connection, source: str, target: str, wanted: ServiceRequirements, reliability: float | None, now: int
) -> None:
    """The MSI aimed at runs and promises what is wanted; the one that was left ends if it is empty."""
    there = msi(rows, target)
    if there is not None and there.state is MsiState.PLANNING:
        move_msi(rows, target, MsiMove.ACTIVATE, f"the models of subscription {wanted.subscription_id} run", now)
    if there is not None:
        latency = min(there.latency_ms, wanted.qoe.latency_ms) if source == target else there.latency_ms
        promise(rows, there, latency, reliability, now)
    if source != target and live_shares(rows, source) == 0:
        end_unused(rows, source, f"subscription {wanted.subscription_id}, its last, has moved to {target}", now)
