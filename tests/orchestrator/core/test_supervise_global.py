"""The global controller on a live house: room is reserved, models are kept warm, the next purchase reuses them."""

import json
from pathlib import Path
from typing import Any

import pytest
from core_house import CoreHouse
from core_wait import wait_for

from ledger.values import from_hex
from orchestrator.controllers.environment import Demand, Design
from orchestrator.resources import ResourceVector
from orchestrator.supervise_global import reservation

POOL = {"infrastructure", "platform"}
SITE = {
    "node": "site-1",
    "capacity": {"computing_mcores": 1_000},
    "used": {"computing_mcores": 300},
    "reserved": {"computing_mcores": 100},
}


def design(mcores: int) -> Design:
    return Design("ar_vr", ResourceVector(computing_mcores=mcores), {}, 10.0, 1.0, "", {})


def demand(mcores: int) -> Demand:
    held = ResourceVector(computing_mcores=mcores)
    return Demand(1, held, held)


def held(amount: int, drawn: int, name: str = "design:ar_vr", *, ended: bool = False) -> dict[str, Any]:
    amounts = {"amounts": {"computing_mcores": amount}, "drawn": {"computing_mcores": drawn}}
    return {name: {"reservation": name, "node": "site-1", "ended": ended, **amounts}}


@pytest.mark.parametrize(
    ("wanted", "has", "before", "amount"),
    [
        (500, 300, {}, 200),
        (2_000, 300, {}, 600),
        (2_000, 300, held(100, 0), 700),
        (100, 300, held(100, 50), 50),
        (400, 300, held(100, 50), 150),
    ],
    ids=["beside what is held", "no more than is free", "what it keeps counts as free", "drawn stays", "drawn counts"],
)
def test_reservation_design_any_makes_what_is_held_what_is_wanted(
    wanted: int, has: int, before: dict[str, Any], amount: int
) -> None:
    made = reservation(design(wanted), demand(has), [SITE], before, 20)
    assert made == {
        "reservation": "design:ar_vr",
        "node": "site-1",
        "cluster": "ar_vr",
        "amounts": {"computing_mcores": amount},
        "until": 20,
    }


def test_reservation_after_one_that_ended_and_is_drawn_from_still_has_a_name_of_its_own() -> None:
    ended = held(50, 50, ended=True)
    made = reservation(design(500), demand(300), [SITE], ended, 20)
    assert made is not None
    assert (made["reservation"], made["amounts"]) == ("design:ar_vr:20", {"computing_mcores": 200})
    both = {**ended, **held(200, 0, "design:ar_vr:20")}
    changed = reservation(design(400), demand(300), [SITE], both, 30)
    assert changed is not None
    assert (changed["reservation"], changed["amounts"]) == ("design:ar_vr:20", {"computing_mcores": 100})


def test_reservation_nothing_wanted_none_is_made() -> None:
    assert reservation(design(100), demand(300), [SITE], {}, 20) is None


def test_house_with_purchases_reserves_keeps_models_warm_over_a_kill_and_the_next_purchase_reuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S4M_DESIGN_EPOCH_S", "6")
    with CoreHouse.running(tmp_path) as house:
        requested = house.documents.put(house.request())
        first = house.market.buy(house.plan, requested)
        service = house.wait_state(first, "running", "refused")
        instances = {model["instance"] for model in service["models"] if model["model"] not in POOL}
        wait_for(lambda: reserved(house).get("cluster") == "ar_vr", 30)
        assert reserved(house)["amounts"]
        wait_for(lambda: instances <= {one["instance"] for one in models(house) if one["warmUntil"]}, 30)

        house.market.activate(first, from_hex(service["endpointHash"]))
        house.market.sender.send(house.market.contracts.market.request_release(first))
        house.wait_state(first, "decommissioned")
        assert {one["instance"] for one in models(house) if one["warmUntil"] and not one["shares"]} == instances
        house.kill()
        house.start()
        second = house.market.buy(house.plan, requested)
        reused = house.wait_state(second, "running", "refused")
        assert {model["verdict"] for model in reused["models"]} == {"reuse"}
        assert instances <= {model["instance"] for model in reused["models"]}
        logged = [json.loads(line) for line in house.tail().splitlines() if "design.reserved" in line]
        assert any(line["cluster"] == "ar_vr" for line in logged)


def models(house: CoreHouse) -> list[dict[str, Any]]:
    """The running instances, without the pool's own parts, as MMF shows them."""
    with house.client("orchestrator", "mmf", at="orchestrator") as client:
        shown = client.get("/mmf/models").json()["models"]
    return [one for one in shown if one["state"] == "running" and not one["supply"]]


def reserved(house: CoreHouse) -> dict[str, Any]:
    """The design's reservation for AR/VR, as MMF shows it."""
    with house.client("orchestrator", "mmf", at="orchestrator") as client:
        answer = client.get("/mmf/reservations")
    assert answer.status_code == 200, answer.text
    found = {one["reservation"]: one for one in answer.json()["reservations"]}
    return dict(found.get("design:ar_vr", {}))
