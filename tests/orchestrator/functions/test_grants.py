"""Proposed grants at VMOF: set within what the server has, or refused with nothing changed; and who proposes them."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.errors import PeerRefused
from orchestrator.measures import Measure, MeasuredObject, Measures
from orchestrator.models.manifests import manifests
from orchestrator.notices import NoticeKind
from orchestrator.supervise_local import LocalSupervisor

ROWS = (
    "SELECT * FROM shares ORDER BY subscription_id",
    "SELECT * FROM msis ORDER BY msi_id",
    "SELECT * FROM allocations ORDER BY instance_id, subscription_id, node_id",
    "SELECT * FROM nodes ORDER BY node_id",
)


def rows(house: House) -> list[Any]:
    """All that a proposal could touch."""
    return [house.rows(query) for query in ROWS]


def granted(house: House) -> dict[str, int]:
    grants = house.vmof.get("/instances", {"grants": "true"})["grants"]
    return {name: grant["rendering_k"] for name, grant in grants.items() if "rendering_k" in grant}


def server(house: House, subscription: int) -> str:
    query = f"SELECT rendering_instance FROM shares WHERE subscription_id = '{subscription}'"  # noqa: S608
    return str(house.rows(query)[0]["rendering_instance"])


def propose(house: House, at: str, grants: dict[str, int], key: str = "proposal") -> Any:
    return house.vmof.put("/grants", {"server": at, "grants": grants}, key)


@pytest.fixture
def shared(tmp_path: Path, loop: Loop, database: str) -> Iterator[House]:
    """Two travellers of one server that has 4,000 K, on SQLite and on PostgreSQL."""
    house = build(tmp_path, loop.loop, manifests(), database=database, runtime=MemoryRuntime(tmp_path))
    for number in (1, 2):
        house.instantiate(number)
    yield house
    tear_down(house, loop)


def told_grants(house: House) -> dict[str, int]:
    """Subscription → K of the newest notice of a changed grant."""
    notices = house.msmf.get("/notices")["notices"]
    return {
        one["subscriptionId"]: one["detail"]["grant"]["rendering_k"]
        for one in notices
        if one["kind"] == NoticeKind.GRANT_CHANGED
    }


def test_proposal_within_supply_is_set_and_told(shared: House) -> None:
    before = granted(shared)
    answer = propose(shared, server(shared, 1), {"1": 3_980, "2": 20})
    assert {name: grant["rendering_k"] for name, grant in answer["grants"].items()} == {"1": 3_980, "2": 20}
    assert granted(shared) == {"1": 3_980, "2": 20} != before
    until = time.monotonic() + 20
    while told_grants(shared) != {"1": 3_980, "2": 20}:
        assert time.monotonic() < until, told_grants(shared)
        time.sleep(0.05)


def test_proposal_keeps_what_else_a_grant_holds_and_whom_it_does_not_name(shared: House) -> None:
    grants = shared.vmof.get("/instances", {"grants": "true"})["grants"]
    answer = propose(shared, server(shared, 1), {"1": 40, "2": grants["2"]["rendering_k"]})
    assert set(answer["grants"]) == {"1"}
    after = shared.vmof.get("/instances", {"grants": "true"})["grants"]
    assert after == {**grants, "1": {**grants["1"], "rendering_k": 40}}


def test_proposal_repeated_key_answers_the_same_and_sets_nothing_anew(shared: House) -> None:
    first = propose(shared, server(shared, 1), {"1": 60})
    propose(shared, server(shared, 1), {"1": 80}, "another")
    assert propose(shared, server(shared, 1), {"1": 60}) == first
    assert granted(shared)["1"] == 80


def test_proposal_above_supply_together_with_the_unnamed_is_refused_untouched(shared: House) -> None:
    before, unnamed = rows(shared), granted(shared)["2"]
    with pytest.raises(PeerRefused) as caught:
        propose(shared, server(shared, 1), {"1": 4_001 - unnamed})
    assert caught.value.reason["code"] == "grants_above_supply"
    assert (caught.value.reason["wanted_k"], caught.value.reason["supply_k"]) == (4_001, 4_000)
    assert rows(shared) == before


@pytest.mark.parametrize("strange", ["unknown", "released", "another server's"])
def test_proposal_naming_a_strange_share_is_refused_untouched(shared: House, strange: str) -> None:
    named = {"unknown": 99, "released": 3, "another server's": 4}[strange]
    shared.instantiate(3)
    shared.release(3)
    shared.instantiate(4, isolation=2)
    assert server(shared, 4) != server(shared, 1)
    before = rows(shared)
    with pytest.raises(PeerRefused) as caught:
        propose(shared, server(shared, 1), {"1": 40, str(named): 20})
    assert caught.value.reason["code"] == "share_not_of_server"
    assert caught.value.reason["subscriptions"] == [str(named)]
    assert rows(shared) == before


def test_proposal_for_an_unknown_server_is_refused_untouched(shared: House) -> None:
    before = rows(shared)
    with pytest.raises(PeerRefused) as caught:
        propose(shared, "nobody", {"1": 40})
    assert caught.value.reason["code"] == "share_not_of_server"
    assert rows(shared) == before


@pytest.mark.parametrize("grants", [{}, {"1": -1}, {"1": 0.5}, {"1": "much"}])
def test_proposal_malformed_is_refused_untouched(shared: House, grants: dict[str, Any]) -> None:
    before = rows(shared)
    with pytest.raises(PeerRefused) as caught:
        propose(shared, server(shared, 1), grants)
    assert caught.value.reason["code"] == "malformed_call"
    assert rows(shared) == before


def test_neighbour_joins_after_a_proposal_everybody_has_what_was_allocated(shared: House) -> None:
    propose(shared, server(shared, 1), {"1": 20, "2": 3_980})
    shared.instantiate(3)
    allocated = "SELECT subscription_id, rendering_k FROM allocations WHERE subscription_id <> '' AND rendering_k > 0"
    least = {row["subscription_id"]: row["rendering_k"] for row in shared.rows(allocated)}
    now = granted(shared)
    assert set(least) == {"1", "2", "3"}
    assert all(now[name] >= k for name, k in least.items())
    assert sum(now.values()) <= 4_000


def computing(house: House) -> dict[str, int]:
    grants = house.vmof.get("/instances", {"grants": "true"})["grants"]
    return {name: grant["computing_mcores"] for name, grant in grants.items() if "rendering_k" not in grant}


def test_what_a_server_has_above_all_claims_is_shared_max_min_and_taken_back(shared: House) -> None:
    first = shared.instantiate(11, "cloud-server")
    assert first["grant"]["computing_mcores"] == 400  # alone on a server of 400, of which 50 were allocated to it
    second = shared.instantiate(12, "cloud-server", users=3)
    assert second["models"][0]["instance"] == first["models"][0]["instance"]
    assert computing(shared) == {"11": 50 + 100, "12": 150 + 100}
    assert second["grants"]["11"]["computing_mcores"] == 150
    assert second["grant"]["storage_mib"] == 12  # what is stored cannot be taken back, so none of it is lent
    third = shared.instantiate(13, "cloud-server", users=4)
    assert computing(shared) == {"11": 50, "12": 150, "13": 200}
    assert third["grant"]["computing_mcores"] == 200
    assert set(shared.release(12)["grants"]) == {"11", "13"}
    assert computing(shared) == {"11": 50 + 75, "13": 200 + 75}
    shared.update(13, 1, "cloud-server", users=1)
    assert computing(shared) == {"11": 200, "13": 200}


class Gateway:
    """The outside of a local supervisor: tells these measures."""

    def __init__(self) -> None:
        self.measures: list[Measure] = []

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        assert (path, params) == ("/measures", None)
        return Measures(measures=tuple(self.measures)).to_json()


def measured(name: str, rate_bps: float, at: float) -> Measure:
    objects = tuple(MeasuredObject(object=number, attention=5.0, k=20.0) for number in range(10))
    return Measure(
        subscription_id=name, at=at, rate_bps=rate_bps, bit_error=0.0, bits_per_k=5e5, floor=0.5, objects=objects
    )


def test_supervisor_measured_users_get_what_the_controller_proposes_and_routes_follow(shared: House) -> None:
    gateway, followed, before = Gateway(), Event(), granted(shared)
    supervisor = LocalSupervisor(shared.store, gateway, shared.vmof, followed.set)
    supervisor.look()
    assert (granted(shared), followed.is_set()) == (before, False)
    gateway.measures = [measured("1", 8e8, 1.0), measured("2", 4e7, 1.0)]
    supervisor.look()
    # Ten objects at the cap, and the four that 40 Mb/s carry; the 3,720 K that nobody needs now are dealt out evenly
    assert granted(shared) == {"1": 200 + 1_860, "2": 80 + 1_860}
    assert followed.is_set()
    followed.clear()
    supervisor.look()
    assert not followed.is_set()


def test_supervisor_neighbour_joins_puts_its_shares_back_and_leaves_his(shared: House) -> None:
    gateway = Gateway()
    supervisor = LocalSupervisor(shared.store, gateway, shared.vmof, Event().set)
    gateway.measures = [measured("1", 8e8, 1.0), measured("2", 4e7, 1.0)]
    supervisor.look()
    shared.instantiate(3)
    anew = granted(shared)
    spare = (4_000 - anew["3"] - 200 - 80) // 2
    assert anew["1"] != 200 + spare
    supervisor.look()
    assert granted(shared) == {"1": 200 + spare, "2": 80 + spare, "3": anew["3"]}


def test_supervisor_measured_share_was_released_others_are_served(shared: House) -> None:
    gateway = Gateway()
    gateway.measures = [measured("1", 8e8, 1.0), measured("2", 4e7, 1.0)]
    shared.release(2)
    LocalSupervisor(shared.store, gateway, shared.vmof, Event().set).look()
    assert granted(shared) == {"1": 4_000}
