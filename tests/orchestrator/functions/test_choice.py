"""Which MSI a purchase joins: by what is measured of those that stand and by the room in their models; the verdict says
whether one was reused, modified or created."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.gateway.models import ModelClients, Tenant
from orchestrator.instances.msis import Msi, MsiState
from orchestrator.instances.performance import Kind, write_performance
from orchestrator.instances.tables import PERFORMANCE
from orchestrator.measures import Measures
from orchestrator.models.manifests import manifests
from orchestrator.placement.strain import LEAST_CALLS, MOST_QUEUE, slowness
from orchestrator.requirements import MsiCandidate, Performance, Qoe, ServiceRequirements
from orchestrator.resources import Isolation
from orchestrator.vmof import Monitor
from orchestrator.vmof.choice import choose_msi

WANTED = ServiceRequirements(
    subscription_id="1", plan_id="1", service="s", service_type="ar_vr", scenario="s", isolation=Isolation.SHARED,
    users=1, qoe=Qoe(latency_ms=2.0, reliability=0.5), roles={"model": "m"},
)  # fmt: skip


def msi(name: str, shares: int) -> Msi:
    return Msi(name, "s", "ar_vr", Isolation.SHARED, MsiState.RUNNING, 1.0, 1.0, 9, shares, 0, 0)


def did(latency_ms: float, free: int, shares: int, **more: Any) -> Performance:
    return Performance(calls=100, latency_ms=latency_ms, free_shares=free, shares=shares, **more)


def lacks(reasons: tuple[MsiCandidate, ...], name: str) -> list[tuple[str, list[str]]]:
    """Action and what it lacks, of one candidate."""
    return [(one.action, [lack.name for lack in one.lacks]) for one in reasons if one.candidate == name]


FULLER, EMPTIER = msi("fuller", 6), msi("emptier", 2)


def test_a_slow_but_fuller_msi_loses_to_a_quicker_one() -> None:
    known = {"fuller": did(90.0, 3, 6), "emptier": did(30.0, 2, 2)}
    best, reasons = choose_msi(WANTED, [FULLER, EMPTIER], known)
    assert best == EMPTIER
    assert {one.candidate: one.performance for one in reasons} == known
    assert [one.candidate for one in reasons if one.chosen] == ["emptier"]


def test_as_quick_the_one_with_more_room_is_joined_and_without_measures_the_fuller() -> None:
    assert choose_msi(WANTED, [FULLER, EMPTIER], {"fuller": did(31, 3, 6), "emptier": did(30, 2, 2)})[0] == FULLER
    assert choose_msi(WANTED, [FULLER, EMPTIER], {"fuller": did(30, 1, 6), "emptier": did(31, 2, 2)})[0] == EMPTIER
    assert choose_msi(WANTED, [FULLER, EMPTIER])[0] == FULLER


def test_nobody_called_is_as_quick_as_the_quickest_and_failed_calls_take_time_twice() -> None:
    idle = Performance(free_shares=5, shares=2)
    assert choose_msi(WANTED, [FULLER, EMPTIER], {"fuller": did(90, 3, 6), "emptier": idle})[0] == EMPTIER
    failing = did(30, 3, 6, error_rate=0.5)
    assert slowness({"a": failing, "b": did(40, 1, 1), "c": idle}) == {"a": 60.0, "b": 0.0, "c": 0.0}


def test_a_full_one_is_modified_and_only_where_no_other_has_room() -> None:
    full = did(10, 0, 6)
    best, reasons = choose_msi(WANTED, [FULLER, EMPTIER], {"fuller": full, "emptier": did(300, 1, 2)})
    assert best == EMPTIER
    assert lacks(reasons, "fuller") == [("reuse", ["free_shares"]), ("modify", [])]
    best, reasons = choose_msi(WANTED, [FULLER], {"fuller": full})
    assert best == FULLER
    assert [(one.action, one.chosen) for one in reasons] == [("reuse", False), ("modify", True)]


def test_whoever_came_since_the_look_has_taken_of_the_room() -> None:
    room = {"fuller": did(10, 2, 4), "emptier": did(10, 1, 2)}  # two came to the fuller one: 2 - 2 are left
    assert choose_msi(WANTED, [FULLER, EMPTIER], room)[0] == EMPTIER


@pytest.mark.parametrize(("name", "amiss"), [("queue", {"queue": MOST_QUEUE + 1}), ("error_rate", {"error_rate": 0.2})])
def test_a_strained_msi_is_not_joined(name: str, amiss: dict[str, float]) -> None:
    best, reasons = choose_msi(WANTED, [FULLER], {"fuller": did(10, 3, 6, **amiss)})
    assert best is None
    assert lacks(reasons, "fuller") == [("reuse", [name])]


def test_of_few_calls_failures_say_nothing() -> None:
    few = did(10, 3, 6, error_rate=0.2).model_copy(update={"calls": LEAST_CALLS - 1})
    assert choose_msi(WANTED, [FULLER], {"fuller": few})[0] == FULLER


def test_who_asks_for_a_floor_joins_no_msi_whose_users_are_under_theirs() -> None:
    under = {"fuller": did(10, 3, 6, immersion=4.0, under_floor=2)}
    floored = WANTED.model_copy(update={"qoe": Qoe(latency_ms=2.0, reliability=0.5, immersion_floor=5.0)})
    assert choose_msi(WANTED, [FULLER], under)[0] == FULLER
    best, reasons = choose_msi(floored, [FULLER], under)
    assert best is None
    assert lacks(reasons, "fuller") == [("reuse", ["under_floor"])]


class Gateway:
    """The gateway's board, and nobody who looks at frames."""

    def __init__(self, clients: ModelClients) -> None:
        self._answers = {
            "/performance": lambda: clients.performance.recent().to_json(),
            "/measures": lambda: Measures(measures=()).to_json(),
        }

    def get(self, path: str, _params: Any = None) -> Any:
        return self._answers[path]()

    post = put = delete = get


async def use(clients: ModelClients, share: dict[str, Any], at_once: int, times: int) -> None:
    """So many callers of one subscription, each one use after the other, timed as the gateway times them."""
    name, socket = share["subscriptionId"], share["sockets"]["model"]

    async def one() -> None:
        for turn in range(times):
            with clients.performance.services.timed(name):
                tenant = Tenant(name, {"computing_mcores": 2_000})
                await clients.ask(socket, "conditions", tenant, {"t": float(turn), "hours": 48})

    await asyncio.gather(*(one() for _ in range(at_once)))


def test_measured_calls_lead_a_purchase_to_the_quicker_msi_and_its_models(house: House, loop: Loop) -> None:
    fuller, again = house.instantiate(1, "monitoring"), house.instantiate(2, "monitoring")
    roomy = house.instantiate(3, "monitoring", isolation=1)
    assert fuller["msi"] == again["msi"] != roomy["msi"]
    clients = ModelClients(20.0)
    monitor = Monitor(house.vmof_deps, Gateway(clients))
    assert monitor() > 0
    assert house.instantiate(4, "monitoring")["msi"] == roomy["msi"]  # nobody has called yet: it has more room
    loop.run(use(clients, roomy, at_once=10, times=3))
    loop.run(use(clients, fuller, at_once=1, times=3))
    assert monitor() > 0
    loop.run(clients.close())

    joined = house.instantiate(5, "monitoring")
    assert (joined["msi"], joined["sockets"]) == (fuller["msi"], fuller["sockets"])
    assert joined["decision"]["msiVerdict"] == "reuse"
    rows = {row["subject"]: row for row in house.rows("SELECT * FROM performance WHERE kind = 'instance'")}
    slow, quick = (rows[share["models"][0]["instance"]] for share in (roomy, fuller))
    assert (slow["calls"], quick["calls"]) == (30, 3)
    assert slow["latency_ms"] > quick["latency_ms"] > 0
    assert slow["queue"] > quick["queue"] > 0
    listed = {one["msi"]: one["performance"] for one in house.vmof.get("/instances")["instances"]}
    assert (listed[fuller["msi"]]["freeShares"], listed[fuller["msi"]]["shares"]) == (61, 2)


@pytest.fixture
def memory(tmp_path: Path, loop: Loop) -> Iterator[House]:
    house = build(tmp_path, loop.loop, manifests(), runtime=MemoryRuntime(tmp_path))
    yield house
    tear_down(house, loop)


def idle_monitor(house: House) -> Monitor:
    return Monitor(house.vmof_deps, Gateway(ModelClients(1.0)))


def strain(house: House, subject: str, kind: Kind, **amiss: float) -> None:
    """As the monitor writes of what is called too much."""
    with house.store.writer.begin() as rows:
        seen = Performance(calls=500, latency_ms=80.0, free_shares=9, shares=1, at=house.vmof_deps.clock())
        write_performance(rows, {subject: (kind, seen.model_copy(update=amiss), True)}, ())


def test_an_msi_whose_models_are_full_is_modified_and_one_without_seats_left_alone(memory: House) -> None:
    first = memory.instantiate(1, "rendering-server", users=16)  # 16 times 250 K: all that the server has
    idle_monitor(memory)()
    second = memory.instantiate(2, "rendering-server")
    assert second["msi"] == first["msi"]
    assert second["decision"]["msiVerdict"] == second["decision"]["models"]["verdict"] == "modify"
    told = [(one["action"], one["chosen"], [lack["name"] for lack in one["lacks"]])
            for one in second["decision"]["msiCandidates"]]  # fmt: skip
    assert told == [("reuse", False, ["free_shares"]), ("modify", True, [])]
    with ThreadPoolExecutor(4) as buyers:
        assert {
            share["msi"] for share in buyers.map(lambda n: memory.instantiate(n, "rendering-server"), range(3, 17))
        } == {first["msi"]}
    new = memory.instantiate(17, "rendering-server")
    assert new["msi"] != first["msi"]
    assert new["decision"]["msiVerdict"] == "create"
    assert [lack["name"] for lack in new["decision"]["msiCandidates"][0]["lacks"]] == ["max_shares"]


def test_full_models_make_it_a_modification_even_before_anybody_looked(memory: House) -> None:
    memory.instantiate(1, "rendering-server", users=16)
    second = memory.instantiate(2, "rendering-server")["decision"]
    assert [(one["action"], one["performance"]) for one in second["msiCandidates"]] == [("reuse", None)]
    assert second["msiVerdict"] == "modify"


def test_services_of_another_name_made_of_the_same_models_share_an_msi(memory: House) -> None:
    """Section II-C, Fig. 3: AR service 1 and AR service 2."""
    first = memory.instantiate(1, "ar-beach-guide")
    wanted = memory.requirements(2, "ar-beach-guide") | {"service": "ar-city-guide"}
    other = memory.vmof.post("/instances", {"requirements": wanted}, "2:instance:1")
    assert (other["msi"], other["service"], other["reused"]) == (first["msi"], "ar-city-guide", True)
    third = memory.instantiate(3, "virtual-beach-travel")
    assert third["msi"] != first["msi"]  # made of other models, it shares those that both have
    assert {one["instance"] for one in third["models"]} & {one["instance"] for one in first["models"]}


def test_what_stands_no_longer_is_forgotten_and_what_is_old_says_nothing(memory: House) -> None:
    share = memory.instantiate(1, "monitoring")
    monitor = idle_monitor(memory)
    monitor()
    strain(memory, share["msi"], "msi", queue=99.0, at=memory.vmof_deps.clock() - 301)
    second = memory.instantiate(2, "monitoring")
    assert second["msi"] == share["msi"]
    assert second["decision"]["msiCandidates"][0]["performance"]["latencyMs"] is None
    for number in (1, 2):
        memory.release(number)
    monitor()
    kept = {row["subject"] for row in memory.rows("SELECT subject FROM performance")}
    assert not kept & {share["msi"], share["models"][0]["instance"]}
    with memory.store.reader.connect() as rows:
        assert rows.scalar(sa.select(sa.func.count()).select_from(PERFORMANCE).where(PERFORMANCE.c.kind == "msi")) == 0


def test_an_offer_that_shares_a_strained_model_is_rejected_and_another_accepted(memory: House) -> None:
    first = memory.instantiate(1, "monitoring")
    instance = first["models"][0]["instance"]
    strain(memory, first["msi"], "msi", queue=20.0)
    strain(memory, instance, "instance", queue=20.0)
    second = memory.instantiate(2, "monitoring")
    assert second["msi"] != first["msi"]
    assert (second["decision"]["msiVerdict"], second["decision"]["rounds"]) == ("create", 2)
    assert [(one["verdict"], one["instance"]) for one in second["models"]] == [("modify", instance)]
    rejected, accepted = memory.mmf.get("/offers", {"subscriptionId": "2"})["offers"]
    assert (rejected["state"], accepted["state"], accepted["insteadOf"]) == (
        "rejected",
        "accepted",
        rejected["offerId"],
    )
    assert rejected["cause"] == f"{instance} lacks queue (needs 8, there is 20)"
    assert rejected["decision"]["placements"][0]["verdict"] == "reuse"  # with its own reasons, as it was made
    reasons = accepted["decision"]["reasons"]["model"]
    assert [lack["name"] for one in reasons if one["action"] == "reuse" for lack in one["lacks"]] == ["queue"]

    strain(memory, instance, "instance", error_rate=0.5, queue=1.0)  # larger it would fail as often: not modified
    third = memory.instantiate(3, "monitoring", isolation=0, qoe={"latency_ms": 1.0})
    assert [one["verdict"] for one in third["models"]] == ["create"]


def test_where_nothing_else_fits_a_strained_model_is_better_than_no_service(tmp_path: Path, loop: Loop) -> None:
    models = dict(manifests())
    small = {**models["infrastructure"].supplies, "computing_mcores": 150}
    models["infrastructure"] = replace(models["infrastructure"], supplies=small)
    house = build(tmp_path, loop.loop, models, runtime=MemoryRuntime(tmp_path))
    try:
        first = house.instantiate(1, "monitoring")
        strain(house, first["models"][0]["instance"], "instance", queue=20.0)
        second = house.instantiate(2, "monitoring")
        assert second["decision"]["rounds"] == 3
        assert second["models"][0]["instance"] == first["models"][0]["instance"]
        offers = house.mmf.get("/offers", {"subscriptionId": "2"})["offers"]
        assert [one["state"] for one in offers] == ["rejected", "refused", "accepted"]
    finally:
        tear_down(house, loop)
