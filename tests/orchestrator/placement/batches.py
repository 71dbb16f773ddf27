"""Small batch problems for the tests: one drawn by hypothesis, one made by hand."""

from hypothesis import strategies as st

from orchestrator.placement import Model, Problem, Request, Role, Site
from orchestrator.placement.problem import Amounts

RESOURCES = ("computing", "bandwidth")


def amounts(least: int, most: int) -> st.SearchStrategy[Amounts]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@st.composite
def tiny_problems(draw: st.DrawFn) -> Problem:
    """At most three requests of two roles over four models: every answer can be listed."""
    sites = draw(st.integers(1, 2))
    models = tuple(
        Model(
            kind=number % 2,
            site=draw(st.integers(0, sites - 1)),
            capacity=draw(amounts(2, 9)),
            overhead=draw(amounts(0, 3)),
            opening_cost=draw(st.integers(0, 20)),
            use_cost=draw(st.integers(0, 4)),
            latency_tenth_ms=draw(st.integers(0, 6)),
            running_in_cluster=(draw(st.booleans()), draw(st.booleans())),
        )
        for number in range(4)
    )
    requests = tuple(_request(draw) for _ in range(draw(st.integers(1, 3))))
    way = st.tuples(*(st.integers(0, 4) for _ in range(sites)))
    return Problem(
        resources=RESOURCES,
        sites=tuple(Site(draw(amounts(4, 16))) for _ in range(sites)),
        models=models,
        requests=requests,
        migration_cost=draw(st.integers(0, 8)),
        ways_tenth_ms=draw(st.just(()) | st.tuples(way, way)),
    )


def _request(draw: st.DrawFn) -> Request:
    kinds = draw(st.sampled_from([(0,), (1,), (0, 1)]))
    roles = tuple(Role(kind, draw(amounts(1, 5)), (kind, kind + 2)) for kind in kinds)
    return Request(
        cluster=draw(st.integers(0, 1)),
        isolation=draw(st.integers(0, 2)),
        revenue=draw(st.integers(0, 60)),
        max_latency_tenth_ms=draw(st.integers(0, 12)),
        roles=roles,
        access=draw(st.integers(0, 1)),
    )


def model(site: int = 0, kind: int = 0, opening: int = 10, use: int = 1, latency: int = 3) -> Model:
    """A model with room for ten of each resource and an overhead of one."""
    return Model(kind, site, (10, 10), (1, 1), opening, use, latency, (True, False))


def request(*candidates: tuple[int, ...], isolation: int = 0, cluster: int = 0, demand: int = 4) -> Request:
    """A request worth 50 within a millisecond; one role per tuple of candidates."""
    roles = tuple(Role(kind, (demand, demand), some) for kind, some in enumerate(candidates))
    return Request(cluster, isolation, 50, 10, roles)
