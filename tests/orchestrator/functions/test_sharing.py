"""Whatever is bought, changed, released, killed or fails to start, in whatever order and side by side: the rows of
MSIs, shares, model instances, uses and the pool fit together, and what runs is what they say.

The functions, the engine and the database are real; the runtime port is filled in memory.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from function_house import House, Loop, build, tear_down
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from memory_runtime import MemoryRuntime

from orchestrator.errors import PeerRefused
from orchestrator.instances.states import MODEL_MOVES, MSI_MOVES, SHARE_MOVES
from orchestrator.instances.tables import INSTANCES, MOVES, MSIS, SHARES, USES
from orchestrator.models.manifests import manifests
from orchestrator.resources.pool import ALLOCATIONS, NODES, RESERVATIONS
from orchestrator.resources.topology import ONE_SITE, SITE_CAPACITY, Link, Site, Topology
from orchestrator.runtime.port import RunState
from tests.promises import isolation_is_kept, reservations_are_kept

TABLES = (MSIS, SHARES, INSTANCES, USES, ALLOCATIONS, NODES, RESERVATIONS, MOVES)
SERVICES = ("rendering-server", "monitoring", "virtual-beach-travel", "product-twin")
REFUSALS = {"infeasible", "start_failed", "no_agreement", "released_meanwhile", "share_draining", "share_not_running"}

TRIANGLE = Topology(
    "triangle",
    "a",
    tuple(Site(name, SITE_CAPACITY) for name in "abc"),
    (Link("a", "b", 100.0), Link("b", "c", 60.0), Link("a", "c", 200.0)),
)

services = st.sampled_from(SERVICES)
requests = st.fixed_dictionaries(
    {
        "users": st.integers(1, 12),
        "qoe": st.fixed_dictionaries(
            {"latency_ms": st.sampled_from([0.01, 1.5, 3.0, 9.0]), "rate_mbps": st.sampled_from([100, 900])}
        ),
    }
)
rooms = st.fixed_dictionaries(
    {
        "cluster": st.sampled_from(["ar_vr", "digital_twin"]),
        "amounts": st.fixed_dictionaries(
            {"computing_mcores": st.integers(1, 4_000), "bandwidth_mbps": st.integers(0, 9_000)}
        ),
    }
)


class Sharing(RuleBasedStateMachine):
    """A subscription is (number, service, isolation); its share may run, be refused or be released."""

    house: ClassVar[House]
    runtime: ClassVar[MemoryRuntime]
    numbers: ClassVar[Iterator[int]]
    sites: ClassVar[list[str]]
    subscriptions = Bundle("subscriptions")

    def __init__(self) -> None:
        super().__init__()
        self.revisions: dict[int, int] = {}
        self.seen: dict[tuple[str, str], str] = {}
        self.known: list[int] = []
        self.now: dict[str, list[dict[str, Any]]] = {}

    def attempt(self, work: Callable[..., Any], *args: Any, **request: Any) -> str:
        """The code of the refusal, empty where there was none."""
        try:
            work(*args, **request)
        except PeerRefused as refusal:
            return str(refusal.reason["code"])
        return ""

    @initialize(target=subscriptions, isolation=st.integers(0, 1), wanted=requests)
    def begin_with_both_clusters_side_by_side(self, isolation: int, wanted: dict[str, Any]) -> Any:
        """Room is reserved for one, and the other comes first; both use one model, which they may not share. What
        everybody may share stands already, and is not for those who want to be apart."""
        self.reserve(0, {"cluster": "digital_twin", "amounts": {"computing_mcores": 500}}, 3_600)
        wishes = (("monitoring", 0, {}), ("virtual-beach-travel", 1, {}), ("product-twin", isolation, wanted))
        return multiple(*(self.buy(*wish) for wish in wishes))

    @rule(target=subscriptions, service=services, isolation=st.integers(0, 2), wanted=requests)
    def buy(self, service: str, isolation: int, wanted: dict[str, Any]) -> tuple[int, str, int]:
        number = next(self.numbers)
        self.known.append(number)
        code = self.attempt(self.house.instantiate, number, service, isolation=isolation, **wanted)
        assert code in {"", *REFUSALS}
        return number, service, isolation

    @rule(target=subscriptions, service=services, isolation=st.integers(0, 2), wanted=requests)
    def buy_two_at_once(self, service: str, isolation: int, wanted: dict[str, Any]) -> Any:
        numbers = [next(self.numbers), next(self.numbers)]
        self.known += numbers

        def buy(number: int) -> str:
            return self.attempt(self.house.instantiate, number, service, isolation=isolation, **wanted)

        with ThreadPoolExecutor(2) as buyers:
            assert set(buyers.map(buy, numbers)) <= {"", *REFUSALS}
        return multiple(*((number, service, isolation) for number in numbers))

    @rule(one=subscriptions, wanted=requests)
    def buy_again(self, one: tuple[int, str, int], wanted: dict[str, Any]) -> None:
        """As after a lost answer: who has a place keeps it, who was refused or released tries anew."""
        number, service, isolation = one
        assert self.attempt(self.house.instantiate, number, service, isolation=isolation, **wanted) in {"", *REFUSALS}

    @rule(one=subscriptions, wanted=requests)
    def update(self, one: tuple[int, str, int], wanted: dict[str, Any]) -> None:
        assert self.attempt(self.change, one, wanted) in {"", *REFUSALS}

    @rule(one=subscriptions)
    def release(self, one: tuple[int, str, int]) -> None:
        self.let_go(one[0])

    @rule(one=subscriptions, other=subscriptions, wanted=requests)
    def update_and_release_at_once(
        self, one: tuple[int, str, int], other: tuple[int, str, int], wanted: dict[str, Any]
    ) -> None:
        """Often of one and the same subscription: hypothesis likes to draw the same twice."""
        with ThreadPoolExecutor(2) as hands:
            changing = hands.submit(self.attempt, self.change, one, wanted)
            hands.submit(self.let_go, other[0]).result()
            assert changing.result() in {"", *REFUSALS}

    @rule(number=st.integers(1, 3), room=rooms, seconds=st.sampled_from([1, 3_600]))
    def reserve(self, number: int, room: dict[str, Any], seconds: int) -> None:
        """A new one, or other amounts and another end for one that stands."""
        wanted = {
            "reservation": f"room-{room['cluster']}-{number}",
            "node": self.sites[number % len(self.sites)],
            "until": int(time.time()) + seconds,
            **room,
        }
        code = self.attempt(self.house.mmf.post, "/reservations", wanted, f"reserve:{next(self.numbers)}")
        assert code in {"", "over_allocated", "bad_reservation"}, "bad where it has ended and is drawn from still"

    @rule(number=st.integers(1, 3), room=rooms)
    def give_a_reservation_up(self, number: int, room: dict[str, Any]) -> None:
        assert self.attempt(self.end_reservation, f"room-{room['cluster']}-{number}") in {"", "unknown_reservation"}

    @rule(failing=st.integers(1, 3))
    def let_the_next_starts_fail(self, failing: int) -> None:
        self.runtime.failing = failing

    @rule(choice=st.integers(0, 100))
    def kill_an_instance_and_look(self, choice: int) -> None:
        self.runtime.failing = 0
        running = [one.instance_id for one in self.runtime.observe() if one.state is RunState.RUNNING]
        self.runtime.kill(running[choice % len(running)])
        self.house.keeper()

    def change(self, one: tuple[int, str, int], wanted: dict[str, Any]) -> None:
        number, service, isolation = one
        revision = self.revisions[number] = self.revisions.get(number, 0) + 1
        self.house.update(number, revision, service, isolation=isolation, **wanted)

    def let_go(self, number: int) -> None:
        self.house.vmof.delete(f"/shares/{number}", f"{number}:release:{next(self.numbers)}")

    def end_reservation(self, name: str) -> None:
        self.house.mmf.delete(f"/reservations/{name}", f"end:{next(self.numbers)}")

    # what must hold after every step, of all rows there are

    @invariant()
    def everything_fits_together(self) -> None:
        with self.house.store.reader.connect() as rows:
            self.now = {
                table.name: [dict(row) for row in rows.execute(sa.select(table)).mappings()] for table in TABLES
            }
        self.uses_are_counted_and_belong_to_running_shares()
        self.no_msi_stands_without_a_share()
        self.every_allocation_belongs_to_a_use_or_to_a_standing_instance()
        self.grants_are_within_what_is_supplied()
        self.what_runs_is_what_the_rows_say()
        self.states_move_by_their_tables()
        self.every_recorded_move_is_allowed_and_leads_to_where_things_stand()
        isolation_is_kept(self.now)
        reservations_are_kept(self.now)

    def uses_are_counted_and_belong_to_running_shares(self) -> None:
        uses, shares = self.rows("uses"), {row["subscription_id"]: row for row in self.rows("shares")}
        for one in self.rows("model_instances"):
            assert one["shares"] == sum(use["instance_id"] == one["instance_id"] for use in uses), one
        held: dict[str, set[str]] = {}
        for use in uses:
            share = shares[use["subscription_id"]]
            assert (share["state"], share["msi_id"]) == ("running", use["msi_id"]), (use, share)
            held.setdefault(use["subscription_id"], set()).add(use["role"])
        for name, share in shares.items():
            roles = set(share["requirements"]["roles"]) if share["state"] == "running" else set()
            assert held.get(name, set()) == roles, share
            assert share["state"] in ("running", "released", "refused")

    def no_msi_stands_without_a_share(self) -> None:
        held = {row["msi_id"] for row in self.rows("shares") if row["state"] == "running"}
        standing = {row["msi_id"] for row in self.rows("msis") if row["state"] not in ("gone", "failed")}
        assert standing == held
        for row in self.rows("msis"):
            if row["msi_id"] in held:
                assert row["state"] == "running"
                assert sum(share["msi_id"] == row["msi_id"] and share["state"] == "running"
                           for share in self.rows("shares")) <= row["max_shares"]  # fmt: skip

    def every_allocation_belongs_to_a_use_or_to_a_standing_instance(self) -> None:
        uses = {(use["subscription_id"], use["instance_id"]) for use in self.rows("uses")}
        standing = {one["instance_id"] for one in self.rows("model_instances") if one["state"] == "running"}
        for held in self.rows("allocations"):
            if held["subscription_id"]:
                assert (held["subscription_id"], held["instance_id"]) in uses, held
            assert held["instance_id"] in standing, held
        models = {node["node_id"] for node in self.rows("nodes") if node["kind"] == "model"}
        assert models <= standing
        for node in self.rows("nodes"):
            for name in (column for column in node if column.startswith("used_")):
                held = [one for one in self.rows("allocations") if one["node_id"] == node["node_id"]]
                assert (
                    node[name] == sum(one[name.removeprefix("used_")] for one in held) <= node["capacity_" + name[5:]]
                )

    def grants_are_within_what_is_supplied(self) -> None:
        capacity = {node["node_id"]: node["capacity_rendering_k"] for node in self.rows("nodes")}
        granted: dict[str, int] = {}
        for share in self.rows("shares"):
            if share["state"] == "running" and share["rendering_instance"]:
                mine = share["grant"].get("rendering_k", 0)
                granted[share["rendering_instance"]] = granted.get(share["rendering_instance"], 0) + mine
                own = [
                    one["rendering_k"]
                    for one in self.rows("allocations")
                    if one["subscription_id"] == share["subscription_id"]
                ]
                assert mine >= sum(own), share
        for server, total in granted.items():
            assert total <= capacity[server]

    def what_runs_is_what_the_rows_say(self) -> None:
        rows = self.rows("model_instances")
        assert not [one for one in rows if one["state"] in ("planned", "stopping")]
        wanted = {one["instance_id"] for one in rows if one["state"] == "running"}
        assert {one.instance_id for one in self.runtime.observe() if one.state is RunState.RUNNING} == wanted

    def states_move_by_their_tables(self) -> None:
        for table, key, moves in (
            ("msis", "msi_id", MSI_MOVES),
            ("shares", "subscription_id", SHARE_MOVES),
            ("model_instances", "instance_id", MODEL_MOVES),
        ):
            for row in self.rows(table):
                before = self.seen.get((table, row[key]))
                assert before is None or row["state"] in reachable(moves, before), (row, before)
                self.seen[table, row[key]] = row["state"]

    def every_recorded_move_is_allowed_and_leads_to_where_things_stand(self) -> None:
        """No state changes without a row, and no row tells of a move that its table does not have."""
        stands: dict[tuple[str, str], str] = {}
        for row in sorted(self.rows("moves"), key=lambda row: int(row["number"])):
            moves: Mapping[Any, Any] = MSI_MOVES if row["kind"] == "msi" else SHARE_MOVES
            allowed = {(before.value, move.value): after.value for (before, move), after in moves.items()}
            assert allowed.get((row["before"], row["move"])) == row["after"], row
            assert stands.get((row["kind"], row["subject"]), "") == row["before"], row
            assert row["why"]
            stands[row["kind"], row["subject"]] = row["after"]
        told = {("msi", row["msi_id"]): row["state"] for row in self.rows("msis")}
        told |= {("share", row["subscription_id"]): row["state"] for row in self.rows("shares")}
        assert {subject: state for subject, state in stands.items() if state} == told

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.now[table]

    def teardown(self) -> None:
        """All go: nothing but the pool's own parts is left."""
        self.runtime.failing = 0
        for number in self.known:
            self.let_go(number)
        for row in self.rows("reservations"):
            self.attempt(self.end_reservation, row["reservation_id"])
        self.house.keeper()
        self.everything_fits_together()
        assert self.rows("uses") == self.rows("allocations") == self.rows("reservations") == []
        assert {one["state"] for one in self.rows("msis")} <= {"gone", "failed"}
        assert len([one for one in self.runtime.observe() if one.state is RunState.RUNNING]) == 2


def reachable(moves: Mapping[Any, Any], state: str) -> set[str]:
    """Where any number of allowed moves leads from a state."""
    found, waiting = {state}, [state]
    while waiting:
        here = waiting.pop()
        nexts = {after.value for (before, _), after in moves.items() if before.value == here} - found
        found |= nexts
        waiting += nexts
    return found


@pytest.mark.parametrize(
    ("on", "topology", "examples", "steps"),
    [
        ("sqlite", ONE_SITE, 8, 12),
        ("postgresql", TRIANGLE, 2, 12),
        pytest.param("sqlite", TRIANGLE, 20, 50, marks=pytest.mark.soak),
        pytest.param("postgresql", ONE_SITE, 10, 50, marks=pytest.mark.soak),
    ],
)
def test_life_cycle_and_sharing_hold_in_any_order(
    tmp_path: Path, loop: Loop, request: pytest.FixtureRequest, on: str, topology: Topology, examples: int, steps: int
) -> None:
    runtime = MemoryRuntime(tmp_path)
    database = request.getfixturevalue("postgresql").create() if on == "postgresql" else ""
    house = build(tmp_path, loop.loop, manifests(), runtime=runtime, database=database, topology=topology)
    Sharing.house, Sharing.runtime, Sharing.numbers = house, runtime, count(1)
    Sharing.sites = [site.name for site in topology.sites]
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Sharing,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                phases=[
                    Phase.generate
                ],  # to shrink would take minutes of real work, and threads do not repeat themselves
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        tear_down(house, loop)
