"""What the clusters demanded since the last design, read from the rows: purchases, served or refused, and resources.

Used by the global supervisor. It decides nothing and writes nothing. Times are UTC seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import get_args

import sqlalchemy as sa

from orchestrator.controllers.environment import Demand
from orchestrator.instances.msis import LIVE
from orchestrator.instances.states import ShareState
from orchestrator.instances.tables import INSTANCES, SHARES
from orchestrator.mmf.catalogue import is_supply
from orchestrator.models.manifests import Manifest
from orchestrator.requirements import ServiceRequirements, ServiceType
from orchestrator.resources import RESOURCES, Isolation, ResourceVector
from orchestrator.resources.pool import ALLOCATIONS, NODES

CLUSTERS: tuple[ServiceType, ...] = get_args(ServiceType)


@dataclass(frozen=True, slots=True)
class Stay:
    """A subscription that wanted a share, from when until when; refused ones until they were."""

    wanted: ServiceRequirements
    begun: float
    ended: float


def observe(rows: sa.Connection, models: Mapping[str, Manifest], since: float) -> dict[str, Demand]:
    """What each cluster wanted at most at once since then, and what its instances hold of the sites now."""
    wanted = _wanted(_stays(rows, since), models)
    used, granted = _on_sites(rows, INSTANCES.c.shares > 0), _on_sites(rows, sa.true())
    nothing = ResourceVector()
    return {
        cluster: replace(demand, resources=used.get(cluster, nothing), granted=granted.get(cluster, nothing))
        for cluster, demand in wanted.items()
    }


def recall(
    rows: sa.Connection, models: Mapping[str, Manifest], now: float, epoch_s: float, epochs: int
) -> list[tuple[float, dict[str, Demand]]]:
    """The ends of so many epochs before this one, and what was wanted in each; from the first purchase among them on.

    What was held of resources then is not known any more.
    """
    stays = _stays(rows, now - epochs * epoch_s)
    first = min((one.begun for one in stays), default=now)
    ends = [now - number * epoch_s for number in range(epochs, 0, -1) if now - number * epoch_s > first]
    return [
        (end, _wanted([one for one in stays if one.begun <= end and one.ended > end - epoch_s], models)) for end in ends
    ]


def _wanted(stays: Sequence[Stay], models: Mapping[str, Manifest]) -> dict[str, Demand]:
    nothing = ResourceVector()
    of_clusters = {name: [one for one in stays if one.wanted.service_type == name] for name in CLUSTERS}
    return {
        cluster: Demand(
            most_at_once((one.begun, one.ended) for one in mine), nothing, nothing, _models_wanted(mine, models)
        )
        for cluster, mine in of_clusters.items()
    }


def most_at_once(stays: Iterable[tuple[float, float]]) -> int:
    """The most of these intervals that overlap; both ends belong to one."""
    events = sorted((at, ends) for begun, ended in stays for at, ends in ((begun, False), (ended, True)))
    most = there = 0
    for _, ends in events:
        there += -1 if ends else 1
        most = max(most, there)
    return most


def _models_wanted(stays: Sequence[Stay], models: Mapping[str, Manifest]) -> dict[str, int]:
    """Model → shares that wanted it at once; of those that share it with anybody, since only these can be foreseen."""
    wanting: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for stay in stays:
        if stay.wanted.isolation is Isolation.SHARED:
            for name in stay.wanted.roles.values():
                wanting[name].append((stay.begun, stay.ended))
    started = (name for name in wanting if name in models and not is_supply(models[name]))
    return {name: most_at_once(wanting[name]) for name in started}


def _stays(rows: sa.Connection, since: float) -> list[Stay]:
    live = SHARES.c.state.in_([state.value for state in LIVE])
    columns = (SHARES.c.requirements, SHARES.c.state, SHARES.c.created_at, SHARES.c.changed_at)
    ended = {ShareState.RELEASED.value, ShareState.REFUSED.value}
    return [
        Stay(
            ServiceRequirements.model_validate(row.requirements),
            float(row.created_at),
            float(row.changed_at) if row.state in ended else inf,
        )
        for row in rows.execute(sa.select(*columns).where(live | (SHARES.c.changed_at >= int(since))))
    ]


def _on_sites(rows: sa.Connection, which: sa.ColumnElement[bool]) -> dict[str, ResourceVector]:
    """Cluster → what these instances and their shares hold of the sites."""
    sums = [sa.func.sum(ALLOCATIONS.c[name]) for name in RESOURCES]
    query = (
        sa.select(INSTANCES.c.cluster, *sums)
        .join(ALLOCATIONS, ALLOCATIONS.c.instance_id == INSTANCES.c.instance_id)
        .join(NODES, (NODES.c.node_id == ALLOCATIONS.c.node_id) & (NODES.c.kind == "site"))
        .where(which)
        .group_by(INSTANCES.c.cluster)
    )
    return {row[0]: ResourceVector(*(int(amount) for amount in row[1:])) for row in rows.execute(query)}
