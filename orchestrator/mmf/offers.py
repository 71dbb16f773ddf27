"""Offers: proposed on what is there, accepted on what is there then, and let go. Rows only; the runtime comes after.

Used by MMF's app and workflows; each function is one transaction's work. Between offer and acceptance others may have
been faster: acceptance decides again in its own turn, and where it would decide otherwise it answers with a new offer.
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.instances import IllegalMove, ModelMove, ModelState, take_turn
from orchestrator.instances.models import (
    STANDING,
    ModelInstance,
    Use,
    add_instance,
    add_use,
    drop_uses,
    instance,
    move_instance,
    set_scale,
    uses,
)
from orchestrator.instances.tables import OFFERS
from orchestrator.mmf.catalogue import supplies, view
from orchestrator.models.manifests import Manifest
from orchestrator.placement import greedy
from orchestrator.requirements import Decision, Offer, OfferRequest, Placement, RoleRequirement, RunningModel
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import allocate, allocated, free_instance, free_share, nodes, supply

Models = Mapping[str, Manifest]


class UnknownOffer(OrchestratorError):
    """No offer has this id."""

    code = "unknown_offer"
    status = 404
    title = "No offer has this id"


def offer_name(key: str) -> str:
    """The id of the offer made for an idempotency key."""
    return f"offer-{sha256(key.encode()).hexdigest()[:16]}"


def propose(rows: sa.Connection, models: Models, request: OfferRequest, offer_id: str, now: int) -> Offer:
    """The offer with this id: as it was made, or made now. Nothing is allocated by it."""
    known = find_offer(rows, offer_id)
    if known is not None:
        return known[0]
    held = uses(rows, request.subscription_id, request.msi)
    decision = _as_held(rows, held) if held else _decide(rows, models, request, offer_id)
    offer = Offer(
        offer_id=offer_id,
        msi=request.msi,
        subscription_id=request.subscription_id,
        state="open" if decision.feasible else "refused",
        decision=decision,
    )
    rows.execute(
        sa.insert(OFFERS).values(
            offer_id=offer_id,
            subscription_id=request.subscription_id,
            msi_id=request.msi,
            state=offer.state,
            request=request.to_json(),
            decision=decision.to_json(),
            at=now,
        )
    )
    return offer


def accept(rows: sa.Connection, models: Models, offer_id: str, now: int) -> Offer:
    """Allocate what the offer says (its state is then `accepted`), or answer with the offer that replaces it."""
    take_turn(rows, "pool")
    known = find_offer(rows, offer_id)
    if known is None:
        raise UnknownOffer(f"{offer_id} was never made or is forgotten. Ask for a new offer.")
    offer, request = known
    if offer.state != "open":
        return offer
    if not uses(rows, request.subscription_id, request.msi):
        decision = _decide(rows, models, request, offer_id)
        if decision.placements != offer.decision.placements:
            _mark(rows, offer_id, "stale")
            return propose(rows, models, request, offer_name(f"{offer_id}/{now}"), now)
        for role, placement in zip(request.roles, decision.placements, strict=True):
            _place(rows, models[role.model], request, role, placement, offer_id, now)
    _mark(rows, offer_id, "accepted")
    return offer.model_copy(update={"state": "accepted"})


def confirm(
    rows: sa.Connection, models: Models, offer_id: str, sockets: Mapping[str, str], now: int
) -> list[dict[str, Any]] | None:
    """The models answered on these sockets: what the share now uses; None where it was let go meanwhile."""
    take_turn(rows, "pool")
    known = find_offer(rows, offer_id)
    held = uses(rows, known[1].subscription_id, known[1].msi) if known else ()
    ones = [one for use in held if (one := instance(rows, use.instance_id)) and one.state in STANDING]
    if not held or len(ones) < len(held):
        return None
    for one in ones:
        socket = sockets.get(one.instance_id, one.socket)
        if one.state is ModelState.PLANNED or socket != one.socket:
            move_instance(rows, one.instance_id, ModelMove.START, now, socket)
    return [
        _running(rows, models[one.model], use, one, sockets.get(one.instance_id, one.socket)).to_json()
        for use, one in zip(held, ones, strict=True)
    ]


def let_go(
    rows: sa.Connection, models: Models, subscription_id: str, msi: str, failed: Collection[str], now: int
) -> list[str]:
    """End a share's uses and free what it held; answers the instances that have lost their last user.

    Those keep what they themselves hold until `finish`: their processes still run. What others use is not touched.
    """
    take_turn(rows, "pool")
    held = uses(rows, subscription_id, msi)
    drop_uses(rows, subscription_id, msi)
    idle: list[str] = []
    for instance_id in sorted({use.instance_id for use in held}):
        free_share(rows, instance_id, subscription_id)
        one = instance(rows, instance_id)
        if one is None or one.supply or one.state not in STANDING:
            continue
        if one.shares == 0:
            failing = instance_id in failed and one.state is ModelState.PLANNED
            move_instance(rows, instance_id, ModelMove.FAIL if failing else ModelMove.STOP, now)
            idle.append(instance_id)
        else:
            _shrink(rows, models[one.model], one, now)
    return idle


def finish(rows: sa.Connection, instance_ids: Sequence[str], now: int) -> None:
    """The processes of these instances are gone: free what they held."""
    take_turn(rows, "pool")
    for instance_id in instance_ids:
        one = instance(rows, instance_id)
        if one is None or one.state in STANDING:
            raise IllegalMove(f"{instance_id} is to be kept, not to be ended. This is a fault of MMF; report it.")
        if one.state is ModelState.STOPPING:
            move_instance(rows, instance_id, ModelMove.FINISH, now)
        free_instance(rows, instance_id)


def fail(rows: sa.Connection, offer_id: str, cause: str) -> None:
    """Keep why an accepted offer came to nothing."""
    rows.execute(sa.update(OFFERS).where(OFFERS.c.offer_id == offer_id).values(state="failed", cause=cause))


def find_offer(rows: sa.Connection, offer_id: str) -> tuple[Offer, OfferRequest] | None:
    """An offer and what it was made for."""
    row = rows.execute(sa.select(OFFERS).where(OFFERS.c.offer_id == offer_id)).mappings().first()
    return None if row is None else (_offer(row), OfferRequest.model_validate(row["request"]))


def offers_of(rows: sa.Connection, subscription_id: str) -> list[Offer]:
    """All offers ever made for a subscription, oldest first."""
    query = sa.select(OFFERS).where(OFFERS.c.subscription_id == subscription_id).order_by(OFFERS.c.at)
    return [_offer(row) for row in rows.execute(query).mappings()]


def _offer(row: sa.RowMapping) -> Offer:
    return Offer(
        offer_id=row["offer_id"],
        msi=row["msi_id"],
        subscription_id=row["subscription_id"],
        state=row["state"],
        decision=Decision.model_validate(row["decision"]),
    )


def _decide(rows: sa.Connection, models: Models, request: OfferRequest, offer_id: str) -> Decision:
    return greedy(request, view(rows, models, {role.model for role in request.roles}), seed=offer_id)


def _as_held(rows: sa.Connection, held: Sequence[Use]) -> Decision:
    """The decision of an earlier attempt whose answer was lost: the share already holds its models."""
    ones = [(use, one) for use in held if (one := instance(rows, use.instance_id))]
    placements = tuple(
        Placement(role=use.role, model=one.model, verdict=use.verdict, instance=one.instance_id, node=one.node_id)
        for use, one in ones
    )
    return Decision(feasible=True, verdict="reuse", placements=placements)


def _mark(rows: sa.Connection, offer_id: str, state: str) -> None:
    rows.execute(sa.update(OFFERS).where(OFFERS.c.offer_id == offer_id).values(state=state))


def _place(
    rows: sa.Connection,
    manifest: Manifest,
    request: OfferRequest,
    role: RoleRequirement,
    placement: Placement,
    offer_id: str,
    now: int,
) -> None:
    if placement.verdict == "create":
        _create(rows, manifest, request, placement, now)
    elif placement.verdict == "modify":
        _scale(rows, manifest, placement.instance, placement.node, +1, now)
    share = request.subscription_id
    add_use(rows, Use(share, role.role, request.msi, placement.instance, placement.verdict, offer_id))
    own = role.resources.only(supplies(manifest))
    for name, node, amounts in (("own", placement.instance, own), ("site", placement.node, role.resources - own)):
        if amounts:
            allocation = f"{share}/{role.role}/{name}"
            allocate(rows, allocation, node, placement.instance, amounts, subscription_id=share)


def _create(rows: sa.Connection, manifest: Manifest, request: OfferRequest, placement: Placement, now: int) -> None:
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
    _size(rows, manifest, placement.instance, placement.node, 1)


def _scale(rows: sa.Connection, manifest: Manifest, instance_id: str, node: str, by: int, now: int) -> None:
    one = instance(rows, instance_id)
    if one is None:
        raise UnknownOffer(f"{instance_id} is gone since it was offered. Ask for a new offer.")
    set_scale(rows, instance_id, one.scale + by, now)
    _size(rows, manifest, instance_id, node, one.scale + by)


def _size(rows: sa.Connection, manifest: Manifest, instance_id: str, node: str, scale: int) -> None:
    """What the instance itself takes of its node and gives to its shares, at this scale."""
    if own := supplies(manifest):
        supply(rows, instance_id, instance_id, own * scale, kind="model")
    allocate(rows, instance_id, node, instance_id, ResourceVector.of(manifest.consumes) * scale)


def _shrink(rows: sa.Connection, manifest: Manifest, one: ModelInstance, now: int) -> None:
    """Undo a modification that its shares no longer need."""
    smaller = one.scale - 1
    used = next((node.used for node in nodes(rows, "model") if node.node_id == one.instance_id), ResourceVector())
    if smaller >= 1 and one.shares <= manifest.max_shares * smaller and used.fits(supplies(manifest) * smaller):
        _scale(rows, manifest, one.instance_id, one.node_id, -1, now)


def _running(rows: sa.Connection, manifest: Manifest, use: Use, one: ModelInstance, socket: str) -> RunningModel:
    return RunningModel(
        role=use.role,
        model=one.model,
        instance=one.instance_id,
        isolation=one.isolation,
        verdict=use.verdict,
        node=one.node_id,
        socket=socket,
        granted=allocated(rows, one.instance_id, use.subscription_id),
        supplies=supplies(manifest) * one.scale,
    )
