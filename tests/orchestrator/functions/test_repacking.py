"""Repacking in a real house: two small sites, each with half of its room free, and a request that needs a whole one."""

import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime
from rich.console import Console

from orchestrator.errors import PeerRefused
from orchestrator.explanation import explanation
from orchestrator.models.manifests import manifests
from orchestrator.placement.repack import MIGRATION_COST
from orchestrator.resources import ResourceVector
from orchestrator.resources.topology import Link, Site, Topology
from orchestrator.runtime.port import RunState
from orchestrator.runtime.unix_http import ask
from orchestrator.top import top
from s4m.explain import page as explain_page
from s4m.top import page as top_page

SMALL = ResourceVector(computing_mcores=250)
BAY = Topology(
    "bay",
    "harbour",
    (Site("harbour"), Site("hill", SMALL), Site("dune", SMALL)),
    (Link("harbour", "hill", 100), Link("hill", "dune", 5)),
)
NEAR = {"qoe": {"latency_ms": 0.2}}
"""near enough for hill and dune, not for the harbour"""
BIG = {"access": "hill", "isolation": 2, "users": 14, **NEAR}
"""240 mcores at one site"""
ROW = {"plan_id": "1", "state": "active", "chain_status": "active", "times": {}}


@pytest.fixture
def bay(tmp_path: Path, loop: Loop) -> Iterator[House]:
    house = build(tmp_path, loop.loop, manifests(), topology=BAY)
    yield house
    tear_down(house, loop)


def fragment(house: House, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """One instance on the hill, one in the dunes: of 250 mcores each has 140 left."""
    hill = house.instantiate(1, "monitoring", access="hill", **NEAR)
    dune = house.instantiate(2, "monitoring", access="dune", **{"isolation": 1, **NEAR, **changes})
    assert [one["models"][0]["node"] for one in (hill, dune)] == ["hill", "dune"]
    return hill, dune


def refused(house: House, subscription: int, **request: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as caught:
        house.instantiate(subscription, "monitoring", **request)
    return caught.value.reason


def printed(*parts: Any) -> str:
    said = StringIO()
    Console(file=said, width=200).print(*parts)
    return said.getvalue()


def running(house: House) -> set[str]:
    return {one.instance_id for one in house.runtime.observe() if one.state is RunState.RUNNING}


def test_a_fragmented_pool_is_consolidated_and_a_refused_big_request_gets_in(bay: House) -> None:
    hill, dune = fragment(bay)
    lacks = refused(bay, 3, **BIG)["needed"]["model"]
    assert "computing_mcores" in {lack["name"] for lack in lacks}

    repack_id = bay.repacking.look()
    kept = bay.mmf.get("/top")["repacks"]
    assert [(one["repack"], one["state"], one["cause"]) for one in kept] == [(repack_id, "done", "")]
    one = kept[0]
    worth = 16 * 140 - (140 + 2 * 100)
    assert (one["objectiveBefore"], one["objective"]) == (0, worth - MIGRATION_COST)
    assert (one["bound"], one["gap"]) == (worth - MIGRATION_COST, 0)
    offers = bay.mmf.get("/offers", {"subscriptionId": "3"})["offers"]
    assert one["admits"] == [offer["offerId"] for offer in offers if offer["state"] == "refused"]
    assert len(one["moves"]) == 1
    move = one["moves"][0]
    gone, stayed = (hill, dune) if move["origin"] == "hill" else (dune, hill)
    assert move["instance"] == gone["models"][0]["instance"]
    assert move["target"] == stayed["models"][0]["node"]
    moved_share = "1" if gone is hill else "2"
    assert move["subscriptions"] == [moved_share]
    assert bay.mmf.get("/repacks", {"subscriptionId": moved_share})["repacks"] == kept
    assert bay.mmf.get("/repacks", {"subscriptionId": "3"})["repacks"] == []
    [told] = bay.told("share.migrated", 1)
    assert (told["subject"], told["subscriptionId"]) == (move["movedTo"], moved_share)
    assert told["detail"]["cause"] == "repack"
    assert told["detail"]["target"] == move["target"]

    shown = bay.vmof.get("/instances", {"grants": "true"})
    assert shown["grants"][moved_share] == gone["grant"]
    socket = Path(shown["sockets"][moved_share]["model"])
    assert socket != Path(gone["sockets"]["model"])
    assert ask(socket, "GET", "/health").status == 200
    assert move["movedTo"] in running(bay)
    assert move["instance"] not in running(bay)
    assert bay.keeper() == []

    assert f"monitoring {move['origin']}→{move['target']}" in printed(top_page(top(bay.store, bay.vmof, bay.mmf)))
    row: Any = {**ROW, "subscription_id": moved_share, "outcome": {}}
    explained = explanation(row, [], [], repacks=kept)
    assert explained["repacks"] == kept
    words = printed(*explain_page(explained)).split()
    assert {repack_id, move["origin"], move["target"], f"{one['objective']:,}", "done"} <= set(words)

    big = bay.instantiate(3, "monitoring", **BIG)
    assert big["models"][0]["node"] == move["origin"]
    for subscription in (1, 2, 3):
        bay.release(subscription)
    assert bay.rows("SELECT * FROM allocations") == bay.rows("SELECT * FROM uses") == []
    assert len(running(bay)) == 2


def test_nothing_moves_where_nobody_was_refused_or_nothing_may_move(bay: House) -> None:
    """Both are dedicated: nobody else's request may disturb them."""
    for subscription, access in ((1, "hill"), (2, "dune")):
        bay.instantiate(subscription, "monitoring", access=access, isolation=2, **NEAR)
    assert bay.repacking.look() == ""
    refused(bay, 3, **BIG)
    before = bay.rows("SELECT * FROM model_instances ORDER BY instance_id")
    assert bay.repacking.look() == ""
    assert bay.rows("SELECT * FROM model_instances ORDER BY instance_id") == before
    assert bay.mmf.get("/top")["repacks"] == []


def test_a_request_that_was_had_since_moves_nothing(bay: House) -> None:
    """Refused once, accepted when room had come: its refusal is no demand any more."""
    fragment(bay)
    refused(bay, 3, **BIG)
    bay.release(2)
    bay.instantiate(3, "monitoring", **BIG)
    assert bay.repacking.look() == ""


def test_what_changed_since_the_search_stops_the_repack_and_moves_nothing(bay: House) -> None:
    hill, dune = fragment(bay)
    refused(bay, 3, **BIG)
    lost = {"instance_id": dune["models"][0]["instance"], "origin": "dune", "target": "hill"}
    bay.instantiate(4, "monitoring", access="hill", users=14, **NEAR)  # takes what is left of the hill
    before = bay.rows("SELECT * FROM allocations ORDER BY allocation_id")
    decision = {"objectiveBefore": 0, "objective": 1, "bound": 1.0, "gap": 0.0, "admits": []}
    cause = bay.repacking.carry_out("repack-1", decision, [[lost]])
    assert "has changed since the search" in cause
    kept = bay.mmf.get("/top")["repacks"][0]
    assert (kept["state"], kept["cause"], kept["moves"]) == ("stopped", cause, [])
    assert bay.rows("SELECT * FROM allocations ORDER BY allocation_id") == before
    assert {one["models"][0]["instance"] for one in (hill, dune)} <= running(bay)


def test_what_draws_on_a_reservation_stays(bay: House) -> None:
    """What it would leave stays reserved, and makes room for nobody."""
    for site in ("hill", "dune"):
        wanted = {"reservation": site, "node": site, "cluster": "ar_vr", "amounts": {"computing_mcores": 110}}
        bay.mmf.post("/reservations", {**wanted, "until": int(time.time()) + 3600}, f"controller:{site}")
    fragment(bay)
    refused(bay, 3, **BIG)
    assert bay.repacking.look() == ""


def test_a_new_instance_that_does_not_start_leaves_all_as_it_was(tmp_path: Path, loop: Loop) -> None:
    runtime = MemoryRuntime(tmp_path)
    bay = build(tmp_path, loop.loop, manifests(), topology=BAY, runtime=runtime)
    try:
        fragment(bay)
        refused(bay, 3, **BIG)
        held, used = bay.rows("SELECT * FROM allocations ORDER BY allocation_id"), bay.rows("SELECT * FROM uses")
        there = running(bay)
        runtime.failing = 1
        bay.repacking.look()
        kept = bay.mmf.get("/top")["repacks"][0]
        assert (kept["state"], kept["moves"]) == ("stopped", [])
        assert "This start was to fail" in kept["cause"]
        assert bay.rows("SELECT * FROM allocations ORDER BY allocation_id") == held
        assert bay.rows("SELECT * FROM uses") == used
        bay.keeper()
        assert running(bay) == there
        assert bay.repacking.look() != kept["repack"]
        assert [one["state"] for one in bay.mmf.get("/top")["repacks"]] == ["done", "stopped"]
    finally:
        tear_down(bay, loop)
