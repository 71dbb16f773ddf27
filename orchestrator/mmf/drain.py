"""Moves what stands on capacity that is withdrawn: where to, with what reasons, and the rows of the move.

Used by MMF's supply workflows, each function inside one transaction and in the pool's turn. An instance is moved by
starting another one at another site with the same grants, giving it all uses in one transaction, and ending the old
one. What an instance kept in its own memory or files does not move: it starts empty, as after a restart elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from orchestrator.instances import ModelMove, ModelState, ShareState
from orchestrator.instances.models import (
    STANDING,
    ModelInstance,
    Use,
    add_instance,
    instance,
    instances,
    instances_named,
    move_instance,
    move_uses,
    users_of,
    uses_at,
)
from orchestrator.instances.msis import move_models, share
from orchestrator.mmf.catalogue import Models, supplies
from orchestrator.mmf.offer_rows import find_offer
from orchestrator.mmf.sizes import size
from orchestrator.notices import NoticeKind
from orchestrator.placement.greedy import flow, instance_name, lacking
from orchestrator.requirements import Lack, Notice, RoleRequirement
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import (
    ALLOCATIONS,
    Allocation,
    Node,
    allocate,
    free_instance,
    free_share,
    held_on_sites,
    nodes,
)
from orchestrator.resources.supplied import SupplyOffer, on_the_move
from orchestrator.resources.topology import Topology


@dataclass(frozen=True, slots=True)
class Tenant:
    """One use of an instance, with what was agreed for it."""

    use: Use
    role: RoleRequirement
    access: str
    settled: bool


@dataclass(frozen=True, slots=True)
class Move:
    """An instance and the site that it is to move to."""

    old: ModelInstance
    tenants: tuple[Tenant, ...]
    site: str


@dataclass
class Plan:
    """The moves that free what is withdrawn, or why there are none."""

    short: dict[str, int]
    """resource → what would be missing at the site, were the offer gone now"""
    moves: list[Move] = field(default_factory=list)
    standing: list[dict[str, Any]] = field(default_factory=list)
    """what stands on the offer and cannot be moved: the instance, its shares, and per site what it lacks"""


def plan(rows: sa.Connection, models: Models, topology: Topology, offer: SupplyOffer) -> Plan:
    """Moves of the fewest instances that are enough, those first that hold most of what would be missing."""
    there = {node.node_id: node for node in nodes(rows)}
    site = there[offer.site]
    short = (site.used + site.reserved).shortfall(site.capacity - offer.amounts)
    found = Plan(short)
    if not short:
        return found
    on_site = [one for one in instances(rows) if one.node_id == offer.site and not one.supply]
    held = held_on_sites(rows, [one.instance_id for one in on_site])
    going, _ = on_the_move(rows)
    rooms = {name: node.free - going.get(name, ResourceVector()) for name, node in there.items()}
    left = dict(short)
    for one in sorted(on_site, key=lambda one: _relief(held.get(one.instance_id), short), reverse=True):
        holds = held.get(one.instance_id, ResourceVector())
        if not left or not any(holds.amounts().get(name) for name in left):
            continue
        tenants = tenants_of(rows, one)
        lacks = {
            name: _lacks(models, topology, one, tenants, holds, node, rooms)
            for name, node in there.items()
            if node.kind == "site" and name != offer.site and not node.closed
        }
        fit = [name for name, why in lacks.items() if not why]
        if not fit:
            found.standing.append(_stands(one, tenants, holds, lacks))
            continue
        target = min(fit, key=lambda name: (_distance(topology, tenants, name), name))
        found.moves.append(Move(one, tenants, target))
        _take(rooms, topology, tenants, holds, target)
        left = {name: rest for name, amount in left.items() if (rest := amount - holds.amounts().get(name, 0)) > 0}
    if left:
        found.short = left
        found.moves = []
        if site.reserved:
            found.standing.append({"reserved": site.reserved.amounts(), "site": offer.site})
    return found


def begin(
    rows: sa.Connection, models: Models, topology: Topology, moves: Sequence[Move], seed: str, now: int
) -> dict[str, str]:
    """Write the new instances and hold room for them and their shares; answers old → new."""
    moved: dict[str, str] = {}
    for move in moves:
        old, manifest = move.old, models[move.old.model]
        name = instance_name(old.model, f"{seed}/{old.instance_id}")
        new = replace(
            old, instance_id=name, node_id=move.site, state=ModelState.PLANNED, shares=0, socket="", created_at=now
        )
        add_instance(rows, replace(new, changed_at=now))
        size(rows, manifest, new, new.scale, now)
        for tenant in move.tenants:
            allocate(rows, _holdings(models, topology, tenant, new), new.cluster, now)
        moved[old.instance_id] = name
    return moved


def switch(rows: sa.Connection, moved: Mapping[str, str], sockets: Mapping[str, str], now: int) -> list[str]:
    """Whoever uses the old instances uses the new ones, which run; answers the instances that are to be stopped."""
    idle: list[str] = []
    for old_id, new_id in moved.items():
        old, new = instance(rows, old_id), instance(rows, new_id)
        if new is None or new.state is not ModelState.PLANNED:
            continue
        users = {use.subscription_id for use in uses_at(rows, old_id)}
        for gone in _holders(rows, new_id) - users:
            free_share(rows, new_id, gone)
        if old is None or old.state not in STANDING or not users:
            move_instance(rows, new_id, ModelMove.STOP, now)
            idle.append(new_id)
            continue
        move_instance(rows, new_id, ModelMove.START, now, sockets[new_id])
        move_uses(rows, old_id, new_id)
        for user in users:
            free_share(rows, old_id, user)
            move_models(rows, user, old_id, new_id, new.node_id, sockets[new_id])
        move_instance(rows, old_id, ModelMove.STOP, now)
        idle.append(old_id)
    return idle


def moves_of(rows: sa.Connection, moved: Mapping[str, str]) -> list[dict[str, Any]]:
    """What was moved (old → new instance), from where to where, and whom it concerned."""
    ones = {one.instance_id: one for one in instances_named(rows, [*moved, *moved.values()])}
    return [
        {
            "instance": old,
            "model": ones[old].model,
            "origin": ones[old].node_id,
            "target": ones[new].node_id,
            "movedTo": new,
            "subscriptions": list(users_of(rows, new)),
        }
        for old, new in moved.items()
    ]


def migrated(moves: Sequence[Mapping[str, Any]], cause: str) -> list[Notice]:
    """Word of moves to each user whom they concern."""
    return [
        Notice(
            kind=NoticeKind.SHARE_MIGRATED,
            subject=move["movedTo"],
            subscription_id=subscription_id,
            detail={**{name: move[name] for name in ("instance", "model", "origin", "target")}, "cause": cause},
        )
        for move in moves
        for subscription_id in move["subscriptions"]
    ]


def give_up(rows: sa.Connection, moved: Mapping[str, str], now: int) -> None:
    """The new instances did not start: free what was held for them; the old ones were not touched."""
    for new_id in moved.values():
        new = instance(rows, new_id)
        if new is not None and new.state is ModelState.PLANNED:
            move_instance(rows, new_id, ModelMove.FAIL, now)
            free_instance(rows, new_id)


def _relief(holds: ResourceVector | None, short: Mapping[str, int]) -> float:
    there = holds.all_amounts() if holds else {}
    return sum(min(there.get(name, 0) / amount, 1.0) for name, amount in short.items())


def tenants_of(rows: sa.Connection, one: ModelInstance) -> tuple[Tenant, ...]:
    """Who uses an instance, with what was agreed for each use."""
    found: list[Tenant] = []
    for use in uses_at(rows, one.instance_id):
        known, held = find_offer(rows, use.offer_id), share(rows, use.subscription_id)
        role = next((role for role in known.request.roles if role.role == use.role), None) if known else None
        if known is not None and role is not None:
            settled = held is not None and held.state is not ShareState.PLANNING
            found.append(Tenant(use, role, known.request.access, settled))
    return tuple(found)


def _lacks(
    models: Models,
    topology: Topology,
    one: ModelInstance,
    tenants: Sequence[Tenant],
    holds: ResourceVector,
    node: Node,
    rooms: Mapping[str, ResourceVector],
) -> tuple[Lack, ...]:
    """What a site lacks to take an instance with its shares."""
    lacks = list(lacking(holds, rooms[node.node_id]))
    if one.state is not ModelState.RUNNING or not all(tenant.settled for tenant in tenants):
        lacks.append(Lack(kind="state", name="state", needed="running", available="being instantiated"))
    crossing: dict[str, ResourceVector] = {}
    for tenant in tenants:
        way = topology.paths(tenant.access).get(node.node_id)
        if way is None:
            lacks.append(Lack(kind="link", name="access", needed=f"a way to {node.node_id}", available="none"))
            continue
        latency = models[one.model].latency_ms + way.latency_ms
        if latency > tenant.role.latency_ms + 1e-9:
            asked = tenant.role.latency_ms
            lacks.append(Lack(kind="latency", name="latency_ms", needed=latency, available=asked, unit="ms"))
        for link in way.links:
            crossing[link] = crossing.get(link, ResourceVector()) + flow(tenant.role.resources)
    for link, amounts in crossing.items():
        for lack in lacking(amounts, rooms[link]):
            lacks.append(lack.model_copy(update={"kind": "link", "name": f"{lack.name} of {link}"}))  # noqa: PERF401
    return tuple(lacks)


def _take(
    rooms: dict[str, ResourceVector],
    topology: Topology,
    tenants: Sequence[Tenant],
    holds: ResourceVector,
    target: str,
) -> None:
    rooms[target] -= holds
    for tenant in tenants:
        for link in topology.paths(tenant.access)[target].links:
            rooms[link] -= flow(tenant.role.resources)


def _distance(topology: Topology, tenants: Sequence[Tenant], site: str) -> float:
    return sum(topology.paths(tenant.access)[site].latency_ms for tenant in tenants)


def _holdings(models: Models, topology: Topology, tenant: Tenant, new: ModelInstance) -> list[Allocation]:
    """What one use holds of the new instance, of its site and of the way there."""
    use, resources = tenant.use, tenant.role.resources
    own = resources.only(supplies(models[new.model]))
    wanted = [("own", new.instance_id, own), ("site", new.node_id, resources - own)]
    wanted += [(link, link, flow(resources)) for link in topology.paths(tenant.access)[new.node_id].links]
    share_id = use.subscription_id
    return [
        Allocation(f"{share_id}/{use.role}/{name}>{new.instance_id}", node, new.instance_id, amounts, share_id)
        for name, node, amounts in wanted
    ]


def _holders(rows: sa.Connection, instance_id: str) -> set[str]:
    mine = (ALLOCATIONS.c.instance_id == instance_id) & (ALLOCATIONS.c.subscription_id != "")
    return set(rows.scalars(sa.select(ALLOCATIONS.c.subscription_id).where(mine)))


def _stands(
    one: ModelInstance, tenants: Sequence[Tenant], holds: ResourceVector, lacks: Mapping[str, Sequence[Lack]]
) -> dict[str, Any]:
    return {
        "instance": one.instance_id,
        "model": one.model,
        "subscriptions": sorted({tenant.use.subscription_id for tenant in tenants}),
        "holds": holds.amounts(),
        "lacks": {site: [lack.to_json() for lack in why] for site, why in lacks.items()},
    }
