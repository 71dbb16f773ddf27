"""The transactions of an MSI's life: join, settle, refuse, drain, leave. Rows only; VMOF's workflows call them in turn.

Each takes the cluster's turn first, so that ten purchases at once see each other's MSI. An MSI is created in
preparation, planned while its first share's models are agreed and started, runs, and is decommissioned when its last
share goes; while it is planned others may join, and whoever's models answer first makes it run.
"""

from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa

from orchestrator.errors import Refusal
from orchestrator.instances import MsiMove, MsiState, ShareMove, ShareState, take_turn
from orchestrator.instances.msis import (
    JOINABLE,
    Msi,
    Share,
    add_msi,
    live_shares,
    move_msi,
    move_share,
    msi,
    msis,
    put_share,
    share,
    staying_shares,
)
from orchestrator.requirements import (
    CandidateReason,
    InstanceShare,
    RefusalNotice,
    ReleasedShare,
    RunningModel,
    ServiceDecision,
    ServiceRequirements,
)
from orchestrator.resources import Isolation
from orchestrator.vmof.choice import choose_msi
from orchestrator.vmof.grants import allocated, regrant, regrant_all


class Draining(Refusal):
    """The share is being released; it cannot be instantiated at the same time."""

    code = "share_draining"
    title = "The share is being released"


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a share stands, whether its MSI was there before, and why."""

    msi: str
    reused: bool
    candidates: tuple[CandidateReason, ...]


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
    best, reasons = choose_msi(wanted, msis(rows, wanted.service, JOINABLE))
    msi_id = best.msi_id if best else create_msi(rows, wanted, max_shares, key, now)
    place = Share(
        subscription_id=wanted.subscription_id,
        msi_id=msi_id,
        state=ShareState.PLANNING,
        reused=best is not None,
        requirements=wanted,
        rendering_k=rendering_k,
    )
    put_share(rows, place, now)
    return Joined(msi_id, best is not None, reasons)


def settle(
    rows: sa.Connection,
    subscription_id: str,
    models: tuple[RunningModel, ...],
    decision: ServiceDecision,
    now: int,
) -> InstanceShare | None:
    """The share's models run: it runs, its MSI runs, and rendering is shared anew. None = released meanwhile."""
    known = share(rows, subscription_id)
    if known is None:
        return None
    take_turn(rows, known.requirements.service_type)
    held = share(rows, subscription_id)
    if held is None or held.state not in (ShareState.PLANNING, ShareState.RUNNING):
        return None
    running = Share(
        subscription_id=subscription_id,
        msi_id=held.msi_id,
        state=ShareState.RUNNING,
        reused=held.reused,
        requirements=held.requirements,
        rendering_k=held.rendering_k,
        models=models,
        grant=allocated(models),
        decision=decision,
    )
    if held.state is ShareState.PLANNING:
        move_share(rows, subscription_id, ShareMove.ACTIVATE, now)
    put_share(rows, running, now)
    there = msi(rows, held.msi_id)
    if there is not None and there.state is MsiState.PLANNING:
        move_msi(rows, held.msi_id, MsiMove.ACTIVATE, now)
    rendering = running.rendering()
    grants = regrant(rows, rendering.instance if rendering else "")
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


def refuse(rows: sa.Connection, subscription_id: str, refusal: RefusalNotice, now: int) -> None:
    """The share cannot be: record why; its MSI ends if nobody else stands in it."""
    held = share(rows, subscription_id)
    if held is None:
        return
    take_turn(rows, held.requirements.service_type)
    held = share(rows, subscription_id)
    if held is None or held.state is not ShareState.PLANNING:
        return
    move_share(rows, subscription_id, ShareMove.REFUSE, now)
    refused = Share(
        subscription_id=subscription_id,
        msi_id=held.msi_id,
        state=ShareState.REFUSED,
        reused=held.reused,
        requirements=held.requirements,
        rendering_k=held.rendering_k,
        decision=refusal.decision,
        refusal=refusal,
    )
    put_share(rows, refused, now)
    if refusal.decision is None or refusal.decision.rounds > 1:  # at once infeasible, it has scaled nobody's server
        regrant_all(rows)
    if live_shares(rows, held.msi_id) == 0:
        end_unused(rows, held.msi_id, now)


def drain(rows: sa.Connection, subscription_id: str, now: int) -> ReleasedShare:
    """The share is to go: nobody is let in by it any more. `released` tells that there is nothing left to do."""
    held = share(rows, subscription_id)
    if held is None:
        return ReleasedShare(subscription_id=subscription_id, msi="", msi_state="", released=True)
    take_turn(rows, held.requirements.service_type)
    held = share(rows, subscription_id) or held
    if held.state in (ShareState.PLANNING, ShareState.RUNNING):
        move_share(rows, subscription_id, ShareMove.DRAIN, now)
    there = msi(rows, held.msi_id)
    open_to_all = there is not None and there.state in (MsiState.PLANNING, MsiState.RUNNING)
    gone = held.state in (ShareState.RELEASED, ShareState.REFUSED)
    if open_to_all and not gone and staying_shares(rows, held.msi_id) == 0:
        move_msi(rows, held.msi_id, MsiMove.DECOMMISSION, now)
    return ReleasedShare(
        subscription_id=subscription_id, msi=held.msi_id, msi_state=_state(rows, held.msi_id), released=gone
    )


def leave(rows: sa.Connection, subscription_id: str, stopped: tuple[str, ...], now: int) -> ReleasedShare:
    """The share's uses have ended: it is released, its MSI is gone if it was the last, rendering is shared anew."""
    held = share(rows, subscription_id)
    if held is None:
        return ReleasedShare(subscription_id=subscription_id, msi="", msi_state="", released=True)
    take_turn(rows, held.requirements.service_type)
    held = share(rows, subscription_id) or held
    if held.state is ShareState.DRAINING:
        move_share(rows, subscription_id, ShareMove.RELEASE, now)
    there = msi(rows, held.msi_id)
    if there is not None and there.shares == 0:
        end_unused(rows, held.msi_id, now)
    rendering = held.rendering()
    return ReleasedShare(
        subscription_id=subscription_id,
        msi=held.msi_id,
        msi_state=_state(rows, held.msi_id),
        released=True,
        stopped=stopped,
        grants=regrant(rows, rendering.instance if rendering else ""),
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
        ),
    )
    move_msi(rows, msi_id, MsiMove.PLAN, now)
    return msi_id


def end_unused(rows: sa.Connection, msi_id: str, now: int) -> None:
    """An MSI in which no share stands any more ends."""
    there = msi(rows, msi_id)
    if there is None:
        return
    if there.state is MsiState.PLANNING:
        move_msi(rows, msi_id, MsiMove.FAIL, now)
        return
    if there.state is MsiState.RUNNING:
        move_msi(rows, msi_id, MsiMove.DECOMMISSION, now)
    if there.state in (MsiState.RUNNING, MsiState.DECOMMISSION):
        move_msi(rows, msi_id, MsiMove.FINISH, now)


def _state(rows: sa.Connection, msi_id: str) -> str:
    there = msi(rows, msi_id)
    return there.state.value if there else ""
