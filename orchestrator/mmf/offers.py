"""Offers: proposed on what is there, accepted on what is there then, countered. Rows only; the runtime comes after.

Used by MMF's app and workflows; each function is one transaction's work. Between offer and acceptance others may have
been faster: where somebody else has had the pool's turn since, acceptance decides again in its own, and where it would
decide otherwise it answers with a new offer.
"""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.instances import ModelMove, ModelState, take_turn, turn_of
from orchestrator.instances.models import (
    STANDING,
    ModelInstance,
    Use,
    add_uses,
    instance,
    instances_named,
    lock_instances,
    move_instance,
    uses,
)
from orchestrator.mmf.catalogue import Models, Seen, look, supplies
from orchestrator.mmf.negotiation import counters, overtaken
from orchestrator.mmf.offer_rows import (
    Kept,
    UnknownOffer,
    change_offer,
    find_offer,
    keep_offer,
    offer_name,
)
from orchestrator.mmf.sizes import create, scale
from orchestrator.placement import conceivable, decide
from orchestrator.placement.greedy import flow
from orchestrator.requirements import (
    Change,
    Decision,
    Lack,
    Offer,
    OfferRequest,
    Placement,
    RunningModel,
    lacks_of,
)
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import Allocation, allocate, held_by
from orchestrator.resources.reservations import due, expire
from orchestrator.resources.topology import ONE_SITE, Topology


class OfferReused(OrchestratorError):
    """The Idempotency-Key of an offer came again with another request."""

    code = "idempotency_key_reused"
    status = 422
    title = "The Idempotency-Key belongs to another call"


def _next(offer_id: str) -> str:
    """The id of the offer that replaces a stale one, the same whenever it is asked for."""
    return offer_name(f"{offer_id}/next")


def propose(
    rows: sa.Connection,
    models: Models,
    request: OfferRequest,
    offer_id: str,
    now: int,
    topology: Topology = ONE_SITE,
    instead_of: str = "",
) -> Offer:
    """The offer with this id: as it was made, or made now. Nothing is allocated by it.

    The one that it takes the place of is rejected, if that was still open.
    """
    known = find_offer(rows, offer_id)
    if known is not None:
        if known.request != request:
            raise OfferReused(f"{offer_id} was made for another request. Take a new Idempotency-Key for a new request.")
        return known.offer
    turn, held = turn_of(rows, "pool"), uses(rows, request.subscription_id, request.msi)
    seen = look(rows, models, request, now)
    decision = _as_held(rows, held) if held else _decide(seen, request, offer_id, topology)
    offer = Offer(
        offer_id=offer_id,
        msi=request.msi,
        subscription_id=request.subscription_id,
        state="open" if decision.feasible else "refused",
        decision=decision,
        instead_of=instead_of or request.instead_of,
    )
    keep_offer(rows, Kept(offer, request, turn), now)
    if request.instead_of:
        _reject(rows, request)
    return offer if decision.feasible else _countered(rows, seen, offer, request, topology, now)


def _reject(rows: sa.Connection, request: OfferRequest) -> None:
    known = find_offer(rows, request.instead_of)
    if known is None or known.offer.state != "open":
        return
    named = {placement.instance for placement in known.offer.decision.placements}
    causes = [f"{name} lacks {lacks_of(lacks)}" for name, lacks in request.avoid.items() if name in named]
    change_offer(rows, request.instead_of, "rejected", "; ".join(causes))


def _countered(
    rows: sa.Connection, seen: Seen, refused: Offer, request: OfferRequest, topology: Topology, now: int
) -> Offer:
    """The refused offer with what MMF could instead; each counter-offer is a row with its own reasons."""

    def decided(other: OfferRequest) -> Decision | None:
        candidates = seen.candidates(topology, other.access)
        return decide(other, candidates, seed=refused.offer_id) if conceivable(other, candidates) else None

    changes: list[Change] = []
    for change, other, decision in counters(request, refused.decision, topology, decided):
        counter = refused.model_copy(
            update={
                "offer_id": offer_name(f"{refused.offer_id}/{change.name}"),
                "state": "counter",
                "decision": decision,
                "instead_of": refused.offer_id,
                "change": change,
            }
        )
        cause = f"{change.name} {change.offered} instead of {change.asked} would do"
        keep_offer(rows, Kept(counter, other), now, cause)
        changes.append(change)
    return refused.model_copy(update={"counters": tuple(changes)})


def accept(rows: sa.Connection, models: Models, offer_id: str, now: int, topology: Topology = ONE_SITE) -> Offer:
    """Allocate what the offer says (its state is then `accepted`), or answer with the offer that replaces it."""
    turn = take_turn(rows, "pool")
    known = find_offer(rows, offer_id)
    if known is None:
        raise UnknownOffer(f"{offer_id} was never made or is forgotten. Ask for a new offer.")
    offer, request = known.offer, known.request
    lapsed = due(rows, now)
    if lapsed:
        expire(rows, now)
    if offer.state == "stale":
        return propose(rows, models, request, _next(offer_id), now, topology, offer_id)
    if offer.state != "open":
        return offer
    if not uses(rows, request.subscription_id, request.msi):
        decision = offer.decision
        if lapsed or turn != known.turn + 1:  # somebody else had a turn since
            decision = _decide(look(rows, models, request, now), request, offer_id, topology)
        if decision.placements != offer.decision.placements:
            change_offer(rows, offer_id, "stale", overtaken(offer.decision, decision))
            return propose(rows, models, request, _next(offer_id), now, topology, offer_id)
        _place(rows, models, request, decision.placements, offer_id, now, topology)
    change_offer(rows, offer_id, "accepted")
    return offer.model_copy(update={"state": "accepted"})


def confirm(
    rows: sa.Connection, models: Models, offer_id: str, sockets: Mapping[str, str], now: int
) -> list[RunningModel] | None:
    """The models answered on these sockets: what the share now uses; None where it was let go meanwhile."""
    take_turn(rows, "pool")
    known = find_offer(rows, offer_id)
    held = holdings(rows, known.offer) if known else []
    if not held or any(one.state not in STANDING for _, one in held):
        return None
    lock_instances(rows, {one.instance_id for _, one in held})
    for one in {one.instance_id: one for _, one in held}.values():
        socket = sockets.get(one.instance_id, one.socket)
        if one.state is ModelState.PLANNED or socket != one.socket:
            move_instance(rows, one.instance_id, ModelMove.START, now, socket)
    return running_models(rows, models, held, sockets)


def holdings(rows: sa.Connection, offer: Offer) -> list[tuple[Use, ModelInstance]]:
    """What the offer's share uses, by role."""
    held = uses(rows, offer.subscription_id, offer.msi)
    ones = {one.instance_id: one for one in instances_named(rows, {use.instance_id for use in held})}
    return [(use, ones[use.instance_id]) for use in held]


def running_models(
    rows: sa.Connection, models: Models, held: Sequence[tuple[Use, ModelInstance]], sockets: Mapping[str, str]
) -> list[RunningModel]:
    """What a share has of its models, on these sockets or those in the rows."""
    granted = held_by(rows, held[0][0].subscription_id) if held else {}
    return [
        RunningModel(
            role=use.role,
            model=one.model,
            instance=one.instance_id,
            isolation=one.isolation,
            verdict=use.verdict,
            node=one.node_id,
            socket=sockets.get(one.instance_id, one.socket),
            granted=granted.get(one.instance_id, ResourceVector()),
            supplies=supplies(models[one.model]) * one.scale,
        )
        for use, one in held
    ]


def _decide(seen: Seen, request: OfferRequest, offer_id: str, topology: Topology) -> Decision:
    if not topology.paths(request.access):
        return _nowhere(request, topology)
    return decide(request, seen.candidates(topology, request.access), seed=offer_id)


def _nowhere(request: OfferRequest, topology: Topology) -> Decision:
    """The user enters at no site of the topology."""
    sites = ", ".join(site.name for site in topology.sites)
    lack = Lack(kind="link", name="access", needed=f"a link from {request.access}", available=f"users enter at {sites}")
    return Decision(feasible=False, verdict="create", needed={role.role: (lack,) for role in request.roles})


def _as_held(rows: sa.Connection, held: Sequence[Use]) -> Decision:
    """The decision of an earlier attempt whose answer was lost: the share already holds its models."""
    ones = [(use, one) for use in held if (one := instance(rows, use.instance_id))]
    placements = tuple(
        Placement(role=use.role, model=one.model, verdict=use.verdict, instance=one.instance_id, node=one.node_id)
        for use, one in ones
    )
    return Decision(feasible=True, verdict="reuse", placements=placements)


def _place(
    rows: sa.Connection,
    models: Models,
    request: OfferRequest,
    placements: Sequence[Placement],
    offer_id: str,
    now: int,
    topology: Topology,
) -> None:
    share = request.subscription_id
    taken: list[Allocation] = []
    lock_instances(rows, {placement.instance for placement in placements})
    for placement in placements:
        if placement.verdict == "create":
            taken.append(create(rows, models[placement.model], request, placement, now))
        elif placement.verdict == "modify":
            scale(rows, models[placement.model], placement.instance, +1, now)
    add_uses(rows, [Use(share, p.role, request.msi, p.instance, p.verdict, offer_id) for p in placements])
    ways = topology.paths(request.access)
    for role, placement in zip(request.roles, placements, strict=True):
        own = role.resources.only(supplies(models[role.model]))
        rest = role.resources - own
        for name, node, amounts in (("own", placement.instance, own), ("site", placement.node, rest)):
            taken.append(Allocation(f"{share}/{role.role}/{name}", node, placement.instance, amounts, share))
        crossing = flow(role.resources)
        taken.extend(
            Allocation(f"{share}/{role.role}/{link}", link, placement.instance, crossing, share)
            for link in ways[placement.node].links
        )
    allocate(rows, taken, request.cluster, now)
