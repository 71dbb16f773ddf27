"""Repacking by the orchestrator's own loop: killed on its way it doubles nothing, and the refused buyer gets in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from core_house import CoreHouse
from core_traffic import activate, traffic
from core_wait import wait_for
from test_supply_moves import rows

from ledger.values import SubscriptionId
from orchestrator.models.manifests import manifests

WIDE = {"bandwidth_mbps": 1000, "spectrum_mhz": 1000}
ROOM = {"computing_mcores": 250}
BAY = {
    "schema": "s4m/topology/1",
    "name": "bay",
    "sites": [{"name": "harbour"}, {"name": "hill", "capacity": ROOM}, {"name": "dune", "capacity": ROOM}],
    "links": [
        {"a": "harbour", "b": "hill", "length_km": 100, **WIDE},
        {"a": "hill", "b": "dune", "length_km": 5, **WIDE},
    ],
}


class BayHouse(CoreHouse):
    """A house by the bay that looks for a better packing once a second."""

    def environment(self) -> dict[str, str]:
        bay = {"S4M_TOPOLOGY": str(self.home / "bay.json"), "S4M_REPACK_INTERVAL_S": "1"}
        return {**super().environment(), **bay}


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreHouse]:
    with BayHouse.running(tmp_path_factory.mktemp("home"), files={"bay.json": BAY}) as running:
        yield running


def bought(house: CoreHouse, model: str, access: str, latency_ms: float, users: int = 1) -> SubscriptionId:
    manifest = manifests()[model]
    plan = house.market.register(house.documents.put(manifest.document), house.documents.put(manifest.terms))
    qoe = {"immersion_floor": 0, "rate_mbps": 100, "latency_ms": latency_ms, "reliability": 0.9}
    request = house.request(service=model, access=access, objects=[], qoe=qoe, users=users)
    return house.market.buy(plan, house.documents.put(request), cap=10**9)


def decisions(house: CoreHouse, subscription: SubscriptionId) -> dict[str, Any]:
    with house.client() as client:
        told: dict[str, Any] = client.get(f"/decisions/{subscription}").json()
    return told


def test_a_killed_repack_is_carried_on_loses_no_call_and_the_refused_buyer_gets_in(house: CoreHouse) -> None:
    small = {"hill": bought(house, "monitoring", "hill", 0.2), "dune": bought(house, "ar-navigation", "dune", 0.3)}
    models_of = {one: house.wait_state(one, "running", "refused")["models"][0] for one in small.values()}
    assert {site: models_of[one]["node"] for site, one in small.items()} == {"hill": "hill", "dune": "dune"}
    for one in small.values():
        activate(house, one)
    models, way = manifests(), {"x": 20.0, "y": 10.0, "to": {"x": 24.0, "y": 12.0}}
    with (
        traffic(house, small["hill"], models["monitoring"], "conditions", {"beach": "palm"}) as hill,
        traffic(house, small["dune"], models["ar-navigation"], "navigate", way) as dune,
    ):
        wait_for(lambda: all(one.answered or one.lost for one in (hill, dune)), 30)
        big = repacked_with_a_kill(house)
        [move] = json.loads(rows(house, "SELECT moves FROM repacks")[0][0])
        moved = small[move["origin"]]
        sockets = dict(rows(house, "SELECT instance_id, socket FROM model_instances"))
        wait_for(lambda: house.route(moved)["sockets"] == {"model": sockets[move["movedTo"]]}, 20)
        wait_for(lambda: not (house.home / "instances" / move["instance"]).exists(), 60)
        before = [one.answered for one in (hill, dune)]
        wait_for(lambda: all(one.answered > was for one, was in zip((hill, dune), before, strict=True)), 30)
    assert hill.lost == dune.lost == []

    assert move["subscriptions"] == [str(moved)]
    uses = dict(rows(house, "SELECT subscription_id, instance_id FROM uses"))
    stayed = next(one for one in small.values() if one != moved)
    assert uses == {str(moved): move["movedTo"], str(stayed): models_of[stayed]["instance"]}
    told = decisions(house, moved)["repacks"]
    assert [(one["state"], one["moves"]) for one in told] == [("done", [move])]
    assert told[0]["objectiveBefore"] == 0 < told[0]["objective"] <= told[0]["bound"]
    assert decisions(house, big)["repacks"] == []

    again = bought(house, "monitoring", "hill", 0.2, users=15)
    service = house.wait_state(again, "running", "refused")
    assert service["state"] == "running", service
    assert len(rows(house, "SELECT 1 FROM repacks")) == 1


def repacked_with_a_kill(house: CoreHouse) -> SubscriptionId:
    """A buyer is refused, and the orchestrator killed while it makes room; who was refused."""
    big = bought(house, "monitoring", "hill", 0.2, users=15)
    assert house.wait_state(big, "running", "refused")["state"] == "refused"
    wait_for(lambda: rows(house, "SELECT 1 FROM repacks WHERE state = 'moving'"), 30)
    house.kill("orchestrator")
    house.start("orchestrator")
    wait_for(lambda: rows(house, "SELECT 1 FROM repacks WHERE state != 'moving'"), 30)
    assert rows(house, "SELECT state, cause FROM repacks") == [("done", "")]
    return big
