"""Services instantiated on germany50 through all three functions: latency decides where, bandwidth how many."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifest_named, manifests
from orchestrator.resources.topology import LINK_CAPACITY, load_topology

GERMANY = load_topology("germany50")
RATE = 15_000
"""Mb/s of which a site carries one share and a link six."""


@pytest.fixture
def germany(tmp_path: Path, loop: Loop) -> Iterator[House]:
    house = build(tmp_path, loop.loop, manifests(), topology=GERMANY, runtime=MemoryRuntime(tmp_path))
    yield house
    tear_down(house, loop)


def link(house: House, subscription: int, latency_ms: float) -> str:
    """Where a fast link for a user in Aachen came to stand."""
    qoe = {"rate_mbps": RATE, "latency_ms": latency_ms}
    (model,) = house.instantiate(subscription, "terahertz-link", access="Aachen", qoe=qoe)["models"]
    return str(model["node"])


def refused(house: House, subscription: int, latency_ms: float) -> Any:
    with pytest.raises(PeerRefused) as caught:
        link(house, subscription, latency_ms)
    return caught.value.reason


def crossing(house: House) -> dict[str, int]:
    """Mb/s taken of each link that carries anything."""
    links = house.mmf.get("/pool")["links"]
    return {one["node"]: one["used"]["bandwidth_mbps"] for one in links if one["used"].get("bandwidth_mbps")}


def expected_crossing(nodes: list[str]) -> dict[str, int]:
    ways = GERMANY.paths("Aachen")
    shares = Counter(name for node in nodes for name in ways[node].links)
    return {name: RATE * count for name, count in shares.items()}


def test_latency_keeps_a_beach_in_its_users_city_and_lets_a_twin_serve_other_cities(germany: House) -> None:
    beach = germany.instantiate(1, access="Hamburg", qoe={"rate_mbps": 250, "latency_ms": 1.5})
    assert {model["node"] for model in beach["models"]} == {"Hamburg"}
    assert len(beach["models"]) == 7
    twin = germany.instantiate(2, "product-twin", access="Hamburg", qoe={"rate_mbps": 100, "latency_ms": 40})
    again = germany.instantiate(3, "product-twin", access="Leipzig", qoe={"rate_mbps": 100, "latency_ms": 40})
    assert again["msi"] == twin["msi"]
    assert {model["node"] for model in again["models"]} == {"Hamburg"}  # what runs is near enough for Leipzig too
    way = GERMANY.paths("Leipzig")["Hamburg"]
    assert crossing(germany) == dict.fromkeys(way.links, 100)
    with pytest.raises(PeerRefused) as caught:
        germany.instantiate(4, access="Hamburg", qoe={"rate_mbps": 250, "latency_ms": 1.2})
    assert {lack["kind"] for lacks in caught.value.reason["needed"].values() for lack in lacks} == {"latency"}


def test_bandwidth_sends_each_next_share_further_until_the_way_is_too_long(germany: House) -> None:
    ways = GERMANY.paths("Aachen")
    slack = 1.0 - manifest_named("terahertz-link").latency_ms
    near = sorted((site for site in ways if ways[site].latency_ms <= slack), key=lambda site: ways[site].latency_ms)
    assert [link(germany, number, 1.0) for number in range(len(near))] == near
    assert len(near) > 3
    assert crossing(germany) == expected_crossing(near)
    assert {lack["kind"] for lack in refused(germany, len(near), 1.0)["needed"]["model"]} <= {"resource", "latency"}
    assert crossing(germany) == expected_crossing(near)


def test_links_out_of_a_city_bound_what_its_users_have_elsewhere(germany: House) -> None:
    out = sum("Aachen" in (one.a, one.b) for one in GERMANY.links)
    fits = 1 + out * (LINK_CAPACITY.bandwidth_mbps // RATE)
    nodes = [link(germany, number, 20) for number in range(fits)]
    assert nodes[0] == "Aachen"
    assert crossing(germany) == expected_crossing(nodes)

    tried = refused(germany, fits, 20)["decision"]["models"]["reasons"]["model"]
    lacks = {one["candidate"]: {lack["kind"] for lack in one["lacks"]} for one in tried if one["action"] == "create"}
    assert "link" not in lacks.pop("Aachen")
    assert all("link" in kinds for kinds in lacks.values())
    assert crossing(germany) == expected_crossing(nodes)

    germany.release(fits - 1)
    assert link(germany, fits, 20) == nodes[-1]
    assert crossing(germany) == expected_crossing(nodes)
