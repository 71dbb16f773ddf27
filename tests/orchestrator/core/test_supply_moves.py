"""A withdrawal in a real house with a topology: routes follow what moves, a kill on the way doubles nothing."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import httpx
import pytest
from core_house import CoreHouse
from core_traffic import activate, traffic
from core_wait import wait_for
from test_supply_on_chain import send, withdrawal
from test_updates import put, signed

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

TIGHT = {"immersion_floor": 0, "rate_mbps": 100, "latency_ms": 0.11, "reliability": 0.9}
"""near enough for the site of access alone"""


class CoastHouse(CoreHouse):
    """A house on the coast."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "S4M_TOPOLOGY": str(self.home / "coast.json")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreHouse]:
    with CoastHouse.running(tmp_path_factory.mktemp("home"), files={"coast.json": COAST}) as running:
        yield running


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


def bought_monitoring(house: CoreHouse, access: str, **request_changes: Any) -> SubscriptionId:
    manifest = manifests()["monitoring"]
    hashes = [house.documents.put(manifest.document), house.documents.put(manifest.terms)]
    plan = house.market.register(hashes[0], hashes[1])
    request = house.request(service="monitoring", access=access, objects=[], **request_changes)
    return house.market.buy(plan, house.documents.put(request), cap=10**9)


def rows(house: CoreHouse, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(house.home / "db" / "engine.db")) as base:
        return base.execute(query).fetchall()


def in_use(house: CoreHouse) -> tuple[Any, ...]:
    query = "SELECT instance_id, node_id, socket FROM model_instances WHERE supply = 0 AND state = 'running'"
    found = rows(house, query)
    assert len(found) == 1
    return found[0]


def test_a_topology_that_is_none_ends_the_start_with_cause_and_remedy(house: CoreHouse) -> None:
    before = rows(house, "SELECT * FROM nodes ORDER BY node_id")
    for setting, access, cause in (("atlantis", "", "no topology sndlib/atlantis"), ("", "moon", "no site 'moon'")):
        wrong = {**os.environ, **house.environment(), "S4M_TOPOLOGY": setting, "S4M_ACCESS": access}
        command = [sys.executable, "-m", "orchestrator", "--home", str(house.home), "--port", "0"]
        done = subprocess.run(command, env=wrong, capture_output=True, text=True, timeout=60, check=False)
        told = json.loads(done.stderr.splitlines()[-1])
        assert (done.returncode, told["code"]) == (1, "bad_topology"), done.stderr
        assert cause in told["error"]
    assert rows(house, "SELECT * FROM nodes ORDER BY node_id") == before


def test_routes_follow_what_moves_and_a_kill_on_the_way_doubles_nothing_and_loses_no_call(house: CoreHouse) -> None:
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
    assert house.route(bought)["sockets"] == {"model": old[2]}

    activate(house, bought)
    with traffic(house, bought, manifests()["monitoring"], "conditions", {"beach": "palm"}) as calls:
        wait_for(lambda: calls.answered > 0 or bool(calls.lost), 30)
        withdraw_with_a_kill(house, offer, model)
        new = in_use(house)
        wait_for(lambda: house.route(bought)["sockets"] == {"model": new[2]}, 20)
        before = calls.answered
        wait_for(lambda: not (house.home / "instances" / old[0]).exists(), 60)
        wait_for(lambda: calls.answered > before + 5 or bool(calls.lost), 30)
    assert calls.lost == []
    assert calls.units == 2 * calls.answered

    assert new[1] == "harbour"
    assert new[0] != old[0]
    assert rows(house, "SELECT DISTINCT instance_id FROM uses") == [(new[0],)]
    assert rows(house, "SELECT DISTINCT instance_id FROM allocations") == [(new[0],)]
    assert rows(house, "SELECT state FROM supply_offers") == [("ended",)]
    assert (house.home / "instances" / new[0]).is_dir()
    assert house.service(bought)["state"] == "active"


def withdraw_with_a_kill(house: CoreHouse, offer: str, model: ModelId) -> None:
    """The orchestrator is killed while the offer's instance is being moved; asked again it ends the withdrawal."""
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


def test_the_command_shows_what_stands_on_an_offer_that_cannot_be_moved(house: CoreHouse) -> None:
    plan = house.market.register(manifests()["infrastructure"].spec_hash, kind=Kind.CAAS)
    house.market.devnet.mine(3)
    offer = offered(house, ModelId(model_of(plan)), 3)
    bought = bought_monitoring(house, "hill", qoe=TIGHT)
    service = house.wait_state(bought, "running", "refused")
    assert service["models"][0]["node"] == "hill", service
    command = [sys.executable, "-m", "s4m.main", "supply", "withdraw", offer, "--account", "operator"]
    done = subprocess.run(
        [*command, "--home", str(house.home), "--json"],
        env={**os.environ, **house.environment()}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stderr.splitlines()[-1])["code"]) == (3, "supply_in_use"), done.stderr
    told = json.loads(done.stdout)
    assert told["needed"] == {"computing_mcores": 110}
    assert told["standing"][0]["subscriptions"] == [str(bought)]
    assert [lack["kind"] for lack in told["standing"][0]["lacks"]["harbour"]] == ["latency"]


def test_an_update_that_gives_up_an_instance_loses_no_call(house: CoreHouse) -> None:
    """The user goes down to the harbour; the instance on the hill is stopped after the last call over it."""
    users = "SELECT subscription_id, instance_id FROM uses JOIN model_instances USING (instance_id)"
    on_hill = f"{users} WHERE node_id = 'hill'"
    [(name, old)] = rows(house, on_hill)
    bought = SubscriptionId(int(name))
    activate(house, bought)
    with traffic(house, bought, manifests()["monitoring"], "conditions", {"beach": "palm"}) as calls:
        wait_for(lambda: calls.answered > 0 or bool(calls.lost), 30)
        moved = house.request(service="monitoring", access="harbour", objects=[], qoe=TIGHT)
        answer = put(house, bought, signed(house, bought, 1, moved))
        assert answer.json()["state"] == "accepted", answer.text
        wait_for(lambda: not (house.home / "instances" / old).exists(), 60)
        before = calls.answered
        wait_for(lambda: calls.answered > before + 5 or bool(calls.lost), 30)
    assert calls.lost == []
    assert calls.units == 2 * calls.answered
    assert rows(house, on_hill) == []
