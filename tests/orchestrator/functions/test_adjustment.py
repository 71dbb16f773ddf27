"""Another size for a running share: in place before anywhere else, and untouched where it cannot be."""

from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests
from orchestrator.runtime.port import RunState

RENDER = "rendering-server"


def refusal_of(work: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as refused:
        work(*args, **kwargs)
    return refused.value.reason


def held_by(house: House, subscription: int) -> list[dict[str, Any]]:
    held = house.rows("SELECT * FROM allocations ORDER BY allocation_id")
    return [one for one in held if one["subscription_id"] == str(subscription)]


def everything(house: House) -> dict[str, list[dict[str, Any]]]:
    """What a refused update must leave as it was."""
    queries = {
        "shares": 'SELECT subscription_id, msi_id, state, requirements, models, "grant" FROM shares ORDER BY 1',
        "uses": "SELECT subscription_id, role, msi_id, instance_id FROM uses ORDER BY 1, 2",
        "allocations": "SELECT * FROM allocations ORDER BY allocation_id",
        "instances": "SELECT instance_id, state, scale, shares FROM model_instances WHERE state='running' ORDER BY 1",
        "msis": "SELECT msi_id, state, latency_ms FROM msis WHERE state = 'running' ORDER BY 1",
    }
    return {name: house.rows(query) for name, query in queries.items()}


def running(house: House) -> set[str]:
    return {one.instance_id for one in house.runtime.observe() if one.state is RunState.RUNNING}


def test_more_users_grow_in_place_and_fewer_shrink(house_on_each_database: House) -> None:
    house = house_on_each_database
    before = house.instantiate(1, RENDER)
    house.instantiate(2, RENDER)
    more = house.update(1, 1, RENDER, users=3)
    assert more["msi"] == before["msi"]
    assert [model["instance"] for model in more["models"]] == [model["instance"] for model in before["models"]]
    assert more["models"][0]["granted"]["rendering_k"] == 3 * 250
    assert {one["allocation_id"]: one["rendering_k"] for one in held_by(house, 1)}["1/model/own"] == 750
    assert more["decision"]["models"]["gap"] == 0.0
    fewer = house.update(1, 2, RENDER, users=1)
    assert held_by(house, 1) == [one for one in held_by(house, 1) if one["rendering_k"] in (0, 250)]
    assert fewer["models"][0]["granted"] == before["models"][0]["granted"]


def test_rendering_is_shared_anew_with_the_neighbours(house: House) -> None:
    """4,000 K for two who could each use 1,120 K; then the first wants to render for ten of a kind."""
    house.instantiate(1, RENDER)
    second = house.instantiate(2, RENDER)
    assert second["grant"]["rendering_k"] == 1_120
    grown = house.update(1, 1, RENDER, users=10)
    assert grown["grant"]["rendering_k"] > 2_500
    assert grown["grants"]["2"]["rendering_k"] == 4_000 - grown["grant"]["rendering_k"]
    shrunk = house.update(1, 2, RENDER, users=1, objects=[{"object": 3, "attention": 5}])
    assert shrunk["grants"]["2"]["rendering_k"] == 1_120


def test_a_shared_model_is_scaled_before_another_is_created(house_on_each_database: House) -> None:
    """Sixteen users need 4,000 K: beside a neighbour that is more than one server has, and two have it."""
    house = house_on_each_database
    share = house.instantiate(1, RENDER)
    house.instantiate(2, RENDER)
    grown = house.update(1, 1, RENDER, users=16)
    assert [model["verdict"] for model in grown["models"]] == ["modify"]
    assert grown["models"][0]["instance"] == share["models"][0]["instance"]
    assert house.rows("SELECT scale FROM model_instances WHERE NOT supply") == [{"scale": 2}]
    house.update(1, 2, RENDER, users=1)
    assert house.rows("SELECT scale FROM model_instances WHERE NOT supply") == [{"scale": 1}]
    house.keeper()
    assert house.keeper() == []


def test_a_role_that_cannot_stay_moves_and_its_old_place_is_given_back(house: House) -> None:
    """Thirty-two users fill a server scaled twice; the neighbour that grows then has to leave it."""
    first = house.instantiate(1, RENDER)
    house.instantiate(2, RENDER)
    house.update(1, 1, RENDER, users=28)
    moved = house.update(2, 1, RENDER, users=8)
    assert moved["models"][0]["instance"] != first["models"][0]["instance"]
    assert moved["models"][0]["instance"] in running(house)
    assert {use["role"] for use in house.rows("SELECT role FROM uses")} == {"model"}
    assert {one["allocation_id"] for one in held_by(house, 2)} == {"2/model/own", "2/model/site"}
    assert house.rows("SELECT shares FROM model_instances WHERE NOT supply ORDER BY created_at") == [{"shares": 1}] * 2
    house.release(1)
    house.release(2)
    assert house.rows("SELECT * FROM allocations") == house.rows("SELECT * FROM uses") == []


def test_an_infeasible_update_is_refused_and_touches_nothing(house_on_each_database: House) -> None:
    house = house_on_each_database
    house.instantiate(1, qoe={"rate_mbps": 250})
    before = everything(house)
    refusal = refusal_of(house.update, 1, 1, qoe={"rate_mbps": 30_000})
    assert refusal["code"] == "infeasible"
    assert {lack["name"] for lack in refusal["needed"]["link"]} >= {"bandwidth_mbps"}
    assert refusal["decision"]["models"]["feasible"] is False
    assert everything(house) == before
    assert house.rows("SELECT state FROM offers ORDER BY at, state") == [{"state": "accepted"}, {"state": "refused"}]
    assert refusal_of(house.update, 1, 2, isolation=2)["code"] == "update_not_allowed"
    assert refusal_of(house.update, 9, 1)["code"] == "share_not_running"
    assert everything(house) == before


def test_alone_in_its_msi_a_share_makes_the_promise_stronger(house: House) -> None:
    share = house.instantiate(1, RENDER, qoe={"latency_ms": 5, "reliability": 0.9})
    better = house.update(1, 1, RENDER, qoe={"latency_ms": 1, "reliability": 0.99})
    assert better["msi"] == share["msi"]
    assert house.rows("SELECT latency_ms, reliability FROM msis") == [
        {"latency_ms": 1.0, "reliability": manifests()[RENDER].availability}
    ]
    refusal = refusal_of(house.update, 1, 2, RENDER, qoe={"latency_ms": 1, "reliability": 0.999999})
    assert [lack["kind"] for lack in refusal["needed"]["service"]] == ["reliability"]
    assert refusal_of(house.update, 1, 3, RENDER, qoe={"immersion_floor": 50})["needed"]["model"][0]["needed"] == 50


def test_a_share_moves_where_its_msi_cannot_promise_the_quality(house_on_each_database: House) -> None:
    """Three share an MSI that promises 5 ms; one asks for 1 ms: another MSI over the same models; the next joins it."""
    house = house_on_each_database
    share = house.instantiate(1, RENDER, qoe={"latency_ms": 5})
    house.instantiate(2, RENDER, qoe={"latency_ms": 5})
    house.instantiate(3, RENDER, qoe={"latency_ms": 5})
    moved = house.update(2, 1, RENDER, qoe={"latency_ms": 1})
    assert moved["msi"] != share["msi"]
    assert moved["decision"]["msiVerdict"] == "create"
    assert moved["models"][0]["instance"] == share["models"][0]["instance"]
    joined = house.update(3, 1, RENDER, qoe={"latency_ms": 1})
    assert (joined["msi"], joined["decision"]["msiVerdict"]) == (moved["msi"], "reuse")
    states = {row["msi_id"]: row["state"] for row in house.rows("SELECT msi_id, state FROM msis")}
    assert states == {share["msi"]: "running", moved["msi"]: "running"}
    assert [row["subscription_id"] for row in house.rows("SELECT subscription_id FROM shares ORDER BY 1")] == [
        "1",
        "2",
        "3",
    ]
    for subscription in (2, 3, 1):
        house.release(subscription)
    assert {row["state"] for row in house.rows("SELECT state FROM msis")} == {"gone"}
    assert house.rows("SELECT * FROM allocations") == house.rows("SELECT * FROM uses") == []


def test_a_refused_move_leaves_no_msi_behind(house: House) -> None:
    house.instantiate(1, RENDER, qoe={"latency_ms": 5})
    house.instantiate(2, RENDER, qoe={"latency_ms": 5})
    before = everything(house)
    assert refusal_of(house.update, 2, 1, RENDER, qoe={"latency_ms": 0.1})["code"] == "infeasible"
    assert everything(house) == before
    assert sorted(row["state"] for row in house.rows("SELECT state FROM msis")) == ["failed", "running"]


def test_a_repeated_update_gets_the_first_answer(house: House) -> None:
    house.instantiate(1, RENDER)
    first = house.update(1, 1, RENDER, users=2)
    before = everything(house)
    assert house.update(1, 1, RENDER, users=2) == first
    assert everything(house) == before
    assert refusal_of(house.update, 1, 1, RENDER, users=3)["code"] == "idempotency_key_reused"


def test_a_failed_start_gives_everything_back(tmp_path: Path, loop: Loop) -> None:
    models = dict(manifests())
    house = build(tmp_path, loop.loop, models)
    try:
        house.instantiate(1, RENDER)
        house.instantiate(2, RENDER)
        house.update(1, 1, RENDER, users=28)
        before = everything(house)
        models[RENDER] = replace(models[RENDER], module="no_such_program")  # what starts from now on, fails
        refusal = refusal_of(house.update, 2, 1, RENDER, users=8)
        assert refusal["code"] == "start_failed"
        assert everything(house) == before
        assert {row["state"] for row in house.rows("SELECT state FROM offers WHERE cause != ''")} == {"failed"}
    finally:
        tear_down(house, loop)


def test_a_release_during_an_update_leaves_nothing(house_on_each_database: House) -> None:
    house = house_on_each_database
    house.instantiate(1, RENDER)
    house.instantiate(2, RENDER)
    house.update(1, 1, RENDER, users=28)
    outcome: list[Any] = []

    def update() -> None:
        try:
            outcome.append(house.update(2, 1, RENDER, users=8))
        except PeerRefused as refusal:
            outcome.append(refusal.reason)

    changing = Thread(target=update)
    changing.start()
    while not house.rows("SELECT * FROM uses WHERE role LIKE '%~1'") and changing.is_alive():
        pass
    house.release(2)
    changing.join()
    house.release(1)
    assert house.rows("SELECT * FROM uses") == house.rows("SELECT * FROM allocations") == []
    assert {row["state"] for row in house.rows("SELECT state FROM msis")} == {"gone"}
    house.keeper()
    assert len(house.runtime.observe()) == 2
