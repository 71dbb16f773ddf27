"""The talk of VMOF and MMF: offers that others overtake, talks that come to nothing, what MMF could do instead; and
every offer with its reasons as a row."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from json import loads
from pathlib import Path
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.errors import PeerRefused
from orchestrator.explanation import feasible_if
from orchestrator.models.manifests import manifests
from orchestrator.requirements import FunctionCall
from orchestrator.resources import ResourceVector
from orchestrator.resources.topology import Link, Site, Topology
from orchestrator.vmof import instantiation
from orchestrator.vmof.instantiation import Instantiation

SEATS = manifests()["hardware"].max_shares
CAPACITY = ResourceVector(computing_mcores=4_000, protocol_stack_sessions=64)
ISLES = Topology(
    "isles",
    "port",
    (Site("port"), Site("isle", CAPACITY), Site("reef", CAPACITY)),
    (
        Link("port", "isle", 10, ResourceVector(bandwidth_mbps=50, spectrum_mhz=50)),
        Link("isle", "reef", 10, ResourceVector(bandwidth_mbps=50, spectrum_mhz=50)),
    ),
)


@pytest.fixture
def memory(tmp_path: Path, loop: Loop) -> Iterator[House]:
    """Two more islands, which narrow links lead to; users enter at the port."""
    house = build(tmp_path, loop.loop, manifests(), runtime=MemoryRuntime(tmp_path), topology=ISLES)
    yield house
    tear_down(house, loop)


class Overtaken:
    """The way to MMF of a buyer whom somebody overtakes before each of its acceptances."""

    def __init__(self, mmf: FunctionCall, rival: Callable[[], object]) -> None:
        self._mmf = mmf
        self._rival = rival
        self.get, self.put, self.delete = mmf.get, mmf.put, mmf.delete

    def post(self, path: str, json: Any, idempotency_key: str = "") -> Any:
        if path.endswith("/acceptance"):
            self._rival()
        return self._mmf.post(path, json, idempotency_key)


def bought(house: House, subscription: int, rival: Callable[[], object], key: str = "1") -> dict[str, Any]:
    """Step II for a buyer with such a rival."""
    wanted = house.requirements(subscription, "hardware")
    deps = replace(house.vmof_deps, mmf=Overtaken(house.mmf, rival))
    return Instantiation(deps)(f"{subscription}:instance:{key}", wanted)


def offers(house: House, subscription: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.mmf.get("/offers", {"subscriptionId": str(subscription)})["offers"]
    return found


def refusal_of(house: House, subscription: int, service: str, **request: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as refused:
        house.instantiate(subscription, service, **request)
    return refused.value.reason


def test_two_buyers_for_the_last_seat_the_slower_ones_offer_goes_stale_and_keeps_its_reasons(memory: House) -> None:
    for number in range(1, SEATS):
        full = memory.instantiate(number, "hardware")["models"][0]["instance"]
    rivals = iter([100])

    def rival() -> None:
        for number in rivals:
            assert memory.instantiate(number, "hardware")["models"][0]["verdict"] == "reuse"

    share = bought(memory, 200, rival)["share"]
    assert share["decision"]["rounds"] == 2
    assert (share["decision"]["msiVerdict"], share["models"][0]["verdict"]) == ("modify", "modify")
    stale, accepted = offers(memory, 200)
    assert (stale["state"], accepted["state"], accepted["insteadOf"]) == ("stale", "accepted", stale["offerId"])
    assert stale["cause"].startswith(f"model: reuse {full} lacks max_shares (needs {SEATS + 1}, there is {SEATS})")
    seen = {(one["candidate"], one["action"]): one for one in stale["decision"]["reasons"]["model"]}
    assert seen[full, "reuse"]["chosen"]
    assert seen[full, "reuse"]["lacks"] == []
    seen = {(one["candidate"], one["action"]): one for one in accepted["decision"]["reasons"]["model"]}
    assert [lack["name"] for lack in seen[full, "reuse"]["lacks"]] == ["max_shares", "computing_mcores"]
    assert seen[full, "modify"]["chosen"]
    taken = memory.rows("SELECT subscription_id FROM uses WHERE instance_id LIKE 'hardware%'")
    assert len(taken) == len({row["subscription_id"] for row in taken}) == SEATS + 1


def test_a_purchase_in_between_that_changes_nothing_for_it_leaves_an_offer_as_it_was(memory: House) -> None:
    seat = memory.instantiate(1, "hardware")["models"][0]["instance"]
    rivals = iter([100])

    def rival() -> None:
        for number in rivals:
            memory.instantiate(number, "monitoring")

    share = bought(memory, 200, rival)["share"]
    assert share["decision"]["rounds"] == 1
    assert [(one["instance"], one["verdict"]) for one in share["models"]] == [(seat, "reuse")]
    assert [one["state"] for one in offers(memory, 200)] == ["accepted"]


def test_overtaken_in_every_round_it_is_refused_and_holds_nothing(
    memory: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instantiation, "ROUNDS", 4)
    for number in range(1, SEATS):
        memory.instantiate(number, "hardware")
    numbers = iter(range(100, 200))
    there: list[int] = []

    def rival() -> None:
        """Takes the last seat, or gives it back: what was offered is never what is best at the acceptance."""
        if there:
            memory.release(there.pop())
        else:
            there.append(next(numbers))
            memory.instantiate(there[0], "hardware")

    refusal = bought(memory, 200, rival)["refusal"]
    assert refusal["code"] == "no_agreement"
    assert refusal["decision"]["rounds"] == 4
    assert [one["state"] for one in offers(memory, 200)] == ["stale"] * 4 + ["open"]
    assert all(one["cause"] for one in offers(memory, 200)[:4])
    assert memory.rows("SELECT * FROM uses WHERE subscription_id = '200'") == []
    assert memory.rows("SELECT state FROM shares WHERE subscription_id = '200'") == [{"state": "refused"}]
    again = bought(memory, 200, lambda: None, key="2")["share"]
    assert again["decision"]["rounds"] == 1
    told = memory.vmof.get("/moves", {"subscriptionId": "200"})["moves"]
    assert [(one["move"], one["why"]) for one in told if one["kind"] == "share"] == [
        ("join", "asks for hardware"),
        ("refuse", "no_agreement"),
        ("retry", "asks for hardware"),
        ("activate", "its models run"),
    ]


def test_a_lower_degree_that_would_do_is_offered_and_does(tmp_path: Path, loop: Loop) -> None:
    models = dict(manifests())
    small = {**models["infrastructure"].supplies, "computing_mcores": 150}
    models["infrastructure"] = replace(models["infrastructure"], supplies=small)
    house = build(tmp_path, loop.loop, models, runtime=MemoryRuntime(tmp_path))
    try:
        there = house.instantiate(1, "monitoring")["models"][0]["instance"]
        refusal = refusal_of(house, 2, "monitoring", isolation=2)
        assert refusal["counters"] == [{"name": "isolation", "asked": 2, "offered": 0}]
        refused, counter = offers(house, 2)
        assert (refused["state"], counter["state"], counter["insteadOf"]) == ("refused", "counter", refused["offerId"])
        assert counter["change"] == refusal["counters"][0]
        assert counter["decision"]["placements"][0]["instance"] == there
        assert feasible_if(refusal, None)[0] == ("buy the plan of isolation 0 instead of 2: that alone would have done")
        assert house.rows("SELECT * FROM uses WHERE subscription_id = '2'") == []
        assert house.instantiate(3, "monitoring")["models"][0]["instance"] == there
    finally:
        tear_down(house, loop)


def test_a_lower_rate_and_another_site_that_would_do_are_offered_and_do(memory: House) -> None:
    refusal = refusal_of(memory, 1, "terahertz-link", access="reef", qoe={"rate_mbps": 100, "latency_ms": 3.0})
    changes = {one["name"]: one for one in refusal["counters"]}
    assert changes == {
        "rate": {"name": "rate", "asked": 100, "offered": 50},
        "access": {"name": "access", "asked": "reef", "offered": "port"},
    }
    kept = offers(memory, 1)
    assert [one["state"] for one in kept] == ["refused", "counter", "counter"]
    assert all(one["decision"]["feasible"] and one["decision"]["reasons"] for one in kept[1:])
    quick = memory.instantiate(2, "terahertz-link", access="port", qoe={"rate_mbps": 100, "latency_ms": 3.0})
    slow = memory.instantiate(3, "terahertz-link", access="reef", qoe={"rate_mbps": 50, "latency_ms": 3.0})
    assert quick["state"] == slow["state"] == "running"
    repeated = memory.mmf.post("/offers", _request_of(memory, kept[0]["offerId"]), "1:instance:1:offer-0")
    assert {one["name"] for one in repeated["counters"]} == {"rate", "access"}


def _request_of(house: House, offer_id: str) -> Any:
    return loads(house.rows(f"SELECT request FROM offers WHERE offer_id = '{offer_id}'")[0]["request"])  # noqa: S608


def test_a_promise_that_is_made_stronger_is_a_modification(memory: House) -> None:
    memory.instantiate(1, "monitoring", qoe={"latency_ms": 9.0})
    weaker = memory.update(1, 1, "monitoring", qoe={"latency_ms": 9.0}, users=2)
    assert weaker["decision"]["msiVerdict"] == "reuse"
    stronger = memory.update(1, 2, "monitoring", qoe={"latency_ms": 3.0}, users=2)
    assert stronger["decision"]["msiVerdict"] == "modify"
    assert memory.rows("SELECT latency_ms FROM msis") == [{"latency_ms": 3.0}]
