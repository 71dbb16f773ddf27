"""A program that instantiates some services and releases others, to be killed at any moment and started again.

Says `done` when every call was answered. The same keys are used in every run.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from function_house import House, build, running_loop, tear_down

from orchestrator.models.manifests import manifests

KEPT, RELEASED = range(1, 5), range(5, 8)


def work(house: House, subscription: int) -> None:
    """One subscription's life, each call under its one key."""
    house.tried[str(subscription)] = 0
    share = house.instantiate(subscription)
    assert share["subscriptionId"] == str(subscription)
    if subscription in RELEASED:
        assert house.release(subscription)["released"]


def main(home: Path, database: str, say: Callable[[str], None]) -> None:
    """Do all work at once."""
    with running_loop() as loop:
        house = build(home, loop.loop, manifests(), database=database)
        say("up")
        with ThreadPoolExecutor(8) as buyers:
            list(buyers.map(lambda subscription: work(house, subscription), (*KEPT, *RELEASED)))
        house.keeper()
        tear_down(house, loop, keep_instances=True)
    say("done")
