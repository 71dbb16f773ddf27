"""The global controller (long time-scale, II-D): designs the environment that the coming requests of a cluster need.

Once an epoch it is told what each cluster demanded, forecasts the next epochs (`orchestrator.controllers.forecast`),
and answers one design a cluster: resources to reserve, by cost of capacity (over-provision + 10 × under-provision),
and models to have running before anybody asks. The cluster's local controller works within the design. It reads no
clock and carries nothing out: the same looks in the same order make the same designs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from orchestrator.controllers.forecast import Forecaster, capacity_to_reserve
from orchestrator.resources import ResourceVector

AHEAD = 1
"""epochs that a design looks ahead"""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a cluster's service is made of."""

    models: Mapping[str, int]
    """each model that must run → shares that one instance serves"""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one cluster demanded in the epoch that ended: the most that was wanted at once."""

    shares: int
    resources: ResourceVector
    """served or not"""
    granted: ResourceVector
    """what its shares hold now: no reservation goes below"""


@dataclass(frozen=True, slots=True)
class Design:
    """The environment of a cluster until the next design, with the reasons as data."""

    cluster: str
    reserve: ResourceVector
    models: Mapping[str, int]
    """model → instances to have running"""
    until_s: float
    shares: float
    """forecast"""
    version: str
    """of the forecast's models; empty while nothing was trained"""
    reasons: Mapping[str, Any]


class GlobalController:
    """One for the pool."""

    def __init__(self, blueprints: Mapping[str, Blueprint], epoch_s: float, seed: int = 0) -> None:
        self._blueprints = blueprints
        self._epoch_s = epoch_s
        self._seed = seed
        self._forecasters: dict[tuple[str, str], Forecaster] = {}

    def design(self, demands: Mapping[str, Demand], room: ResourceVector, now_s: float) -> tuple[Design, ...]:
        """Observe the epoch that ended at `now_s`, design the next; `room` is all that clusters may hold together."""
        for cluster, demand in demands.items():
            self._observe(cluster, "shares", demand.shares, now_s)
            for resource, amount in demand.resources.amounts().items():
                self._observe(cluster, resource, amount, now_s)
        outlooks = {key: one.outlook(AHEAD) for key, one in self._forecasters.items() if key[1] != "shares"}
        granted = {cluster: demand.granted for cluster, demand in demands.items()}
        reserved = capacity_to_reserve(outlooks, granted, room)
        return tuple(self._designed(cluster, reserved[cluster], now_s) for cluster in sorted(demands))

    def due(self) -> tuple[Forecaster, ...]:
        """Forecasters that have enough more to learn from: the caller trains them in the background."""
        return tuple(one for one in self._forecasters.values() if one.due)

    def _observe(self, cluster: str, what: str, amount: int, now_s: float) -> None:
        key = (cluster, what)
        if key not in self._forecasters:
            self._forecasters[key] = Forecaster(self._epoch_s, horizons=(AHEAD,), seed=self._seed)
        self._forecasters[key].observe(float(amount), now_s)

    def _designed(self, cluster: str, reserve: ResourceVector, now_s: float) -> Design:
        forecaster = self._forecasters[cluster, "shares"]
        shares = forecaster.capacity(AHEAD)
        models = {model: ceil(shares / each) for model, each in self._blueprints[cluster].models.items()}
        version = forecaster.version.version if forecaster.version else ""
        reasons = {what: one.explain(AHEAD) for (owner, what), one in self._forecasters.items() if owner == cluster}
        return Design(cluster, reserve, models, now_s + self._epoch_s, shares, version, reasons)
