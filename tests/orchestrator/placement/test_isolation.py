"""No placement breaks a degree of isolation: greedy and MSI choice over histories, batches against their own count."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import get_args

import pytest
from batches import RESOURCES, model, tiny_problems
from batches import request as batch_request
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.instances import MsiState
from orchestrator.instances.msis import Msi
from orchestrator.placement import (
    Candidates,
    ModelOption,
    NodeRoom,
    Problem,
    RunningInstance,
    Site,
    Solution,
    admit_batch,
    greedy,
    search,
    solve_exactly,
)
from orchestrator.requirements import (
    OfferRequest,
    Placement,
    Qoe,
    RoleRequirement,
    ServiceRequirements,
    ServiceType,
)
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.vmof.choice import choose_msi

CLUSTERS: tuple[ServiceType, ...] = get_args(ServiceType)
CONSUMES, PER_SHARE = ResourceVector(computing_mcores=50), ResourceVector(computing_mcores=10)
MODELS = {
    name: ModelOption(name, CONSUMES, ResourceVector(), shares, frozenset(Isolation), 0.1)
    for name, shares in (("one", 2), ("two", 3))
}
SUPPLY = ModelOption("infrastructure", ResourceVector(), CONSUMES, 256, frozenset(Isolation), 0.1, is_supply=True)


@dataclass(frozen=True)
class Asked:
    degree: Isolation
    cluster: ServiceType
    roles: tuple[str, ...]


@dataclass
class House:
    """What placements have made: instances, who uses them, and what is free."""

    free: int
    instances: dict[str, RunningInstance] = field(default_factory=dict)
    users: defaultdict[str, list[tuple[str, Asked]]] = field(default_factory=lambda: defaultdict(list))
    taken: Counter[str] = field(default_factory=Counter)
    """instance → millicores that it and its shares hold"""

    def view(self) -> Candidates:
        of_model = {name: tuple(i for i in self.instances.values() if i.model == name) for name in MODELS}
        return Candidates(MODELS, of_model, (NodeRoom("site", ResourceVector(computing_mcores=self.free)),))

    def serve(self, number: int, asked: Asked) -> bool:
        msi = f"msi-{number}"
        roles = tuple(
            RoleRequirement(role=f"r{n}", model=name, resources=PER_SHARE, latency_ms=1)
            for n, name in enumerate(asked.roles)
        )
        wanted = OfferRequest(
            subscription_id=str(number), msi=msi, cluster=asked.cluster, isolation=asked.degree, roles=roles
        )
        decision = greedy(wanted, self.view(), seed=str(number))
        for placement in decision.placements:
            self._take(placement, asked, msi)
        return decision.feasible

    def _take(self, placement: Placement, asked: Asked, msi: str) -> None:
        name = placement.instance
        if placement.verdict == "create":
            assert name not in self.instances
            dedicated = asked.degree is Isolation.DEDICATED
            self.instances[name] = RunningInstance(
                name, placement.model, "site", True, asked.degree, asked.cluster, msi if dedicated else "", 1, 0,
                ResourceVector(),
            )  # fmt: skip
        cost = PER_SHARE if placement.verdict == "reuse" else PER_SHARE + CONSUMES
        one = self.instances[name]
        grown = one.scale + (placement.verdict == "modify")
        self.instances[name] = replace(one, shares=one.shares + 1, scale=grown)
        self.users[name].append((msi, asked))
        self.taken[name] += cost.computing_mcores
        self.free -= cost.computing_mcores


ASKED = st.builds(
    Asked,
    st.sampled_from(Isolation),
    st.sampled_from(CLUSTERS),
    st.lists(st.sampled_from(sorted(MODELS)), min_size=1, max_size=3).map(tuple),
)


@given(st.lists(ASKED, min_size=1, max_size=25), st.integers(100, 3000))
@settings(deadline=None)
def test_whoever_comes_in_whatever_order_nobody_meets_whom_its_degree_forbids(coming: list[Asked], room: int) -> None:
    house = House(room)
    for number, asked in enumerate(coming):
        house.serve(number, asked)
    assert house.free >= 0
    assert house.free + house.taken.total() == room
    for name, users in house.users.items():
        degrees, clusters = {asked.degree for _, asked in users}, {asked.cluster for _, asked in users}
        if Isolation.DEDICATED in degrees:
            assert len({msi for msi, _ in users}) == 1, f"{name} is shared by a dedicated request"
            assert house.instances[name].isolation is Isolation.DEDICATED
        if Isolation.CLUSTER in degrees:
            assert len(clusters) == 1, f"{name} is shared by two clusters"


def test_a_dedicated_one_counts_its_overhead_wholly_and_a_shared_one_once_for_all() -> None:
    shared, apart = House(1000), House(1000)
    for number in range(2):
        assert shared.serve(number, Asked(Isolation.SHARED, "ar_vr", ("one",)))
        assert apart.serve(number, Asked(Isolation.DEDICATED, "ar_vr", ("one",)))
    assert 1000 - shared.free == 50 + 2 * 10
    assert 1000 - apart.free == 2 * (50 + 10)
    assert not House(59).serve(1, Asked(Isolation.DEDICATED, "ar_vr", ("one",)))


@pytest.mark.parametrize("degree", Isolation)
def test_a_part_of_the_pool_is_everybodys_and_serves_no_isolated_request(degree: Isolation) -> None:
    part = RunningInstance(
        "infrastructure-1", "infrastructure", "site", True, Isolation.SHARED, "ar_vr", "", 1, 9, CONSUMES
    )
    role = RoleRequirement(role="model", model="infrastructure", resources=ResourceVector(), latency_ms=1)
    wanted = OfferRequest(subscription_id="1", msi="m", cluster="digital_twin", isolation=degree, roles=(role,))
    room = NodeRoom("site", ResourceVector(computing_mcores=1000))
    decision = greedy(wanted, Candidates({"infrastructure": SUPPLY}, {"infrastructure": (part,)}, (room,)))
    assert decision.feasible is (degree is Isolation.SHARED)
    assert [lack.kind for lack in decision.needed.get("model", ())] == ([] if decision.feasible else ["isolation"])


@given(
    st.lists(st.tuples(st.sampled_from(Isolation), st.sampled_from(CLUSTERS)), max_size=8),
    st.sampled_from(Isolation),
    st.sampled_from(CLUSTERS),
)
def test_no_share_joins_an_msi_that_its_degree_or_the_msis_forbids(
    there: list[tuple[Isolation, ServiceType]], degree: Isolation, cluster: ServiceType
) -> None:
    msis = [
        Msi(f"msi-{n}", "service", of, isolation, MsiState.RUNNING, 1.0, 1.0, 9, 1, 0, 0)
        for n, (isolation, of) in enumerate(there)
    ]
    wanted = ServiceRequirements(
        subscription_id="1", plan_id="1", service="service", service_type=cluster, scenario="s", isolation=degree,
        users=1, qoe=Qoe(latency_ms=2.0, reliability=0.5), roles={"role": "model"},
    )  # fmt: skip
    joined, _ = choose_msi(wanted, msis)
    if joined is not None:
        assert Isolation.DEDICATED not in (degree, joined.isolation)
        assert degree is not Isolation.CLUSTER or (joined.isolation, joined.cluster) == (degree, cluster)
        assert joined.isolation is not Isolation.CLUSTER or joined.cluster == cluster


def taken_of_sites(problem: Problem, solution: Solution) -> list[list[int]]:
    """What each site gives, counted by the degrees alone: a dedicated role bears a whole overhead, those of a cluster
    one for each model, those that share with all one for each model."""
    taken = [[0] * len(RESOURCES) for _ in problem.sites]
    opened: set[tuple[int, object]] = set()
    for number, (request, choice) in enumerate(zip(problem.requests, solution.choices, strict=True)):
        for place, (role, chosen) in enumerate(zip(request.roles, choice or (), strict=choice is not None)):
            whose: object = {0: "all", 1: ("cluster", request.cluster), 2: (number, place)}[request.isolation]
            new = (chosen, whose) not in opened
            opened.add((chosen, whose))
            for resource in range(len(RESOURCES)):
                overhead = problem.models[chosen].overhead[resource] if new else 0
                taken[problem.models[chosen].site][resource] += role.demand[resource] + overhead
    return taken


@given(tiny_problems())
@settings(max_examples=60, deadline=None)
def test_a_batch_gives_no_more_than_its_sites_have_when_degrees_are_counted_apart(problem: Problem) -> None:
    for solution in (admit_batch(problem), search(problem, iterations=3), solve_exactly(problem)):
        for site, taken in zip(problem.sites, taken_of_sites(problem, solution), strict=True):
            assert all(used <= capacity for used, capacity in zip(taken, site.capacity, strict=True))


@pytest.mark.parametrize(("degrees", "served"), [((0, 0), 2), ((1, 1), 2), ((2, 2), 1), ((0, 2), 1), ((1, 2), 1)])
def test_two_fit_one_site_where_they_may_share_and_only_one_where_they_may_not(
    degrees: tuple[int, int], served: int
) -> None:
    requests = tuple(batch_request((0,), isolation=degree) for degree in degrees)  # each 4, and 1 of overhead
    problem = Problem(RESOURCES, (Site((9, 9)),), (model(),), requests)
    for solution in (admit_batch(problem), search(problem, iterations=3), solve_exactly(problem)):
        assert sum(choice is not None for choice in solution.choices) == served


def test_clusters_do_not_share_where_degree_1_is_asked_for() -> None:
    requests = tuple(batch_request((0,), isolation=1, cluster=cluster) for cluster in (0, 1))
    problem = Problem(RESOURCES, (Site((9, 9)),), (model(),), requests)
    for solution in (admit_batch(problem), search(problem, iterations=3), solve_exactly(problem)):
        assert sum(choice is not None for choice in solution.choices) == 1
