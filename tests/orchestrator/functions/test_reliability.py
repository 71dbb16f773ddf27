"""A reliability that is asked for is held against what models declared and what was seen of them since."""

import os
import signal
import time
from typing import Any

import pytest
from function_house import House
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


def test_an_instance_that_crashed_is_avoided_by_who_asks_for_more_and_kept_by_who_does_not(house: House) -> None:
    """Two instances, of degrees 0 and 1 of one cluster: the one that crashes is nothing for a strict request."""
    crashing = only_instance(house.instantiate(1, MODEL, qoe={"reliability": DECLARED}))
    crash(house, crashing)
    seen = life(house, crashing)
    assert (seen["deaths"], seen["down_since"]) == (1, 0)
    assert seen["down_s"] >= 1
    strict = refusal_of(house, 2, MODEL, qoe={"reliability": DECLARED})
    enough = strict["needed"]["service"][0]["available"]
    assert DECLARED - 0.001 < enough < DECLARED
    assert [lack["kind"] for one in strict["decision"]["msiCandidates"] for lack in one["lacks"]] == []
    assert {one["action"] for one in strict["decision"]["models"]["reasons"]["model"]} == {"reuse", "create"}
    assert only_instance(house.instantiate(3, MODEL, qoe={"reliability": enough})) == crashing
    assert only_instance(house.instantiate(4, MODEL)) == crashing


def test_what_was_seen_of_an_instance_stays_its_models_when_it_has_ended(house: House) -> None:
    crashing = only_instance(house.instantiate(1, MODEL))
    crash(house, crashing)
    seen = life(house, crashing)
    house.release(1)
    kept = house.rows("SELECT * FROM model_lives")
    assert kept == [{"model": MODEL, "deaths": 1, "up_s": seen["up_s"], "down_s": seen["down_s"]}]
    refusal = refusal_of(house, 2, MODEL, qoe={"reliability": DECLARED})
    fresh = house.instantiate(3, MODEL, qoe={"reliability": refusal["needed"]["service"][0]["available"]})
    assert only_instance(fresh) != crashing
    assert life(house, only_instance(fresh))["deaths"] == 0


@pytest.mark.parametrize("floor", [3.0])
def test_an_immersion_floor_is_granted_as_rendering_or_refused(house: House, floor: float) -> None:
    share = house.instantiate(1, "rendering-server", qoe={"rate_mbps": 250, "immersion_floor": floor})
    assert share["models"][0]["granted"]["rendering_k"] > 250
    refusal = refusal_of(house, 2, "rendering-server", qoe={"rate_mbps": 250, "immersion_floor": 1e9})
    assert refusal["code"] == "infeasible"
    told = explained(house, 2, refusal=refusal)["feasibleIf"]
    assert [said[:40] for said in told] == ["ask for an immersion floor of at most 3."[:40]] or len(told) == 1
    most = refusal["needed"]["model"][0]["available"]
    assert house.instantiate(3, "rendering-server", qoe={"rate_mbps": 250, "immersion_floor": most})["state"]
