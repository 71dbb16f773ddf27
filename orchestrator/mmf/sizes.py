"""Model instances as rows with what they take and give: made, made larger or smaller by one size. In the pool's turn.

Used by offers, adjustment, growing, warming and drain; the runtime comes after.
"""

import sqlalchemy as sa

from orchestrator.instances import ModelState
from orchestrator.instances.models import ModelInstance, add_instance, instance, set_scale
from orchestrator.mmf.catalogue import supplies
from orchestrator.mmf.offer_rows import UnknownOffer
from orchestrator.models.manifests import Manifest
from orchestrator.requirements import OfferRequest, Placement
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import Allocation, allocate, nodes, supply


def create(
    rows: sa.Connection, manifest: Manifest, request: OfferRequest, placement: Placement, now: int
) -> Allocation:
    """Write a new instance and what it supplies; what it takes of its node is for the caller to allocate."""
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
    return _sized(rows, manifest, one, 1)


def scale(rows: sa.Connection, manifest: Manifest, instance_id: str, by: int, now: int) -> None:
    """Make an instance larger, or smaller, by so many times its first size."""
    one = instance(rows, instance_id)
    if one is None:
        raise UnknownOffer(f"{instance_id} is gone since it was offered. Ask for a new offer.")
    set_scale(rows, instance_id, one.scale + by, now)
    size(rows, manifest, one, one.scale + by, now)


def size(rows: sa.Connection, manifest: Manifest, one: ModelInstance, scale: int, now: int) -> None:
    """What the instance itself takes of its node and gives to its shares, at this scale."""
    allocate(rows, [_sized(rows, manifest, one, scale)], one.cluster, now)


def _sized(rows: sa.Connection, manifest: Manifest, one: ModelInstance, scale: int) -> Allocation:
    name = one.instance_id
    if own := supplies(manifest):
        supply(rows, name, name, own * scale, kind="model")
    return Allocation(name, one.node_id, name, ResourceVector.of(manifest.consumes) * scale)


def shrink(rows: sa.Connection, manifest: Manifest, one: ModelInstance, now: int) -> None:
    """Undo a modification that its shares no longer need, and that nobody asked for."""
    smaller = one.scale - 1
    if smaller < one.least_scale:
        return
    used = next((node.used for node in nodes(rows, "model") if node.node_id == one.instance_id), ResourceVector())
    if one.shares <= manifest.max_shares * smaller and used.fits(supplies(manifest) * smaller):
        scale(rows, manifest, one.instance_id, -1, now)
