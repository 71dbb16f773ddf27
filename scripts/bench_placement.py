"""Placement, measured: the background search, the published heuristics, admission of one share. Used by bench.py.

Batches come from a folder of data/placement's form, else from the seeded generator. Every solution is checked and
written beside the figures as placement-NAME.json.gz (a generated problem too, as placement-NAME.problem.json.gz), so
that `python -m orchestrator.placement.check PROBLEM SOLUTION`, or anybody's own checker, can recompute it. Budgets are
wall-clock seconds; the CPU seconds that were really had stand in each load.

The gap is to the bound that comes with a batch, where one does, else to our own. Acceptance and revenue over cost are
compared on batches of all four sizes, for the search and, beside it, for `admit_batch`: like the heuristics it takes
the requests one by one as they come and never looks back.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.placement import Problem, Solution, admit_batch, decide, load_problem, search
from orchestrator.placement.check import check
from orchestrator.placement.generator import generate
from orchestrator.placement.heuristics import Grc, PlRank, RandomWalk, embed_all
from orchestrator.placement.problem import save_problem, save_solution
from scripts.placement.crowd import TOPOLOGY, Crowd

Figures = Iterator[dict[str, Any]]
Value = Callable[[Problem, Solution], float]
MEDIUM, LARGE = (100, 50), (1000, 200)
BESIDE = ((100, 200), (1000, 50))
"""sizes that only the comparison with the heuristics is made on, besides"""
BESIDE_S = 30.0
PUBLISHED = {"100x50_0": 8_958, "1000x200_0": 97_851}
"""best profit known before, of the files handed out"""
BOUNDS = {"100x50_0": 9_120, "100x200_0": 8_854, "1000x50_0": 101_499, "1000x200_0": 106_665}
"""what their README says that no solution can earn more than"""
REPORTED = ("reported", None)
ASKED, WARM = 1_000, 20
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
    yield admission(figure, seed)
    medium = [_run(name, problem, 30, out, seed) for name, problem in batches(MEDIUM, data, out, seed)]
    yield _gap(figure, medium)
    large = batches(LARGE, data, out, seed)
    minute = [_run(name, problem, 60, out, seed) for name, problem in large]
    yield _profit(figure, "placement_profit_1000x200_60s", minute, 94_304, 0.9638)
    longer = [_run(name, problem, 150, out, seed) for name, problem in large]
    yield _profit(figure, "placement_profit_1000x200_150s", longer, 97_851, 1.0)
    beside = [
        _run(name, problem, BESIDE_S, out, seed) for size in BESIDE for name, problem in batches(size, data, out, seed)
    ]
    yield from _compared(figure, [*medium, *beside, *longer], out)


def _gap(figure: Callable[..., dict[str, Any]], runs: list[Run]) -> dict[str, Any]:
    """The worst of the runs."""
    worst = max(runs, key=lambda run: 1 - run.solution.profit / _bound(run))
    gap = 100 * (1 - worst.solution.profit / _bound(worst))
    detail = f"profit {worst.solution.profit} of at most {_bound(worst):.0f}; our own bound {worst.solution.bound:.0f}"
    return figure("placement_gap_100x50", round(gap, 3), "%", f"{worst.load}: {detail}", ("<=", 5.0))


def _bound(run: Run) -> float:
    return BOUNDS.get(run.name, run.solution.bound)


def batches(size: tuple[int, int], data: Path | None, out: Path, seed: int) -> list[tuple[str, Problem]]:
    """The folder's batches of this size, else one of the generator's."""
    stem = f"{size[0]}x{size[1]}"
    files = sorted(data.glob(f"{stem}_*.json*")) if data is not None else []
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
    """Ours over the best of the three, on the batch where that is least: the search, and admission one by one."""
    theirs = {run.name: _heuristics(run, out) for run in runs}
    searched = {run.name: run.solution for run in runs}
    online = {run.name: admit_batch(run.problem) for run in runs}
    for run in runs:
        _keep(out / f"placement-{run.name}-online.json.gz", run.problem, online[run.name])
    values: tuple[tuple[str, Value], ...] = (("acceptance", _acceptance), ("revenue_cost", _revenue_cost))
    for name, value in values:
        full = f"{name}_over_best_heuristic"
        yield _over(figure, full, runs, searched, theirs, value, (">=", 1.001))
        yield _over(figure, f"online_{full}", runs, online, theirs, value, REPORTED)


def _heuristics(run: Run, out: Path) -> dict[str, Solution]:
    found = {}
    for ranking in (Grc(), PlRank(), RandomWalk()):
        kind = type(ranking).__name__
        found[kind] = embed_all(run.problem, ranking)
        _keep(out / f"placement-{run.name}-{kind}.json.gz", run.problem, found[kind])
    return found


def _over(
    figure: Callable[..., dict[str, Any]],
    name: str,
    runs: list[Run],
    ours: dict[str, Solution],
    theirs: dict[str, dict[str, Solution]],
    value: Value,
    bar: tuple[str, float | None],
) -> dict[str, Any]:
    """The least ratio of all batches; the load tells every one."""
    ratios = []
    for run in runs:
        peers = {kind: value(run.problem, solution) for kind, solution in theirs[run.name].items()}
        best = max(peers, key=peers.__getitem__)
        mine = value(run.problem, ours[run.name])
        ratios.append((mine / peers[best], f"{run.name}: ours {mine:.3f}, {best} {peers[best]:.3f}", peers[best]))
    ratio, _, peer = min(ratios)
    told = "; ".join(load for _, load, _ in ratios)
    return figure(name, round(ratio, 3), "times", told, bar, ("best of the three", round(peer, 3)))


def _acceptance(problem: Problem, solution: Solution) -> float:
    return sum(choice is not None for choice in solution.choices) / len(problem.requests)


def _revenue_cost(problem: Problem, solution: Solution) -> float:
    served = zip(problem.requests, solution.choices, strict=True)
    revenue = sum(request.revenue for request, choice in served if choice is not None)
    return revenue / max(revenue - solution.profit, 1)


def admission(figure: Callable[..., dict[str, Any]], seed: int) -> dict[str, Any]:
    """`decide`, as MMF runs it, of one request after the other among 1,000 running services: each is tried once."""
    crowd = Crowd(SERVICES, MODELS, seed)
    asked = [(request, crowd.view(request)) for request in crowd.requests(WARM + ASKED)]
    wall, cpu, verdicts = [], [], Counter[str]()
    gc.collect()
    gc.freeze()  # as the orchestrator's program does
    for number, (request, view) in enumerate(asked):
        began, busy = time.perf_counter(), time.thread_time()
        decision = decide(request, view, seed="bench")
        if number >= WARM:
            cpu.append(time.thread_time() - busy)
            wall.append(time.perf_counter() - began)
            verdicts[decision.verdict if decision.feasible else "refuse"] += 1
    gc.unfreeze()
    p99, busy99 = (1_000 * float(np.percentile(times, 99)) for times in (wall, cpu))
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    load = (
        f"{SERVICES} services on {crowd.instances} instances of {MODELS} models over {TOPOLOGY}, ways and links "
        f"in every view; {ASKED} requests, one try each after {WARM} to warm up: {told}; on a CPU {busy99:.3f} ms"
    )
    return figure("admission_p99_ms", round(p99, 3), "ms", load, ("<=", 5.0))
