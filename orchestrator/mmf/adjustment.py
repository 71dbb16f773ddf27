"""Another size for a running share: reserved beside what it holds, then exchanged for it, or given back. Rows only.

Used by MMF's workflow `adjust`; each function is one transaction's work, in the pool's turn. From `reserve` on the
share holds the larger of both sizes, and both places of a role that moves (its new use is called `role~revision`), so
giving back cannot fail and a release in between frees everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from orchestrator.instances import ModelMove, ModelState, take_turn
from orchestrator.instances.models import (
    STANDING,
    Use,
    add_uses,
    drop_roles,
    instances_named,
    lock_instances,
    move_instance,
    uses,
    uses_of,
)
from orchestrator.mmf.catalogue import Models, supplies, view
from orchestrator.mmf.ending import let_stand
from orchestrator.mmf.offer_rows import Kept, change_offer, keep_offer
from orchestrator.mmf.offers import running_models
from orchestrator.mmf.sizes import create, scale
from orchestrator.placement.adjust import Holding, adjusted
from orchestrator.placement.greedy import flow
from orchestrator.requirements import Adjusted, Decision, Offer, OfferRequest, Placement
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import Allocation, OverAllocated, allocate, allocations_of, free_allocations
from orchestrator.resources.topology import ONE_SITE, Topology

NOTHING = Decision(feasible=False, verdict="reuse")


def reserve(
    rows: sa.Connection,
    models: Models,
    msi: str,
    revision: int,
    request: OfferRequest,
    offer_id: str,
    now: int,
    topology: Topology = ONE_SITE,
) -> Adjusted:
    """Decide and allocate; `adjusted` where it holds, else all is as it was. The decision is kept as an offer."""
    take_turn(rows, "pool")
    held = uses(rows, request.subscription_id, msi)
    if not held:
        return Adjusted(state="gone", decision=NOTHING, cause="The share was let go meanwhile.")
    present = {allocation.allocation_id: allocation for allocation in allocations_of(rows, request.subscription_id)}
    seen = view(rows, models, request, topology, now)
    decision = adjusted(request, seen, _holdings(rows, request, held, present), seed=offer_id)
    answer = Adjusted(state="adjusted" if decision.feasible else "infeasible", decision=decision)
    if decision.feasible:
        try:
            with rows.begin_nested():
                _place(rows, models, request, decision.placements, revision, offer_id, now, topology)
        except OverAllocated as cause:
            why = f"Both sizes do not fit side by side for the moment of the change: {cause}"
            answer = Adjusted(state="infeasible", decision=decision.model_copy(update={"feasible": False}), cause=why)
    offer = Offer(
        offer_id=offer_id,
        msi=request.msi,
        subscription_id=request.subscription_id,
        state="accepted" if answer.state == "adjusted" else "refused",
        decision=answer.decision,
    )
    keep_offer(rows, Kept(offer, request), now, answer.cause)
    return answer


def exchange(
    rows: sa.Connection,
    models: Models,
    msi: str,
    revision: int,
    request: OfferRequest,
    offer_id: str,
    decision: Decision,
    sockets: Mapping[str, str],
    now: int,
    topology: Topology = ONE_SITE,
) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """The new size is the share's size: its models, and the instances that lost their last user by it.

    None for the models where the share was let go meanwhile, or an instance with it.
    """
    take_turn(rows, "pool")
    share = request.subscription_id
    held = {use.role: use for use in uses(rows, share, msi)} | {use.role: use for use in uses(rows, share, request.msi)}
    names = {placement.role: _name(held, placement, revision) for placement in decision.placements}
    chosen = instances_named(rows, names_of(decision))
    if any(name not in held for name in names.values()) or any(one.state not in STANDING for one in chosen):
        return None, []
    before = {use.instance_id for use in held.values()}
    lock_instances(rows, before | names_of(decision))
    for one in chosen:
        socket = sockets.get(one.instance_id, one.socket)
        if one.state is ModelState.PLANNED or socket != one.socket:
            move_instance(rows, one.instance_id, ModelMove.START, now, socket)
    drop_roles(rows, share, list(held))
    add_uses(rows, [Use(share, p.role, request.msi, p.instance, p.verdict, offer_id) for p in decision.placements])
    free_allocations(rows, [one.allocation_id for one in allocations_of(rows, share)])
    sized = [one for placement in decision.placements for one in _wanted(models, request, placement, topology)]
    allocate(rows, sized, request.cluster, now)
    idle = _settle(rows, models, before, now)
    ones = {one.instance_id: one for one in instances_named(rows, names_of(decision))}
    after = [(use, ones[use.instance_id]) for use in uses(rows, share, request.msi)]
    return [model.to_json() for model in running_models(rows, models, after, {})], idle


def give_back(
    rows: sa.Connection,
    models: Models,
    msi: str,
    revision: int,
    request: OfferRequest,
    offer_id: str,
    before: Sequence[Allocation],
    cause: str,
    failed: Sequence[str],
    now: int,
) -> list[str]:
    """The share is the size it was; answers the instances that nobody uses after all."""
    take_turn(rows, "pool")
    share = request.subscription_id
    held = [*uses(rows, share, msi), *(uses(rows, share, request.msi) if request.msi != msi else ())]
    lock_instances(rows, {use.instance_id for use in held})
    drop_roles(rows, share, [use.role for use in held if use.role.endswith(_mark(revision))])
    old = {one.allocation_id for one in before}
    now_held = allocations_of(rows, share)
    free_allocations(rows, [one.allocation_id for one in now_held if one.allocation_id not in old])
    if held:
        allocate(rows, before, request.cluster, now)
    change_offer(rows, offer_id, "failed", cause)
    touched = {use.instance_id for use in held} | {one.instance_id for one in now_held}
    return _settle(rows, models, touched, now, failed)


def names_of(decision: Decision) -> set[str]:
    """The instances of a decision's placements."""
    return {placement.instance for placement in decision.placements}


def _holdings(
    rows: sa.Connection, request: OfferRequest, held: Sequence[Use], present: Mapping[str, Allocation]
) -> list[Holding]:
    ones = {one.instance_id: one for one in instances_named(rows, {use.instance_id for use in held})}
    return [
        Holding(
            role=use.role,
            instance=use.instance_id,
            node=ones[use.instance_id].node_id,
            own=_amounts(present, f"{request.subscription_id}/{use.role}/own"),
            on_node=_amounts(present, f"{request.subscription_id}/{use.role}/site"),
        )
        for use in held
    ]


def _amounts(present: Mapping[str, Allocation], allocation_id: str) -> ResourceVector:
    return present[allocation_id].amounts if allocation_id in present else ResourceVector()


def _place(
    rows: sa.Connection,
    models: Models,
    request: OfferRequest,
    placements: Sequence[Placement],
    revision: int,
    offer_id: str,
    now: int,
    topology: Topology,
) -> None:
    """Beside what is held: the larger size of what stays, the whole of what moves."""
    share = request.subscription_id
    present = {one.allocation_id: one for one in allocations_of(rows, share)}
    at = {use.role: use.instance_id for use in uses_of(rows, share)}
    lock_instances(rows, {placement.instance for placement in placements})
    for placement in placements:
        if placement.verdict == "create":
            allocate(rows, [create(rows, models[placement.model], request, placement, now)], request.cluster, now)
        elif placement.verdict == "modify":
            scale(rows, models[placement.model], placement.instance, +1, now)
        wanted = _wanted(models, request, placement, topology)
        if at.get(placement.role) == placement.instance:
            larger = [replace(one, amounts=one.amounts.most(_amounts(present, one.allocation_id))) for one in wanted]
            allocate(rows, larger, request.cluster, now)
            continue
        mark = _mark(revision)
        name = f"{placement.role}{mark}"
        add_uses(rows, [Use(share, name, request.msi, placement.instance, placement.verdict, offer_id)])
        marked = [replace(one, allocation_id=one.allocation_id + mark) for one in wanted]
        allocate(rows, marked, request.cluster, now)


def _wanted(models: Models, request: OfferRequest, placement: Placement, topology: Topology) -> list[Allocation]:
    """What the role is to hold of its instance's own supplies, of its node and of the links on the way."""
    role = next(role for role in request.roles if role.role == placement.role)
    own = role.resources.only(supplies(models[role.model]))
    share, instance_id = request.subscription_id, placement.instance
    return [
        Allocation(f"{share}/{role.role}/own", instance_id, instance_id, own, share),
        Allocation(f"{share}/{role.role}/site", placement.node, instance_id, role.resources - own, share),
        *(
            Allocation(f"{share}/{role.role}/{link}", link, instance_id, flow(role.resources), share)
            for link in topology.paths(request.access)[placement.node].links
        ),
    ]


def _mark(revision: int) -> str:
    return f"~{revision}"


def _name(held: Mapping[str, Use], placement: Placement, revision: int) -> str:
    """Under which name the role's new use stands: the role's own where it stays."""
    moving = f"{placement.role}{_mark(revision)}"
    return moving if moving in held else placement.role


def _settle(rows: sa.Connection, models: Models, touched: set[str], now: int, failed: Sequence[str] = ()) -> list[str]:
    """Stop what lost its last user, shrink what needs its scale no longer; answers what is to be stopped."""
    ones = instances_named(rows, touched)
    return [one.instance_id for one in ones if not let_stand(rows, models, one, failed, now)]
