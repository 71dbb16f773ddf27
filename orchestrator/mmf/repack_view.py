"""The pool's rows as the values that a repack is decided on: what runs and may move, and what was refused of late.

Used by MMF's repacking; it writes nothing.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from orchestrator.instances import ModelState
from orchestrator.instances.models import ModelInstance, instances, instances_named
from orchestrator.instances.tables import OFFERS
from orchestrator.mmf.catalogue import Models, option, supplies
from orchestrator.mmf.drain import Tenant, tenants_of
from orchestrator.placement.greedy import flow
from orchestrator.placement.repack import Crossing, Demand, Part, PoolState, Resident
from orchestrator.placement.worth import cost, points, revenue
from orchestrator.requirements import OfferRequest, RoleRequirement
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import drawing_on_reservations, held_on_sites, nodes
from orchestrator.resources.supplied import on_the_move
from orchestrator.resources.topology import Topology

WAITING_S = 3600
"""How long a refused request counts as one that may come again, seconds."""
MOST_RESIDENTS, MOST_DEMANDS = 1_000, 16
"""That one search looks at: those instances that hold most, and the demands refused last."""


def pool_state(rows: sa.Connection, models: Models, topology: Topology, now: int) -> PoolState:
    """Everything that a repack may be decided on; `now` in UTC seconds."""
    running = [one for one in instances(rows, [ModelState.RUNNING]) if not one.supply]
    found = _residents(rows, models, topology, running, MOST_RESIDENTS)
    return _state(rows, found, _demands(rows, models, topology, now - WAITING_S))


def state_around(rows: sa.Connection, models: Models, topology: Topology, instance_ids: Collection[str]) -> PoolState:
    """The pool with these instances alone: enough to say whether they may still be moved."""
    ones = instances_named(rows, instance_ids)
    return _state(rows, _residents(rows, models, topology, ones, len(ones)), ())


def _state(rows: sa.Connection, residents: Sequence[Resident], demands: Sequence[Demand]) -> PoolState:
    there = nodes(rows)
    going, _ = on_the_move(rows)
    free = {
        one.node_id: ResourceVector() if one.closed else one.free - going.get(one.node_id, ResourceVector())
        for one in there
        if one.kind != "model"
    }
    sites = tuple(one.node_id for one in there if one.kind == "site")
    return PoolState(sites, free, tuple(residents), tuple(demands))


def _residents(
    rows: sa.Connection, models: Models, topology: Topology, ones: Sequence[ModelInstance], most: int
) -> list[Resident]:
    held = held_on_sites(rows, [one.instance_id for one in ones])
    reserved = drawing_on_reservations(rows)
    _, moving = on_the_move(rows)
    found: list[Resident] = []
    for one in sorted(ones, key=lambda one: _size(held.get(one.instance_id)), reverse=True):
        resident = Resident(
            instance_id=one.instance_id,
            site=one.node_id,
            holds=held.get(one.instance_id, ResourceVector()),
            ways={},
            isolation=one.isolation,
            supply=one.supply,
            settled=one.instance_id not in moving,
            reserved=one.instance_id in reserved,
        )
        if not resident.pinned:
            tenants = tenants_of(rows, one)
            users = [(tenant.access, tenant.role) for tenant in tenants]
            ways = _ways(topology, models[one.model].latency_ms, users)
            found.append(replace(resident, ways=ways, settled=_settled(one, tenants)))
        if len(found) == most:
            break
    return found


def _size(holds: ResourceVector | None) -> int:
    return points(holds) if holds else 0


def _settled(one: ModelInstance, tenants: Sequence[Tenant]) -> bool:
    """What is warm for nobody yet is not moved: it goes where its room is wanted."""
    all_known = 0 < len(tenants) == one.shares
    return one.state is ModelState.RUNNING and all_known and all(tenant.settled for tenant in tenants)


def _ways(
    topology: Topology, latency_ms: float, users: Sequence[tuple[str, RoleRequirement]]
) -> Mapping[str, Crossing]:
    """Site → what all users' traffic takes on the ways to it, where each of them is near enough."""
    crossings = {site.name: _crossing(topology, latency_ms, users, site.name) for site in topology.sites}
    return {site: crossing for site, crossing in crossings.items() if crossing is not None}


def _crossing(
    topology: Topology, latency_ms: float, users: Iterable[tuple[str, RoleRequirement]], site: str
) -> Crossing | None:
    crossing: dict[str, ResourceVector] = {}
    for access, role in users:
        way = topology.paths(access).get(site)
        if way is None or latency_ms + way.latency_ms > role.latency_ms + 1e-9:
            return None
        for link in way.links:
            crossing[link] = crossing.get(link, ResourceVector()) + flow(role.resources)
    return crossing


def _demands(rows: sa.Connection, models: Models, topology: Topology, since: int) -> list[Demand]:
    """What was refused since then and was not had by the same request later; a request that came twice counts once."""
    query = sa.select(OFFERS.c.offer_id, OFFERS.c.state, OFFERS.c.request).where(
        (OFFERS.c.at > since) & OFFERS.c.state.in_(("refused", "accepted"))
    )
    newest: dict[str, tuple[str, str, OfferRequest]] = {}
    for offer_id, state, document in rows.execute(query.order_by(OFFERS.c.at, OFFERS.c.offer_id)):
        request = OfferRequest.model_validate(document)
        if request.avoid and state == "refused":
            continue  # it was asked for something better than there was, and asked again
        plain = request.model_copy(update={"subscription_id": "", "msi": "", "avoid": {}, "instead_of": ""})
        asked = json.dumps(plain.to_json(), sort_keys=True)
        newest.pop(asked, None)
        newest[asked] = (state, offer_id, request)
    refused = [(offer_id, request) for state, offer_id, request in newest.values() if state == "refused"]
    found = (_demand(models, topology, offer_id, request) for offer_id, request in refused[-MOST_DEMANDS:])
    return [demand for demand in found if demand is not None]


def _demand(models: Models, topology: Topology, offer_id: str, request: OfferRequest) -> Demand | None:
    """The request as new instances; None where those are not offered, or not worth it."""
    worth, parts = revenue(request.roles, request.isolation), []
    for role in request.roles:
        manifest = models.get(role.model)
        if manifest is None or option(manifest).is_supply or request.isolation not in option(manifest).isolation:
            return None
        own = role.resources.only(supplies(manifest))
        if not own.fits(supplies(manifest)):
            return None
        worth -= cost(role, option(manifest), "create", request.isolation)
        takes = role.resources - own + ResourceVector.of(manifest.consumes)
        parts.append(Part(takes, _ways(topology, manifest.latency_ms, [(request.access, role)])))
    return Demand(offer_id, worth, tuple(parts)) if worth > 0 else None
