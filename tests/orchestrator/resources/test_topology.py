"""Topologies: germany50 as topohub has it, an operator's own file, shortest ways, and the nodes made of them."""

import json
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pool import open_pool

from orchestrator.resources import ResourceVector
from orchestrator.resources.physical import TopologyInUse, establish
from orchestrator.resources.pool import ALLOCATIONS, LINKS, Allocation, OverAllocated, allocate, nodes, virtual_pool
from orchestrator.resources.supplied import history
from orchestrator.resources.topology import (
    FIBRE_MS_PER_KM,
    LINK_CAPACITY,
    ONE_SITE,
    BadTopology,
    Link,
    Site,
    Topology,
    load_topology,
    parse_topology,
)


def published(key: str) -> Any:
    """The package's own answer (it leaves its file open)."""
    import topohub

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return topohub.get(key)


def as_graph(topology: Topology) -> Any:
    graph = networkx.Graph()
    graph.add_nodes_from(site.name for site in topology.sites)
    for link in topology.links:
        graph.add_edge(link.a, link.b, km=link.length_km)
    return graph


def own(**changes: Any) -> dict[str, Any]:
    wide = {"bandwidth_mbps": 1000, "spectrum_mhz": 500}
    return {
        "schema": "s4m/topology/1",
        "name": "coast",
        "access": "harbour",
        "sites": [{"name": "beach", "capacity": {"computing_mcores": 100}}, {"name": "harbour"}, {"name": "hill"}],
        "links": [
            {"a": "beach", "b": "harbour", "length_km": 10, **wide},
            {"a": "harbour", "b": "hill", "length_km": 3, **wide},
        ],
        **changes,
    }


def test_germany50_becomes_as_many_sites_and_links_as_the_package_has() -> None:
    document, topology = published("sndlib/germany50"), load_topology("germany50")
    assert (len(topology.sites), len(topology.links)) == (len(document["nodes"]), len(document["edges"])) == (50, 88)
    assert {site.name: list(site.position or ()) for site in topology.sites} == {
        one["name"]: one["pos"] for one in document["nodes"]
    }
    names = {one["id"]: one["name"] for one in document["nodes"]}
    assert {(link.a, link.b): link.length_km for link in topology.links} == {
        (names[one["source"]], names[one["target"]]): one["dist"] for one in document["edges"]
    }
    engine = open_pool()
    with engine.begin() as rows:
        establish(rows, topology)
        assert (len(nodes(rows, "site")), len(nodes(rows, "link"))) == (50, 88)
        assert {node.capacity for node in nodes(rows, "link")} == {LINK_CAPACITY}
        frankfurt = next(node for node in nodes(rows, "site") if node.node_id == topology.access == "Frankfurt")
        assert frankfurt.capacity == ResourceVector()  # what runs there supplies it
        assert virtual_pool(rows).capacity.computing_mcores == 49 * 8000
    engine.dispose()


@pytest.mark.parametrize("access", ["Frankfurt", "Aachen", "Greifswald"])
def test_every_site_of_germany50_is_as_far_as_networkx_says(access: str) -> None:
    topology = load_topology("germany50", access)
    graph = as_graph(topology)
    km = networkx.single_source_dijkstra_path_length(graph, access, weight="km")
    lengths = {link.link_id: link for link in topology.links}
    for site, way in topology.paths().items():
        assert way.latency_ms == pytest.approx(km[site] * 1.4682 / 299.792458)
        assert way.latency_ms == pytest.approx(sum(lengths[link].latency_ms for link in way.links))
        at = access
        for link in way.links:
            ends = {lengths[link].a, lengths[link].b}
            at = (ends - {at}).pop()
        assert at == site


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_ways_of_any_graph_are_the_shortest(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 8))
    names = [f"s{number}" for number in range(count)]
    pairs = set(pairwise(names)) | set(
        data.draw(st.lists(st.sampled_from([(a, b) for a in names for b in names if a < b]), max_size=8))
    )
    links = tuple(Link(a, b, data.draw(st.floats(0.1, 500))) for a, b in sorted(pairs))
    topology = Topology("any", "s0", tuple(map(Site, names)), links)
    km = networkx.single_source_dijkstra_path_length(as_graph(topology), "s0", weight="km")
    assert {site: way.latency_ms for site, way in topology.paths().items()} == pytest.approx(
        {site: length * FIBRE_MS_PER_KM for site, length in km.items()}
    )


def test_an_operators_own_file_is_read_and_the_access_site_may_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "coast.json"
    file.write_text(json.dumps(own()))
    topology = load_topology(str(file))
    assert topology.paths()["beach"].links == ("beach--harbour",)
    assert topology.paths("hill")["beach"].links == ("harbour--hill", "beach--harbour")
    assert load_topology(str(file), "hill").access == "hill"
    assert load_topology("") is ONE_SITE
    assert ONE_SITE.paths()["site-1"].latency_ms == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schema": "s4m/topology/2"}, "s4m/topology/1"),
        ({"sites": []}, "sites"),
        ({"access": "sea"}, "no site 'sea'"),
        ({"links": []}, "no link leads from harbour to beach, hill"),
        ({"sites": [{"name": "beach"}, {"name": "beach"}, {"name": "harbour"}]}, "the site beach twice"),
        ({"links": [{"a": "beach", "b": "moon", "length_km": 1, "bandwidth_mbps": 1, "spectrum_mhz": 1}]}, "not there"),
        ({"links": [{"a": "beach", "b": "hill", "length_km": 0, "bandwidth_mbps": 1, "spectrum_mhz": 1}]}, "length_km"),
        ({"links": [{"a": "beach", "b": "hill", "length_km": 1}]}, "bandwidth_mbps"),
        ({"sites": [{"name": "beach", "capacity": {"gold": 1}}]}, "gold"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadTopology, match=why):
        parse_topology(own(**changes))


def test_a_name_that_is_no_topology_is_refused(tmp_path: Path) -> None:
    for setting in ("atlantis", "../../secret", str(tmp_path / "none.json")):
        with pytest.raises(BadTopology):
            load_topology(setting)
    with pytest.raises(BadTopology, match="no site 'Atlantis'"):
        load_topology("germany50", "Atlantis")


def test_even_a_direct_write_cannot_over_allocate_a_link() -> None:
    engine = open_pool()
    with engine.begin() as rows:
        establish(rows, parse_topology(own()))
        flow = ResourceVector(bandwidth_mbps=900, spectrum_mhz=300)
        allocate(rows, [Allocation("1/link", "beach--harbour", "terahertz-link-1", flow, "1")])
    with pytest.raises(OverAllocated, match="bandwidth_mbps"), engine.begin() as rows:
        allocate(rows, [Allocation("2/link", "beach--harbour", "m", ResourceVector(bandwidth_mbps=101), "2")])
    direct = sa.insert(ALLOCATIONS).values(
        allocation_id="x", node_id="beach--harbour", instance_id="m", spectrum_mhz=201
    )
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as rows:
        rows.execute(direct)
    engine.dispose()


def test_establishing_again_changes_nothing_and_another_topology_replaces_what_is_free() -> None:
    engine = open_pool()
    with engine.begin() as rows:
        establish(rows, parse_topology(own()))
        before = rows.execute(sa.select(LINKS)).all(), nodes(rows)
        told = history(rows, "beach")
        assert [(change.kind, change.amounts.computing_mcores) for change in told] == [("supply", 100)]
        establish(rows, parse_topology(own()))
        assert history(rows, "beach") == told
        assert history(rows, "beach--harbour") == []
        assert (rows.execute(sa.select(LINKS)).all(), nodes(rows)) == before
        flow = ResourceVector(bandwidth_mbps=1)
        allocate(rows, [Allocation("1/link", "harbour--hill", "m", flow, "1")])
    with pytest.raises(TopologyInUse, match="one-site"), engine.begin() as rows:
        establish(rows, ONE_SITE)
    with engine.begin() as rows:
        assert len(nodes(rows, "link")) == 2
        rows.execute(sa.delete(ALLOCATIONS))
        establish(rows, ONE_SITE)
        assert nodes(rows, "link") == []
        assert virtual_pool(rows).capacity == ResourceVector()
    engine.dispose()
