"""Models started ahead through MMF's door: purchases reuse them, forecasts end them, and nobody is refused for them."""

import time
from typing import Any

import pytest
from function_house import House

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import services
from orchestrator.resources import ResourceVector
from orchestrator.runtime.port import RunState

ROLES = services()["virtual-beach-travel"].roles
MODELS = sorted(set(ROLES.values()) - {"infrastructure", "platform"})


LATER = int(time.time()) + 3600


def warm(house: House, key: str, until: int = LATER, **models: int) -> dict[str, Any]:
    """As the global controller asks for it; model names with underscores."""
    wanted = {name.replace("_", "-"): count for name, count in models.items()}
    body = {"models": wanted, "until": until}
    answer: dict[str, Any] = house.mmf.put("/warm/ar_vr", body, key)
    return answer


def all_of(count: int) -> dict[str, int]:
    return {name.replace("-", "_"): count for name in MODELS}


def running(house: House) -> set[str]:
    """What runs in sandboxes, the pool's own parts left out; the rows say the same."""
    rows = house.rows("SELECT instance_id FROM model_instances WHERE state = 'running' AND NOT supply")
    seen = {one.instance_id for one in house.runtime.observe() if one.state is RunState.RUNNING}
    known = {row["instance_id"] for row in rows}
    assert known <= seen
    assert len(seen - known) == len(house.rows("SELECT 1 FROM model_instances WHERE supply"))
    return known


def used(house: House) -> dict[str, int]:
    amounts: dict[str, int] = house.mmf.get("/pool")["used"]
    return amounts


def test_purchase_after_a_design_reuses_what_was_started_ahead(house: House) -> None:
    ahead = warm(house, "design:1", **all_of(1))
    assert (sorted(ahead["started"]), ahead["short"]) == (sorted(running(house)), {})
    assert {name.rpartition("-")[0] for name in ahead["started"]} == set(MODELS)
    assert warm(house, "design:1", **all_of(1)) == ahead
    share = house.instantiate(1)
    placed = {model["instance"] for model in share["models"]}
    assert {model["verdict"] for model in share["models"]} == {"reuse"}
    assert set(ahead["started"]) <= placed

    house.release(1)
    assert running(house) == set(ahead["started"]), "nobody uses them, and they stay"
    dead = ahead["started"][0]
    house.runtime.delete(dead)
    house.keeper()
    assert running(house) == set(ahead["started"]), "the keeper started the dead one anew"

    ended = warm(house, "design:2", **all_of(0))
    assert sorted(ended["ended"]) == sorted(ahead["started"])
    assert (running(house), used(house)) == (set(), {})


def test_design_of_less_ends_the_unused_and_spares_the_used(house: House) -> None:
    first = warm(house, "design:1", rendering_server=2)
    share = house.instantiate(1)
    renders = next(model["instance"] for model in share["models"] if model["model"] == "rendering-server")
    less = warm(house, "design:2", rendering_server=1)
    assert less["kept"] == [renders]
    assert less["ended"] == [name for name in first["started"] if name != renders]
    none = warm(house, "design:3", rendering_server=0)
    assert (none["kept"], none["ended"]) == ([], [])
    assert renders in running(house)
    house.release(1)
    assert running(house) == set()


def test_time_of_a_warm_instance_is_over_the_keeper_ends_it(house: House) -> None:
    warm(house, "design:1", int(time.time()) + 2, rendering_server=1)
    assert len(running(house)) == 1
    time.sleep(2.0)
    house.keeper()
    assert (running(house), used(house)) == (set(), {})


def test_purchase_that_lacks_room_gets_that_of_what_is_warm(house: House) -> None:
    filled = warm(house, "design:1", hardware=100)
    assert filled["short"]["hardware"][0]["name"] == "computing_mcores"
    capacity = ResourceVector.of(house.mmf.get("/pool")["capacity"]).computing_mcores
    assert len(filled["started"]) == capacity // 400
    share = house.instantiate(1, "3d-modelling", users=5)
    assert share["state"] == "running"
    assert running(house) == {model["instance"] for model in share["models"]}


def test_design_that_is_malformed_is_refused_and_one_with_an_unknown_model_starts_the_others(house: House) -> None:
    for body in (
        {"models": {"rendering-server": -1}, "until": LATER},
        {"models": {"rendering-server": 1}},
        {"models": [], "until": LATER},
    ):
        with pytest.raises(PeerRefused) as caught:
            house.mmf.put("/warm/ar_vr", body, "design:bad")
        assert caught.value.reason["code"] == "malformed_call"
    assert running(house) == set()
    answer = warm(house, "design:1", hologram=1, edge_cache=1)
    assert answer["short"]["hologram"][0]["kind"] == "model"
    assert [name.rpartition("-")[0] for name in answer["started"]] == ["edge-cache"]
