"""Offers: proposed on what is there, accepted on what is there then, countered, and let go. Rows only; the runtime
comes after.

Used by MMF's app and workflows; each function is one transaction's work. Between offer and acceptance others may have
been faster: acceptance decides again in its own turn, and where it would decide otherwise it answers with a new offer.
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.instances import IllegalMove, ModelMove, ModelState, take_turn
from orchestrator.instances.lives import end_life
from orchestrator.instances.models import (
    STANDING,
    ModelInstance,
    Use,
    add_instance,
    add_uses,
    drop_uses,
    instance,
    instances_named,
    move_instance,
    set_scale,
    uses,
)
from orchestrator.instances.tables import OFFERS
from orchestrator.mmf.catalogue import supplies, view
from orchestrator.mmf.negotiation import counters, overtaken
from orchestrator.models.manifests import Manifest
from orchestrator.placement import decide
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
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import Allocation, allocate, free_instance, free_share, held_by, nodes, supply
from orchestrator.resources.reservations import due, expire
from orchestrator.resources.topology import ONE_SITE, Topology

Models = Mapping[str, Manifest]

_MINE = OFFERS.c.offer_id == sa.bindparam("mine")
_ADD, _CHANGE, _ONE = sa.insert(OFFERS), sa.update(OFFERS).where(_MINE), sa.select(OFFERS).where(_MINE)


class UnknownOffer(OrchestratorError):
    """No offer has this id."""

    code = "unknown_offer"
    status = 404
    title = "No offer has this id"


class OfferReused(OrchestratorError):
    """The Idempotency-Key of an offer came again with another request."""

    code = "idempotency_key_reused"
    status = 422
    title = "The Idempotency-Key belongs to another call"


def offer_name(key: str) -> str:
    """The id of the offer made for an idempotency key."""
    return f"offer-{sha256(key.encode()).hexdigest()[:16]}"


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
        if known[1] != request:
            raise OfferReused(f"{offer_id} was made for another request. Take a new Idempotency-Key for a new request.")
        return known[0]
    held = uses(rows, request.subscription_id, request.msi)
    decision = _as_held(rows, held) if held else _decide(rows, models, request, offer_id, topology, now)
    offer = Offer(
        offer_id=offer_id,
        msi=request.msi,
        subscription_id=request.subscription_id,
        state="open" if decision.feasible else "refused",
        decision=decision,
        instead_of=instead_of or request.instead_of,
    )
    keep_offer(rows, offer, request, now)
    if request.instead_of:
        _reject(rows, request)
    return offer if decision.feasible else _countered(rows, models, offer, request, topology, now)


def _reject(rows: sa.Connection, request: OfferRequest) -> None:
    known = find_offer(rows, request.instead_of)
    if known is None or known[0].state != "open":
        return
    named = {placement.instance for placement in known[0].decision.placements}
    causes = [f"{name} lacks {lacks_of(lacks)}" for name, lacks in request.avoid.items() if name in named]
    rows.execute(_CHANGE, {"mine": request.instead_of, "state": "rejected", "cause": "; ".join(causes)})


def _countered(
    rows: sa.Connection, models: Models, refused: Offer, request: OfferRequest, topology: Topology, now: int
) -> Offer:
    """The refused offer with what MMF could instead; each counter-offer is a row with its own reasons."""

    def decided(other: OfferRequest) -> Decision:
        return _decide(rows, models, other, refused.offer_id, topology, now)

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
        keep_offer(rows, counter, other, now, f"{change.name} {change.offered} instead of {change.asked} would do")
        changes.append(change)
    return refused.model_copy(update={"counters": tuple(changes)})


def keep_offer(rows: sa.Connection, offer: Offer, request: OfferRequest, now: int, cause: str = "") -> None:
    """Write a new offer with what it was made for."""
    rows.execute(
        _ADD,
        {
            "offer_id": offer.offer_id,
            "subscription_id": offer.subscription_id,
            "msi_id": offer.msi,
            "state": offer.state,
            "request": request.to_json(),
            "decision": offer.decision.to_json(),
            "cause": cause,
            "at": now,
            "instead_of": offer.instead_of,
            "change": offer.change.to_json() if offer.change else None,
        },
    )


def is_of_running(rows: sa.Connection, offer_id: str) -> bool:
    """Whether the offer, open or accepted, is of nothing but running instances; an accepted one must still be held."""
    take_turn(rows, "pool")
    known = find_offer(rows, offer_id)
    if known is None or known[0].state not in ("open", "accepted"):
        return False
    offer, request = known
    if any(placement.verdict != "reuse" for placement in offer.decision.placements):
        return False
    if offer.state == "accepted" and not uses(rows, request.subscription_id, request.msi):
        return False
    named = {placement.instance for placement in offer.decision.placements}
    running = [one for one in instances_named(rows, named) if one.state is ModelState.RUNNING and one.socket]
    return len(running) == len(named)


def accept(rows: sa.Connection, models: Models, offer_id: str, now: int, topology: Topology = ONE_SITE) -> Offer:
    """Allocate what the offer says (its state is then `accepted`), or answer with the offer that replaces it."""
    take_turn(rows, "pool")
    if due(rows, now):
        expire(rows, now)
    known = find_offer(rows, offer_id)
    if known is None:
        raise UnknownOffer(f"{offer_id} was never made or is forgotten. Ask for a new offer.")
    offer, request = known
    if offer.state == "stale":
        return propose(rows, models, request, _next(offer_id), now, topology, offer_id)
    if offer.state != "open":
        return offer
    if not uses(rows, request.subscription_id, request.msi):
        decision = _decide(rows, models, request, offer_id, topology, now)
        if decision.placements != offer.decision.placements:
            rows.execute(_CHANGE, {"mine": offer_id, "state": "stale", "cause": overtaken(offer.decision, decision)})
            return propose(rows, models, request, _next(offer_id), now, topology, offer_id)
        _place(rows, models, request, decision.placements, offer_id, now, topology)
    _mark(rows, offer_id, "accepted")
    return offer.model_copy(update={"state": "accepted"})


def confirm(
    rows: sa.Connection, models: Models, offer_id: str, sockets: Mapping[str, str], now: int
) -> list[dict[str, Any]] | None:
    """The models answered on these sockets: what the share now uses; None where it was let go meanwhile."""
    take_turn(rows, "pool")
    known = find_offer(rows, offer_id)
    held = holdings(rows, known[0]) if known else []
    if not held or any(one.state not in STANDING for _, one in held):
        return None
    for one in {one.instance_id: one for _, one in held}.values():
        socket = sockets.get(one.instance_id, one.socket)
        if one.state is ModelState.PLANNED or socket != one.socket:
            move_instance(rows, one.instance_id, ModelMove.START, now, socket)
    return [model.to_json() for model in running_models(rows, models, held, sockets)]


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


def let_go(
    rows: sa.Connection, models: Models, subscription_id: str, msi: str, failed: Collection[str], now: int
) -> list[str]:
    """End a share's uses and free what it held; answers the instances that have lost their last user.

    Those keep what they themselves hold until `finish`: their processes still run. What others use is not touched, nor
    what is kept warm.
    """
    take_turn(rows, "pool")
    held = uses(rows, subscription_id, msi)
    drop_uses(rows, subscription_id, msi)
    idle: list[str] = []
    for instance_id in sorted({use.instance_id for use in held}):
        free_share(rows, instance_id, subscription_id)
        one = instance(rows, instance_id)
        if one is not None and not let_stand(rows, models, one, failed, now):
            idle.append(instance_id)
    return idle


def let_stand(rows: sa.Connection, models: Models, one: ModelInstance, failed: Collection[str], now: int) -> bool:
    """Whether an instance that lost a user stays, perhaps smaller: for others, or warm. Else it is to be ended."""
    if one.supply or one.state not in STANDING:
        return True
    failing = one.instance_id in failed
    if one.shares or (one.warm_until > now and not failing):
        shrink(rows, models[one.model], one, now)
        return True
    ends = ModelMove.FAIL if failing and one.state is ModelState.PLANNED else ModelMove.STOP
    move_instance(rows, one.instance_id, ends, now)
    return False


def finish(rows: sa.Connection, instance_ids: Sequence[str], now: int) -> None:
    """The processes of these instances are gone: free what they held."""
    take_turn(rows, "pool")
    for instance_id in instance_ids:
        one = instance(rows, instance_id)
        if one is None or one.state in STANDING:
            raise IllegalMove(f"{instance_id} is to be kept, not to be ended. This is a fault of MMF; report it.")
        if one.state is ModelState.STOPPING:
            move_instance(rows, instance_id, ModelMove.FINISH, now)
            end_life(rows, one, now)
        free_instance(rows, instance_id)


def fail(rows: sa.Connection, offer_id: str, cause: str) -> None:
    """Keep why an accepted offer came to nothing."""
    rows.execute(_CHANGE, {"mine": offer_id, "state": "failed", "cause": cause})


def find_offer(rows: sa.Connection, offer_id: str) -> tuple[Offer, OfferRequest] | None:
    """An offer and what it was made for."""
    row = rows.execute(_ONE, {"mine": offer_id}).mappings().first()
    if row is None:
        return None
    return _with_counters(rows, _offer(row)), OfferRequest.model_validate(row["request"])


def _with_counters(rows: sa.Connection, offer: Offer) -> Offer:
    if offer.state != "refused":
        return offer
    mine = (OFFERS.c.instead_of == offer.offer_id) & (OFFERS.c.state == "counter")
    changes = rows.scalars(sa.select(OFFERS.c.change).where(mine).order_by(OFFERS.c.offer_id))
    return offer.model_copy(update={"counters": tuple(Change.model_validate(change) for change in changes)})


def offers_of(rows: sa.Connection, subscription_id: str) -> list[dict[str, Any]]:
    """All offers ever made for a subscription, oldest first, each with when (UTC seconds) and why it failed."""
    ranks = {"stale": 0, "rejected": 0, "failed": 0, "refused": 1, "counter": 2}
    ended = sa.case(ranks, value=OFFERS.c.state, else_=3)  # within a second, what was left behind first
    query = sa.select(OFFERS).where(OFFERS.c.subscription_id == subscription_id)
    found = rows.execute(query.order_by(OFFERS.c.at, ended, OFFERS.c.offer_id)).mappings()
    return [{**_offer(row).to_json(), "at": row["at"], "cause": row["cause"]} for row in found]


def _offer(row: sa.RowMapping) -> Offer:
    return Offer(
        offer_id=row["offer_id"],
        msi=row["msi_id"],
        subscription_id=row["subscription_id"],
        state=row["state"],
        decision=Decision.model_validate(row["decision"]),
        instead_of=row["instead_of"],
        change=Change.model_validate(row["change"]) if row["change"] else None,
    )


def _decide(
    rows: sa.Connection, models: Models, request: OfferRequest, offer_id: str, topology: Topology, now: int
) -> Decision:
    if not topology.paths(request.access):
        return _nowhere(request, topology)
    return decide(request, view(rows, models, request, topology, now), seed=offer_id)


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


def _mark(rows: sa.Connection, offer_id: str, state: str) -> None:
    rows.execute(_CHANGE, {"mine": offer_id, "state": state})


def _place(
    rows: sa.Connection,
    models: Models,
    request: OfferRequest,
    placements: Sequence[Placement],
    offer_id: str,
    now: int,
    topology: Topology,
) -> None:
    ways = topology.paths(request.access)
    share = request.subscription_id
    for placement in placements:
        if placement.verdict == "create":
            create(rows, models[placement.model], request, placement, now)
        elif placement.verdict == "modify":
            scale(rows, models[placement.model], placement.instance, +1, now)
    add_uses(rows, [Use(share, p.role, request.msi, p.instance, p.verdict, offer_id) for p in placements])
    taken: list[Allocation] = []
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


def create(rows: sa.Connection, manifest: Manifest, request: OfferRequest, placement: Placement, now: int) -> None:
    dedicated = request.isolation is Isolation.DEDICATED
    one = ModelInstance(
        instance_id=placement.instance,
        model=manifest.name,
        node_id=placement.node,
        state=ModelState.PLANNED,
        isolation=request.isolation,
        cluster=request.cluster,
        msi_id=request.msi if dedicated else "",
        supply=False,
        scale=1,
        max_shares=manifest.max_shares,
        shares=0,
        socket="",
        created_at=now,
        changed_at=now,
    )
    add_instance(rows, one)
    size(rows, manifest, one, 1, now)


def scale(rows: sa.Connection, manifest: Manifest, instance_id: str, by: int, now: int) -> None:
    one = instance(rows, instance_id)
    if one is None:
        raise UnknownOffer(f"{instance_id} is gone since it was offered. Ask for a new offer.")
    set_scale(rows, instance_id, one.scale + by, now)
    size(rows, manifest, one, one.scale + by, now)


def size(rows: sa.Connection, manifest: Manifest, one: ModelInstance, scale: int, now: int) -> None:
    """What the instance itself takes of its node and gives to its shares, at this scale."""
    name = one.instance_id
    if own := supplies(manifest):
        supply(rows, name, name, own * scale, kind="model")
    consumed = ResourceVector.of(manifest.consumes) * scale
    allocate(rows, [Allocation(name, one.node_id, name, consumed)], one.cluster, now)


def shrink(rows: sa.Connection, manifest: Manifest, one: ModelInstance, now: int) -> None:
    """Undo a modification that its shares no longer need, and that nobody asked for."""
    smaller = one.scale - 1
    if smaller < one.least_scale:
        return
    used = next((node.used for node in nodes(rows, "model") if node.node_id == one.instance_id), ResourceVector())
    if one.shares <= manifest.max_shares * smaller and used.fits(supplies(manifest) * smaller):
        scale(rows, manifest, one.instance_id, -1, now)
