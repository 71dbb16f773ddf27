"""Greedy placement: what it prefers, and the reason that every other candidate leaves."""

import timeit
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.placement import Candidates, ModelOption, NodeRoom, RunningInstance, fair_shares, greedy
from orchestrator.requirements import OfferRequest, RoleRequirement
from orchestrator.resources import Isolation, ResourceVector

RENDERING = ModelOption(
    name="rendering-server",
    consumes=ResourceVector(computing_mcores=200),
    supplies=ResourceVector(rendering_k=4000),
    max_shares=16,
    isolation=frozenset(Isolation),
    latency_ms=0.4,
)
CACHE = ModelOption(
    name="edge-cache",
    consumes=ResourceVector(computing_mcores=50, storage_mib=32),
    supplies=ResourceVector(),
    max_shares=32,
    isolation=frozenset({Isolation.SHARED, Isolation.CLUSTER}),
    latency_ms=0.2,
)
SITE = NodeRoom("site-1", ResourceVector(computing_mcores=1000, storage_mib=100))
RENDER = RoleRequirement(
    role="rendering",
    model="rendering-server",
    resources=ResourceVector(rendering_k=250, computing_mcores=60),
    latency_ms=0.5,
)
STORE = RoleRequirement(
    role="cache", model="edge-cache", resources=ResourceVector(storage_mib=16, computing_mcores=5), latency_ms=0.5
)
SERVER = RunningInstance(
    instance_id="rendering-server-1",
    model="rendering-server",
    node="site-1",
    running=True,
    isolation=Isolation.SHARED,
    cluster="ar_vr",
    msi="",
    scale=1,
    shares=3,
    room=ResourceVector(rendering_k=3250),
)


def request(*roles: RoleRequirement, isolation: Isolation = Isolation.SHARED) -> OfferRequest:
    return OfferRequest(subscription_id="1", msi="msi-1", cluster="ar_vr", isolation=isolation, roles=roles)


def candidates(*running: RunningInstance, node: NodeRoom = SITE) -> Candidates:
    return Candidates(
        models={RENDERING.name: RENDERING, CACHE.name: CACHE}, instances={RENDERING.name: running}, nodes=(node,)
    )


def lacks(decision: Any, role: str, candidate: str, action: str) -> list[tuple[str, str]]:
    found = [r for r in decision.reasons[role] if r.candidate == candidate and r.action == action]
    assert len(found) == 1
    return [(lack.kind, lack.name) for lack in found[0].lacks]


def test_a_running_instance_with_room_is_reused_and_nothing_created() -> None:
    decision = greedy(request(RENDER), candidates(SERVER))
    assert decision.feasible
    assert decision.verdict == "reuse"
    assert decision.placements[0].instance == "rendering-server-1"
    assert decision.reasons["rendering"][0].chosen


def test_the_fullest_running_instance_is_preferred() -> None:
    fuller = replace(SERVER, instance_id="rendering-server-2", shares=9, room=ResourceVector(rendering_k=1750))
    starting = replace(fuller, instance_id="rendering-server-3", shares=12, running=False)
    decision = greedy(request(RENDER), candidates(SERVER, fuller, starting))
    assert decision.placements[0].instance == "rendering-server-2"


def test_a_full_instance_is_scaled_before_a_second_is_created() -> None:
    full = replace(SERVER, shares=16, room=ResourceVector())
    decision = greedy(request(RENDER), candidates(full))
    assert decision.verdict == "modify"
    assert decision.placements[0].instance == "rendering-server-1"
    assert lacks(decision, "rendering", "rendering-server-1", "reuse") == [
        ("shares", "max_shares"),
        ("resource", "rendering_k"),
    ]


def test_an_instance_at_its_largest_scale_makes_way_for_a_new_one() -> None:
    largest = replace(SERVER, shares=32, scale=2, room=ResourceVector())
    decision = greedy(request(RENDER), candidates(largest), seed="offer-1")
    assert decision.verdict == "create"
    assert ("state", "scale") in lacks(decision, "rendering", "rendering-server-1", "modify")
    assert decision.placements[0].instance.startswith("rendering-server-")
    assert decision == greedy(request(RENDER), candidates(largest), seed="offer-1")


def test_isolation_keeps_a_dedicated_share_off_what_others_use() -> None:
    decision = greedy(request(RENDER, isolation=Isolation.DEDICATED), candidates(SERVER))
    assert decision.verdict == "create"
    assert lacks(decision, "rendering", "rendering-server-1", "reuse") == [("isolation", "degree")]


def test_its_own_dedicated_instance_may_be_used_by_its_msi_only() -> None:
    own = replace(SERVER, isolation=Isolation.DEDICATED, msi="msi-1", shares=0)
    assert greedy(request(RENDER, isolation=Isolation.DEDICATED), candidates(own)).verdict == "reuse"
    other = replace(own, msi="msi-2")
    assert greedy(request(RENDER, isolation=Isolation.DEDICATED), candidates(other)).verdict == "create"


def test_a_refusal_names_the_missing_resource_and_how_much_would_do() -> None:
    poor = NodeRoom("site-1", ResourceVector(computing_mcores=259))
    decision = greedy(request(RENDER), candidates(node=poor))
    assert not decision.feasible
    assert decision.placements == ()
    lack = decision.needed["rendering"][0]
    assert (lack.kind, lack.name, lack.needed, lack.available) == ("resource", "computing_mcores", 260, 259)


def test_a_refusal_for_latency_says_what_latency_would_do() -> None:
    decision = greedy(request(RENDER.model_copy(update={"latency_ms": 0.3})), candidates(SERVER))
    lack = next(one for one in decision.needed["rendering"] if one.kind == "latency")
    assert (lack.needed, lack.available, lack.unit) == (0.4, 0.3, "ms")


def test_a_refusal_for_isolation_names_the_degrees_that_the_model_has() -> None:
    decision = greedy(request(STORE, isolation=Isolation.DEDICATED), candidates())
    assert [(one.kind, one.available) for one in decision.needed["cache"]] == [("isolation", "0, 1")]


def test_roles_see_what_the_roles_before_them_took() -> None:
    tight = NodeRoom("site-1", ResourceVector(computing_mcores=260 + 54, storage_mib=100))
    decision = greedy(request(RENDER, STORE), candidates(node=tight))
    assert set(decision.needed) == {"cache"}
    assert decision.needed["cache"][0].available == 54


def test_a_model_that_nobody_installed_is_named() -> None:
    unknown = RENDER.model_copy(update={"model": "holodeck"})
    decision = greedy(request(unknown), candidates(SERVER))
    assert decision.needed["rendering"][0].kind == "model"


def test_a_decision_among_a_dozen_instances_takes_under_a_millisecond() -> None:
    many = [replace(SERVER, instance_id=f"rendering-server-{n}", shares=n) for n in range(12)]
    view = candidates(*many)
    best = min(timeit.repeat(lambda: greedy(request(RENDER), view), number=1, repeat=50))
    assert best < 0.001


@given(
    demands=st.lists(st.integers(0, 500), min_size=1, max_size=6),
    free=st.builds(ResourceVector, computing_mcores=st.integers(0, 3000), storage_mib=st.integers(0, 300)),
    shares=st.lists(st.integers(0, 16), max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_what_is_placed_always_fits(demands: list[int], free: ResourceVector, shares: list[int]) -> None:
    running = [
        replace(SERVER, instance_id=f"s{n}", shares=taken, room=ResourceVector(rendering_k=4000 - 250 * taken))
        for n, taken in enumerate(shares)
    ]
    roles = [
        RENDER.model_copy(
            update={"role": f"r{n}", "resources": ResourceVector(rendering_k=amount, computing_mcores=amount)}
        )
        for n, amount in enumerate(demands)
    ]
    decision = greedy(request(*roles), candidates(*running, node=NodeRoom("site-1", free)), seed="s")
    if not decision.feasible:
        assert decision.needed
        return
    cost = sum(demands) + 200 * sum(1 for placed in decision.placements if placed.verdict != "reuse")
    assert cost <= free.computing_mcores
    for number, one in enumerate(running):
        mine = [(r, p) for r, p in zip(roles, decision.placements, strict=True) if p.instance == one.instance_id]
        scale = 1 + sum(1 for _, placed in mine if placed.verdict == "modify")
        assert sum(role.resources.rendering_k for role, _ in mine) <= one.room.rendering_k + 4000 * (scale - 1)
        assert shares[number] + len(mine) <= 16 * scale


@pytest.mark.parametrize(
    ("supply", "demands", "grants"),
    [
        (4000, {"a": 1120}, {"a": 1120}),
        (4000, {"a": 1120, "b": 1120, "c": 1120, "d": 1120}, {"a": 1000, "b": 1000, "c": 1000, "d": 1000}),
        (1000, {"a": 100, "b": 900, "c": 900}, {"a": 100, "b": 450, "c": 450}),
        (0, {"a": 5}, {"a": 0}),
        (10, {}, {}),
    ],
)
def test_fair_shares(supply: int, demands: dict[str, int], grants: dict[str, int]) -> None:
    assert fair_shares(supply, demands) == grants


@given(st.integers(0, 5000), st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 2000), max_size=8))
def test_fair_shares_never_pass_the_supply_nor_a_demand(supply: int, demands: dict[str, int]) -> None:
    grants = fair_shares(supply, demands)
    assert sum(grants.values()) <= supply
    assert all(grants[name] <= demands[name] for name in demands)
    least = min((grants[name] for name in demands if grants[name] < demands[name]), default=0)
    assert all(grants[name] >= min(demands[name], least) for name in demands)
