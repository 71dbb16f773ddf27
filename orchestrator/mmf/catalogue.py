"""What is installed and what runs, as placement's candidates. Used by the offers; it writes nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.instances.lives import Life, ended_lives, life_of
from orchestrator.instances.models import ModelInstance, instances
from orchestrator.instances.performance import performance_named
from orchestrator.instances.states import ModelState
from orchestrator.models.manifests import Manifest
from orchestrator.placement import Candidates, LinkRoom, ModelOption, NodeRoom, RunningInstance
from orchestrator.placement.strain import slowness
from orchestrator.qoe.reliability import availability
from orchestrator.requirements import OfferRequest
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import Room, rooms
from orchestrator.resources.reservations import kept_for
from orchestrator.resources.supplied import on_the_move
from orchestrator.resources.topology import ONE_SITE, Topology

Models = Mapping[str, Manifest]
"""The installed models by name."""


def is_supply(manifest: Manifest) -> bool:
    """Whether a model is a part of the pool itself: it supplies and consumes nothing (infrastructure, platform)."""
    return manifest.kind == "CaaS" and bool(manifest.supplies) and not manifest.consumes and not manifest.per_share


def supplies(manifest: Manifest) -> ResourceVector:
    """What an instance of scale 1 supplies to its own shares; a part of the pool supplies to everybody instead."""
    return ResourceVector() if is_supply(manifest) else ResourceVector.of(manifest.supplies)


def option(manifest: Manifest, seen: Life = Life()) -> ModelOption:  # noqa: B008 (a frozen value)
    """A manifest as placement sees it, with what was seen of the model's instances."""
    return ModelOption(
        name=manifest.name,
        consumes=ResourceVector.of(manifest.consumes),
        supplies=supplies(manifest),
        max_shares=manifest.max_shares,
        isolation=frozenset(Isolation(degree) for degree in manifest.isolation),
        latency_ms=manifest.latency_ms,
        is_supply=is_supply(manifest),
        availability=_estimate(manifest, seen),
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rows told at one moment of all that a request's roles could be filled with, wherever its user enters."""

    options: Mapping[str, ModelOption]
    instances: Mapping[str, tuple[RunningInstance, ...]]
    standing: Mapping[str, Room]
    """sites, links and instances by id"""
    free: Mapping[str, ResourceVector]
    """of each of them, with what the request's cluster has reserved there, without what is being withdrawn"""

    def candidates(self, topology: Topology, access: str) -> Candidates:
        """As seen from where the user enters: the sites that can be reached, each with the way to it."""
        rooms = {name: LinkRoom(name, self.free[name]) for name, one in self.standing.items() if one.kind == "link"}
        sites = tuple(
            NodeRoom(site, self.free[site], way.latency_ms, tuple(rooms[link] for link in way.links), there.closed)
            for site, way in topology.paths(access).items()
            if (there := self.standing.get(site)) is not None
        )
        return Candidates(models=self.options, instances=self.instances, nodes=sites)


def view(
    rows: sa.Connection,
    models: Models,
    request: OfferRequest,
    topology: Topology = ONE_SITE,
    now: int = 0,
) -> Candidates:
    """Everything that the roles of a request could be filled with now, as seen from where its user enters."""
    return look(rows, models, request, now).candidates(topology, request.access)


def look(rows: sa.Connection, models: Models, request: OfferRequest, now: int) -> Seen:
    """Everything that the models of a request's roles, in its cluster, could be filled with now."""
    wanted: Collection[str] = {role.model for role in request.roles if role.model in models}
    ones = instances(rows, models=sorted(wanted))
    lives = {one.instance_id: life_of(one, now) for one in ones}
    seen = _seen(ones, lives, ended_lives(rows, wanted))
    standing = {room.node_id: room for room in rooms(rows, [one.instance_id for one in ones])}
    going, moving = on_the_move(rows)
    free = _free(standing, kept_for(rows, request.cluster, now), going)
    slow = _slow(rows, ones, now)
    running: defaultdict[str, list[RunningInstance]] = defaultdict(list)
    for one in ones:
        if one.instance_id not in moving:
            availability_seen = _estimate(models[one.model], lives[one.instance_id])
            room = standing[one.instance_id].free if one.instance_id in standing else ResourceVector()
            running[one.model].append(_running(one, room, availability_seen, slow.get(one.instance_id, 0.0)))
    return Seen(
        options={name: option(models[name], seen.get(name, Life())) for name in wanted},
        instances={model: tuple(ones) for model, ones in running.items()},
        standing=standing,
        free=free,
    )


def _free(
    standing: Mapping[str, Room], kept: Mapping[str, ResourceVector], going: Mapping[str, ResourceVector]
) -> Mapping[str, ResourceVector]:
    free = {name: node.free + kept[name] if name in kept else node.free for name, node in standing.items()}
    return free | {name: free[name] - amounts for name, amounts in going.items()}


def _running(one: ModelInstance, room: ResourceVector, availability_seen: float, slow_ms: float) -> RunningInstance:
    return RunningInstance(
        instance_id=one.instance_id,
        model=one.model,
        node=one.node_id,
        running=one.state is ModelState.RUNNING,
        isolation=one.isolation,
        cluster=one.cluster,
        msi=one.msi_id,
        scale=one.scale,
        shares=one.shares,
        room=room,
        availability=availability_seen,
        slow_ms=slow_ms,
    )


def _seen(ones: Sequence[ModelInstance], lives: Mapping[str, Life], ended: Mapping[str, Life]) -> Mapping[str, Life]:
    """Model → what was seen of all its instances: those that stand and those that have ended."""
    seen = dict(ended)
    for one in ones:
        seen[one.model] = seen.get(one.model, Life()) + lives[one.instance_id]
    return seen


def _estimate(manifest: Manifest, seen: Life) -> float:
    return availability(manifest.availability, seen.up_s, seen.down_s)


def _slow(rows: sa.Connection, ones: Sequence[ModelInstance], now: int) -> dict[str, float]:
    """Instance → how slow it was measured, held against the quickest of its own model; alone it is the quickest."""
    of_model: defaultdict[str, list[str]] = defaultdict(list)
    for one in ones:
        of_model[one.model].append(one.instance_id)
    several = [names for names in of_model.values() if len(names) > 1]
    known = performance_named(rows, [name for names in several for name in names], now) if several else {}
    held = ({name: known[name] for name in names if name in known} for names in several)
    return {name: ms for some in held for name, ms in slowness(some).items()}
