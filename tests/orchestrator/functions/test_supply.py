"""Supply offers at MMF's door, with real models: capacity comes, is used, accounted, and withdrawn by moving."""

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from function_house import House, Loop, build, tear_down

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests
from orchestrator.resources import RESOURCES
from orchestrator.resources.topology import Link, Site, Topology
from orchestrator.runtime.port import RunState
from orchestrator.runtime.unix_http import ask

COAST = Topology("coast", "harbour", (Site("harbour"), Site("hill")), (Link("harbour", "hill", 5),))
OWNER = "0x00000000000000000000000000000000000000A1"
HOUR_MS = 3_600_000
PRICE = 40_000_000
"""smallest units for a millicore and hour: in a test of seconds every millisecond counts"""


@pytest.fixture
def coast(tmp_path: Path, loop: Loop) -> Iterator[House]:
    house = build(tmp_path, loop.loop, manifests(), topology=COAST)
    yield house
    tear_down(house, loop)


def offer(house: House, number: int = 1, **changes: Any) -> dict[str, Any]:
    document = {
        "offer": f"{number:064x}",
        "modelId": "7",
        "specHash": manifests()["infrastructure"].spec_hash.hex(),
        "owner": OWNER,
        "site": "hill",
        "amounts": {"computing_mcores": 500},
        "prices": {"computing_mcores": str(PRICE)},
        "payCap": str(10**20),
        "until": int(time.time()) + 3600,
        "nonce": str(number),
        **changes,
    }
    answer: dict[str, Any] = house.mmf.post("/supplies", document, f"offer:{number}:{changes}")
    return answer["offer"]  # type: ignore[no-any-return]


def withdraw(house: House, number: int = 1, nonce: int = 100, attempt: int = 0, **changes: Any) -> dict[str, Any]:
    body = {"modelId": "7", "owner": OWNER, "nonce": str(nonce), **changes}
    key = f"withdraw:{number}:{nonce}:{attempt}:{changes}"
    answer: dict[str, Any] = house.mmf.post(f"/supplies/{number:064x}/withdrawal", body, key)
    return answer


def refused(work: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as caught:
        work(*args, **kwargs)
    return caught.value.reason


def site(house: House, name: str = "hill") -> dict[str, Any]:
    return next(one for one in house.mmf.get("/pool")["sites"] if one["node"] == name)


def running(house: House) -> set[str]:
    return {one.instance_id for one in house.runtime.observe() if one.state is RunState.RUNNING}


def recomputed(house: House, number: int, through_ms: int) -> int:
    """Earnings from the history alone, millisecond by millisecond."""
    rows = house.rows("SELECT * FROM pool_history WHERE node_id = 'hill' ORDER BY number")
    start = rows[0]["at_ms"]
    whole = Fraction()
    state: dict[str, dict[str, int]] = {"capacity": {}, "mine": {}, "used": {}}
    position = 0
    for moment in range(start, through_ms):
        while position < len(rows) and rows[position]["at_ms"] <= moment:
            row = rows[position]
            position += 1
            mine = row["subject"] == f"offer/{number:064x}"
            names = ["used"] if row["kind"] == "allocation" else ["capacity", *(["mine"] if mine else [])]
            for name in names:
                state[name] = {r: state[name].get(r, 0) + row[r] for r in RESOURCES}
        used, mine_now = state["used"].get("computing_mcores", 0), state["mine"].get("computing_mcores", 0)
        if used and mine_now:
            whole += Fraction(used * mine_now, state["capacity"]["computing_mcores"])
    return int(whole * PRICE / HOUR_MS)


def test_an_offer_adds_capacity_that_is_used_stated_and_withdrawn_by_moving(coast: House) -> None:
    house = coast
    lack = refused(house.instantiate, 9, "monitoring", access="hill", qoe={"latency_ms": 0.11})
    assert {one["kind"] for one in lack["needed"]["model"]} <= {"resource", "latency"}

    assert offer(house)["state"] == "standing"
    supplied = next(one for one in house.told("pool.supplied", 3) if one["subject"] == f"{1:064x}")
    assert supplied["detail"]["supplies"] == {"computing_mcores": 500}
    assert (supplied["detail"]["owner"], supplied["detail"]["site"]) == (OWNER, "hill")
    assert site(house)["capacity"] == {"computing_mcores": 500}
    first = house.instantiate(1, "monitoring", access="hill")
    second = house.instantiate(2, "monitoring", access="hill")
    old = first["models"][0]["instance"]
    assert (first["models"][0]["node"], second["models"][0]["instance"]) == ("hill", old)
    assert site(house)["used"] == {"computing_mcores": 120}
    time.sleep(0.3)

    answer = withdraw(house)
    assert (answer["offer"]["state"], answer["moved"]) == ("ended", [old])
    assert site(house)["capacity"] == site(house)["used"] == {}
    grants = house.vmof.get("/instances", {"grants": "true"})
    assert grants["grants"]["1"] == first["grant"]
    new_socket = grants["sockets"]["1"]["model"]
    assert new_socket == grants["sockets"]["2"]["model"] != first["sockets"]["model"]
    uses = house.rows("SELECT DISTINCT instance_id FROM uses")
    assert len(uses) == 1
    new = uses[0]["instance_id"]
    assert new in running(house)
    assert old not in running(house)
    assert house.rows("SELECT node_id, shares, state FROM model_instances WHERE supply = 0 ORDER BY created_at") == [
        {"node_id": "hill", "shares": 0, "state": "gone"},
        {"node_id": "harbour", "shares": 2, "state": "running"},
    ]
    assert ask(Path(new_socket), "GET", "/health").status == 200
    assert house.keeper() == []
    migrated = {one["subscriptionId"]: one for one in house.told("share.migrated", 2)}
    assert migrated.keys() == {"1", "2"}
    assert {one["subject"] for one in migrated.values()} == {new}
    way = {"instance": old, "model": "monitoring", "origin": "hill", "target": "harbour", "cause": "withdrawal"}
    assert migrated["1"]["detail"] == migrated["2"]["detail"] == way
    assert [one["subject"] for one in house.told("pool.withdrawn", 1)] == [f"{1:064x}"]

    shown = house.mmf.get("/supplies")["supplies"][0]
    assert int(shown["earned"]) > 0
    assert int(shown["earned"]) == recomputed(house, 1, shown["throughMs"])
    assert (shown["paid"], shown["due"]) == ("0", shown["earned"])

    house.release(1)
    house.release(2)
    assert house.rows("SELECT * FROM allocations") == house.rows("SELECT * FROM uses") == []
    assert len(running(house)) == 2


def test_a_withdrawal_that_leaves_no_room_is_refused_with_what_stands_and_what_it_would_take(coast: House) -> None:
    offer(coast)
    tight = coast.instantiate(1, "monitoring", access="hill", qoe={"latency_ms": 0.11})
    before = coast.rows("SELECT * FROM allocations ORDER BY allocation_id")
    reason = refused(withdraw, coast)
    assert reason["code"] == "supply_in_use"
    assert reason["needed"] == {"computing_mcores": 110}
    standing = reason["standing"][0]
    assert (standing["instance"], standing["subscriptions"]) == (tight["models"][0]["instance"], ["1"])
    assert [lack["kind"] for lack in standing["lacks"]["harbour"]] == ["latency"]
    assert coast.rows("SELECT * FROM allocations ORDER BY allocation_id") == before
    assert coast.mmf.get("/supplies")["supplies"][0]["state"] == "standing"
    assert coast.instantiate(2, "monitoring", access="hill", qoe={"latency_ms": 0.11})["reused"]
    coast.release(1)
    coast.release(2)
    assert withdraw(coast, attempt=1)["offer"]["state"] == "ended"  # the same nonce: a refusal does not use it up


def test_what_is_warm_for_nobody_ends_instead_of_being_moved(coast: House) -> None:
    offer(coast)
    warm = coast.instantiate(1, "monitoring", access="hill")["models"][0]["instance"]
    coast.mmf.put("/warm/ar_vr", {"models": {"monitoring": 1}, "until": 1 << 40}, "design:1")
    coast.release(1)
    assert warm in running(coast)
    assert withdraw(coast)["offer"]["state"] == "ended"
    assert warm not in running(coast)
    assert coast.rows("SELECT * FROM allocations") == []
    assert site(coast)["capacity"] == {}


def test_only_as_much_is_moved_as_must_be(coast: House) -> None:
    offer(coast, 1, amounts={"computing_mcores": 300})
    offer(coast, 2, amounts={"computing_mcores": 115})
    one = coast.instantiate(1, "monitoring", access="hill")["models"][0]["instance"]
    two = coast.instantiate(2, "monitoring", access="hill", isolation=2)["models"][0]["instance"]
    answer = withdraw(coast, 1)
    assert len(answer["moved"]) == 1
    nodes = {row["node_id"] for row in coast.rows("SELECT node_id FROM model_instances WHERE state = 'running'")}
    assert nodes == {"harbour", "hill"}
    assert answer["moved"][0] in (one, two)
    assert site(coast)["used"] == {"computing_mcores": 110}


def test_an_offer_ends_at_its_time_and_what_stood_on_it_goes_on(coast: House) -> None:
    until = int(time.time()) + 2
    offer(coast, until=until)
    coast.instantiate(1, "monitoring", access="hill")
    coast.keeper()
    assert site(coast)["capacity"] == {"computing_mcores": 500}
    while int(time.time()) < until:
        time.sleep(0.05)
    coast.keeper()
    while coast.mmf.get("/supplies")["supplies"][0]["state"] != "ended":
        assert int(time.time()) < until + 20
        time.sleep(0.05)
    assert site(coast)["capacity"] == {}
    assert [one["subject"] for one in coast.told("pool.withdrawn", 1)] == [f"{1:064x}"]
    assert coast.rows("SELECT node_id FROM uses JOIN model_instances USING (instance_id)") == [{"node_id": "harbour"}]


def test_offers_that_cannot_be_are_refused_by_name_and_change_nothing(coast: House) -> None:
    offer(coast, 1, amounts={"computing_mcores": 5000})
    for number, changes, code in (
        (2, {"amounts": {"computing_mcores": 3001}}, "bad_supply_offer"),  # with the first more than the model supplies
        (2, {"amounts": {}}, "bad_supply_offer"),
        (2, {"site": "moon"}, "bad_supply_offer"),
        (2, {"until": 1}, "bad_supply_offer"),
        (2, {"prices": {"gold": "1"}}, "bad_supply_offer"),
        (2, {"specHash": manifests()["monitoring"].spec_hash.hex()}, "bad_supply_offer"),
        (2, {"specHash": manifests()["sensors"].spec_hash.hex()}, "bad_supply_offer"),  # supplies no computing
        (2, {"nonce": "1"}, "supply_replayed"),
        (2, {"amounts": {"gold": 1}}, "malformed_call"),
        (2, {"payCap": "-1"}, "malformed_call"),
    ):
        assert refused(offer, coast, number, **changes)["code"] == code, changes
    assert refused(withdraw, coast, 5)["code"] == "unknown_supply_offer"
    assert refused(withdraw, coast, 1, modelId="8")["code"] == "bad_supply_offer"
    assert refused(withdraw, coast, 1, nonce=1)["code"] == "supply_replayed"
    assert site(coast)["capacity"] == {"computing_mcores": 5000}
    assert len(coast.mmf.get("/supplies")["supplies"]) == 1


def test_payments_are_fixed_when_begun_and_pay_every_moment_once(coast: House) -> None:
    offer(coast)
    coast.instantiate(1, "monitoring", access="hill")
    time.sleep(0.2)
    begun = coast.mmf.post("/payments", {}, "pay:1")["payments"]
    time.sleep(0.2)
    assert coast.mmf.post("/payments", {}, "pay:2")["payments"] == begun
    assert coast.mmf.get("/supplies")["supplies"][0]["pending"] == begun[0]["amount"]
    paid = "0x" + "ab" * 32
    coast.mmf.post(f"/payments/{begun[0]['payment']}", {"txHash": paid})
    coast.release(1)
    withdraw(coast)
    last = coast.mmf.post("/payments", {}, "pay:3")["payments"]
    assert last[0]["payment"] != begun[0]["payment"]
    again = refused(coast.mmf.post, f"/payments/{last[0]['payment']}", {"txHash": paid})
    assert again["code"] == "supply_replayed"
    coast.mmf.post(f"/payments/{last[0]['payment']}", {"txHash": "0x" + "cd" * 32})
    assert coast.mmf.post("/payments", {}, "pay:4")["payments"] == []
    shown = coast.mmf.get("/supplies")["supplies"][0]
    assert (int(shown["due"]), shown["paid"]) == (0, shown["earned"])
    assert int(shown["paid"]) == int(begun[0]["amount"]) + int(last[0]["amount"])
    assert refused(coast.mmf.post, "/payments/none-0", {"txHash": paid})["code"] == "unknown_supply_offer"


def test_the_history_can_be_neither_changed_nor_shortened(coast: House) -> None:
    offer(coast)
    for statement in ("UPDATE pool_history SET computing_mcores = 0", "DELETE FROM pool_history"):
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), coast.store.writer.begin() as rows:
            rows.exec_driver_sql(statement)
