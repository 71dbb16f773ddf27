"""The decision for one share against an optimum that is found by trying everything; its bound, gap and prices."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_greedy import CACHE, RENDER, RENDERING, SERVER, SITE, STORE, candidates, request

from orchestrator.placement import Candidates, NodeRoom, conceivable, decide, greedy
from orchestrator.placement.worth import cost, points, revenue
from orchestrator.requirements import Decision, OfferRequest, RoleRequirement
from orchestrator.resources import Isolation, ResourceVector

NEAR = NodeRoom("site-1", ResourceVector(computing_mcores=300, storage_mib=200), latency_ms=0.0)
FAR = NodeRoom("site-2", ResourceVector(computing_mcores=600), latency_ms=0.05)


def objective(wanted: OfferRequest, view: Candidates, decision: Decision) -> int:
    """Recomputed from the placements alone."""
    pairs = zip(wanted.roles, decision.placements, strict=True)
    spent = sum(cost(role, view.models[role.model], one.verdict, wanted.isolation) for role, one in pairs)
    return revenue(wanted.roles, wanted.isolation) - spent


def test_a_reuse_is_proven_best_at_once() -> None:
    wanted, view = request(RENDER), candidates(SERVER)
    decision = decide(wanted, view)
    assert (decision.objective, decision.bound, decision.gap) == (9 * 310, 9 * 310, 0.0)
    assert decision.placements == greedy(wanted, view).placements


def test_opening_costs_what_the_instance_itself_consumes_and_dedicated_twice_that() -> None:
    shared = decide(request(RENDER), candidates())
    dedicated = decide(request(RENDER, isolation=Isolation.DEDICATED), candidates())
    assert shared.objective == 10 * 310 - 310 - 200
    assert dedicated.objective == 16 * 310 - 310 - 2 * 200
    assert [one.cost for one in dedicated.reasons["rendering"] if one.chosen] == [310 + 400]


def test_what_greedy_cannot_fill_in_its_order_is_found_where_it_exists() -> None:
    """Greedy puts the first role on the near site; only there the second one fits."""
    small = replace(SITE, node="near", free=ResourceVector(computing_mcores=300, storage_mib=48), latency_ms=0.0)
    far = NodeRoom("far", ResourceVector(computing_mcores=260), latency_ms=0.05)
    view = replace(candidates(), nodes=(small, far))
    wanted = request(RENDER, STORE)
    assert not greedy(wanted, view).feasible
    decision = decide(wanted, view, seed="offer")
    assert decision.feasible
    assert [one.node for one in decision.placements] == ["far", "near"]
    assert decision.needed == {}
    assert [[one.candidate for one in some if one.chosen] for some in decision.reasons.values()] == [["far"], ["near"]]
    assert decision.gap == 0.0


def test_a_refusal_has_no_objective_and_says_so() -> None:
    view = candidates(node=NodeRoom("site-1", ResourceVector(computing_mcores=259)))
    decision = decide(request(RENDER), view)
    assert not decision.feasible
    assert not conceivable(request(RENDER), view)
    assert (decision.objective, decision.bound, decision.gap) == (None, None, None)


def test_a_row_from_before_there_were_bounds_still_reads() -> None:
    decision = Decision.model_validate({"feasible": True, "verdict": "reuse"})
    assert decision.gap is None


roles = st.lists(st.tuples(st.sampled_from(["render", "store"]), st.integers(1, 400)), min_size=1, max_size=3)


def some_roles(drawn: list[tuple[str, int]]) -> list[RoleRequirement]:
    made = []
    for number, (kind, amount) in enumerate(drawn):
        resources = {"computing_mcores": amount, "rendering_k" if kind == "render" else "storage_mib": amount}
        like = RENDER if kind == "render" else STORE
        made.append(like.model_copy(update={"role": f"r{number}", "resources": ResourceVector(**resources)}))
    return made


@given(
    drawn=roles,
    near=st.integers(0, 1500),
    far=st.integers(0, 1500),
    storage=st.integers(0, 900),
    shares=st.lists(st.integers(0, 16), max_size=2),
)
@settings(max_examples=200, deadline=None)
def test_objective_bound_and_gap_hold_against_every_possible_placement(
    drawn: list[tuple[str, int]], near: int, far: int, storage: int, shares: list[int]
) -> None:
    running = [
        replace(SERVER, instance_id=f"s{n}", shares=taken, room=ResourceVector(rendering_k=4000 - 250 * taken))
        for n, taken in enumerate(shares)
    ]
    nodes = (
        NodeRoom("site-1", ResourceVector(computing_mcores=near, storage_mib=storage)),
        NodeRoom("site-2", ResourceVector(computing_mcores=far, storage_mib=storage), latency_ms=0.05),
    )
    wanted = request(*some_roles(drawn))
    view = replace(candidates(*running), nodes=nodes)
    decision, best = decide(wanted, view, "seed"), best_of_all(wanted, view)
    assert conceivable(wanted, view) or best is None
    if decision.feasible:
        assert decision.objective == objective(wanted, view, decision)
        assert best is not None
        assert decision.bound is not None
        assert decision.objective <= best <= decision.bound
        assert decision.gap == pytest.approx((decision.bound - decision.objective) / max(abs(decision.bound), 1))
    elif decision.bound is None:
        assert best is None


def best_of_all(wanted: OfferRequest, view: Candidates) -> int | None:
    """Every role on every candidate in every way, kept where capacities hold; the best objective."""
    ways = [
        [("reuse", one.instance_id) for one in view.instances.get(role.model, ())]
        + [("modify", one.instance_id) for one in view.instances.get(role.model, ())]
        + [("create", node.node) for node in view.nodes]
        for role in wanted.roles
    ]
    earned = revenue(wanted.roles, wanted.isolation)
    found = [spent for chosen in product(*ways) if (spent := spent_on(wanted, view, list(chosen))) is not None]
    return earned - min(found) if found else None


def spent_on(wanted: OfferRequest, view: Candidates, chosen: list[tuple[str, str]]) -> int | None:
    """What these choices cost; None where they break a capacity. Roles go in order, as `decide` promises."""
    free = {node.node: node.free for node in view.nodes}
    latency = {node.node: node.latency_ms for node in view.nodes}
    ones = {one.instance_id: one for some in view.instances.values() for one in some}
    room = {name: one.room for name, one in ones.items()}
    shares = {name: one.shares for name, one in ones.items()}
    spent = 0
    for role, (action, name) in zip(wanted.roles, chosen, strict=True):
        model = view.models[role.model]
        node = name if action == "create" else ones[name].node
        own = role.resources.only(model.supplies)
        taken = role.resources - own + (ResourceVector() if action == "reuse" else model.consumes)
        if not taken.fits(free[node]) or model.latency_ms + latency[node] > role.latency_ms + 1e-9:
            return None
        if action == "create" and not own.fits(model.supplies):
            return None
        if action != "create":
            scale = ones[name].scale + (action == "modify")
            supply = room[name] + (model.supplies if action == "modify" else ResourceVector())
            if not own.fits(supply) or shares[name] >= model.max_shares * scale or scale > model.max_scale:
                return None
            room[name], shares[name] = room[name] - own, shares[name] + 1
        free[node] -= taken
        spent += cost(role, model, action, wanted.isolation)  # type: ignore[arg-type]
    return spent


@given(
    amount=st.integers(1, 5000), computing=st.integers(0, 2000), storage=st.integers(0, 400), free=st.integers(0, 900)
)
@settings(max_examples=150, deadline=None)
def test_what_a_refusal_asks_for_is_enough(amount: int, computing: int, storage: int, free: int) -> None:
    """Adding to the site what all roles lack together makes the same request feasible."""
    wanted = request(
        RENDER.model_copy(
            update={"resources": ResourceVector(rendering_k=min(amount, 4000), computing_mcores=computing)}
        ),
        STORE.model_copy(update={"resources": ResourceVector(storage_mib=storage, computing_mcores=amount)}),
    )
    poor = NodeRoom("site-1", ResourceVector(computing_mcores=free, storage_mib=free // 3))
    refused = decide(wanted, candidates(node=poor))
    assume(not refused.feasible)
    more = ResourceVector()
    for lacks in refused.needed.values():
        for lack in lacks:
            assert lack.kind == "resource"
            more += ResourceVector.of({lack.name: int(lack.needed) - int(lack.available)})
    assert decide(wanted, candidates(node=replace(poor, free=poor.free + more))).feasible


def test_a_search_that_is_cut_off_admits_its_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Greedy opens near for the first role, where the third alone would fit; without any search that stays open."""
    small = replace(NEAR, free=ResourceVector(computing_mcores=300, storage_mib=48))
    view = replace(candidates(), nodes=(small, FAR))
    wanted = request(RENDER, STORE)
    assert decide(wanted, view).feasible
    monkeypatch.setattr("orchestrator.placement.exact.LOOKS", 0)
    refused = decide(wanted, view)
    assert not refused.feasible
    assert refused.objective is None
    assert refused.bound == revenue(wanted.roles, wanted.isolation) - 310 - 200 - 21 - 82


def test_points_are_whole_and_of_every_resource() -> None:
    everything = ResourceVector(1, 1, 1, 1, 1, 1)
    assert points(everything) == 15
    assert points(CACHE.consumes) == 82
    assert points(RENDERING.consumes) == 200
