"""Forecasts of capacity on traces of demand, measured: ours, each expert, and Kubernetes' autoscaler's law.

The last 30 % of each trace tests; each forecast uses what came before it alone, trainings included. Used by the bench
(`measure`), and by hand on a folder of anybody's traces:

    python scripts/immersion/forecast.py --input FOLDER --seed 7 --out FILE

A trace is a CSV `timestamp,value`, a row a step, an empty value where nothing is known; or of the generative-AI
service's form (`timestamp_anon,value,…`, requests a second per container), which becomes requests a minute. The raw
file holds demand and capacities of every tested step, so that anybody can recompute each figure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from orchestrator.controllers.forecast import EXPERTS, Forecaster, cost
from orchestrator.controllers.forecast.costs import Floats
from orchestrator.controllers.forecast.laws import HPA_STABILISED, HPA_TARGET
from scripts.immersion.traces import MalformedTrace, Trace, read_traces, synthetic

HORIZONS = (1, 6)
BARS = {1: 0.60, 6: 0.88}
TESTED = 0.3
"""share of a trace, its end"""
STABILISED_S = 300
"""Kubernetes' window of downscale stabilisation"""


@dataclass(frozen=True)
class Outcome:
    """One trace at one horizon: the demand of each tested step beside the capacities that were said for it before."""

    trace: str
    horizon: int
    demand: Floats
    ours: Floats
    experts: Floats
    """steps × EXPERTS"""
    hpa: dict[str, Floats]

    def _mean(self, capacity: Floats) -> float:
        return float(cost(capacity, self.demand).mean())

    @property
    def cost(self) -> float:
        """Our cost a step."""
        return self._mean(self.ours)

    @property
    def best_expert(self) -> tuple[str, float]:
        """The member of the portfolio that cost least in the test, and its cost a step."""
        costs = {name: self._mean(self.experts[:, place]) for place, name in enumerate(EXPERTS)}
        return min(costs.items(), key=lambda item: item[1])

    @property
    def better_hpa(self) -> tuple[str, float]:
        """The variant of the autoscaler's law that cost least in the test, and its cost a step."""
        return min(((name, self._mean(capacity)) for name, capacity in self.hpa.items()), key=lambda item: item[1])

    def document(self) -> dict[str, Any]:
        """Everything, as data."""
        expert, least = self.best_expert
        return {
            "trace": self.trace,
            "horizon": self.horizon,
            "cost": self.cost,
            "bestExpert": {"name": expert, "cost": least},
            "betterHpa": {"variant": self.better_hpa[0], "cost": self.better_hpa[1]},
            "demand": self.demand.tolist(),
            "ours": self.ours.tolist(),
            "experts": {name: self.experts[:, place].tolist() for place, name in enumerate(EXPERTS)},
            "hpa": {name: capacity.tolist() for name, capacity in self.hpa.items()},
        }


def outcomes(traces: list[Trace], seed: int) -> list[Outcome]:
    """All traces at all horizons, a process a trace."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        return [each for some in processes.map(partial(walk, seed=seed), traces) for each in some]


def walk(trace: Trace, seed: int) -> list[Outcome]:
    """Step through one trace, training where it is due, and keep what was said."""
    forecaster = Forecaster(trace.step_s, HORIZONS, seed)
    said: dict[int, list[Floats]] = {horizon: [] for horizon in HORIZONS}
    for place, demand in enumerate(trace.demand):
        forecaster.observe(float(demand), place * trace.step_s)
        if forecaster.due:
            forecaster.train()
        for horizon in HORIZONS:
            forecast = forecaster.forecast(horizon)
            assert forecast is not None
            said[horizon].append(np.array([forecast.capacity, *forecast.calibrated]))
    return [_outcome(trace, horizon, np.array(said[horizon])) for horizon in HORIZONS]


def _outcome(trace: Trace, horizon: int, said: Floats) -> Outcome:
    """Of what was said at each moment, that which was for the tested steps whose demand is known."""
    steps = np.arange(len(trace.demand) - round(TESTED * len(trace.demand)), len(trace.demand))
    steps = steps[~np.isnan(trace.demand[steps])]
    moments = steps - horizon
    return Outcome(
        trace.name,
        horizon,
        trace.demand[steps],
        said[moments, 0],
        said[moments, 1:],
        {name: capacity[moments] for name, capacity in hpa_variants(trace).items()},
    )


def hpa_variants(trace: Trace) -> dict[str, Floats]:
    """The law at each moment: plain, and the highest of a window, read as 300 s and as five steps."""
    known = trace.filled / HPA_TARGET
    windows = {
        "plain": 1,
        "stabilised 300 s": 1 + int(STABILISED_S // trace.step_s),
        "stabilised 5 steps": HPA_STABILISED,
    }
    padded = {name: np.concatenate([np.zeros(width - 1), known]) for name, width in windows.items()}
    return {
        name: np.lib.stride_tricks.sliding_window_view(padded[name], width).max(axis=1)
        for name, width in windows.items()
    }


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, data: Path | None) -> list[dict[str, Any]]:
    """The area's figures; traces from `data` (a folder of traces, or of data with a folder demand), else S4M_DATA."""
    try:
        traces, kind = _traces(data, seed)
    except MalformedTrace as error:
        raise SystemExit(f"error: {error}") from error
    results = outcomes(traces, seed)
    (out / "forecast-raw.json").write_text(json.dumps([each.document() for each in results]) + "\n")
    figures = []
    for horizon in HORIZONS:
        some = [each for each in results if each.horizon == horizon]
        load = f"{kind}: " + ", ".join(f"{each.trace} {_ratio(each.cost, each.better_hpa[1]):.3f}" for each in some)
        mean = geometric_mean([_ratio(each.cost, each.better_hpa[1]) for each in some])
        figures.append(
            figure(f"forecast_cost_over_hpa_{horizon}", round(mean, 3), "times", load, ("<=", BARS[horizon]))
        )
    worst = max(results, key=lambda each: _ratio(each.cost, each.best_expert[1]))
    load = f"{kind}, worst of all: {worst.trace}, {worst.horizon} steps, {worst.best_expert[0]}"
    ratio = round(_ratio(worst.cost, worst.best_expert[1]), 3)
    return [*figures, figure("forecast_over_best_expert", ratio, "times", load, ("<=", 1.10))]


def _traces(data: Path | None, seed: int) -> tuple[list[Trace], str]:
    """Of the folder given, else of S4M_DATA, else synthetic ones."""
    if data is None and not os.environ.get("S4M_DATA"):
        return synthetic(seed), f"synthetic traces of seed {seed}"
    folder = data or Path(os.environ["S4M_DATA"])
    folder = folder / "demand" if (folder / "demand").is_dir() else folder
    return read_traces(folder), "traces"


def geometric_mean(ratios: list[float]) -> float:
    """Of ratios above 0; a ratio of 0 counts as 1e-9."""
    return float(np.exp(np.mean(np.log(np.maximum(ratios, 1e-9)))))


def _ratio(ours: float, theirs: float) -> float:
    """1 where both cost nothing."""
    return (ours + 1e-12) / (theirs + 1e-12)


def table(results: list[Outcome]) -> str:
    """A line a trace and horizon, costs relative to the mean demand, and the means."""
    lines = [f"{'trace':<36}{'steps':>6}{'cost':>9}{'hpa':>9}{'/ hpa':>8}{'/ best':>8}  best expert"]
    for each in results:
        size = float(each.demand.mean()) or 1.0
        (_, hpa), (expert, least) = each.better_hpa, each.best_expert
        lines.append(
            f"{each.trace[:35]:<36}{each.horizon:>6}{each.cost / size:>9.3f}{hpa / size:>9.3f}"
            f"{_ratio(each.cost, hpa):>8.3f}{_ratio(each.cost, least):>8.3f}  {expert}"
        )
    for horizon in HORIZONS:
        ratios = [_ratio(each.cost, each.better_hpa[1]) for each in results if each.horizon == horizon]
        lines.append(f"{'geometric mean':<36}{horizon:>6}{geometric_mean(ratios):>26.3f}")
    return "\n".join(lines)


def main() -> int:
    """Judge a folder of traces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, help="folder of traces (CSV); default S4M_DATA/demand, else synthetic")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("out/bench/forecast-raw.json"))
    given = parser.parse_args()
    try:
        traces, _ = _traces(given.input, given.seed)
    except MalformedTrace as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results = outcomes(traces, given.seed)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps([each.document() for each in results]) + "\n")
    print(table(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
