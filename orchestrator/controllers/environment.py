"""The global controller (long time-scale, II-D): designs the environment that the coming requests of a cluster need.

Once an epoch it is told what each cluster demanded, forecasts the next epochs (`orchestrator.controllers.forecast`),
and answers one design a cluster: resources to reserve, by cost of capacity (over-provision + 10 × under-provision),
and models to have running before anybody asks. The cluster's local controller works within the design. It reads no
clock and carries nothing out: the same looks in the same order make the same designs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from orchestrator.controllers.forecast import Forecaster, capacity_to_reserve
from orchestrator.resources import RESOURCES, ResourceVector

AHEAD = 1
"""epochs that a design looks ahead"""
SHARES_OF = "shares of "
"""begins the name of a demand for a model, beside "shares" and the resources"""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one cluster demanded in the epoch that ended: the most that was wanted at once."""

    shares: int
    resources: ResourceVector
    """served or not"""
    granted: ResourceVector
    """what its shares hold now: no reservation goes below"""
    models: Mapping[str, int] = field(default_factory=dict)
    """each model that ran for them → shares that wanted it at once"""


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

    def __init__(self, seats: Callable[[str], int], epoch_s: float, seed: int = 0) -> None:
        self._seats = seats
        """of a model: shares that one instance serves"""
        self._epoch_s = epoch_s
        self._seed = seed
        self._forecasters: dict[tuple[str, str], Forecaster] = {}

    def design(self, demands: Mapping[str, Demand], room: ResourceVector, now_s: float) -> tuple[Design, ...]:
        """Observe the epoch that ended at `now_s`, design the next; `room` is all that clusters may hold together."""
        self.observe(demands, now_s)
        outlooks = {key: one.outlook(AHEAD) for key, one in self._forecasters.items() if key[1] in RESOURCES}
        granted = {cluster: demand.granted for cluster, demand in demands.items()}
        reserved = capacity_to_reserve(outlooks, granted, room)
        return tuple(self._designed(cluster, reserved[cluster], now_s) for cluster in sorted(demands))

    def observe(self, demands: Mapping[str, Demand], at_s: float) -> None:
        """What was demanded in the epoch that ended then; what was demanded once and is not named counts as none."""
        for cluster, demand in demands.items():
            for_models = {f"{SHARES_OF}{model}": shares for model, shares in demand.models.items()}
            wanted = {"shares": demand.shares, **demand.resources.amounts(), **for_models}
            known = (what for owner, what in self._forecasters if owner == cluster)
            for what, amount in {**dict.fromkeys(known, 0), **wanted}.items():
                self._observe(cluster, what, amount, at_s)

    def due(self) -> tuple[Forecaster, ...]:
        """Forecasters that have enough more to learn from: the caller trains them in the background."""
        return tuple(one for one in self._forecasters.values() if one.due)

    def _observe(self, cluster: str, what: str, amount: int, now_s: float) -> None:
        key = (cluster, what)
        if key not in self._forecasters:
            self._forecasters[key] = Forecaster(self._epoch_s, horizons=(AHEAD,), seed=self._seed)
        self._forecasters[key].observe(float(amount), now_s)

    def _models_of(self, cluster: str) -> list[str]:
        """The models that its shares ever wanted."""
        kinds = [what for owner, what in self._forecasters if owner == cluster]
        return sorted(what.removeprefix(SHARES_OF) for what in kinds if what.startswith(SHARES_OF))

    def _instances(self, cluster: str, model: str) -> int:
        """For whole shares: a forecast of a third of one is of none."""
        shares = round(self._forecasters[cluster, f"{SHARES_OF}{model}"].capacity(AHEAD))
        return ceil(shares / self._seats(model))

    def _designed(self, cluster: str, reserve: ResourceVector, now_s: float) -> Design:
        forecaster = self._forecasters[cluster, "shares"]
        shares = forecaster.capacity(AHEAD)
        models = {model: self._instances(cluster, model) for model in self._models_of(cluster)}
        version = forecaster.version.version if forecaster.version else ""
        reasons = {what: one.explain(AHEAD) for (owner, what), one in self._forecasters.items() if owner == cluster}
        return Design(cluster, reserve, models, now_s + self._epoch_s, shares, version, reasons)
