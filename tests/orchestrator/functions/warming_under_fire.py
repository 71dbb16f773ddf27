"""A program that starts models ahead, has purchases reuse them, and ends them, to be killed at any moment.

Says `done` when every call was answered. The same keys and bodies are used in every run.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from function_house import House, build, running_loop, tear_down

from orchestrator.models.manifests import manifests

FOREVER = 1 << 40
"""UTC seconds"""
DESIGNS = (
    {"rendering-server": 2, "edge-cache": 1, "terahertz-link": 1},
    {"rendering-server": 1, "monitoring": 2},
    {"rendering-server": 3},
    {"rendering-server": 1, "edge-cache": 1},
)
KEPT = {"rendering-server": 1, "edge-cache": 1}
BOUGHT = range(1, 4)


def designs(house: House) -> None:
    """Each under its one key, one after the other."""
    for number, models in enumerate(DESIGNS):
        house.mmf.put("/warm/ar_vr", {"models": models, "until": FOREVER}, f"design:{number}")


def buy(house: House, subscription: int) -> None:
    """A share that comes and goes."""
    house.tried[str(subscription)] = 0
    house.instantiate(subscription)
    house.release(subscription)


def main(home: Path, database: str, say: Callable[[str], None]) -> None:
    """Designs and purchases at once."""
    with running_loop() as loop:
        house = build(home, loop.loop, manifests(), database=database)
        say("up")
        with ThreadPoolExecutor(4) as callers:
            work = [callers.submit(designs, house), *(callers.submit(buy, house, number) for number in BOUGHT)]
            for one in work:
                one.result()
        house.keeper()
        tear_down(house, loop, keep_instances=True)
    say("done")
