"""From a request to a running share and back, through all three functions, with real models."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from function_house import House

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests, services
from orchestrator.runtime.port import RunState

GUIDE, BEACH = "ar-beach-guide", "virtual-beach-travel"
INTERACTION = "human-computer-interaction"


def running(house: House) -> set[str]:
    return {one.instance_id for one in house.runtime.observe() if one.state is RunState.RUNNING}


def used_by(share: dict[str, Any]) -> dict[str, str]:
    return {model["role"]: model["instance"] for model in share["models"]}


def refusal_of(work: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as refused:
        work(*args, **kwargs)
    return refused.value.reason


def rendering(answer: dict[str, Any]) -> dict[str, int]:
    """K of each share whose grant changed: its sessions do whenever somebody comes or goes."""
    return {name: grant["rendering_k"] for name, grant in answer["grants"].items()}


def test_life_of_an_msi_from_the_first_share_to_the_last(house: House) -> None:
    """Create, share, re-share rendering, release one by one: in one test, as each creation starts seven sandboxes."""
    first = house.instantiate(1, qoe={"rate_mbps": 250})
    assert not first["reused"]
    assert set(first["sockets"]) == set(services()[BEACH].roles)
    assert set(used_by(first).values()) <= running(house)
    assert first["grant"]["bandwidth_mbps"] == 250
    assert first["grant"]["rendering_k"] == 1120  # 20 K for each of 56 objects
    assert first["decision"]["msiVerdict"] == "create"

    second = house.instantiate(2, qoe={"rate_mbps": 1000}, objects=[{"object": 3, "attention": 5}] * 20)
    assert second["reused"]
    assert (second["msi"], used_by(second)) == (first["msi"], used_by(first))
    assert second["grant"]["bandwidth_mbps"] == 1000
    assert second["grant"]["rendering_k"] == 400
    assert {one["verdict"] for one in second["models"]} == {"reuse"}

    guide = house.instantiate(3, GUIDE)
    assert not guide["reused"]
    assert guide["msi"] != first["msi"]
    assert used_by(guide)["rendering"] == used_by(first)["rendering"]
    shared = set(used_by(guide).values()) & set(used_by(first).values())
    assert len(shared) == 5

    fourth = house.instantiate(4)
    assert fourth["grant"]["rendering_k"] == 1120
    fifth = house.instantiate(5)
    # 400 K are asked for by the second share, the other four ask for 1,120 K each: the rest is split evenly
    assert fifth["grant"]["rendering_k"] == 900
    assert rendering(fifth) == {"1": 900, "2": 400, "3": 900, "4": 900}

    guided = house.release(3)
    assert guided["msiState"] == "gone"
    assert rendering(guided) == {"1": 1120, "2": 400, "4": 1120, "5": 1120}
    assert used_by(guide)["navigation"] not in running(house)
    assert set(used_by(first).values()) <= running(house)
    released = house.release(5)
    assert (released["msiState"], rendering(released), released["stopped"]) == (
        "running",
        {"1": 1120, "2": 400, "4": 1120},
        [],
    )
    for subscription in (1, 2, 4):
        last = house.release(subscription)
    assert last["msiState"] == "gone"
    assert sorted(last["stopped"]) == sorted(used_by(first).values())
    pool = house.mmf.get("/pool")
    assert pool["used"] == {}
    assert pool["models"] == []
    assert len(running(house)) == 2  # infrastructure and platform stay
    kinds = {notice["kind"] for notice in heard(house, 5)}
    assert kinds >= {"msi.running", "share.joined", "share.released", "model.running", "model.stopped"}


def heard(house: House, released: int) -> list[dict[str, Any]]:
    """Notices are told after the answer: wait until the last release was heard of."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        notices: list[dict[str, Any]] = house.msmf.get("/notices")["notices"]
        stopped = sum(notice["kind"] == "model.stopped" for notice in notices)
        if sum(notice["kind"] == "share.released" for notice in notices) == released and stopped == 8:
            return notices
        time.sleep(0.05)
    raise AssertionError("MSMF did not hear of every release")


def test_repeated_calls_get_the_first_answer_and_change_nothing(house: House) -> None:
    wanted = {"requirements": house.requirements(1, "monitoring")}
    first = house.vmof.post("/instances", wanted, "1:instance:0")
    before = house.rows("SELECT * FROM allocations")
    assert house.vmof.post("/instances", wanted, "1:instance:0") == first
    later = house.vmof.post("/instances", wanted, "1:instance:1")
    assert (later["msi"], later["sockets"], later["grant"]) == (first["msi"], first["sockets"], first["grant"])
    assert house.rows("SELECT * FROM allocations") == before
    assert house.release(1)["released"]
    assert house.release(1)["msiState"] == "gone"


def test_a_repeated_key_gets_the_first_refusal_without_asking_mmf_again(house: House) -> None:
    wanted = {"requirements": house.requirements(1, qoe={"rate_mbps": 30_000})}
    refusal = refusal_of(house.vmof.post, "/instances", wanted, "1:instance:0")
    before = house.rows("SELECT * FROM offers"), house.rows("SELECT * FROM shares"), house.rows("SELECT * FROM msis")
    again = refusal_of(house.vmof.post, "/instances", wanted, "1:instance:0")
    assert {**again, "detail": ""} == {**refusal, "detail": ""}
    assert again["code"] == "infeasible"
    assert before == (
        house.rows("SELECT * FROM offers"), house.rows("SELECT * FROM shares"), house.rows("SELECT * FROM msis")
    )  # fmt: skip


def test_an_instantiation_asked_again_after_the_release_places_nothing(house: House) -> None:
    """As by a caller that was killed before it heard the answer, and recovered late."""
    wanted = {"requirements": house.requirements(1, "monitoring")}
    share = house.vmof.post("/instances", wanted, "1:instance:0")
    assert house.release(1)["released"]
    assert house.vmof.post("/instances", wanted, "1:instance:0") == share
    assert house.rows("SELECT state FROM shares") == [{"state": "released"}]
    assert house.rows("SELECT * FROM uses") == house.rows("SELECT * FROM allocations") == []


def test_one_key_asked_twice_at_once_makes_one_share(house: House) -> None:
    wanted = {"requirements": house.requirements(1, "monitoring")}
    with ThreadPoolExecutor(4) as callers:
        told = list(callers.map(lambda _: house.vmof.post("/instances", wanted, "1:instance:0"), range(4)))
    assert all(one == told[0] for one in told)
    assert house.rows("SELECT subscription_id, state FROM shares") == [{"subscription_id": "1", "state": "running"}]
    assert house.rows("SELECT role, instance_id FROM uses") == [
        {"role": "model", "instance_id": told[0]["models"][0]["instance"]}
    ]


def test_isolation_keeps_shares_apart_as_promised(house: House) -> None:
    shared = house.instantiate(1, "monitoring")
    dedicated = house.instantiate(2, "monitoring", isolation=2)
    other = house.instantiate(3, "monitoring", isolation=2)
    cluster = house.instantiate(4, "monitoring", isolation=1)
    again = house.instantiate(5, "monitoring", isolation=1)
    joined = house.instantiate(6, "monitoring")
    msis = [share["msi"] for share in (shared, dedicated, other, cluster)]
    models = [share["models"][0]["instance"] for share in (shared, dedicated, other, cluster)]
    assert len(set(msis)) == len(set(models)) == 4
    assert (again["msi"], again["models"][0]["instance"]) == (msis[3], models[3])
    assert joined["msi"] in (msis[0], msis[3])
    reasons = {one["candidate"]: one["lacks"] for one in dedicated["decision"]["msiCandidates"]}
    assert [lack["kind"] for lack in reasons[shared["msi"]]] == ["isolation"]


def lesson(service_type: str, scenario: str) -> dict[str, Any]:
    """The spec of a service of one role, whose model both clusters use."""
    sold = services()["product-twin"].document
    gesture = {**sold["operations"]["gesture"], "meter": 0, "link": None}
    return {
        **sold,
        "name": f"{scenario}-lesson".replace("_", "-"),
        "service_type": service_type,
        "scenario": scenario,
        "roles": {"interaction": INTERACTION},
        "supply": [],
        "operations": {"gesture": gesture},
        "terms": {**sold["terms"], "meters": sold["terms"]["meters"][:1]},
        "shares": {INTERACTION: 600},
    }


def test_only_what_is_shared_with_everybody_serves_two_clusters(house: House) -> None:
    beach, works = lesson("ar_vr", "virtual_travelling"), lesson("digital_twin", "manufacturing")

    def used(subscription: int, spec: dict[str, Any], isolation: int) -> str:
        document = {"schema": "s4m/request/1", "service": spec["name"], "isolation": isolation}
        ids = {"subscriptionId": str(subscription), "planId": "1", "isolationSold": isolation}
        wanted = house.msmf.post(
            "/service-requirements", {**ids, "document": document, "spec": spec}, f"{subscription}:r"
        )
        share = house.vmof.post("/instances", {"requirements": wanted}, f"{subscription}:instance:0")
        return used_by(share)["interaction"]

    everybodys = used(1, beach, 0)
    assert used(2, works, 0) == everybodys
    beachs, workss = used(3, beach, 1), used(4, works, 1)
    assert len({everybodys, beachs, workss}) == 3
    assert [used(5, beach, 1), used(6, works, 1)] == [beachs, workss]
    clusters = house.rows("SELECT instance_id, cluster, isolation FROM model_instances WHERE NOT supply")
    assert {(row["instance_id"], row["cluster"], row["isolation"]) for row in clusters} == {
        (everybodys, "ar_vr", 0),
        (beachs, "ar_vr", 1),
        (workss, "digital_twin", 1),
    }


def test_a_dedicated_share_has_its_own_process_and_pays_the_pool_for_all_of_it(house: House) -> None:
    manifest = manifests()["monitoring"]
    mine, other = (house.instantiate(number, "monitoring", isolation=2)["models"][0] for number in (1, 2))
    seen = {one.instance_id: one for one in house.runtime.observe()}
    assert seen[mine["instance"]].pid != seen[other["instance"]].pid
    held = manifest.consumes["computing_mcores"] + manifest.per_share["computing_mcores"]
    rows = house.rows("SELECT instance_id, SUM(computing_mcores) AS held FROM allocations GROUP BY instance_id")
    assert {row["instance_id"]: row["held"] for row in rows} == {mine["instance"]: held, other["instance"]: held}
    for one in (mine, other):
        assert seen[one["instance"]].grant == {"computing_mcores": held}


def test_a_refusal_names_what_is_missing_and_leaves_nothing_behind(house: House) -> None:
    refusal = refusal_of(house.instantiate, 1, qoe={"rate_mbps": 30_000})
    assert refusal["code"] == "infeasible"
    needed = {lack["name"]: (lack["needed"], lack["available"]) for lack in refusal["needed"]["link"]}
    assert needed["bandwidth_mbps"] == (30_000, 20_000)
    assert "bandwidth_mbps" in refusal["detail"]
    assert house.rows("SELECT state FROM msis") == [{"state": "failed"}]
    assert house.rows("SELECT * FROM allocations") == house.rows("SELECT * FROM uses") == []
    assert not house.instantiate(1, "monitoring")["reused"]


def test_a_refusal_for_latency_says_what_latency_the_models_need(house: House) -> None:
    refusal = refusal_of(house.instantiate, 1, "rendering-server", qoe={"latency_ms": 0.3})
    lack = next(one for one in refusal["needed"]["model"] if one["kind"] == "latency")
    assert (lack["needed"], lack["available"]) == (0.4, 0.3)


def test_a_call_without_a_key_or_shape_is_refused_by_name(house: House) -> None:
    assert refusal_of(house.vmof.post, "/instances", {"requirements": {}}, "k")["code"] == "malformed_call"
    assert refusal_of(house.mmf.post, "/offers", {})["code"] == "malformed_call"
    assert refusal_of(house.mmf.post, "/offers/none/acceptance", {}, "k")["code"] == "unknown_offer"


def test_a_key_used_again_for_another_call_is_refused_and_changes_nothing(house: House) -> None:
    wanted = {"requirements": house.requirements(1, "monitoring")}
    share = house.vmof.post("/instances", wanted, "1:instance:0")
    other = {"requirements": house.requirements(2, "monitoring")}
    assert refusal_of(house.vmof.post, "/instances", other, "1:instance:0")["code"] == "idempotency_key_reused"
    assert refusal_of(house.vmof.delete, "/shares/1", "1:instance:0")["code"] == "idempotency_key_reused"
    request = {"subscriptionId": "9", "msi": "msi-9", "cluster": "ar_vr", "isolation": 0, "roles": []}
    house.mmf.post("/offers", request, "9:offer")
    answer = refusal_of(house.mmf.post, "/offers", {**request, "isolation": 1}, "9:offer")
    assert answer["code"] == "idempotency_key_reused"
    assert house.rows("SELECT subscription_id, state FROM shares") == [{"subscription_id": "1", "state": "running"}]
    assert house.vmof.post("/instances", wanted, "1:instance:0") == share
