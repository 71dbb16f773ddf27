"""The orchestrator, measured: admission through the three functions, purchases at a rate, what it can sustain, workers.

Used by bench.py. `--input` is a JSON file with any of the fields of `Size`. Every admission and every purchase, with
the moments of its way, stands in orchestrator-raw.json beside the figures, written part by part. A purchase that
failed, was refused or never answered is infinitely late. A load that is not the one that was asked for is a miss, with
the cause.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.models.manifests import manifest_named
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime
from scripts import orchestrator_load
from scripts.bench_placement import admission
from scripts.load.admissions import admissions, verdicts
from scripts.load.orders import Mix, orders
from scripts.load.percentiles import percentile
from scripts.load.purchases import Measured, Step, purchases
from scripts.private_postgresql import NoPostgresql, PrivatePostgresql, private_postgresql

Figure = dict[str, Any]
Make = Callable[..., Figure]
LATE_S = 2.0
"""A rate is sustained while nobody waits longer for a running service: a queue that grows passes it within seconds."""
REUSES_PER_S, CREATES_PER_S = 8.0, 2.0
"""What ten purchases a second ask for: eight that reuse and two that start a model."""
REPORTED = ("reported", None)
WHO = {"sqlite": "one worker on SQLite", "pg1": "one on PostgreSQL", "pg2": "two on one PostgreSQL"}


@dataclass(frozen=True)
class Size:
    """How much is measured: running services and models at admission and how many are admitted then; purchases and
    their rate a second; for the sustained rate the slowest and the fastest (a second), by how much each is faster than
    the one before, and how long each lasts (seconds); sandboxes started; purchases that reuse, on each database;
    purchases during which workers on PostgreSQL are killed and stopped."""

    services: int = 1_000
    models: int = 200
    admitted: int = 300
    purchases: int = 600
    rate: float = 10.0
    slowest: float = 8.0
    fastest: float = 16.0
    faster: float = 2.0
    step_s: float = 15.0
    sandboxes: int = 40
    reused: int = 120
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

    @property
    def rates(self) -> list[float]:
        """The rates that are tried one after the other, purchases a second."""
        steps = int((self.fastest - self.slowest) / self.faster) + 1
        return [self.slowest + number * self.faster for number in range(max(steps, 1))]


class Raw:
    """The raw material, written anew with each part."""

    def __init__(self, file: Path, **parts: Any) -> None:
        self._file = file
        self._parts = parts

    def keep(self, **parts: Any) -> None:
        """Add these parts."""
        self._parts |= parts
        self._file.write_text(json.dumps(self._parts, indent=1) + "\n")


def measure(figure: Make, out: Path, seed: int, data: Path | None) -> Iterator[Figure]:
    """All figures of the area, each as it is measured."""
    try:
        size = Size.read(data)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    raw = Raw(out / "orchestrator-raw.json", size=dataclasses.asdict(size), seed=seed)
    with ExitStack() as ending:
        server, missing = _postgresql(ending)
        yield _sandbox_starts(figure, size, raw)
        yield admission(figure, seed)
        yield _admission_full(figure, size, seed, raw)
        yield from _first_answers(figure, size, seed, raw)
        yield _sustained(figure, size, seed, raw)
        yield from _instantiations(figure, size, server, missing, raw)
        yield _takeovers(figure, size, server, missing, raw)


def _postgresql(ending: ExitStack) -> tuple[PrivatePostgresql | None, str]:
    """Started before anything is measured, so that nobody waits minutes to hear that there is none; else why."""
    try:
        return ending.enter_context(private_postgresql()), ""
    except NoPostgresql as cause:
        print(f"its figures will be missed: {cause}", flush=True)
        return None, str(cause)


def _sandbox_starts(figure: Make, size: Size, raw: Raw) -> Figure:
    """Sandboxes that answer, a second, two being started at a time."""
    manifest = manifest_named("monitoring")
    grant = {**manifest.consumes}
    names = [f"start-{number}" for number in range(size.sandboxes)]
    specs = [InstanceSpec(name, manifest.program, grant, manifest.memory_mib) for name in names]
    with tempfile.TemporaryDirectory(prefix="s4m-b-") as home:
        runtime = SandboxRuntime(Path(home))
        try:
            begun = time.monotonic()
            with ThreadPoolExecutor(2) as starters:
                list(starters.map(runtime.ensure, specs))
            rate = size.sandboxes / (time.monotonic() - begun)
        finally:
            runtime.delete_all()
    raw.keep(sandboxStartsPerS=rate)
    load = f"{size.sandboxes} sandboxes by two threads"
    return figure("sandbox_starts_per_s", round(rate, 1), "1/s", load, (">=", CREATES_PER_S))


def _admission_full(figure: Make, size: Size, seed: int, raw: Raw) -> Figure:
    print(f"{size.services} services of {size.models} models are being started", flush=True)
    found, before = admissions(size.services, size.models, size.admitted, seed)
    raw.keep(before=before, admissions=[{**dataclasses.asdict(one), "deciding_s": one.deciding_s} for one in found])
    took = [1000 * one.deciding_s for one in found]
    load = (
        f"{len(found)} purchases one after the other beside {before['services']} running services on "
        f"{before['instances']} instances of {size.models} models over germany50, isolation 70/20/10, every third a "
        f"composite of six or seven roles: {verdicts(found)}; MSMF, VMOF and MMF through their gates, all rows "
        f"committed, without the time in which new instances started; median {percentile(took, 0.5):.1f} ms"
    )
    return figure("admission_full_p99_ms", round(percentile(took, 0.99), 1), "ms", load, ("<=", 50))


def _first_answers(figure: Make, size: Size, seed: int, raw: Raw) -> Iterator[Figure]:
    """From the block that is final to the running service, and to the buyer's first answered use."""
    print(f"{size.purchases} purchases at {size.rate:g} a second", flush=True)
    step = Step(size.rate, orders(size.purchases, seed))
    measured = _bought([step])
    raw.keep(cpuSeconds=measured.busy, purchases=[order.to_json() for order in step.orders])
    mix = Mix(step.orders)
    spent = ", ".join(f"{name} {1000 * seconds / size.purchases:.0f}" for name, seconds in measured.busy.items())
    load = (
        f"{mix}; {size.rate:g} a second after {measured.warmed} to warm up; buyer, node, all programs on one machine, "
        f"CPU ms a purchase: {spent}"
    )
    for name, last in (("event_to_running", "running"), ("event_to_first_answer", "answered")):
        path = load if last == "running" else f"{load}; with activation on-chain, its finality and the session"
        for label, share, bar in (("p50", 0.5, 500), ("p99", 0.99, 2_000)):
            took = mix.took_ms(last, share)
            value = round(took) if math.isfinite(took) else took
            yield figure(f"{name}_{label}_ms", value, "ms", path, ("<=", bar), fault=measured.fault or mix.fault)


def _sustained(figure: Make, size: Size, seed: int, raw: Raw) -> Figure:
    """The fastest of the rates, tried from the slowest on, at which the queue does not grow."""
    print(f"{', '.join(f'{rate:g}' for rate in size.rates)} purchases a second, until the queue grows", flush=True)
    steps, first = [], 0
    for rate in size.rates:
        steps.append(Step(rate, orders(round(rate * size.step_s), seed, first)))
        first += len(steps[-1].orders)
    measured = _bought(steps, LATE_S)
    tried = [step for step in steps if step.reached]
    raw.keep(steps=[{**vars(step), "orders": [order.to_json() for order in step.orders]} for step in tried])
    stable = [step.rate for step in tried if step.waiting_s <= LATE_S]
    waited = ", ".join(f"{step.waiting_s:.2f} s at {step.rate:g}" for step in tried)
    load = (
        f"{size.step_s:g} s at each rate after {measured.warmed} purchases to warm up, until one has waited for more "
        f"than {LATE_S:g} s when a step ends; the oldest had waited {waited}; "
        f"{Mix([order for step in tried for order in step.orders])}"
    )
    value, bar = max(stable, default=0.0), (">=", size.rate)
    return figure("sustained_purchases_per_s", value, "1/s", load, bar, fault=measured.fault)


def _bought(steps: list[Step], limit_s: float = math.inf) -> Measured:
    with tempfile.TemporaryDirectory(prefix="s4m-b-") as home:
        return purchases(Path(home), steps, limit_s)


def _instantiations(
    figure: Make, size: Size, server: PrivatePostgresql | None, missing: str, raw: Raw
) -> Iterator[Figure]:
    """Instantiations a second on each database, and what they are to each other."""
    print(f"{size.reused} purchases that reuse, on each database", flush=True)
    rates: dict[str, float] = {}
    fault = missing
    try:
        for kind, rate in orchestrator_load.throughputs(size.reused, server):
            rates[kind] = rate
            raw.keep(instantiationsPerS=rates)
            yield _instantiation(figure, size, kind, rate)
    except orchestrator_load.Lost as cause:
        fault = str(cause)
    for kind in sorted(WHO.keys() - rates.keys()):
        yield _instantiation(figure, size, kind, None, fault)
    ratios = orchestrator_load.ratios(rates) if rates.keys() == WHO.keys() else {}
    for name, load in (("pg1_over_sqlite", "one worker"), ("pg2_over_pg1", "two workers over one on PostgreSQL")):
        full, why = f"instantiations_{name}", "" if ratios else fault
        yield figure(full, _rounded(ratios.get(name)), "times", load, REPORTED, fault=why)


def _instantiation(figure: Make, size: Size, kind: str, rate: float | None, fault: str = "") -> Figure:
    load = f"{size.reused} purchases that reuse what runs, decided and committed by {WHO[kind]}"
    return figure(f"instantiations_per_s_{kind}", _rounded(rate), "1/s", load, (">=", REUSES_PER_S), fault=fault)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _takeovers(figure: Make, size: Size, server: PrivatePostgresql | None, missing: str, raw: Raw) -> Figure:
    """How long a vanished worker's work waits for another."""
    print(f"{size.kills} workers killed and {size.stops} stopped", flush=True)
    asked = f"{size.takeover_purchases} purchases, {size.kills} workers to be killed, {size.stops} to be stopped"
    bar = ("<=", 10.0)
    if server is None:
        return figure("takeover_p99_s", None, "s", asked, bar, fault=missing)
    try:
        found = orchestrator_load.takeovers(server.create(), size.takeover_purchases, size.kills, size.stops)
    except (orchestrator_load.Lost, ValueError) as cause:
        return figure("takeover_p99_s", None, "s", asked, bar, fault=str(cause))
    raw.keep(takeovers=found)
    load = (
        f"{found['purchases']} purchases, {found['kills']} workers killed, {found['stops']} stopped, "
        f"{found['workflows_taken_over']} workflows taken over (at most {found['takeover_killed_max_s']:.2f} s after a "
        f"kill, {found['takeover_stopped_max_s']:.2f} s after a stop); every purchase has its one share, each role "
        "once, and what runs is what the rows say"
    )
    return figure("takeover_p99_s", _rounded(found["takeover_p99_s"]), "s", load, bar)
