"""Starts that fail, releases that overtake, models that die: nothing shared is touched, nothing is left behind."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from function_house import House, Loop, build, tear_down

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests
from orchestrator.runtime import unix_http
from orchestrator.runtime.governor import MOST_FILES
from orchestrator.runtime.port import RunState


@pytest.fixture
def house_with_a_broken_model(tmp_path: Path, loop: Loop) -> Iterator[House]:
    """The cache's program ends at once: a real failure of a real start."""
    models = dict(manifests())
    models["edge-cache"] = replace(models["edge-cache"], module="no_such_program")
    house = build(tmp_path, loop.loop, models)
    yield house
    tear_down(house, loop)


def test_a_failed_start_undoes_itself_and_touches_nothing_shared(house_with_a_broken_model: House) -> None:
    house = house_with_a_broken_model
    neighbour = house.instantiate(1, "monitoring")
    before = house.rows("SELECT * FROM allocations ORDER BY allocation_id")
    with pytest.raises(PeerRefused) as refused:
        house.instantiate(2)
    assert refused.value.reason["code"] == "start_failed"
    assert "edge-cache" in refused.value.reason["detail"]
    assert house.rows("SELECT * FROM allocations ORDER BY allocation_id") == before
    alive = {one.instance_id for one in house.runtime.observe() if one.state is RunState.RUNNING}
    assert len(alive) == 3
    assert neighbour["models"][0]["instance"] in alive
    states = {row["msi_id"]: row["state"] for row in house.rows("SELECT msi_id, state FROM msis")}
    assert states.pop(neighbour["msi"]) == "running"
    assert set(states.values()) == {"failed"}
    left = house.rows("SELECT state FROM model_instances WHERE model = 'edge-cache'")
    assert {row["state"] for row in left} == {"failed"}
    gone = house.mmf.get("/offers", {"subscriptionId": "2"})["offers"]
    assert {one["state"] for one in gone} == {"failed"}
    for offer in gone:  # whoever did not get the answer asks again
        again = house.mmf.post(f"/offers/{offer['offerId']}/acceptance", {}, f"again-{offer['offerId']}")
        assert (again["state"], again["cause"]) == ("failed", offer["cause"])
    assert house.rows("SELECT * FROM allocations ORDER BY allocation_id") == before


def test_a_release_that_overtakes_the_instantiation_leaves_nothing(house: House) -> None:
    outcome: list[Any] = []

    def instantiate() -> None:
        try:
            outcome.append(house.instantiate(1))
        except PeerRefused as refusal:
            outcome.append(refusal.reason)

    making = Thread(target=instantiate)
    making.start()
    while not house.rows("SELECT * FROM uses"):
        pass
    house.release(1)
    making.join()
    assert outcome[0].get("code") in ("released_meanwhile", "start_failed")
    assert house.rows("SELECT * FROM uses") == house.rows("SELECT * FROM allocations") == []
    assert {row["state"] for row in house.rows("SELECT state FROM msis")} == {"gone"}
    assert {row["state"] for row in house.rows("SELECT state FROM shares")} <= {"released", "refused"}
    house.keeper()
    assert len(house.runtime.observe()) == 2


def test_the_keeper_restarts_what_died_and_ends_what_nobody_wants(house: House) -> None:
    share = house.instantiate(1, "monitoring")
    name = share["models"][0]["instance"]
    seen = {one.instance_id: one for one in house.runtime.observe()}
    process = psutil.Process(seen[name].pid)
    process.kill()
    psutil.wait_procs([process], timeout=5)
    assert house.keeper() == [name]
    again = {one.instance_id: one for one in house.runtime.observe()}[name]
    assert again.state is RunState.RUNNING
    assert str(again.socket) == share["sockets"]["model"]
    assert house.keeper() == []
    orphan = replace(_spec(house), instance_id="monitoring-orphan")
    house.runtime.ensure(orphan)
    assert house.keeper() == ["monitoring-orphan"]
    assert "monitoring-orphan" not in {one.instance_id for one in house.runtime.observe()}


def test_the_keeper_restarts_what_passed_its_bounds_and_tells_why(house: House) -> None:
    name = house.instantiate(1, "monitoring")["models"][0]["instance"]
    seen = next(one for one in house.runtime.observe() if one.instance_id == name)
    process = psutil.Process(seen.pid)
    for number in range(MOST_FILES + 10):  # as its program could have made them
        Path("/proc", str(seen.pid), "root", "tmp", f"empty-{number}").touch()
    unix_http.ask(seen.socket, "GET", "/health")  # who does nothing is not looked at again
    psutil.wait_procs([process], timeout=10)
    assert house.keeper() == [name]
    again = next(one for one in house.runtime.observe() if one.instance_id == name)
    assert (again.state, again.deaths) == (RunState.RUNNING, 1)
    told = house.told("model.ended", 1)
    assert [(one["subject"], one["subscriptionId"], one["detail"]["times"]) for one in told] == [(name, "1", 1)]
    assert told[0]["detail"]["cause"].startswith("files: kept")
    assert house.keeper() == []


def test_a_purchase_before_the_pool_is_supplied_waits_and_is_not_refused(tmp_path: Path, loop: Loop) -> None:
    house = build(tmp_path, loop.loop, manifests(), supplied=False)
    outcome: list[Any] = []
    buyer = Thread(target=lambda: outcome.append(house.instantiate(1, "monitoring")))
    buyer.start()
    buyer.join(0.5)
    assert buyer.is_alive()
    house.keeper()
    buyer.join()
    assert outcome[0]["state"] == "running"
    assert [row["state"] for row in house.rows("SELECT state FROM offers")] == ["accepted"]
    tear_down(house, loop)


def _spec(house: House) -> Any:
    from orchestrator.runtime.port import InstanceSpec

    manifest = manifests()["monitoring"]
    return InstanceSpec(instance_id="x", program=manifest.program, grant={}, memory_mib=manifest.memory_mib)


@pytest.mark.parametrize("state", ["stopping", "failed"])
def test_the_keeper_ends_what_was_left_half_ended(house: House, state: str) -> None:
    share = house.instantiate(1, "monitoring")
    name = share["models"][0]["instance"]
    with house.store.writer.begin() as rows:  # as after a crash between ending and freeing
        rows.exec_driver_sql("DELETE FROM uses")
        ended = f"UPDATE model_instances SET state = '{state}', changed_at = 0 WHERE supply = 0"  # noqa: S608
        rows.exec_driver_sql(ended)
    assert set(house.keeper()) == {name}
    assert house.rows("SELECT * FROM allocations") == []
    assert name not in {one.instance_id for one in house.runtime.observe()}
