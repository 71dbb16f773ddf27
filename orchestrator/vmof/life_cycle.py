"""The transactions of an MSI's life: join, settle, refuse, drain, leave. Rows only; VMOF's workflows call them in turn.

Each takes the cluster's turn first, so that ten purchases at once see each other's MSI. An MSI is created in
preparation, planned while its first share's models are agreed and started, runs, and is decommissioned when its last
share goes; while it is planned others may join, and whoever's models answer first makes it run.
"""

from dataclasses import dataclass, replace
from hashlib import sha256

import sqlalchemy as sa

from orchestrator.errors import Refusal
from orchestrator.instances import MsiMove, MsiState, ShareMove, ShareState, take_turn
from orchestrator.instances.msis import (
    Msi,
    Share,
    add_msi,
    begin_share,
    composition_of,
    joinable,
    live_shares,
    move_msi,
    move_share,
    msi,
    promise,
    set_share,
    share,
    staying_shares,
)
from orchestrator.instances.performance import performance_like
from orchestrator.requirements import (
    InstanceShare,
    MsiCandidate,
    RefusalNotice,
    ReleasedShare,
    RunningModel,
    ServiceDecision,
    ServiceRequirements,
)
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.vmof.choice import choose_msi
from orchestrator.vmof.grants import allocated, regrant, regrant_all, suppliers


class Draining(Refusal):
    """The share is being released; it cannot be instantiated at the same time."""

    code = "share_draining"
    title = "The share is being released"


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a share stands, whether its MSI was there before, and why."""

    msi: str
    reused: bool
    candidates: tuple[MsiCandidate, ...]


def join(
    rows: sa.Connection, wanted: ServiceRequirements, max_shares: int, rendering_k: int, key: str, now: int
) -> Joined:
    """Give the subscription its place in an MSI, old or new. One that has a place keeps it."""
    take_turn(rows, wanted.service_type)
    held = share(rows, wanted.subscription_id)
    if held is not None and held.state is ShareState.DRAINING:
        raise Draining(f"Subscription {wanted.subscription_id} is being released from {held.msi_id}. Wait for its end.")
    if held is not None and held.state in (ShareState.PLANNING, ShareState.RUNNING):
        return Joined(held.msi_id, held.reused, held.decision.msi_candidates if held.decision else ())
    best, reasons = look_for(rows, wanted, now)
    msi_id = best.msi_id if best else create_msi(rows, wanted, max_shares, key, now)
    place = Share(
        subscription_id=wanted.subscription_id,
        msi_id=msi_id,
        state=ShareState.PLANNING,
        reused=best is not None,
        requirements=wanted,
        rendering_k=rendering_k,
    )
    begin_share(rows, place, f"asks for {wanted.service}", now)
    return Joined(msi_id, best is not None, reasons)


def look_for(
    rows: sa.Connection, wanted: ServiceRequirements, now: int, without: str = ""
) -> tuple[Msi | None, tuple[MsiCandidate, ...]]:
    """The MSI to join, by what is promised and what was measured; `without` names one that is not to be it."""
    candidates = [one for one in joinable(rows, wanted) if one.msi_id != without]
    known = performance_like(rows, composition_of(wanted.roles), wanted.service_type, now) if candidates else {}
    return choose_msi(wanted, candidates, known)


def settle(
    rows: sa.Connection,
    wanted: ServiceRequirements,
    models: tuple[RunningModel, ...],
    decision: ServiceDecision,
    now: int,
) -> InstanceShare | None:
    """The share's models run: it runs, its MSI runs, and rates are shared anew. None = released meanwhile."""
    take_turn(rows, wanted.service_type)
    subscription_id = wanted.subscription_id
    held = share(rows, subscription_id)
    if held is None or held.state not in (ShareState.PLANNING, ShareState.RUNNING):
        return None
    running = replace(held, models=models, grant=allocated(models), decision=decision, refusal=None)
    if held.state is ShareState.PLANNING:
        move_share(rows, subscription_id, ShareMove.ACTIVATE, "its models run", now)
    set_share(rows, running, now)
    there = msi(rows, held.msi_id)
    if there is not None and there.state is MsiState.PLANNING:
        move_msi(rows, held.msi_id, MsiMove.ACTIVATE, f"the models of subscription {subscription_id} run", now)
    if there is not None:
        promise(rows, there, there.latency_ms, decision.models.reliability, now)
    grants = regrant(rows, suppliers(running))
    mine = grants.pop(subscription_id, running.grant)
    return InstanceShare(
        subscription_id=subscription_id,
        msi=held.msi_id,
        service=held.requirements.service,
        cluster=held.requirements.service_type,
        isolation=held.requirements.isolation,
        reused=held.reused,
        models=models,
        sockets={model.role: model.socket for model in models},
        grant=mine,
        grants=grants,
        decision=decision,
    )


def refuse(rows: sa.Connection, wanted: ServiceRequirements, refusal: RefusalNotice, now: int) -> None:
    """The share cannot be: record why; its MSI ends if nobody else stands in it."""
    take_turn(rows, wanted.service_type)
    subscription_id = wanted.subscription_id
    held = share(rows, subscription_id)
    if held is None or held.state is not ShareState.PLANNING:
        return
    move_share(rows, subscription_id, ShareMove.REFUSE, refusal.code, now)
    set_share(rows, replace(held, models=(), grant=ResourceVector(), decision=refusal.decision, refusal=refusal), now)
    if not _was_never_offered(refusal):
        regrant_all(rows)
    if live_shares(rows, held.msi_id) == 0:
        end_unused(rows, held.msi_id, f"subscription {subscription_id} was refused ({refusal.code})", now)


def _was_never_offered(refusal: RefusalNotice) -> bool:
    """Whether the first answer of MMF was that there is no room: then nothing was scaled, and nothing shrank again."""
    return refusal.code == "infeasible" and refusal.decision is not None and refusal.decision.rounds == 1


def drain(rows: sa.Connection, subscription_id: str, now: int) -> ReleasedShare:
    """The share is to go: nobody is let in by it any more. `released` tells that there is nothing left to do."""
    held = share(rows, subscription_id)
    if held is None:
        return ReleasedShare(subscription_id=subscription_id, msi="", msi_state="", released=True)
    take_turn(rows, held.requirements.service_type)
    held = share(rows, subscription_id) or held
    if held.state in (ShareState.PLANNING, ShareState.RUNNING):
        move_share(rows, subscription_id, ShareMove.DRAIN, "its release was asked for", now)
    there = msi(rows, held.msi_id)
    open_to_all = there is not None and there.state in (MsiState.PLANNING, MsiState.RUNNING)
    gone = held.state in (ShareState.RELEASED, ShareState.REFUSED)
    if open_to_all and not gone and staying_shares(rows, held.msi_id) == 0:
        move_msi(rows, held.msi_id, MsiMove.DECOMMISSION, f"subscription {subscription_id}, its last, is released", now)
    return ReleasedShare(
        subscription_id=subscription_id, msi=held.msi_id, msi_state=_state(rows, held.msi_id), released=gone
    )


def leave(rows: sa.Connection, subscription_id: str, stopped: tuple[str, ...], now: int) -> ReleasedShare:
    """The share's uses have ended: it is released, its MSI is gone if it was the last, rates are shared anew."""
    held = share(rows, subscription_id)
    if held is None:
        return ReleasedShare(subscription_id=subscription_id, msi="", msi_state="", released=True)
    take_turn(rows, held.requirements.service_type)
    held = share(rows, subscription_id) or held
    if held.state is ShareState.DRAINING:
        move_share(rows, subscription_id, ShareMove.RELEASE, "its uses have ended", now)
    there = msi(rows, held.msi_id)
    if there is not None and there.shares == 0:
        end_unused(rows, held.msi_id, f"subscription {subscription_id}, its last, has left", now)
    return ReleasedShare(
        subscription_id=subscription_id,
        msi=held.msi_id,
        msi_state=_state(rows, held.msi_id),
        released=True,
        stopped=stopped,
        grants=regrant(rows, suppliers(held)),
    )


def create_msi(rows: sa.Connection, wanted: ServiceRequirements, max_shares: int, key: str, now: int) -> str:
    """A new MSI that promises what is wanted, being planned; answers its id."""
    msi_id = f"msi-{sha256(key.encode()).hexdigest()[:12]}"
    add_msi(
        rows,
        Msi(
            msi_id=msi_id,
            service=wanted.service,
            cluster=wanted.service_type,
            isolation=wanted.isolation,
            state=MsiState.PREPARATION,
            latency_ms=wanted.qoe.latency_ms,
            reliability=wanted.qoe.reliability,
            max_shares=1 if wanted.isolation is Isolation.DEDICATED else max_shares,
            shares=0,
            created_at=now,
            changed_at=now,
            composition=composition_of(wanted.roles),
        ),
        f"no other takes subscription {wanted.subscription_id}",
    )
    move_msi(rows, msi_id, MsiMove.PLAN, f"MMF is asked for the models of subscription {wanted.subscription_id}", now)
    return msi_id


def end_unused(rows: sa.Connection, msi_id: str, why: str, now: int) -> None:
    """An MSI in which no share stands any more ends."""
    there = msi(rows, msi_id)
    if there is None:
        return
    if there.state is MsiState.PLANNING:
        move_msi(rows, msi_id, MsiMove.FAIL, why, now)
        return
    if there.state is MsiState.RUNNING:
        move_msi(rows, msi_id, MsiMove.DECOMMISSION, why, now)
    if there.state in (MsiState.RUNNING, MsiState.DECOMMISSION):
        move_msi(rows, msi_id, MsiMove.FINISH, why, now)


def _state(rows: sa.Connection, msi_id: str) -> str:
    there = msi(rows, msi_id)
    return there.state.value if there else ""
