"""What is installed and what runs, as placement's candidates. Used by the offers; it writes nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from orchestrator.instances.models import instances
from orchestrator.instances.states import ModelState
from orchestrator.models.manifests import Manifest
from orchestrator.placement import Candidates, ModelOption, NodeRoom, RunningInstance
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import sites_and


def is_supply(manifest: Manifest) -> bool:
    """Whether a model is a part of the pool itself: it supplies and consumes nothing (infrastructure, platform)."""
    return manifest.kind == "CaaS" and bool(manifest.supplies) and not manifest.consumes and not manifest.per_share


def supplies(manifest: Manifest) -> ResourceVector:
    """What an instance of scale 1 supplies to its own shares; a part of the pool supplies to everybody instead."""
    return ResourceVector() if is_supply(manifest) else ResourceVector.of(manifest.supplies)


def option(manifest: Manifest) -> ModelOption:
    """A manifest as placement sees it."""
    return ModelOption(
        name=manifest.name,
        consumes=ResourceVector.of(manifest.consumes),
        supplies=supplies(manifest),
        max_shares=manifest.max_shares,
        isolation=frozenset(Isolation(degree) for degree in manifest.isolation),
        latency_ms=manifest.latency_ms,
        is_supply=is_supply(manifest),
    )


def view(rows: sa.Connection, models: Mapping[str, Manifest], wanted: Collection[str]) -> Candidates:
    """Everything that these models could be filled with now."""
    options = {name: option(models[name]) for name in wanted if name in models}
    ones = instances(rows, models=sorted(options))
    standing = {node.node_id: node for node in sites_and(rows, [one.instance_id for one in ones])}
    running: defaultdict[str, list[RunningInstance]] = defaultdict(list)
    for one in ones:
        own = standing.get(one.instance_id)
        running[one.model].append(
            RunningInstance(
                instance_id=one.instance_id,
                model=one.model,
                node=one.node_id,
                running=one.state is ModelState.RUNNING,
                isolation=one.isolation,
                cluster=one.cluster,
                msi=one.msi_id,
                scale=one.scale,
                shares=one.shares,
                room=own.free if own else ResourceVector(),
            )
        )
    return Candidates(
        models=options,
        instances={model: tuple(ones) for model, ones in running.items()},
        nodes=tuple(NodeRoom(n.node_id, n.free, n.latency_ms) for n in standing.values() if n.kind == "site"),
    )
