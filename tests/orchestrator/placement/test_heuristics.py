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


def test_the_random_walk_is_a_distribution_and_prefers_the_strong() -> None:
    found = ranks(CPU, LINKS)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found.argmax() == 0


def test_proximity_keeps_a_request_together() -> None:
    hops = np.array([[1.0, 2.0, 1.0], [2.0, 1.0, 2.0], [1.0, 2.0, 1.0]])
    even, mesh = np.ones(3), np.ones((3, 3)) - np.eye(3)
    assert PlRank().nodes(even, mesh, [0], hops).argmin() == 1


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
