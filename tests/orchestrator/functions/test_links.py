"""Placement over a topology, through all three functions with real models: ways are taken, and freed with the share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests
from orchestrator.resources import ResourceVector
from orchestrator.resources.topology import SITE_CAPACITY, Link, Site, Topology

NARROW = ResourceVector(bandwidth_mbps=400, spectrum_mhz=500)
COAST = Topology(
    "coast",
    "harbour",
    (Site("harbour"), Site("hill", ResourceVector(computing_mcores=10)), Site("beach", SITE_CAPACITY)),
    (Link("harbour", "hill", 10, NARROW), Link("hill", "beach", 20, NARROW)),
)


@pytest.fixture
def coast(tmp_path: Path, loop: Loop) -> Iterator[House]:
    house = build(tmp_path, loop.loop, manifests(), topology=COAST)
    yield house
    tear_down(house, loop)


def used(house: House) -> dict[str, int]:
    return {link["node"]: link["used"].get("bandwidth_mbps", 0) for link in house.mmf.get("/pool")["links"]}


def refusal(house: House, subscription: int, **request: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as refused:
        house.instantiate(subscription, "terahertz-link", **request)
    return refused.value.reason


def test_a_share_takes_its_way_and_gives_it_back(coast: House) -> None:
    near = coast.instantiate(1, "terahertz-link", qoe={"rate_mbps": 300})
    assert near["models"][0]["node"] == "harbour"
    assert used(coast) == {"harbour--hill": 0, "hill--beach": 0}

    far = coast.instantiate(2, "terahertz-link", qoe={"rate_mbps": 300}, access="beach")
    assert far["models"][0]["instance"] == near["models"][0]["instance"]
    assert far["grant"] == near["grant"]  # the way is not granted to the model, it is kept free for the share
    assert used(coast) == {"harbour--hill": 300, "hill--beach": 300}

    third = coast.instantiate(3, "terahertz-link", qoe={"rate_mbps": 300}, access="beach")
    assert third["models"][0]["node"] == "beach"
    lack = third["decision"]["models"]["reasons"]["model"][0]["lacks"][0]
    assert (lack["kind"], lack["needed"], lack["available"]) == ("link", 300, 100)
    assert used(coast) == {"harbour--hill": 300, "hill--beach": 300}

    coast.release(2)
    assert used(coast) == {"harbour--hill": 0, "hill--beach": 0}


def test_a_refusal_names_the_narrow_link_and_the_long_way(coast: House) -> None:
    narrow = refusal(coast, 1, qoe={"rate_mbps": 500}, access="hill")
    lacks = narrow["needed"]["model"]
    assert {lack["kind"] for lack in lacks} == {"link"}
    assert (lacks[0]["needed"], lacks[0]["available"], lacks[0]["unit"]) == (500, 400, "mbps")
    assert "bandwidth_mbps of h" in narrow["detail"]
    slow = refusal(coast, 2, qoe={"rate_mbps": 300, "latency_ms": 0.31}, access="hill")
    assert {lack["kind"] for lack in slow["needed"]["model"]} == {"latency"}
    assert used(coast) == {"harbour--hill": 0, "hill--beach": 0}


def test_a_user_who_enters_nowhere_is_refused_with_the_sites_there_are(coast: House) -> None:
    reason = refusal(coast, 1, access="sea")
    assert reason["needed"]["model"][0]["name"] == "access"
    assert "harbour, hill, beach" in reason["detail"]
