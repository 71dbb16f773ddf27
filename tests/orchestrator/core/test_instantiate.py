"""The whole orchestrator as a process: a final purchase becomes a running service, once, whatever is killed."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from core_house import SERVICE, CoreHouse, sandboxes
from core_market import HOUR, Market
from core_traffic import activate, session_of
from core_wait import wait_for

from ledger.devnet import Devnet
from ledger.values import Kind, from_hex, to_hex
from marketplace.wallet.use import UseRefused
from orchestrator.models.manifests import service_named


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreHouse]:
    with CoreHouse.running(tmp_path_factory.mktemp("home")) as running:
        yield running


def test_a_purchase_runs_is_activated_and_ends(house: CoreHouse) -> None:
    market = house.market
    bought = market.buy(house.plan, house.documents.put(house.request()))
    service = house.wait_state(bought, "running", "refused")
    assert service["state"] == "running", service
    assert service["endpoint"] == f"{house.url('gateway')}/use/{bought}"
    assert {model["role"] for model in service["models"]} >= {"rendering", "link", "cache"}
    assert service["times"]["final"] <= service["times"]["stepI"] <= service["times"]["stepIII"]
    assert service["times"]["stepIII"] <= service["times"]["running"]

    endpoint_hash = from_hex(service["endpointHash"])
    with house.client() as client:
        wrong = {"endpointHash": service["endpointHash"], "signature": to_hex(b"\1" * 64 + b"\x1b")}
        refused = client.post(f"/subscriptions/{bought}/activation", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_activation")
        signed = {
            "endpointHash": service["endpointHash"],
            "signature": to_hex(market.activation(bought, endpoint_hash)),
        }
        answers = [client.post(f"/subscriptions/{bought}/activation", json=signed).json() for _ in range(2)]
    assert answers[0]["txHash"] == answers[1]["txHash"]
    assert "activated" in house.wait_state(bought, "active")["times"]

    market.sender.send(market.contracts.market.request_release(bought))
    assert house.wait_state(bought, "decommissioned")["endReason"] == "released"
    assert str(bought) not in routes_at_the_gateway(house)


async def test_a_call_under_way_at_a_release_is_answered_billed_and_settled(house: CoreHouse) -> None:
    market, spec = house.market, service_named(SERVICE)
    bought = market.buy(house.plan, house.documents.put(house.request()))
    await asyncio.to_thread(house.wait_state, bought, "running")
    await asyncio.to_thread(activate, house, bought)
    session = await session_of(house, bought, spec.terms, spec.document["operations"])
    slow = {"rate_mbps": 2.0, "snr_db": 60.0}
    call = asyncio.create_task(session.use("frame", {"budget_k": 30}, radio=slow))
    await asyncio.sleep(1.0)
    await asyncio.to_thread(market.sender.send, market.contracts.market.request_release(bought))

    await asyncio.to_thread(wait_for, lambda: share_state(house, bought) == "draining")
    await asyncio.to_thread(wait_for, lambda: (house.service(bought)["waiting"] or {}).get("code") == "calls_under_way")
    assert not call.done()
    with pytest.raises(UseRefused) as refused:
        await session.use("frame", {"budget_k": 30})
    assert refused.value.server_code == "not_entitled"
    assert "releasing" in str(refused.value)
    used = await call
    await session.close()
    assert (await asyncio.to_thread(house.wait_state, bought, "decommissioned"))["waiting"] is None
    assert share_state(house, bought) == "released"
    with house.client() as client:
        told = client.get("/notices", params={"subscriptionId": str(bought)}).json()["notices"]
        assert [one["kind"] for one in told].count("share.draining") == 1
        assert client.post("/settlements").status_code == 200
    assert market.contracts.market.subscription(bought).used == used.record.total > 0


def share_state(house: CoreHouse, subscription: object) -> str:
    with closing(sqlite3.connect(house.home / "db" / "engine.db", timeout=10)) as engine:
        query = "SELECT state FROM shares WHERE subscription_id = ?"
        return str(engine.execute(query, (str(subscription),)).fetchone()[0])


def test_a_second_purchase_of_like_kind_reuses_the_instance(house: CoreHouse) -> None:
    requested = house.documents.put(house.request(objects=[{"object": 3, "attention": 2}]))
    first = house.market.buy(house.plan, requested)
    house.wait_state(first, "running")
    second = house.market.buy(house.plan, requested)
    service = house.wait_state(second, "running")
    assert service["reused"] is True
    assert service["msi"] == house.service(first)["msi"]


def test_a_purchase_waits_for_its_document(house: CoreHouse) -> None:
    document = house.request(objects=[{"object": 40, "attention": 1}])
    digest = house.documents.put(document)
    withheld = house.documents.documents.pop(digest.hex())
    bought = house.market.buy(house.plan, digest)
    wait_for(lambda: (house.service(bought).get("waiting") or {}).get("code") == "document_not_yet")
    house.documents.documents[digest.hex()] = withheld
    assert house.wait_state(bought, "running")["waiting"] is None


@pytest.mark.parametrize(
    "broken", [{"service": "atlantis"}, {"objects": [{"object": 99, "attention": 1}]}, {"schema": "s4m/request/9"}]
)
def test_a_malformed_request_is_a_recorded_refusal(house: CoreHouse, broken: dict[str, object]) -> None:
    bought = house.market.buy(house.plan, house.documents.put(house.request(**broken)))
    service = house.wait_state(bought, "refused", "running")
    assert service["state"] == "refused"
    assert service["refusal"]["code"]
    assert service["refusal"]["detail"]


def test_an_altered_document_is_refused(house: CoreHouse) -> None:
    digest = house.documents.put(house.request(isolation=1))
    house.documents.documents[digest.hex()] = house.request(isolation=2)
    bought = house.market.buy(house.plan, digest)
    assert house.wait_state(bought, "refused")["refusal"]["code"] == "malformed_document"


def test_another_isolation_than_was_bought_is_refused_where_nobody_knows_the_right_plan_too(house: CoreHouse) -> None:
    bought = house.market.buy(house.plan, house.documents.put(house.request(isolation=2)))
    refusal = house.wait_state(bought, "refused")["refusal"]
    assert (refusal["code"], refusal["asked"], refusal["sold"]) == ("isolation_mismatch", 2, 0)


def test_a_purchase_activated_before_it_runs_is_still_served(house: CoreHouse) -> None:
    """Whoever foresees the endpoint can activate early; it must neither starve nor take a place in the queue."""
    digest = house.documents.put(house.request(objects=[{"object": 41, "attention": 1}]))
    withheld = house.documents.documents.pop(digest.hex())
    bought = house.market.buy(house.plan, digest)
    house.market.activate(bought)
    house.market.devnet.mine(3)
    wait_for(lambda: house.service(bought).get("chainStatus") == "active")
    house.documents.documents[digest.hex()] = withheld
    assert house.wait_state(bought, "active")["endpoint"]


def test_a_refusal_after_the_placement_gives_everything_back(house: CoreHouse) -> None:
    """The gateway refuses the route (an operation without its meter) when the models run already."""
    spec = service_named(SERVICE)
    few = house.documents.put({**spec.terms, "meters": spec.terms["meters"][:1], "isolation": 2})
    plan = house.market.register(spec.spec_hash, few, Kind.COMPOSITE)
    before = allocations(house)
    bought = house.market.buy(plan, house.documents.put(house.request(isolation=2)))
    service = house.wait_state(bought, "refused", "running")
    assert service["state"] == "refused"
    assert allocations(house) == before
    with house.client() as client:
        instances = client.get("/instances").json()["instances"]
    mine = [share["state"] for msi in instances for share in msi["held"] if share["subscriptionId"] == str(bought)]
    assert mine in (["released"], [])


def test_terms_that_nobody_can_meter_are_refused_before_anything_is_placed(house: CoreHouse) -> None:
    spec = service_named(SERVICE)
    broken = house.documents.put({**spec.terms, "credit_units": "-1"})
    plan = house.market.register(spec.spec_hash, broken, Kind.COMPOSITE)
    bought = house.market.buy(plan, house.documents.put(house.request()))
    refusal = house.wait_state(bought, "refused", "running")["refusal"]
    assert refusal["code"] == "malformed_document"
    assert "stepI" not in house.service(bought)["times"]


def test_a_release_whose_workflow_came_to_nothing_is_made_again(house: CoreHouse) -> None:
    """As after a database error at the workflow's last step: its id is used up, its row still asks for it."""
    bought = house.market.buy(house.plan, house.documents.put(house.request()))
    house.wait_state(bought, "running")
    house.market.activate(bought, from_hex(house.service(bought)["endpointHash"]))
    house.wait_state(bought, "active")
    house.market.sender.send(house.market.contracts.market.request_release(bought))
    house.wait_state(bought, "decommissioned")
    with closing(sqlite3.connect(house.home / "db" / "engine.db", timeout=10)) as engine, engine:
        engine.execute("UPDATE services SET state = 'active' WHERE subscription_id = ?", (str(bought),))
    house.wait_state(bought, "decommissioned", seconds=10)


def test_a_grant_that_was_written_down_too_late_is_put_right(house: CoreHouse) -> None:
    bought = house.market.buy(house.plan, house.documents.put(house.request()))
    house.wait_state(bought, "running")
    granted = house.route(bought)["grant"]
    with closing(sqlite3.connect(house.home / "db" / "engine.db", timeout=10)) as engine, engine:
        older = "UPDATE services SET route = json_set(route, '$.grant', json(?)) WHERE subscription_id = ?"
        engine.execute(older, ('{"rendering_k": 4000}', str(bought)))
    wait_for(lambda: json.loads(stored_route(house, str(bought)))["grant"] == granted)
    wait_for(lambda: house.route(bought)["grant"] == granted)


def stored_route(house: CoreHouse, subscription: str) -> str:
    with closing(sqlite3.connect(house.home / "db" / "engine.db", timeout=10)) as engine:
        query = "SELECT route FROM services WHERE subscription_id = ?"
        return str(engine.execute(query, (subscription,)).fetchone()[0])


def allocations(house: CoreHouse) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(house.home / "db" / "engine.db", timeout=10)) as engine:
        return engine.execute("SELECT * FROM allocations ORDER BY allocation_id").fetchall()


def test_kill_and_restart_double_nothing(house: CoreHouse) -> None:
    spec, requested = service_named(SERVICE), house.documents.put(house.request(isolation=1))
    terms = house.documents.put({**spec.terms, "isolation": 1})
    plan = house.market.register(spec.spec_hash, terms, Kind.COMPOSITE)
    bought = [house.market.buy(plan, requested)]
    wait_for(lambda: bool(house.service(bought[0])))
    house.kill()  # in the midst of the first
    bought.append(house.market.buy(plan, requested))  # while it is away
    house.start()
    states = {subscription: house.wait_state(subscription, "running", "refused")["state"] for subscription in bought}
    assert set(states.values()) == {"running"}
    with house.client("orchestrator", "orchestrator") as client:
        assert client.get("/instances").status_code == 403  # the orchestrator's key opens no door to itself
    with house.client() as client:
        instances = client.get("/instances").json()["instances"]
    held = [share["subscriptionId"] for msi in instances for share in msi["held"] if share["state"] == "running"]
    assert len(held) == len(set(held))
    assert {str(subscription) for subscription in bought} <= set(held)
    pids = [process["pid"] for process in sandboxes(house.home)]
    assert len(pids) == len(set(pids))


def test_a_gateway_that_lost_everything_gets_its_routes_again(house: CoreHouse) -> None:
    bought = house.market.buy(house.plan, house.documents.put(house.request()))
    house.wait_state(bought, "running")
    assert str(bought) in routes_at_the_gateway(house)
    house.kill("gateway")
    for file in (house.home / "db").glob("usage.db*"):
        file.unlink()
    house.start("gateway")
    wait_for(lambda: str(bought) in routes_at_the_gateway(house))


def routes_at_the_gateway(house: CoreHouse) -> set[str]:
    with closing(sqlite3.connect(house.home / "db" / "usage.db")) as usage:
        return {row[0] for row in usage.execute("SELECT subscription FROM routes")}


def test_a_stop_leaves_models_for_the_next_start_to_adopt(house: CoreHouse) -> None:
    before = {process["pid"] for process in sandboxes(house.home)}
    house.kill(how=signal.SIGTERM)
    assert house.processes["orchestrator"].poll() == 0
    assert all(Path(f"/proc/{pid}").exists() for pid in before)
    house.start()
    assert before <= {process["pid"] for process in sandboxes(house.home)}


def test_no_route_is_open_without_a_token(house: CoreHouse) -> None:
    for path in ("/subscriptions", "/instances", "/pool", "/vmof/instances", "/mmf/pool", "/msmf/notices", "/nowhere"):
        assert httpx.get(house.url("orchestrator") + path).status_code in (401, 403)
    assert httpx.post(house.url("orchestrator") + "/settlements").status_code == 401


def test_time_that_ran_out_ends_what_it_paid_for(house: CoreHouse) -> None:
    """Last in this file: it moves the chain's clock by more than an hour."""
    market = house.market
    spec = service_named(SERVICE)
    monthly = market.register(spec.spec_hash, spec.terms_hash, Kind.COMPOSITE, period=HOUR)
    requested = house.documents.put(house.request())
    prepaid = market.buy(monthly, requested, periods=1)
    never_activated = market.buy(house.plan, requested)
    withheld = market.buy(house.plan, b"\x77" * 32)
    handed_over = from_hex(house.wait_state(prepaid, "running")["endpointHash"])
    house.wait_state(never_activated, "running")
    market.activate(prepaid, handed_over)
    house.wait_state(prepaid, "active")

    market.devnet.increase_time(HOUR + 60)
    market.devnet.mine(3)

    assert house.wait_state(prepaid, "decommissioned")["endReason"] == "lapsed"
    assert house.wait_state(never_activated, "decommissioned")["endReason"] == "deadline"
    assert not [row for row in allocations(house) if str(never_activated) in row]
    refused = house.wait_state(withheld, "refused")["refusal"]
    assert refused["code"] == "document_missing"
    assert "refunded" in refused["detail"]


@pytest.mark.parametrize(("taken", "code"), [(True, "port_taken"), (False, "deployment_missing")])
def test_a_start_that_cannot_be_names_its_cause(house: CoreHouse, tmp_path: Path, taken: bool, code: str) -> None:
    port = house.ports["gateway"] if taken else 0
    command = [sys.executable, "-m", "orchestrator", "--home", str(tmp_path), "--port", str(port)]
    environment = {**os.environ, **house.environment()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    told = json.loads(done.stderr.strip().splitlines()[-1])
    assert (told["event"], told["code"]) == ("start.failed", code)
    assert list(tmp_path.iterdir()) == []


def test_an_orchestrator_whose_home_is_deleted_ends(tmp_path: Path) -> None:
    """Else it would start models in the empty folder for ever."""
    with Devnet.start() as devnet:
        market = Market.on(devnet)
        house = CoreHouse.build(tmp_path / "home", market)
        house.start("orchestrator")
        (house.home / "keys").rename(tmp_path / "keys")
        assert house.processes["orchestrator"].wait(20) is not None
        assert '"event": "home.gone"' in house.tail()
        (tmp_path / "keys").rename(house.home / "keys")
        house.close()
        market.close()


def test_a_site_of_a_domain_that_nobody_serves_is_refused_at_the_start_and_changes_nothing(house: CoreHouse) -> None:
    topology = house.home / "coast.json"
    sites = [{"name": "site-1"}, {"name": "pier", "domain": "edge"}]
    way = {"a": "site-1", "b": "pier", "length_km": 1, "bandwidth_mbps": 1, "spectrum_mhz": 1}
    topology.write_text(json.dumps({"schema": "s4m/topology/1", "name": "coast", "sites": sites, "links": [way]}))
    before = sites_of(house)
    command = [sys.executable, "-m", "orchestrator", "--home", str(house.home), "--port", "0"]
    environment = {**os.environ, **house.environment(), "S4M_TOPOLOGY": str(topology)}
    started = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert started.returncode == 1
    (told,) = [line for line in started.stderr.splitlines() if "start.failed" in line]
    assert json.loads(told)["code"] == "bad_topology"
    assert "pier is of the domain 'edge'" in json.loads(told)["error"]
    assert sites_of(house) == before


def sites_of(house: CoreHouse) -> list[str]:
    with house.client() as client:
        return [site["node"] for site in client.get("/pool").json()["sites"]]
