"""What designs that start models ahead bring: in the simulated city, and on the real functions with real sandboxes.

The city plays the shipped rush hour with the global controller and without. The functions sell the beach to one buyer
after another, who leave again: each time with nothing running, and after a design of its models. Raw: ahead.json.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.models.manifests import manifests, services
from orchestrator.simulation.city import play_city
from orchestrator.simulation.scenario import load_scenario, shipped
from orchestrator.simulation.traces import modelled_traces
from orchestrator.simulation.visits import draw_visits
from scripts.load.functions import Functions, functions

Make = Callable[..., dict[str, Any]]

SCENARIO, SERVICE = "rush-hour", "virtual-beach-travel"
BUYERS = 5
"""each way"""
FOREVER = 1 << 40
"""UTC seconds"""


def measure(figure: Make, out: Path, seed: int, _data: Path | None) -> list[dict[str, Any]]:
    """All figures of starting ahead."""
    city, live = simulated(seed), sold()
    (out / "ahead.json").write_text(json.dumps({"city": city, "live_s": live}, indent=2) + "\n")
    on, off = city["on"], city["off"]
    load = f"scenario {SCENARIO}, seed {seed}: {on['served']} users"
    cold, ahead = (1000 * median(live[way]) for way in ("cold", "ahead"))
    told = f"{SERVICE}, {BUYERS} buyers each way, Steps I to III, median {ahead:.0f} ms against {cold:.0f} ms cold"
    return [
        figure("prewarmed_share", on["prewarmed"], "", load, (">=", off["prewarmed"]), ("off", off["prewarmed"])),
        _over(figure, "start_ahead_over_off_simulated", on["start_mean_s"], off["start_mean_s"], f"{load}, mean"),
        _over(figure, "start_ahead_over_cold_live", ahead, cold, told),
    ]


def _over(figure: Make, name: str, on: float, off: float, load: str) -> dict[str, Any]:
    return figure(name, round(on / off, 3) if off else 0.0, "times", load, ("<=", 0.75), ("without", round(off, 3)))


def simulated(seed: int) -> dict[str, dict[str, Any]]:
    """The scenario's summary with the global controller and without."""
    scenario = load_scenario(shipped()[SCENARIO])
    visits = draw_visits(scenario, modelled_traces(seed, 3_600), seed)
    run = next(run for run in scenario.runs if run.designed)
    runs = {"on": run, "off": replace(run, designed=False)}
    return {name: play_city(scenario, one, visits, seed).summary(scenario.step_s) for name, one in runs.items()}


def sold() -> dict[str, list[float]]:
    """Seconds of Steps I to III of each purchase, cold and after a design."""
    took: dict[str, list[float]] = {"cold": [], "ahead": []}
    with tempfile.TemporaryDirectory() as home, functions(Path(home), manifests()) as house:
        models = sorted(set(services()[SERVICE].roles.values()) - {"infrastructure", "platform"})
        for number in range(2 * BUYERS):
            way = "ahead" if number % 2 else "cold"
            count = 1 if way == "ahead" else 0
            wanted = {"models": dict.fromkeys(models, count), "until": FOREVER}
            house.mmf.put("/warm/ar_vr", wanted, f"design:{number}")
            took[way].append(_purchase(house, number + 1))
            house.mmf.put("/warm/ar_vr", {"models": {}, "until": FOREVER}, f"end:{number}")
    return took


def _purchase(house: Functions, subscription: int) -> float:
    """One buyer who comes and leaves; the seconds until its service ran."""
    document = {"schema": "s4m/request/1", "service": SERVICE}
    body = {
        "subscriptionId": str(subscription), "planId": "1", "document": document,
        "spec": dict(services()[SERVICE].document), "isolationSold": 0,
    }  # fmt: skip
    begun = time.perf_counter()
    wanted = house.msmf.post("/service-requirements", body, f"{subscription}:requirements:0")
    house.vmof.post("/instances", {"requirements": wanted}, f"{subscription}:instance:0")
    took = time.perf_counter() - begun
    house.vmof.delete(f"/shares/{subscription}", f"{subscription}:release:0")
    return took
