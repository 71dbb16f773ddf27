"""A program that instantiates services, changes their size and releases some, to be killed at any moment and started
again.

Says `done` when every call was answered. The same keys are used in every run.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from function_house import House, build, running_loop, tear_down

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests

SERVICE = "rendering-server"
USERS = {1: (6, 2), 2: (12, 3), 3: (1, 9), 4: (8, 12), 5: (4, 4), 6: (2, 5)}
"""Subscription → how many users each of its two updates asks for."""
RELEASED = (5, 6)


def work(house: House, subscription: int) -> None:
    """One subscription's life, each call under its one key; one update is for more than there is."""
    house.tried[str(subscription)] = 0
    assert house.instantiate(subscription, SERVICE)["subscriptionId"] == str(subscription)
    first, second = USERS[subscription]
    house.update(subscription, 1, SERVICE, users=first)
    assert refusal_of(house, subscription) == "infeasible"
    house.update(subscription, 3, SERVICE, users=second)
    if subscription in RELEASED:
        assert house.release(subscription)["released"]


def refusal_of(house: House, subscription: int) -> str:
    """The code with which the second update is refused."""
    try:
        house.update(subscription, 2, SERVICE, users=64, qoe={"latency_ms": 0.01})
    except PeerRefused as refusal:
        return str(refusal.reason["code"])
    return ""


def main(home: Path, database: str, say: Callable[[str], None]) -> None:
    """Do all work at once."""
    with running_loop() as loop:
        house = build(home, loop.loop, manifests(), database=database)
        say("up")
        with ThreadPoolExecutor(6) as buyers:
            list(buyers.map(lambda subscription: work(house, subscription), USERS))
        house.keeper()
        tear_down(house, loop, keep_instances=True)
    say("done")
