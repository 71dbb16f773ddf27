"""Two domains in one topology: a placement reaches its site's domain, and what is down is avoided and told."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests
from orchestrator.resources import ResourceVector
from orchestrator.resources.topology import SITE_CAPACITY, BadTopology, Link, Site, Topology, parse_topology
from orchestrator.runtime.domains import Domains
from orchestrator.runtime.errors import UnknownDomain
from orchestrator.runtime.port import RunState, Runtime
from orchestrator.runtime.sandbox import SandboxRuntime

NARROW = ResourceVector(bandwidth_mbps=150, spectrum_mhz=500)
COAST = Topology(
    "coast",
    "harbour",
    (Site("harbour"), Site("pier", SITE_CAPACITY, domain="edge")),
    (Link("harbour", "pier", 100, NARROW),),
)
FAR = {"service": "terahertz-link", "access": "pier", "qoe": {"rate_mbps": 200, "latency_ms": 0.4}}
"""Whose user enters at the pier, is too far from the harbour, and wants more than leads there."""
PATIENT = {"service": "terahertz-link", "qoe": {"rate_mbps": 100, "latency_ms": 5}}
"""Whose user enters at the harbour and is well served from both sites."""
OFF = "the edge's host is off; switch it on"


@pytest.fixture
def edge(tmp_path: Path) -> MemoryRuntime:
    return MemoryRuntime(tmp_path / "edge")


@pytest.fixture
def house(tmp_path: Path, loop: Loop, edge: MemoryRuntime) -> Iterator[House]:
    """The pier's models run at the edge, all others in a memory of their own."""
    yield from running(tmp_path, loop, {"sandbox": MemoryRuntime(tmp_path), "edge": edge})


@pytest.fixture
def sandboxed(tmp_path: Path, loop: Loop, edge: MemoryRuntime) -> Iterator[House]:
    """The pier's models run at the edge, all others in sandboxes."""
    yield from running(tmp_path, loop, {"sandbox": SandboxRuntime(tmp_path), "edge": edge})


def running(home: Path, loop: Loop, runtimes: Mapping[str, Runtime]) -> Iterator[House]:
    runtime = Domains(runtimes, COAST.domains)
    house = build(home, loop.loop, manifests(), topology=COAST, runtime=runtime)
    yield house
    tear_down(house, loop)


def at_edge(edge: MemoryRuntime) -> list[str]:
    return [one.instance_id for one in edge.observe()]


def refused(house: House, subscription: int, **request: Any) -> Any:
    with pytest.raises(PeerRefused) as caught:
        house.instantiate(subscription, **request)
    return caught.value.reason


def test_a_placement_reaches_the_domain_of_its_site_and_leaves_it_with_its_user(
    sandboxed: House, edge: MemoryRuntime
) -> None:
    house = sandboxed
    (near,) = house.instantiate(1, "terahertz-link", qoe={"rate_mbps": 100})["models"]
    assert (near["node"], at_edge(edge)) == ("harbour", [])
    (far,) = house.instantiate(2, **FAR)["models"]
    assert (far["node"], at_edge(edge)) == ("pier", [far["instance"]])
    assert far["socket"].startswith(str(edge.observe()[0].socket.parent))
    assert {near["instance"], far["instance"]} <= {one.instance_id for one in house.runtime.observe()}
    house.release(2)
    assert at_edge(edge) == []
    assert near["instance"] in {one.instance_id for one in house.runtime.observe()}


def test_a_domain_that_is_down_is_avoided_and_a_refusal_says_what_would_do(house: House, edge: MemoryRuntime) -> None:
    (far,) = house.instantiate(1, **FAR)["models"]
    assert house.instantiate(2, **PATIENT)["models"][0]["instance"] == far["instance"]
    house.release(2)
    edge.down = OFF
    house.keeper()
    sites = {site["node"]: site.get("closed") for site in house.mmf.get("/pool")["sites"]}
    assert sites == {"harbour": None, "pier": OFF}

    before = house.rows("SELECT * FROM allocations ORDER BY allocation_id")
    reason = refused(house, 3, **FAR)
    (lack,) = reason["needed"]["model"]
    assert (lack["kind"], lack["name"], lack["available"]) == ("runtime", "domain of pier", OFF)
    assert OFF in reason["detail"]
    assert house.rows("SELECT * FROM allocations ORDER BY allocation_id") == before

    share = house.instantiate(4, **PATIENT)
    assert [model["node"] for model in share["models"]] == ["harbour"]
    candidates = share["decision"]["models"]["reasons"]["model"]
    assert [lack["kind"] for one in candidates for lack in one["lacks"] if one["candidate"] == far["instance"]] == [
        "runtime"
    ]
    house.release(1)  # is let go at once; the edge itself is rid of it when it is back

    edge.down = ""
    assert at_edge(edge) == [far["instance"]]
    house.keeper()
    assert at_edge(edge) == []
    assert all("closed" not in site for site in house.mmf.get("/pool")["sites"])
    assert house.instantiate(5, **FAR)["models"][0]["node"] == "pier"


def test_what_died_while_its_domain_was_down_waits_for_it(house: House, edge: MemoryRuntime) -> None:
    (far,) = house.instantiate(1, **FAR)["models"]
    edge.kill(far["instance"])
    edge.down = OFF
    house.keeper()
    edge.down = ""
    assert [one.state for one in edge.observe()] == [RunState.DEAD]
    house.keeper()
    assert [one.state for one in edge.observe()] == [RunState.RUNNING]


def test_a_start_that_its_domain_fails_is_tried_elsewhere_when_that_is_known(house: House, edge: MemoryRuntime) -> None:
    edge.down = OFF  # since the keeper looked last
    reason = refused(house, 1, **FAR)
    assert reason["code"] == "start_failed"
    assert OFF in reason["detail"]
    assert not [row for row in house.rows("SELECT * FROM allocations") if row["subscription_id"] == "1"]


def test_a_site_of_a_domain_that_nothing_serves_is_refused_at_the_start() -> None:
    with pytest.raises(UnknownDomain, match=r"pier .* 'edge'.*Name one of sandbox"):
        Domains({"sandbox": MemoryRuntime(Path())}, COAST.domains)


def test_a_topology_names_its_sites_domains() -> None:
    document: dict[str, Any] = {
        "schema": "s4m/topology/1",
        "name": "coast",
        "sites": [{"name": "harbour"}, {"name": "pier", "domain": "edge"}],
        "links": [{"a": "harbour", "b": "pier", "length_km": 1, "bandwidth_mbps": 1, "spectrum_mhz": 1}],
    }
    assert parse_topology(document).domains == {"harbour": "sandbox", "pier": "edge"}
    document["sites"][1]["domain"] = "../edge"
    with pytest.raises(BadTopology, match="domain"):
        parse_topology(json.loads(json.dumps(document)))
