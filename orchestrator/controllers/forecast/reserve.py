"""Reservation by cost of capacity: what each cluster should hold of each resource, from what is forecast for it.

Used by the global controller. Amounts are whole units of the resource (`ResourceVector`). Where all that is wanted
fits, each cluster gets it. Where it does not, the expected cost is least when the last unit of every cluster is equally
likely to be missed (the over-provision is the same for all), so all are cut to one common quantile of their demands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from orchestrator.controllers.forecast.costs import QUANTILE, Floats
from orchestrator.controllers.forecast.errors import ForecastError
from orchestrator.resources import RESOURCES, ResourceVector

HALVINGS = 40
"""of the search for the common quantile: to 1e-12"""


@dataclass(frozen=True)
class Outlook:
    """What a demand may be: the capacity that costs least alone, and equally likely demands. In the resource's unit."""

    capacity: float
    scenarios: Floats
    """sorted upwards; empty where too little is known, then the capacity is the only scenario"""

    def at(self, level: float) -> float:
        """The capacity at this share of the way from nothing (0) to what costs least (1)."""
        if not len(self.scenarios):
            return level * self.capacity
        reached = float(np.interp(level * QUANTILE, _levels(len(self.scenarios)), [0.0, *self.scenarios]))
        return self.capacity if level >= 1 else min(reached, self.capacity)


def _levels(scenarios: int) -> Floats:
    return np.arange(scenarios + 1) / scenarios


def capacity_to_reserve(
    outlooks: Mapping[tuple[str, str], Outlook],
    granted: Mapping[str, ResourceVector],
    room: ResourceVector,
    headroom: float = 0.0,
) -> dict[str, ResourceVector]:
    """What each cluster should hold, from outlooks by (cluster, resource).

    Never less than it is granted now; of what is over that, no more in sum than `room` has beside the grants.
    `headroom` is a share to have over the forecast. ForecastError where the grants exceed the room.
    """
    if not 0 <= headroom < float("inf"):
        raise ForecastError(f"a headroom of {headroom!r} cannot be. Give a share of at least 0, such as 0.1.")
    unknown = {resource for _, resource in outlooks} - set(RESOURCES)
    if unknown:
        raise ForecastError(f"unknown resources {sorted(unknown)}; the resources are {', '.join(RESOURCES)}.")
    clusters = sorted({cluster for cluster, _ in outlooks} | set(granted))
    held = {cluster: granted.get(cluster, ResourceVector()).all_amounts() for cluster in clusters}
    reserved: dict[str, dict[str, int]] = {cluster: {} for cluster in clusters}
    for resource in RESOURCES:
        wanted = {cluster: outlooks.get((cluster, resource), Outlook(0.0, np.empty(0))) for cluster in clusters}
        now = {cluster: held[cluster][resource] for cluster in clusters}
        divided = _divide(resource, wanted, now, room.all_amounts()[resource], 1 + headroom)
        for cluster, amount in divided.items():
            reserved[cluster][resource] = amount
    return {cluster: ResourceVector(**amounts) for cluster, amounts in reserved.items()}


def _divide(
    resource: str, wanted: Mapping[str, Outlook], held: Mapping[str, int], room: int, factor: float
) -> dict[str, int]:
    """Of one resource, the amounts at the highest common level that fits; what is held stays."""
    if sum(held.values()) > room:
        raise ForecastError(
            f"{sum(held.values())} {resource} are granted of {room}. Reserve over the whole room, grants included."
        )
    whole = {cluster: max(held[cluster], ceil(outlook.capacity * factor - 1e-9)) for cluster, outlook in wanted.items()}
    if sum(whole.values()) <= room:
        return whole
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = sum(_cut(wanted, held, factor, middle).values()) <= room
        low, high = (middle, high) if fits else (low, middle)
    return _cut(wanted, held, factor, low)


def _cut(wanted: Mapping[str, Outlook], held: Mapping[str, int], factor: float, level: float) -> dict[str, int]:
    return {cluster: max(held[cluster], floor(outlook.at(level) * factor)) for cluster, outlook in wanted.items()}
