"""Placing a batch: greedy ≤ search ≤ exact ≤ bound, each answer checked, and the same seed the same answer."""

import os
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from batches import RESOURCES, model, request, tiny_problems
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.placement import Problem, Site, admit_batch, load_problem, place_batch, search, solve_exactly
from orchestrator.placement.check import check
from orchestrator.placement.dual import descend, dual, first_prices, of_flat
from orchestrator.placement.formulation import formulate, whole
from orchestrator.placement.generator import generate
from orchestrator.placement.openings import Openings
from orchestrator.placement.problem import Choice, with_running
from orchestrator.placement.tables import tables


def every_choice(problem: Problem) -> list[list[Choice | None]]:
    """Each request's possible answers."""
    return [[None, *product(*(role.candidates for role in one.roles))] for one in problem.requests]


def best_of_all(problem: Problem) -> int:
    answers = (check(problem, choices) for choices in product(*every_choice(problem)))
    return max(answer for answer in answers if isinstance(answer, int))


@given(tiny_problems())
@settings(max_examples=60, deadline=None)
def test_the_exact_answer_is_the_best_of_all_that_can_be_listed(problem: Problem) -> None:
    solution = solve_exactly(problem)
    assert check(problem, solution.choices, solution.profit) == best_of_all(problem) == solution.bound


@given(tiny_problems(), st.data())
@settings(max_examples=40, deadline=None)
def test_moving_is_weighed_as_the_checker_weighs_it(problem: Problem, data: st.DataObject) -> None:
    now = [data.draw(st.sampled_from(some)) for some in every_choice(problem)]
    if not isinstance(check(problem, now), int):
        now = list(admit_batch(problem).choices)
    running = with_running(problem, now, problem.migration_cost)
    solution = solve_exactly(running)
    assert check(running, solution.choices, solution.profit) == best_of_all(running)
    found = search(running, iterations=4)
    assert found.profit <= solution.profit <= found.bound
    assert check(running, found.choices, found.profit) == found.profit >= check(running, now)


@pytest.mark.parametrize("seed", [1, 2])
def test_greedy_search_exact_and_bound_stand_in_order(seed: int) -> None:
    problem = generate(7, 24, seed)
    admitted, found, best = admit_batch(problem), search(problem, iterations=12), solve_exactly(problem)
    for solution in (admitted, found, best):
        assert check(problem, solution.choices, solution.profit) == solution.profit
    assert 0 <= admitted.profit <= found.profit <= best.profit <= found.bound
    assert best.profit == best.bound
    assert best.gap == 0


def test_the_same_seed_and_iterations_give_the_same_answer() -> None:
    problem = generate(16, 40, seed=5)
    first, again = (search(problem, seed=3, iterations=4) for _ in range(2))
    assert first == again
    assert check(problem, first.choices, first.profit) == first.profit
    assert first.profit > admit_batch(problem).profit


def test_a_search_that_has_no_time_answers_as_greedy_admission_does() -> None:
    problem = generate(60, 50, seed=2)
    solution = search(problem, seconds=0.0)
    assert solution.choices == admit_batch(problem).choices
    assert solution.bound >= solution.profit


def test_a_search_without_a_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="budget"):
        search(generate(2, 9, seed=1))


def test_few_requests_are_placed_exactly() -> None:
    problem = generate(5, 20, seed=4)
    assert place_batch(problem, seconds=60) == solve_exactly(problem)


def test_a_batch_of_nothing_earns_nothing() -> None:
    nobody = replace(generate(1, 9, seed=1), requests=())
    assert place_batch(nobody, seconds=1).profit == 0


def test_what_runs_moves_only_where_that_pays_more_than_it_costs() -> None:
    far, near = model(use=9), model(use=1)
    problem = Problem(RESOURCES, (Site((40, 40)),), (far, near), (request((0, 1)),))
    for cost, choice in ((7, (1,)), (9, (0,))):
        running = with_running(problem, [(0,)], cost)
        assert search(running, iterations=2).choices == (choice,)
        assert solve_exactly(running).choices == (choice,)


@given(st.integers(0, 50), st.floats(0.0, 3.0))
@settings(max_examples=25, deadline=None)
def test_any_prices_whatever_give_a_bound(seed: int, stretch: float) -> None:
    problem = generate(5, 16, seed=6)
    best = solve_exactly(problem).profit
    t = tables(problem)
    start = first_prices(t)
    draw = np.random.default_rng(seed)
    wild = of_flat(t, start.flat() + draw.exponential(stretch + 1e-9, len(start.flat())))
    assert dual(t).value(wild)[0] >= best - 1e-6
    assert descend(dual(t), wild, 20, known=best)[0] >= best - 1e-6


def test_the_dual_comes_down_to_the_linear_relaxation() -> None:
    t = tables(generate(60, 50, seed=8))
    relaxed, _ = formulate(t, whole(t)).relax()
    assert relaxed is not None
    found, _ = descend(dual(t), first_prices(t), 1500, known=0.97 * relaxed)
    assert relaxed - 1e-6 <= found <= 1.04 * relaxed


@given(st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_a_flip_changes_the_worth_of_the_openings_by_what_was_foretold(seed: int) -> None:
    t = tables(generate(30, 40, seed=9))
    _, prices = descend(dual(t), first_prices(t), 60)
    draw = np.random.default_rng(seed)
    layout = Openings(t, draw.random(len(t.site)) < 0.5, prices)
    worth, change = layout.moves()
    for instance in draw.choice(t.shared, 6, replace=False):
        layout.flip(int(instance))
        assert layout.moves()[0] == pytest.approx(worth + change[instance])
        layout.flip(int(instance))
    assert layout.moves()[0] == pytest.approx(worth)
    assert layout.climb() >= worth


def batch_file(name: str) -> Problem:
    data = os.environ.get("S4M_DATA")
    if not data or not (Path(data) / "placement").is_dir():
        pytest.skip("S4M_DATA is unset or has no placement/: no recorded batches to place")
    return load_problem(Path(data) / "placement" / f"{name}.json.gz")


@pytest.mark.parametrize(("name", "best"), [("10x50_0", 734), ("10x50_1", 882)])
def test_recorded_small_batches_are_placed_best(name: str, best: int) -> None:
    problem = batch_file(name)
    solution = solve_exactly(problem)
    assert check(problem, solution.choices, solution.profit) == best == solution.bound


def test_a_recorded_batch_of_a_hundred_comes_within_five_percent_of_the_bound() -> None:
    problem = batch_file("100x50_0")
    solution = search(problem, iterations=1)
    assert check(problem, solution.choices, solution.profit) >= 0.95 * 9_120
    assert solution.profit <= 9_120 <= solution.bound
