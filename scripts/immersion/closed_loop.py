"""The closed loop, measured: floors kept by the local controller against a static even split and the HPA law.

Users stream frames of recorded size over links of recorded rate (`--input`: a folder with `radio` and `vr`, else
S4M_DATA, else modelled). What counts is immersion-seconds under the floor: Σ max(floor − MI, 0) over users present and
seconds, seconds in which a link could not have carried the floor at all included. Both baselines split evenly over
users and their objects, as section IV-B does. Harder comparisons stand beside: the even split over users, but each
user's part split by attention; and the same, counting only what the links left possible.

Every run is written to closed-loop.json.gz: per second and user Meta-Immersion, present, per second capacity.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.controllers import Controller, HpaLaw, LocalController, StaticEven
from orchestrator.simulation.crowd import Crowd, draw_crowd
from orchestrator.simulation.loop import Played, Split, Supply, attainable, play
from orchestrator.simulation.traces import Traces, modelled_traces, read_traces

USERS, SECONDS, TOTAL_K, RUNS = 50, 600, 4_000, 5
CONTROLLERS: dict[str, tuple[Controller[Any], Split]] = {
    "local": (LocalController(), Split.ATTENTION),
    "static": (StaticEven(TOTAL_K), Split.EVEN),
    "hpa": (HpaLaw(), Split.EVEN),
    "static_attention": (StaticEven(TOTAL_K), Split.ATTENTION),
}
Runs = dict[str, list[Played]]


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, data: Path | None) -> list[dict[str, Any]]:
    """All figures of the closed loop."""
    traces, source = _traces(data, seed)
    crowds = [draw_crowd(traces, USERS, SECONDS, seed + number) for number in range(RUNS)]
    supply = Supply(TOTAL_K, TOTAL_K)
    runs: Runs = {
        name: [play(crowd, controller, supply, split) for crowd in crowds]
        for name, (controller, split) in CONTROLLERS.items()
    }
    _keep(out / "closed-loop.json.gz", runs, seed)
    load = f"{USERS} users, {SECONDS} s, {RUNS} runs from seed {seed} on, at most {TOTAL_K} K, {source}"
    under = {name: sum(float(one.shortfall().sum()) for one in played) for name, played in runs.items()}
    held = {name: float(np.mean([one.capacity_k for one in played])) for name, played in runs.items()}
    possible = {name: sum(_avoidable(one) for one in played) for name, played in runs.items()}
    return [
        _ratio(figure, "floor_seconds_over_static", under, "static", f"{load}; {_shares(under, crowds)}", 0.5),
        _ratio(figure, "floor_seconds_over_hpa", under, "hpa", load, 0.75),
        _ratio(figure, "capacity_over_static", held, "static", load, 1.0),
        _ratio(figure, "capacity_over_hpa", held, "hpa", load, 1.0),
        _ratio(
            figure, "floor_seconds_over_static_attention", under, "static_attention",
            f"{load}; the links alone leave {_unavoidable(crowds):.1%} of what was promised missing", 1.0,
        ),
        _ratio(
            figure, "avoidable_over_static_attention", possible, "static_attention",
            f"{load}; only what the links left possible", 0.75,
        ),
    ]  # fmt: skip


def _traces(data: Path | None, seed: int) -> tuple[Traces, str]:
    folder = data or (Path(os.environ["S4M_DATA"]) if os.environ.get("S4M_DATA") else None)
    if folder is None:
        return modelled_traces(seed, 4 * SECONDS), "modelled links and streams"
    traces = read_traces(folder)
    return traces, f"{len(traces.links)} recorded links, {len(traces.streams)} streams"


def _avoidable(played: Played) -> float:
    """Immersion-seconds under the floor, or under what the link could have carried where that is less."""
    crowd = played.crowd
    due = np.minimum(crowd.floor, attainable(crowd))
    return float(np.where(crowd.present, np.maximum(due - played.immersion, 0.0), 0.0).sum())


def _unavoidable(crowds: list[Crowd]) -> float:
    """The part of what was promised that no controller could have kept: the links did not carry it."""
    missing = sum(float((one.present * np.maximum(one.floor - attainable(one), 0.0)).sum()) for one in crowds)
    return missing / _promised(crowds)


def _promised(crowds: list[Crowd]) -> float:
    return sum(float((crowd.present * crowd.floor).sum()) for crowd in crowds)


def _ratio(
    figure: Callable[..., dict[str, Any]], name: str, amounts: dict[str, float], peer: str, load: str, bar: float
) -> dict[str, Any]:
    ratio = amounts["local"] / amounts[peer] if amounts[peer] else 0.0
    return figure(name, round(ratio, 4), "times", load, ("<=", bar), (peer, round(amounts[peer], 3)))


def _shares(under: dict[str, float], crowds: list[Crowd]) -> str:
    promised = _promised(crowds)
    return "missing of what was promised: " + ", ".join(f"{name} {part / promised:.1%}" for name, part in under.items())


def _keep(path: Path, runs: Runs, seed: int) -> None:
    document = {
        "unit": "Meta-Immersion per second and user; capacity in K per second",
        "seed": seed,
        "runs": {name: [_solution(one) for one in played] for name, played in runs.items()},
    }
    with gzip.open(path, "wt") as file:
        json.dump(document, file)


def _solution(played: Played) -> dict[str, Any]:
    return {
        "floor": played.crowd.floor.round(9).tolist(),
        "present": played.crowd.present.astype(int).tolist(),
        "immersion": played.immersion.round(9).tolist(),
        "capacity_k": played.capacity_k.tolist(),
    }
