"""A city's users over a scenario: they come, are placed, stream, and leave, under the controllers that run live.

A step: who leaves and who comes (`CityPool`), one frame of everybody who is served, one look of the local controller;
once an epoch the global controller's design: models started ahead, and what rendering is reserved.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.controllers import Controller, HpaLaw, LocalController, Observation, Scale, StaticEven
from orchestrator.controllers.environment import Demand, Design, GlobalController
from orchestrator.controllers.values import Floats, Report
from orchestrator.qoe import meta_immersion
from orchestrator.resources import ResourceVector
from orchestrator.simulation.loop import Renderer, Split, Stage, delivered
from orchestrator.simulation.pool import CLUSTER, MODELS, Admitted, CityPool
from orchestrator.simulation.scenario import Run, Scenario
from orchestrator.simulation.visits import Visits

BEGIN_K = 100
SERIES = ("second", "users", "immersion", "floor", "missing", "capacity_k", "reserved_k", "granted_k")


@dataclass(slots=True)
class Outcome:
    """What one run made of the scenario."""

    run: Run
    series: list[tuple[float, ...]] = field(default_factory=list)
    """one row a step, in the order of SERIES: sums over the users who are served; missing: to their floors"""
    served: int = 0
    at_once: int = 0
    """of those, for whom every model ran already"""
    refused: int = 0
    waited_s: list[float] = field(default_factory=list)
    designs: list[Design] = field(default_factory=list)
    wall_s: float = 0.0

    def summary(self, step_s: int) -> dict[str, Any]:
        """The run as one row of a table."""
        columns = dict(zip(SERIES, np.array(self.series).reshape(-1, len(SERIES)).T, strict=True))
        promised = float(columns["floor"].sum())
        return {
            "run": self.run.name,
            "missing_immersion_s": round(float(columns["missing"].sum()) * step_s, 1),
            "missing_of_promised": round(float(columns["missing"].sum()) / promised, 4) if promised else 0.0,
            "mean_immersion": round(float(columns["immersion"].sum() / max(columns["users"].sum(), 1)), 4),
            "mean_capacity_k": round(float(columns["capacity_k"].mean())),
            "mean_reserved_k": round(float(columns["reserved_k"].mean())),
            "served": self.served,
            "refused": self.refused,
            "prewarmed": round(self.at_once / self.served, 4) if self.served else 0.0,
            "start_mean_s": round(float(np.mean(self.waited_s)), 2) if self.waited_s else 0.0,
            "start_p95_s": round(float(np.percentile(self.waited_s, 95)), 2) if self.waited_s else 0.0,
            "wall_s": round(self.wall_s, 1),
        }


def play_city(
    scenario: Scenario, run: Run, visits: Visits, seed: int, progress: Callable[[int], None] = lambda _second: None
) -> Outcome:
    """One run of the scenario; the same for the same seed."""
    began = time.monotonic()
    pool = CityPool(scenario.topology, scenario.rendering_k, scenario.starting_s)
    city = _City(scenario, run, visits, pool, seed)
    try:
        for second in range(0, scenario.seconds, scenario.step_s):
            city.step(second)
            progress(second)
    finally:
        pool.close()
    city.outcome.wall_s = time.monotonic() - began
    return city.outcome


class _City:
    """The state of one run."""

    def __init__(self, scenario: Scenario, run: Run, visits: Visits, pool: CityPool, seed: int) -> None:
        self.outcome = Outcome(run)
        self._scenario, self._visits, self._pool = scenario, visits, pool
        self._local, split = _controller(run, scenario)
        self._state = self._local.begin()
        self._renderer = Renderer(visits.attention, split)
        self._global = GlobalController(_seats, scenario.epoch_s, seed) if run.designed else None
        self._rendered_k = pool.render(BEGIN_K, 0.0)
        self._stage = Stage({}, self._rendered_k)
        self._reserved_k = pool.capacity.rendering_k
        """to which the local controller may scale: all there is until the first design"""
        self._here: dict[int, Admitted] = {}
        self._coming = 0
        self._most_shares, self._most_k = 0, 0
        self._ahead = dict.fromkeys(MODELS, 0)

    def step(self, second: int) -> None:
        """One step of the day."""
        self._leave(second)
        self._come(second)
        if second % self._scenario.epoch_s == 0:
            self._design(second)
        self._stage.arrive(second)
        if self._stage.capacity_k != self._rendered_k:
            self._rendered_k = self._stage.capacity_k = self._pool.render(self._stage.capacity_k, second)
        seen = self._stream(second)
        step = self._local.step(self._state, seen, float(second))
        self._state = step.state
        needs = [change.needed_k for change in step.changes if isinstance(change, Report)]
        scales = [change.capacity_k for change in step.changes if isinstance(change, Scale)]
        self._most_k = max([self._most_k, *needs, *scales])
        self._most_shares = max(self._most_shares, len(self._here))
        self._stage.carry_out(step.changes, second + self._scenario.step_s, self._scenario.starting_s)

    def _leave(self, second: int) -> None:
        for row in [row for row in self._here if self._visits.stays[row].leaves_s <= second]:
            self._pool.leave(str(row), self._here.pop(row))

    def _come(self, second: int) -> None:
        stays = self._visits.stays
        while self._coming < len(stays) and stays[self._coming].arrives_s <= second:
            row, self._coming = self._coming, self._coming + 1
            if stays[row].leaves_s <= second:
                continue
            running = {name for name, one in self._pool.instances.items() if one.ready_s <= second}
            admitted = self._pool.admit(str(row), second)
            if admitted is None:
                self.outcome.refused += 1
                continue
            self._here[row] = admitted
            self.outcome.served += 1
            self.outcome.at_once += running.issuperset(admitted.instances)
            self.outcome.waited_s.append(admitted.served_s - second)

    def _design(self, second: int) -> None:
        """Models started ahead and rendering reserved; without a global controller idle models just end."""
        if self._global is not None and second:
            needs = ResourceVector(rendering_k=self._most_k)
            drawn = ResourceVector(rendering_k=min(self._stage.capacity_k, self._most_k))
            demand = Demand(self._most_shares, needs, drawn, dict.fromkeys(MODELS, self._most_shares))
            (design,) = self._global.design({CLUSTER: demand}, self._pool.capacity, float(second))
            self._pool.reserve(design.reserve.rendering_k, design.until_s, second)
            self._reserved_k = max(self._pool.reserved_k, BEGIN_K)
            self._ahead = dict(design.models)
            self.outcome.designs.append(design)
            for forecaster in self._global.due():
                forecaster.train()
        self._pool.keep(self._ahead, second)
        self._most_shares, self._most_k = len(self._here), 0

    def _stream(self, second: int) -> Observation:
        """One frame of everybody who is served, carried and measured."""
        rows = np.array([row for row, one in self._here.items() if one.served_s <= second], np.intp)
        users = tuple(str(row) for row in rows)
        self._stage.grants_k = {user: self._stage.grants_k.get(user, 0) for user in users}
        stays = [self._visits.stays[row] for row in rows]
        links = np.array([stay.measured(second) for stay in stays]).reshape(-1, 3)
        rate, error, bits_per_k = links[:, 0], links[:, 1], links[:, 2]
        attention, floor = self._visits.attention[rows], np.array([stay.floor for stay in stays])
        drawn = self._renderer.frames(rows, self._affordable()).reshape(attention.shape)
        carried = delivered(drawn, bits_per_k, rate)
        immersion = meta_immersion(rate, error, attention, carried)
        self._keep(second, immersion, floor)
        unmeasured = np.where(drawn.sum(axis=1) > 0, 0.0, np.nan)
        return Observation(
            users, rate + unmeasured, error + unmeasured, bits_per_k + unmeasured, drawn.sum(axis=1), attention, floor,
            self._stage.capacity_k, self._reserved_k,
        )  # fmt: skip

    def _affordable(self) -> list[int]:
        """The grants; cut alike where the pool could not give all the capacity that they were made of."""
        grants = list(self._stage.grants_k.values())
        over = sum(grants) / max(self._stage.capacity_k, 1)
        return [int(k / over) for k in grants] if over > 1 else grants

    def _keep(self, second: int, immersion: Floats, floor: Floats) -> None:
        missing = np.maximum(floor - immersion, 0.0)
        self.outcome.series.append(
            (
                second, len(floor), float(immersion.sum()), float(floor.sum()), float(missing.sum()),
                self._stage.capacity_k, self._reserved_k, sum(self._stage.grants_k.values()),
            )
        )  # fmt: skip


def _seats(model: str) -> int:
    return MODELS[model].max_shares


def _controller(run: Run, scenario: Scenario) -> tuple[Controller[Any], Split]:
    """The run's local controller; the laws split evenly over objects too, as section IV-B does."""
    match run.local:
        case "static":
            return StaticEven(scenario.rendering_k), Split.EVEN
        case "hpa":
            return HpaLaw(), Split.EVEN
        case _:
            return LocalController(), Split.ATTENTION
