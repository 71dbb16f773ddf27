"""Placement over links: latency of the way counts, its room is shared by the roles, and a lack names the link."""

from typing import Any

from test_greedy import CACHE, SITE, STORE, request

from orchestrator.placement import Candidates, LinkRoom, ModelOption, NodeRoom, RunningInstance, greedy
from orchestrator.requirements import RoleRequirement
from orchestrator.resources import Isolation, ResourceVector

LINK = ModelOption(
    name="terahertz-link",
    consumes=ResourceVector(computing_mcores=50),
    supplies=ResourceVector(),
    max_shares=16,
    isolation=frozenset(Isolation),
    latency_ms=0.3,
)
CARRY = RoleRequirement(
    role="link",
    model="terahertz-link",
    resources=ResourceVector(bandwidth_mbps=250, spectrum_mhz=100, computing_mcores=5),
    latency_ms=0.5,
)
ROOMY = ResourceVector(computing_mcores=1000, bandwidth_mbps=2000, spectrum_mhz=2000, storage_mib=100)


def way(*free_mbps: int, ms: float = 0.1, site: str = "far") -> NodeRoom:
    rooms = (
        LinkRoom(f"l{number}", ResourceVector(bandwidth_mbps=mbps, spectrum_mhz=1000))
        for number, mbps in enumerate(free_mbps)
    )
    return NodeRoom(site, ROOMY, ms, tuple(rooms))


def choose(*nodes: NodeRoom, roles: tuple[RoleRequirement, ...] = (CARRY,), running: Any = ()) -> Any:
    models = {LINK.name: LINK, CACHE.name: CACHE}
    return greedy(request(*roles), Candidates(models, {LINK.name: tuple(running)}, nodes), seed="s")


def test_a_site_behind_a_full_link_is_passed_over_with_the_links_name() -> None:
    decision = choose(way(1000, 249), way(300, ms=0.15, site="near"))
    assert decision.placements[0].node == "near"
    lack = next(r for r in decision.reasons["link"] if r.candidate == "far").lacks[0]
    assert (lack.kind, lack.name, lack.needed, lack.available) == ("link", "bandwidth_mbps of l1", 250, 249)


def test_a_refusal_says_what_the_link_would_have_to_have() -> None:
    decision = choose(way(249))
    assert not decision.feasible
    assert [(lack.kind, lack.needed, lack.available, lack.unit) for lack in decision.needed["link"]] == [
        ("link", 250, 249, "mbps")
    ]


def test_the_ways_latency_counts_and_the_quickest_site_wins() -> None:
    assert choose(way(1000, ms=0.15), way(1000, ms=0.1, site="near")).placements[0].node == "near"
    refused = choose(way(1000, ms=0.25))
    assert [(lack.kind, lack.needed) for lack in refused.needed["link"]] == [("latency", 0.55)]


def test_roles_of_one_share_fill_a_link_together() -> None:
    again = CARRY.model_copy(update={"role": "second"})
    assert choose(way(500), roles=(CARRY, again)).feasible
    decision = choose(way(499), roles=(CARRY, again))
    assert decision.needed.keys() == {"second"}
    assert decision.needed["second"][0].available == 249


def test_a_role_without_traffic_needs_nothing_of_a_link() -> None:
    assert choose(way(0), roles=(STORE.model_copy(update={"latency_ms": 1.0}),)).feasible


def test_a_running_instance_behind_a_full_link_is_not_reused() -> None:
    there = RunningInstance("t-1", LINK.name, "far", True, Isolation.SHARED, "ar_vr", "", 1, 1, ResourceVector())
    decision = choose(way(100), NodeRoom("site-1", ROOMY), running=[there])
    assert (decision.verdict, decision.placements[0].node) == ("create", SITE.node)
    assert decision.reasons["link"][0].lacks[0].kind == "link"
