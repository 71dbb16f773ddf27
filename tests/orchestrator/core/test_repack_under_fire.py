"""Repacking by the orchestrator's own loop: killed on its way it doubles nothing, and the refused buyer gets in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from core_house import CoreHouse
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
    return house.market.buy(plan, house.documents.put(request))


def decisions(house: CoreHouse, subscription: SubscriptionId) -> dict[str, Any]:
    with house.client() as client:
        told: dict[str, Any] = client.get(f"/decisions/{subscription}").json()
    return told


def test_a_killed_repack_is_carried_on_and_the_refused_buyer_gets_in(house: CoreHouse) -> None:
    small = {"hill": bought(house, "monitoring", "hill", 0.2), "dune": bought(house, "ar-navigation", "dune", 0.3)}
    before = {site: house.wait_state(one, "running", "refused") for site, one in small.items()}
    assert {site: one["models"][0]["node"] for site, one in before.items()} == {"hill": "hill", "dune": "dune"}
    big = bought(house, "monitoring", "hill", 0.2, users=15)
    assert house.wait_state(big, "running", "refused")["state"] == "refused"

    wait_for(lambda: rows(house, "SELECT 1 FROM repacks WHERE state = 'moving'"), 30)
    house.kill("orchestrator")
    house.start("orchestrator")
    wait_for(lambda: rows(house, "SELECT 1 FROM repacks WHERE state != 'moving'"), 30)
    assert rows(house, "SELECT state, cause FROM repacks") == [("done", "")]

    [move] = json.loads(rows(house, "SELECT moves FROM repacks")[0][0])
    moved = small[move["origin"]]
    assert move["subscriptions"] == [str(moved)]
    uses = dict(rows(house, "SELECT subscription_id, instance_id FROM uses"))
    stayed = next(one for one in small.values() if one != moved)
    assert uses == {str(moved): move["movedTo"], str(stayed): before[move["target"]]["models"][0]["instance"]}
    sockets = dict(rows(house, "SELECT instance_id, socket FROM model_instances"))
    wait_for(lambda: house.route(moved)["sockets"] == {"model": sockets[move["movedTo"]]}, 20)
    wait_for(lambda: not (house.home / "instances" / move["instance"]).exists(), 40)

    told = decisions(house, moved)["repacks"]
    assert [(one["state"], one["moves"]) for one in told] == [("done", [move])]
    assert told[0]["objectiveBefore"] == 0 < told[0]["objective"] <= told[0]["bound"]
    assert decisions(house, big)["repacks"] == []

    again = bought(house, "monitoring", "hill", 0.2, users=15)
    service = house.wait_state(again, "running", "refused")
    assert service["state"] == "running", service
    assert len(rows(house, "SELECT 1 FROM repacks")) == 1
