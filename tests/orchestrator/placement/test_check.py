"""The checker of batch solutions: what earns what, and every rule that can be broken."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from batches import RESOURCES, model, request

from orchestrator.placement import Problem, Request, Site, Solution
from orchestrator.placement.check import Violation, check
from orchestrator.placement.generator import generate
from orchestrator.placement.problem import (
    Choice,
    load_problem,
    load_solution,
    problem_from_json,
    problem_to_json,
    save_problem,
    save_solution,
    with_running,
)


def problem(*requests: Request, capacity: int = 40) -> Problem:
    models = (model(), model(latency=9), model(site=1, kind=1))
    return Problem(RESOURCES, (Site((capacity, capacity)), Site((capacity, capacity))), models, requests)


def rule(broken: int | Violation) -> str:
    assert isinstance(broken, Violation)
    return broken.rule


def test_two_requests_of_degree_0_pay_one_opening_between_them() -> None:
    assert check(problem(request((0,)), request((0,))), [(0,), (0,)]) == 2 * 50 - 2 * 1 - 10


def test_an_instance_that_runs_for_the_cluster_opens_free_and_only_for_it() -> None:
    mine, other = request((0,), isolation=1, cluster=0), request((0,), isolation=1, cluster=1)
    assert check(problem(mine), [(0,)]) == 49
    assert check(problem(other), [(0,)]) == 39
    assert check(problem(request((0,))), [(0,)]) == 39


def test_dedicated_roles_open_one_instance_each() -> None:
    alone = request((0,), (2,), isolation=2)
    assert check(problem(alone, alone), [(0, 2), (0, 2)]) == 2 * (50 - 2 - 20)


def test_a_refused_request_earns_and_takes_nothing() -> None:
    assert check(problem(request((0,)), capacity=0), [None]) == 0


def test_moving_a_running_request_costs_and_staying_or_refusing_does_not() -> None:
    running = with_running(problem(request((0, 1))), [(0,)], migration_cost=7)
    assert [check(running, [choice]) for choice in ((0,), (1,), None)] == [39, 32, 0]


@pytest.mark.parametrize(
    ("broken", "choices"),
    [
        ("requests", [(0,)]),
        ("roles", [(0, 0), (0,)]),
        ("candidate", [(2,), (0,)]),
        ("latency", [(1,), (1, 1)]),
        ("profit", [(0,), None]),
    ],
)
def test_each_rule_of_a_request_is_named(broken: str, choices: list[Choice | None]) -> None:
    asked = problem(request((0, 1)), request((0, 1)))
    if broken == "latency":
        asked = problem(request((0, 1)), replace(request((0, 1), (1,)), max_latency_tenth_ms=17))
    assert rule(check(asked, choices, claimed=1)) == broken


def test_an_instance_that_gives_more_than_it_has_is_named() -> None:
    three = [request((0,)) for _ in range(3)]
    assert rule(check(problem(*three), [(0,)] * 3)) == "instance_capacity"
    apart = [replace(one, isolation=2) for one in three]
    assert check(problem(*apart), [(0,)] * 3) == 3 * 39


def test_overheads_count_at_the_site() -> None:
    two = (request((0,)), request((0,), isolation=2))
    assert check(problem(*two, capacity=10), [(0,), (0,)]) == 2 * 39
    assert rule(check(problem(*two, capacity=9), [(0,), (0,)])) == "site_capacity"


def test_problems_and_solutions_survive_their_files(tmp_path: Path) -> None:
    whole = with_running(generate(5, 9, seed=3), [None] * 5, 4)
    save_problem(whole, tmp_path / "p.json.gz")
    save_solution(Solution((None, (3, 4)), 12, 15.0), tmp_path / "s.json.gz")
    assert load_problem(tmp_path / "p.json.gz") == whole
    assert problem_from_json(json.loads(json.dumps(problem_to_json(whole)))) == whole
    solution = load_solution(tmp_path / "s.json.gz")
    assert (solution.choices, solution.profit, solution.gap) == ((None, (3, 4)), 12, pytest.approx(0.2))


def test_a_stranger_runs_it_on_two_files(tmp_path: Path) -> None:
    save_problem(problem(request((0,))), tmp_path / "p.json.gz")
    for profit, code, word in ((39, 0, "profit 39"), (40, 1, "violation profit: claimed 40, is 39")):
        (tmp_path / "s.json").write_text(json.dumps({"profit": profit, "choices": [[0]]}))
        command = [sys.executable, "-m", "orchestrator.placement.check", tmp_path / "p.json.gz", tmp_path / "s.json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (code, word, "")


def test_the_way_to_a_site_counts_from_where_the_user_enters() -> None:
    near, far = request((0, 1), (2,)), replace(request((0, 1), (2,)), access=1)
    ways = replace(problem(near, far), ways_tenth_ms=((0, 4), (3, 2)))
    assert check(ways, [(0, 2), None]) == 50 - 2 - 20  # 3 + 0 and 3 + 4 tenths of a millisecond of 10 in all
    assert rule(check(ways, [None, (0, 2)])) == "latency"  # 3 + 3 and 3 + 2
    assert problem_from_json(json.loads(json.dumps(problem_to_json(ways)))) == ways
