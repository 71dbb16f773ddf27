"""What the global controller is told that clusters demanded: the most at once, served or refused, models apart."""

import time

import pytest
from function_house import House

from orchestrator.demands import most_at_once, observe, recall
from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests, services

HOUR = 3_600.0
ROLES = services()["virtual-beach-travel"].roles


@pytest.mark.parametrize(
    ("stays", "most"),
    [([], 0), ([(1, 5), (2, 3), (4, 9)], 2), ([(1, 2), (2, 3)], 2), ([(4, 4)], 1), ([(1, 2), (3, 4)], 1)],
    ids=["nobody", "three, two at once", "one ends as the other begins", "refused at once", "one after the other"],
)
def test_most_at_once(stays: list[tuple[float, float]], most: int) -> None:
    assert most_at_once(stays) == most


def test_observe_counts_the_served_and_the_refused_and_foresees_no_dedicated_models(house: House) -> None:
    begun = int(time.time()) - 1
    house.instantiate(1)
    house.instantiate(2, "monitoring", isolation=2)
    with pytest.raises(PeerRefused):
        house.instantiate(3, qoe={"rate_mbps": 1_000_000})
    with house.store.reader.connect() as rows:
        found = observe(rows, manifests(), begun)
        past = recall(rows, manifests(), begun + 10 * HOUR, HOUR, 24)
        later = observe(rows, manifests(), begun + HOUR)
    assert (found["ar_vr"].shares, found["digital_twin"].shares) == (3, 0)
    assert found["ar_vr"].models == {name: 2 for name in ROLES.values() if name not in ("infrastructure", "platform")}
    assert found["ar_vr"].resources == found["ar_vr"].granted
    assert later["ar_vr"].shares == 2, "the refused one is gone"
    shares = [demands["ar_vr"].shares for end, demands in past if end > begun + HOUR / 2]
    assert shares == [3, *[2] * 8], "in the first hour the refused one, too"
    assert len(past) <= 10, "from the first purchase on"
    warm = {"models": {"edge-computing": 1}, "until": 1 << 40}
    house.mmf.put("/warm/ar_vr", warm, "design:1")
    with house.store.reader.connect() as rows:
        warmed = observe(rows, manifests(), begun)["ar_vr"]
    assert warmed.resources == found["ar_vr"].resources, "what nobody uses yet is no demand"
    assert warmed.granted.computing_mcores == warmed.resources.computing_mcores + 50
