"""Placement, measured: the background search, the published heuristics, greedy admission. Used by bench.py.

Batches come from a folder of data/placement's form (`--input`, else S4M_DATA/placement), else from the seeded
generator. Every solution is checked and written beside the figures as placement-NAME.json.gz (a generated problem too,
as placement-NAME.problem.json.gz), so that `python -m orchestrator.placement.check PROBLEM SOLUTION`, or anybody's own
checker, can recompute it. Budgets are wall-clock seconds; the CPU seconds that were really had stand in each load.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.placement import Problem, Solution, greedy, load_problem, search
from orchestrator.placement.check import check
from orchestrator.placement.generator import generate
from orchestrator.placement.heuristics import Grc, PlRank, RandomWalk, embed_all
from orchestrator.placement.problem import save_problem, save_solution
from scripts.placement.crowd import Crowd

Figures = list[dict[str, Any]]
MEDIUM, LARGE = (100, 50), (1000, 200)
PUBLISHED = {"100x50_0": 8_958, "1000x200_0": 97_851}
"""best profit known before, of the files handed out"""
BOUNDS = {"100x50_0": 9_120}
ROUNDS, ASKED = 9, 1_000
SERVICES, MODELS = 1_000, 200


@dataclass(frozen=True)
class Run:
    """One search: what it found and what it took."""

    name: str
    problem: Problem
    solution: Solution
    seconds: float
    cpu: float

    @property
    def load(self) -> str:
        """The load, with the time that the search really had."""
        return f"{self.name}, {self.seconds:.0f} s of wall-clock time, of which {self.cpu:.0f} s on a CPU"


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, data: Path | None) -> Figures:
    """All figures of the area."""
    medium = [_run(name, problem, 30, out, seed) for name, problem in _batches(MEDIUM, data, out, seed)]
    large = _batches(LARGE, data, out, seed)
    minute = [_run(name, problem, 60, out, seed) for name, problem in large]
    longer = [_run(name, problem, 150, out, seed) for name, problem in large]
    worst = max(medium, key=lambda run: 1 - run.solution.profit / _bound(run))
    gap = 100 * (1 - worst.solution.profit / _bound(worst))
    detail = f"profit {worst.solution.profit} of at most {_bound(worst):.0f}"
    return [
        figure("placement_gap_100x50", round(gap, 3), "%", f"{worst.load}: {detail}", ("<=", 5.0)),
        _profit(figure, "placement_profit_1000x200_60s", minute, 94_304, 0.9638),
        _profit(figure, "placement_profit_1000x200_150s", longer, 97_851, 1.0),
        *_compared(figure, [*medium, *longer], out),
        admission(figure, seed),
    ]


def _bound(run: Run) -> float:
    return min(run.solution.bound, BOUNDS.get(run.name, np.inf))


def _batches(size: tuple[int, int], data: Path | None, out: Path, seed: int) -> list[tuple[str, Problem]]:
    """The folder's batches of this size, else one of the generator's."""
    folder = data or (Path(os.environ["S4M_DATA"]) / "placement" if os.environ.get("S4M_DATA") else None)
    stem = f"{size[0]}x{size[1]}"
    files = sorted(folder.glob(f"{stem}_*.json*")) if folder is not None else []
    if files:
        return [(file.name.removesuffix(".gz").removesuffix(".json"), load_problem(file)) for file in files]
    problem, name = generate(*size, seed), f"{stem}_generated_{seed}"
    save_problem(problem, out / f"placement-{name}.problem.json.gz")
    return [(name, problem)]


def _run(name: str, problem: Problem, seconds: float, out: Path, seed: int) -> Run:
    began, cpu = time.monotonic(), time.process_time()
    solution = search(problem, seed=seed, seconds=seconds)
    run = Run(name, problem, solution, time.monotonic() - began, time.process_time() - cpu)
    _keep(out / f"placement-{name}-{seconds:.0f}s.json.gz", problem, solution)
    return run


def _keep(path: Path, problem: Problem, solution: Solution) -> None:
    answer = check(problem, solution.choices, solution.profit)
    if not isinstance(answer, int):
        raise SystemExit(f"{path.name} breaks a rule: {answer}")
    save_solution(solution, path)


def _profit(
    figure: Callable[..., dict[str, Any]], name: str, runs: list[Run], bar: int, share: float
) -> dict[str, Any]:
    """The worst of the runs against its bar; a batch of no known profit is held to a share of its own bound instead."""

    def due(run: Run) -> float:
        return bar if run.name in PUBLISHED else share * 97_851 / 106_665 * run.solution.bound

    worst = min(runs, key=lambda run: run.solution.profit / due(run))
    known = PUBLISHED.get(worst.name)
    load = f"{worst.load}: bound {worst.solution.bound:.0f}, gap {100 * worst.solution.gap:.2f} %"
    return figure(
        name, worst.solution.profit, "money", load, (">=", round(due(worst))), ("best known", known) if known else None
    )


def _compared(figure: Callable[..., dict[str, Any]], runs: list[Run], out: Path) -> Figures:
    """Ours over the best of the three, on the batch where that is least."""
    figures: Figures = []
    ratios: dict[str, list[tuple[float, str, float]]] = {"acceptance": [], "revenue_cost": []}
    for run in runs:
        theirs = {}
        for ranking in (Grc(), PlRank(), RandomWalk()):
            solution = embed_all(run.problem, ranking)
            kind = type(ranking).__name__
            _keep(out / f"placement-{run.name}-{kind}.json.gz", run.problem, solution)
            theirs[kind] = solution
        for name, value in (("acceptance", _acceptance), ("revenue_cost", _revenue_cost)):
            best = max(theirs, key=lambda kind: value(run.problem, theirs[kind]))
            peer, ours = value(run.problem, theirs[best]), value(run.problem, run.solution)
            ratios[name].append((ours / peer, f"{run.name}: ours {ours:.3f}, {best} {peer:.3f}", peer))
    for name, some in ratios.items():
        ratio, load, peer = min(some)
        full = f"{name}_over_best_heuristic"
        figures.append(
            figure(full, round(ratio, 3), "times", load, (">=", 1.001), ("best of the three", round(peer, 3)))
        )
    return figures


def _acceptance(problem: Problem, solution: Solution) -> float:
    return sum(choice is not None for choice in solution.choices) / len(problem.requests)


def _revenue_cost(problem: Problem, solution: Solution) -> float:
    served = zip(problem.requests, solution.choices, strict=True)
    revenue = sum(request.revenue for request, choice in served if choice is not None)
    return revenue / max(revenue - solution.profit, 1)


def admission(figure: Callable[..., dict[str, Any]], seed: int) -> dict[str, Any]:
    """Greedy admission of one request among 1,000 running services; of nine tries of each, the quickest counts."""
    crowd = Crowd(SERVICES, MODELS, seed)
    view, requests = crowd.view(), list(crowd.requests(ASKED))
    wall, cpu = np.full(ASKED, np.inf), np.full(ASKED, np.inf)
    for _ in range(ROUNDS):
        for place, request in enumerate(requests):
            began, busy = time.perf_counter(), time.thread_time()
            greedy(request, view, seed="bench")
            cpu[place] = min(cpu[place], time.thread_time() - busy)
            wall[place] = min(wall[place], time.perf_counter() - began)
    p99, busy99 = (1_000 * float(np.percentile(times, 99)) for times in (wall, cpu))
    instances = sum(len(some) for some in view.instances.values())
    load = (
        f"{SERVICES} services on {instances} instances of {MODELS} models, {ASKED} requests, quickest of {ROUNDS} tries"
    )
    return figure("admission_p99_ms", round(p99, 3), "ms", f"{load}; on a CPU {busy99:.3f} ms", ("<=", 5.0))
