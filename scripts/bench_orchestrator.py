"""The orchestrator, measured: admission through the three functions, purchases at a rate, what it can sustain.

Used by bench.py. `--input` is a JSON file with any of the fields of `Size`. Every admission and every purchase, with
the moments of its way, stands in orchestrator-raw.json beside the figures; each figure says how it follows from them.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.models.manifests import manifest_named
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime
from scripts import orchestrator_load
from scripts.bench_placement import admission
from scripts.load.functions import functions, variants
from scripts.load.percentiles import percentile
from scripts.load.purchases import Order, purchases

Figures = list[dict[str, Any]]


@dataclass(frozen=True)
class Size:
    """How much is measured: running services and models at admission and how many are admitted then; purchases, their
    rate a second; purchases at once for the sustained rate; sandboxes started; purchases that reuse, on each database;
    purchases during which workers on PostgreSQL are killed and stopped."""

    services: int = 1_000
    models: int = 200
    admitted: int = 300
    purchases: int = 600
    rate: float = 10.0
    burst: int = 200
    sandboxes: int = 40
    reused: int = 180
    takeover_purchases: int = 500
    kills: int = 10
    stops: int = 2

    @classmethod
    def read(cls, file: Path | None) -> Size:
        """From a JSON object; raises ValueError with what is wrong."""
        if file is None:
            return cls()
        given = json.loads(file.read_text())
        names = [one.name for one in dataclasses.fields(cls)]
        if not isinstance(given, dict) or not set(given) <= set(names):
            raise ValueError(f"{file} must be an object with any of {', '.join(names)}")
        if any(isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 for value in given.values()):
            raise ValueError(f"{file}: every value must be a number above 0")
        return cls(**given)


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, data: Path | None) -> Figures:
    """All figures of the area."""
    try:
        size = Size.read(data)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    starts = _sandbox_starts(size.sandboxes)
    print(f"{size.services} services of {size.models} models are being started", flush=True)
    admitted = _admissions(size)
    print(f"{size.purchases} purchases at {size.rate} a second", flush=True)
    steady, busy = _purchases(size.purchases, size.rate, seed)
    print(f"{size.burst} purchases at once", flush=True)
    burst, _ = _purchases(size.burst, 1_000.0, seed)
    print(f"{size.reused} purchases that reuse on each database, then {size.kills} workers killed", flush=True)
    workers = orchestrator_load.measure(size.reused, size.takeover_purchases, size.kills, size.stops)
    raw = {
        "workers": workers,
        "size": dataclasses.asdict(size),
        "seed": seed,
        "sandboxStartsPerS": starts,
        "admissionsMs": admitted,
        "cpuSeconds": busy,
        "purchases": [order.to_json() for order in steady],
        "burst": [order.to_json() for order in burst],
    }
    (out / "orchestrator-raw.json").write_text(json.dumps(raw, indent=1) + "\n")
    return [
        admission(figure, seed),
        _admission_full(figure, size, admitted),
        *_first_answers(figure, size, steady, busy),
        _sustained(figure, size, burst),
        *_workers(figure, size, workers),
        figure(
            "sandbox_starts_per_s", round(starts, 1), "1/s", f"{size.sandboxes} sandboxes by two threads", (">=", 2.0)
        ),
    ]


def _admissions(size: Size) -> list[float]:
    """Milliseconds of each admission beside the services that stand already."""
    models = variants(size.models)
    names = [name for name, one in models.items() if one.consumes or one.per_share]
    with tempfile.TemporaryDirectory(prefix="s4m-b-") as home, functions(Path(home), models) as built:
        with ThreadPoolExecutor(4) as buyers:
            list(
                buyers.map(lambda number: built.admit(number, names[number % len(names)]), range(1, size.services + 1))
            )
        numbers = range(size.services + 1, size.services + 1 + size.admitted)
        return [1000 * built.admit(number, names[number % len(names)])[1] for number in numbers]


def _admission_full(figure: Callable[..., dict[str, Any]], size: Size, took: list[float]) -> dict[str, Any]:
    load = (
        f"{len(took)} purchases one after the other beside {size.services} running services of {size.models} models: "
        f"MSMF, VMOF and MMF through their gates, all rows committed; median {statistics.median(took):.1f} ms"
    )
    return figure("admission_full_p99_ms", round(percentile(took, 0.99), 1), "ms", load, ("<=", 50))


def _purchases(count: int, rate: float, seed: int) -> tuple[list[Order], dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="s4m-b-") as home:
        return purchases(Path(home), count, rate, seed)


def _first_answers(
    figure: Callable[..., dict[str, Any]], size: Size, made: list[Order], busy: dict[str, float]
) -> Figures:
    """From the block that is final to the running service, and to the buyer's first answered use."""
    answered = [order for order in made if not order.failure and "answered" in order.times]
    if not answered:
        raise SystemExit(f"error: none of {len(made)} purchases was answered, the first: {made[0].failure}")
    models = [order.told["outcome"].get("models") or [] for order in made if order.told]
    created = sum(any(model["verdict"] == "create" for model in some) for some in models)
    degrees = [sum(order.isolation == degree for order in made) for degree in (0, 1, 2)]
    spent = ", ".join(f"{name} {1000 * seconds / len(made):.0f}" for name, seconds in busy.items())
    load = (
        f"{len(made)} purchases at {size.rate:g} a second, {created} of them with a new model, isolation 0/1/2: "
        f"{'/'.join(map(str, degrees))}; {len(made) - len(answered)} not answered in time; buyer, node, all programs "
        f"on one machine, CPU ms a purchase: {spent}"
    )
    figures = []
    for name, last in (("event_to_running", "running"), ("event_to_first_answer", "answered")):
        took = [order.took_ms(last) for order in answered]
        path = load if last == "running" else f"{load}; with activation on-chain, its finality and the session"
        figures += [
            figure(f"{name}_p50_ms", round(percentile(took, 0.5)), "ms", path, ("<=", 500)),
            figure(f"{name}_p99_ms", round(percentile(took, 0.99)), "ms", path, ("<=", 2_000)),
        ]
    return figures


def _sustained(figure: Callable[..., dict[str, Any]], size: Size, made: list[Order]) -> dict[str, Any]:
    """How many purchases a second come to run while the queue never empties."""
    running = sorted(order.times["running"] for order in made if "running" in order.times)
    first = min(order.times["final"] for order in made if "final" in order.times)
    rate = len(running) / (running[-1] - first)
    load = f"{size.burst} purchases at once, the same kinds; {len(running)} came to run"
    return figure("sustained_purchases_per_s", round(rate, 1), "1/s", load, (">=", 10.0))


def _workers(figure: Callable[..., dict[str, Any]], size: Size, found: dict[str, Any]) -> Figures:
    """Instantiations a second on each database, and how long a vanished worker's work waits for another."""
    load_of = f"{size.reused} purchases that reuse what runs, decided and committed by {{}}"
    kinds = {"sqlite": "one worker on SQLite", "pg1": "one on PostgreSQL", "pg2": "two on one PostgreSQL"}
    rates = {kind: round(found[f"instantiations_per_s_{kind}"], 2) for kind in kinds}
    peers = {"sqlite": None, "pg1": ("SQLite", rates["sqlite"]), "pg2": ("one worker", rates["pg1"])}
    fire = f"{size.takeover_purchases} purchases, {size.kills} workers killed, {size.stops} stopped, nothing lost"
    return [
        *(
            figure(f"instantiations_per_s_{kind}", rates[kind], "1/s", load_of.format(who), (">=", 1.0), peers[kind])
            for kind, who in kinds.items()
        ),
        figure("takeover_p99_s", round(found["takeover_p99_s"], 2), "s", fire, ("<=", 10.0)),
    ]


def _sandbox_starts(count: int) -> float:
    """Sandboxes that answer, a second, two being started at a time."""
    manifest = manifest_named("monitoring")
    grant = {**manifest.consumes}
    specs = [InstanceSpec(f"start-{number}", manifest.program, grant, manifest.memory_mib) for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="s4m-b-") as home:
        runtime = SandboxRuntime(Path(home))
        try:
            begun = time.monotonic()
            with ThreadPoolExecutor(2) as starters:
                list(starters.map(runtime.ensure, specs))
            return count / (time.monotonic() - begun)
        finally:
            runtime.delete_all()
