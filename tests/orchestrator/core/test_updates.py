"""Updates of running requests at the real orchestrator: signed, in order, once, whatever is killed."""

import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
import rfc8785
from core_house import CoreHouse
from core_wait import wait_for

from ledger.keys import WalletKey
from ledger.typed_data import RequestUpdate, sign
from ledger.values import SubscriptionId, to_hex


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreHouse]:
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgresql").create()
    with CoreHouse.running(tmp_path_factory.mktemp("home"), database) as running:
        yield running


@pytest.fixture(scope="module")
def bought(house: CoreHouse) -> SubscriptionId:
    subscription = house.market.buy(house.plan, house.documents.put(house.request()))
    house.wait_state(subscription, "running")
    return subscription


def signed(
    house: CoreHouse,
    bought: SubscriptionId,
    revision: int,
    document: Any,
    key: WalletKey | None = None,
    ahead_s: int = 300,
) -> dict[str, Any]:
    """The body of an update, signed by the session key or another."""
    digest, deadline = sha256(rfc8785.dumps(document)).digest(), int(time.time()) + ahead_s
    message = RequestUpdate(bought, digest, revision, deadline)
    signature = sign(key or house.market.sessions[bought], house.market.contracts.market_domain, message)
    return {"document": document, "requirementsHash": to_hex(digest), "revision": revision, "deadline": deadline,
            "signature": to_hex(signature)}  # fmt: skip


def put(house: CoreHouse, bought: SubscriptionId, body: dict[str, Any]) -> httpx.Response:
    with house.client() as client:
        return client.put(f"/subscriptions/{bought}/request", json=body)


def explained(house: CoreHouse, bought: SubscriptionId) -> dict[str, Any]:
    with house.client() as client:
        told: dict[str, Any] = client.get(f"/decisions/{bought}").json()
    return told


def test_an_update_changes_share_route_and_outcome(house: CoreHouse, bought: SubscriptionId) -> None:
    before = house.service(bought)
    document = house.request(users=2, objects=[{"object": n, "attention": 4} for n in range(9)])
    body = signed(house, bought, 1, document)
    answer = put(house, bought, body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["revision"]) == ("accepted", 1)
    after = house.service(bought)
    assert (after["msi"], after["endpointHash"]) == (before["msi"], before["endpointHash"])
    assert [model["instance"] for model in after["models"]] == [model["instance"] for model in before["models"]]
    told = explained(house, bought)
    assert (told["requirements"]["users"], len(told["requirements"]["objects"])) == (2, 9)
    assert [(one["revision"], one["state"]) for one in told["updates"]] == [(1, "accepted")]
    assert put(house, bought, body).json() == answer.json()
    with house.client() as client:
        held = [one for msi in client.get("/instances").json()["instances"] for one in msi["held"]]
    assert held[0]["grant"]["bandwidth_mbps"] == 2 * 250


def test_what_cannot_be_had_is_refused_with_what_would_do(house: CoreHouse, bought: SubscriptionId) -> None:
    before = explained(house, bought)
    answer = put(house, bought, signed(house, bought, 2, house.request(qoe={"latency_ms": 0.01})))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["reason"]) == (409, "update_refused", "infeasible")
    enough = float(problem["feasibleIf"][0].removeprefix("ask for at most ").split()[0])
    assert problem["feasibleIf"] == [f"ask for at most {enough:g} ms of latency instead of 0.01 ms"]
    after = explained(house, bought)
    assert (after["requirements"], after["decision"]) == (before["requirements"], before["decision"])
    assert [(one["revision"], one["state"]) for one in after["updates"]] == [(1, "accepted"), (2, "refused")]
    malformed = put(house, bought, signed(house, bought, 3, house.request(users=-1))).json()
    assert (malformed["code"], malformed["reason"]) == ("update_refused", "malformed_request")
    other = put(house, bought, signed(house, bought, 4, house.request(isolation=2))).json()
    assert (other["code"], other["reason"]) == ("update_refused", "isolation_mismatch")
    heeded = put(house, bought, signed(house, bought, 5, house.request(qoe={"latency_ms": enough})))
    assert heeded.json()["state"] == "accepted", heeded.text


def test_only_the_session_key_in_time_with_a_newer_revision(house: CoreHouse, bought: SubscriptionId) -> None:
    document = house.request(users=3)
    newest = len(explained(house, bought)["updates"])
    fresh = newest + 1
    wrong: list[tuple[dict[str, Any], str]] = [
        (signed(house, bought, fresh, document, WalletKey.create()), "bad_update"),
        (signed(house, bought, fresh, document, ahead_s=-5), "bad_update"),
        (signed(house, bought, fresh, document, ahead_s=9_000), "bad_update"),
        ({**signed(house, bought, fresh, document), "revision": fresh + 1}, "bad_update"),
        ({**signed(house, bought, fresh, document), "document": house.request(users=4)}, "bad_update"),
        (signed(house, bought, newest, document), "stale_revision"),
        ({**signed(house, bought, fresh, document), "extra": 1}, "malformed_request"),
        ({**signed(house, bought, fresh, document), "signature": "0x12"}, "malformed_request"),
    ]
    for body, code in wrong:
        assert put(house, bought, body).json()["code"] == code, body
    assert len(explained(house, bought)["updates"]) == newest
    stranger = SubscriptionId(int(bought) + 1)
    assert put(house, stranger, signed(house, bought, 1, document)).json()["code"] == "unknown_subscription"


def test_a_killed_orchestrator_finishes_the_update_once(house: CoreHouse, bought: SubscriptionId) -> None:
    """Killed at several moments after the update was put; the same request again finds it done."""
    for pause in (0.02, 0.1, 0.3):
        revision = len(explained(house, bought)["updates"]) + 1
        body = signed(house, bought, revision, house.request(users=1 + revision % 4))
        putting = threading.Thread(target=lambda body=body: _quietly(house, bought, body))  # type: ignore[misc]
        putting.start()
        time.sleep(pause)
        house.kill("orchestrator")
        putting.join()
        house.start("orchestrator")
        wait_for(lambda body=body: put(house, bought, body).status_code == 200, 60)  # type: ignore[misc]
        told = explained(house, bought)
        assert told["updates"][-1]["state"] == "accepted"
        assert told["requirements"]["users"] == 1 + revision % 4
        with house.client() as client:
            held = [one for msi in client.get("/instances").json()["instances"] for one in msi["held"]]
        assert [one["grant"]["bandwidth_mbps"] for one in held] == [250 * (1 + revision % 4)]


def _quietly(house: CoreHouse, bought: SubscriptionId, body: dict[str, Any]) -> None:
    try:
        put(house, bought, body)
    except httpx.TransportError:
        return


def test_an_ended_service_takes_no_update(house: CoreHouse, bought: SubscriptionId) -> None:
    market = house.market
    endpoint = bytes.fromhex(house.service(bought)["endpointHash"][2:])
    market.activate(bought, endpoint)
    house.wait_state(bought, "active")
    market.sender.send(market.contracts.market.request_release(bought))
    house.wait_state(bought, "decommissioned")
    revision = len(explained(house, bought)["updates"]) + 1
    answer = put(house, bought, signed(house, bought, revision, house.request(users=2)))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert len(explained(house, bought)["updates"]) == revision - 1
