"""The published heuristics: ranks as their papers define them, embeddings that keep every rule, and ours above them."""

import numpy as np
import pytest

from orchestrator.placement import Problem, Solution, search
from orchestrator.placement.check import check
from orchestrator.placement.generator import generate
from orchestrator.placement.heuristics import Grc, PlRank, RandomWalk, embed_all
from orchestrator.placement.heuristics.embedding import Ranking
from orchestrator.placement.heuristics.grc import capacities
from orchestrator.placement.heuristics.random_walk import ranks

CPU = np.array([4.0, 1.0, 3.0])
LINKS = np.array([[0.0, 2.0, 1.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
ALL: tuple[Ranking, ...] = (Grc(), PlRank(), RandomWalk())


def test_global_resource_capacity_solves_its_linear_system() -> None:
    flow = LINKS / LINKS.sum(0)
    exact = np.linalg.solve(np.eye(3) - 0.85 * flow, 0.15 * CPU / CPU.sum())
    assert capacities(CPU, LINKS) == pytest.approx(exact, abs=1e-5)


def test_the_random_walk_ranks_as_computed_by_hand() -> None:
    """H = CPU × bandwidth is 12, 2, 3. From the outer nodes every step forward leads to the middle one, so that
    r0 = 0.15 × 12/17 + 0.85 (1 − r0); from there 2/5 of the steps lead to the second and 3/5 to the third."""
    middle = (0.15 * 12 / 17 + 0.85) / 1.85
    second = 0.15 * 2 / 17 + 0.85 * 2 / 5 * middle
    third = 0.15 * 3 / 17 + 0.85 * 3 / 5 * middle
    assert (middle, second, third) == pytest.approx((0.516693, 0.193323, 0.289984), abs=1e-6)
    assert ranks(CPU, LINKS) == pytest.approx([middle, second, third], abs=1e-5)


def test_the_random_walk_maps_roles_in_the_order_of_their_ranks() -> None:
    assert RandomWalk().roles(CPU, LINKS) == [0, 2, 1]


@pytest.mark.parametrize(
    ("chosen", "worth"),
    [([0], [12 / 1, 2 / 2, 3 / 1]), ([1], [12 / 2, 2 / 1, 3 / 2]), ([0, 1], [12 / 3, 2 / 3, 3 / 3])],
)
def test_proximity_divides_resources_by_the_hops_to_what_was_chosen(chosen: list[int], worth: list[float]) -> None:
    """CPU × bandwidth is 12, 2, 3; the first and the third node share a site, the second lies at another."""
    hops = np.array([[1.0, 2.0, 1.0], [2.0, 1.0, 2.0], [1.0, 2.0, 1.0]])
    assert PlRank().nodes(CPU, LINKS, chosen, hops) == pytest.approx(worth, rel=1e-5)


def test_proximity_maps_the_role_first_whose_cpu_times_bandwidth_is_largest() -> None:
    """Sums of bandwidth 5, 5, 2 and so products 10, 15, 20: neither CPU nor bandwidth alone gives this order."""
    cpu = np.array([2.0, 3.0, 10.0])
    mesh = np.array([[0.0, 4.0, 1.0], [4.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    assert PlRank().roles(cpu, mesh) == [2, 1, 0]


@pytest.mark.parametrize("ranking", ALL)
def test_an_embedding_keeps_every_rule(ranking: Ranking) -> None:
    problem = generate(60, 50, seed=11)
    solution = embed_all(problem, ranking)
    assert check(problem, solution.choices, solution.profit) == solution.profit
    assert any(choice is not None for choice in solution.choices)


def test_the_search_accepts_more_and_earns_more_per_cost_than_all_three() -> None:
    problem = generate(40, 50, seed=12)
    ours, theirs = search(problem, iterations=1), [embed_all(problem, ranking) for ranking in ALL]
    assert accepted(ours) > max(accepted(one) for one in theirs)
    assert revenue_per_cost(problem, ours) > max(revenue_per_cost(problem, one) for one in theirs)


def accepted(solution: Solution) -> int:
    return sum(choice is not None for choice in solution.choices)


def revenue_per_cost(problem: Problem, solution: Solution) -> float:
    pairs = zip(problem.requests, solution.choices, strict=True)
    revenue = sum(request.revenue for request, choice in pairs if choice)
    return revenue / (revenue - solution.profit)
