"""A withdrawal in a real house with a topology: routes follow what moves, a kill on the way doubles nothing."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import httpx
import pytest
from core_house import CoreHouse
from core_market import Market
from core_wait import wait_for
from test_supply_on_chain import send, withdrawal

from ledger.devnet import Devnet
from ledger.supply import SupplyOffer, hash_of, supply_domain
from ledger.typed_data import sign
from ledger.values import Kind, ModelId, Money, SubscriptionId, model_of, to_hex
from orchestrator.models.manifests import manifests

WIDE = {"length_km": 5, "bandwidth_mbps": 1000, "spectrum_mhz": 1000}
COAST = {
    "schema": "s4m/topology/1",
    "name": "coast",
    "sites": [{"name": "harbour"}, {"name": "hill"}],
    "links": [{"a": "harbour", "b": "hill", **WIDE}],
}


class CoastHouse(CoreHouse):
    """A house on the coast."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "S4M_TOPOLOGY": str(self.home / "coast.json")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoastHouse]:
    with Devnet.start() as devnet:
        market = Market.on(devnet)
        built = CoastHouse.build(tmp_path_factory.mktemp("home"), market)
        assert isinstance(built, CoastHouse)
        (built.home / "coast.json").write_text(json.dumps(COAST))
        try:
            built.start("gateway")
            built.start("orchestrator")
            yield built
        finally:
            print((built.home / "orchestrator.log").read_text())
            built.close()
            market.close()


def offered(house: CoreHouse, model: ModelId, nonce: int) -> str:
    amounts, until = {"computing_mcores": 1000}, int(time.time()) + 3600
    message = SupplyOffer(model, "hill", hash_of(amounts), hash_of({}), Money(0), until, nonce)
    deployment = house.market.contracts.deployment
    signature = sign(house.market.sender_key, supply_domain(deployment.chain_id, deployment.catalog), message)
    body = {
        "modelId": str(model), "site": "hill", "amounts": amounts, "prices": {}, "payCap": "0", "until": until,
        "nonce": str(nonce), "signature": to_hex(signature),
    }  # fmt: skip
    answer = send(house, "/supply/offers", body, f"offer:{nonce}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["offer"]["offer"])


def bought_monitoring(house: CoreHouse, access: str) -> SubscriptionId:
    manifest = manifests()["monitoring"]
    hashes = [house.documents.put(manifest.document), house.documents.put(manifest.terms)]
    plan = house.market.register(hashes[0], hashes[1])
    request = house.request(service="monitoring", access=access, objects=[])
    return house.market.buy(plan, house.documents.put(request))


def route(house: CoreHouse, subscription: SubscriptionId) -> dict[str, Any]:
    with closing(sqlite3.connect(house.home / "db" / "usage.db")) as base:
        row = base.execute("SELECT document FROM routes WHERE subscription = ?", (str(subscription),)).fetchone()
    return dict(json.loads(row[0]))


def rows(house: CoreHouse, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(house.home / "db" / "engine.db")) as base:
        return base.execute(query).fetchall()


def in_use(house: CoreHouse) -> tuple[Any, ...]:
    query = "SELECT instance_id, node_id, socket FROM model_instances WHERE supply = 0 AND state = 'running'"
    found = rows(house, query)
    assert len(found) == 1
    return found[0]


def test_routes_follow_what_moves_and_a_kill_on_the_way_doubles_nothing(house: CoastHouse) -> None:
    with house.client() as client:
        pool = client.get("/pool").json()
    assert [site["node"] for site in pool["sites"]] == ["harbour", "hill"]
    assert [(link["node"], link["km"]) for link in pool["links"]] == [("harbour--hill", 5.0)]

    plan = house.market.register(manifests()["infrastructure"].spec_hash, kind=Kind.CAAS)
    house.market.devnet.mine(3)
    model = ModelId(model_of(plan))
    offer = offered(house, model, 1)
    bought = bought_monitoring(house, "hill")
    service = house.wait_state(bought, "running", "refused")
    assert service["models"][0]["node"] == "hill", service
    old = in_use(house)
    assert route(house, bought)["sockets"] == {"model": old[2]}

    ended = withdrawal(house, offer, model, 2)
    answers: list[httpx.Response] = []

    def withdraw() -> None:
        try:
            answers.append(send(house, "/supply/withdrawals", ended, "withdraw"))
        except httpx.TransportError:
            return

    asking = Thread(target=withdraw)
    asking.start()
    wait_for(lambda: rows(house, "SELECT 1 FROM supply_offers WHERE state = 'withdrawing'"), 20)
    house.kill("orchestrator")
    asking.join()
    house.start("orchestrator")
    withdraw()
    assert answers[-1].json()["offer"]["state"] == "ended", answers[-1].text

    new = in_use(house)
    assert new[1] == "harbour"
    assert new[0] != old[0]
    wait_for(lambda: route(house, bought)["sockets"] == {"model": new[2]}, 20)
    assert rows(house, "SELECT DISTINCT instance_id FROM uses") == [(new[0],)]
    assert rows(house, "SELECT DISTINCT instance_id FROM allocations") == [(new[0],)]
    assert rows(house, "SELECT state FROM supply_offers") == [("ended",)]
    assert (house.home / "instances" / new[0]).is_dir()
    wait_for(lambda: not (house.home / "instances" / old[0]).exists(), 40)
    assert house.service(bought)["state"] == "running"
