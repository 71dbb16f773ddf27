"""A reliability that is asked for is held against what models declared and what was seen of them since."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime
from test_remedies import explained, refusal_of

from orchestrator.models.manifests import manifests
from orchestrator.runtime.port import RunState

MODEL = "monitoring"
DECLARED = manifests()[MODEL].availability


def crash(house: House, instance: str) -> None:
    """Kill the program and let the keeper find it dead, start it anew, and find it well."""
    pid = next(one.pid for one in house.runtime.observe() if one.instance_id == instance)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while any(one.instance_id == instance and one.state is RunState.RUNNING for one in house.runtime.observe()):
        time.sleep(0.01)
    assert instance in house.keeper()
    assert house.keeper() == []


def life(house: House, instance: str) -> dict[str, Any]:
    rows = house.rows("SELECT instance_id, deaths, up_s, down_s, down_since FROM model_instances")
    return next(row for row in rows if row["instance_id"] == instance)


def only_instance(share: dict[str, Any]) -> str:
    return str(share["models"][0]["instance"])


def test_more_than_there_is_is_refused_and_what_is_told_is_accepted(house: House) -> None:
    service = "virtual-beach-travel"
    refusal = refusal_of(house, 1, service, qoe={"reliability": 1.0})
    assert refusal["code"] == "infeasible"
    lack = refusal["needed"]["service"][0]
    assert (lack["kind"], lack["needed"]) == ("reliability", 1.0)
    told = explained(house, 1, refusal=refusal)
    assert told["feasibleIf"] == [f"ask for a reliability of at most {lack['available']:g} instead of 1"]
    share = house.instantiate(2, service, qoe={"reliability": lack["available"]})
    models = share["decision"]["models"]
    assert models["reliability"] == lack["available"]
    assert {one["availability"] for some in models["reasons"].values() for one in some if one["chosen"]} == {
        manifests()[name].availability for name in {model["model"] for model in share["models"]}
    }
    assert house.rows("SELECT reliability FROM msis WHERE state = 'running'") == [{"reliability": lack["available"]}]


def test_a_crash_lowers_what_can_be_asked_for_and_less_is_served_as_before(house: House) -> None:
    crashing = only_instance(house.instantiate(1, MODEL, qoe={"reliability": DECLARED}))
    crash(house, crashing)
    seen = life(house, crashing)
    assert (seen["deaths"], seen["down_since"]) == (1, 0)
    assert seen["down_s"] >= 1
    strict = refusal_of(house, 2, MODEL, qoe={"reliability": DECLARED})
    enough = strict["needed"]["service"][0]["available"]
    assert DECLARED - 0.001 < enough < DECLARED
    assert {one["action"] for one in strict["decision"]["models"]["reasons"]["model"]} == {"reuse", "create"}
    assert only_instance(house.instantiate(3, MODEL, qoe={"reliability": enough})) == crashing
    assert only_instance(house.instantiate(4, MODEL)) == crashing
    for subscription in (1, 3, 4):
        house.release(subscription)
    assert house.rows("SELECT model, deaths, down_s FROM model_lives WHERE deaths > 0") == [
        {"model": MODEL, "deaths": 1, "down_s": seen["down_s"]}
    ]
    refusal = refusal_of(house, 5, MODEL, qoe={"reliability": DECLARED})
    fresh = house.instantiate(6, MODEL, qoe={"reliability": refusal["needed"]["service"][0]["available"]})
    assert only_instance(fresh) != crashing
    assert life(house, only_instance(fresh))["deaths"] == 0


def test_a_strict_request_goes_to_the_instance_that_did_not_crash(house: House) -> None:
    """Sixteen users fill a server scaled once, so that the next opens another; then the first of them crashes."""
    model, users = "rendering-server", 32
    crashing = only_instance(house.instantiate(1, model, users=users // 2))
    house.update(1, 1, model, users=28)
    steady = only_instance(house.instantiate(2, model, users=8))
    house.update(1, 2, model, users=8)
    assert steady != crashing
    crash(house, crashing)
    strict = house.instantiate(3, model, qoe={"reliability": manifests()[model].availability})
    assert only_instance(strict) == steady
    lacks = {one["candidate"]: one["lacks"] for one in strict["decision"]["models"]["reasons"]["model"]}
    assert [lack["kind"] for lack in lacks[crashing]] == ["reliability"]


def test_up_time_is_what_the_keeper_saw(tmp_path: Path, loop: Loop) -> None:
    """A minute at a time; of a pause in which nobody looked no more than two count."""
    now = [1_800_000_000]
    house = build(tmp_path, loop.loop, manifests(), runtime=MemoryRuntime(tmp_path), clock=lambda: now[0])
    try:
        instance = only_instance(house.instantiate(1, MODEL))
        for later, seen_s in ((59, 0), (1, 60), (30, 60), (30, 120), (86_400, 240)):
            now[0] += later
            house.keeper()
            assert life(house, instance)["up_s"] == seen_s
    finally:
        tear_down(house, loop)


def test_an_immersion_floor_is_granted_as_rendering_or_refused_with_what_would_do(house: House) -> None:
    model = "rendering-server"
    share = house.instantiate(1, model, qoe={"rate_mbps": 250, "immersion_floor": 3.0})
    assert share["models"][0]["granted"]["rendering_k"] > 250
    refusal = refusal_of(house, 2, model, qoe={"rate_mbps": 250, "immersion_floor": 15.0})
    assert refusal["code"] == "infeasible"
    assert house.rows("SELECT subscription_id FROM shares") == [{"subscription_id": "1"}]
    most = refusal["needed"]["model"][0]["available"]
    assert explained(house, 2, refusal=refusal)["feasibleIf"] == [
        f"ask for an immersion floor of at most {most:g} instead of 15",
        "in place of that: ask for at least 941 Mb/s",
    ]
    assert house.instantiate(3, model, qoe={"rate_mbps": 941, "immersion_floor": 15.0})["state"] == "running"
    assert house.instantiate(4, model, qoe={"rate_mbps": 250, "immersion_floor": most})["state"] == "running"
