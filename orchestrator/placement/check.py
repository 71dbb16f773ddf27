"""The checker of batch solutions: plain, slow and independent of all that searches.

`python -m orchestrator.placement.check PROBLEM SOLUTION` prints the profit, or the first rule that is broken. It reads
nothing but the problem's own figures: neither the search's tables nor its sums.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.placement.problem import Choice, Problem, Request, load_problem, load_solution

Rule = Literal["requests", "roles", "candidate", "latency", "instance_capacity", "site_capacity", "profit"]
Key = tuple[int, str]
"""An instance: its model, and for whom it is."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that the solution breaks, and where."""

    rule: Rule
    where: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}"


def check(problem: Problem, choices: Sequence[Choice | None], claimed: int | None = None) -> int | Violation:
    """The profit of a solution that keeps every rule, else the first violation; `claimed` must be that profit."""
    if len(choices) != len(problem.requests):
        return Violation("requests", f"{len(choices)} choices for {len(problem.requests)} requests")
    profit = 0
    attached: dict[Key, list[tuple[int, ...]]] = defaultdict(list)
    for index, (request, choice) in enumerate(zip(problem.requests, choices, strict=True)):
        if choice is None:
            continue
        broken = _request(problem, index, request, choice)
        if broken:
            return broken
        profit += request.revenue
        if request.running is not None and request.running != choice:
            profit -= problem.migration_cost
        for position, (role, model) in enumerate(zip(request.roles, choice, strict=True)):
            profit -= problem.models[model].use_cost
            attached[model, _whose(request, index, position)].append(role.demand)
    for model, whose in attached:
        if not _free(problem, model, whose):
            profit -= problem.models[model].opening_cost
    broken = _capacities(problem, attached)
    if broken:
        return broken
    if claimed is not None and claimed != profit:
        return Violation("profit", f"claimed {claimed}, is {profit}")
    return profit


def _request(problem: Problem, index: int, request: Request, choice: Choice) -> Violation | None:
    """What is wrong with one request's choice taken alone."""
    if len(choice) != len(request.roles):
        return Violation("roles", f"request {index} fills {len(choice)} of {len(request.roles)} roles")
    for position, (role, model) in enumerate(zip(request.roles, choice, strict=True)):
        if model not in role.candidates:
            return Violation("candidate", f"request {index} role {position}: model {model} is no candidate")
    chosen = [problem.models[model] for model in choice]
    latency = sum(one.latency_tenth_ms + problem.way_tenth_ms(request.access, one.site) for one in chosen)
    if latency > request.max_latency_tenth_ms:
        return Violation("latency", f"request {index}: {latency} of {request.max_latency_tenth_ms} tenths of a ms")
    return None


def _whose(request: Request, index: int, position: int) -> str:
    """For whom the instance is that this role attaches to."""
    if request.isolation == 0:
        return "all"
    if request.isolation == 1:
        return f"cluster {request.cluster}"
    return f"request {index} role {position}"


def _free(problem: Problem, model: int, whose: str) -> bool:
    """Whether the instance runs already."""
    running = problem.models[model].running_in_cluster
    return any(runs and whose == f"cluster {cluster}" for cluster, runs in enumerate(running))


def _capacities(problem: Problem, attached: dict[Key, list[tuple[int, ...]]]) -> Violation | None:
    """The first instance or site that gives more than it has."""
    taken = [[0] * len(problem.resources) for _ in problem.sites]
    for (model_id, whose), demands in attached.items():
        model = problem.models[model_id]
        for resource, name in enumerate(problem.resources):
            used = sum(demand[resource] for demand in demands)
            if used > model.capacity[resource]:
                where = f"model {model_id} for {whose}: {used} of {model.capacity[resource]} {name}"
                return Violation("instance_capacity", where)
            taken[model.site][resource] += used + model.overhead[resource]
    for site, used_there in enumerate(taken):
        for used, capacity, name in zip(used_there, problem.sites[site].capacity, problem.resources, strict=True):
            if used > capacity:
                return Violation("site_capacity", f"site {site}: {used} of {capacity} {name}")
    return None


def main() -> int:
    """Exit 0 and print the profit, or exit 1 and print the violation."""
    parser = argparse.ArgumentParser(description="Check a placement solution and recompute its profit.")
    parser.add_argument("problem", type=Path, help=".json or .json.gz")
    parser.add_argument("solution", type=Path, help=".json or .json.gz")
    given = parser.parse_args()
    solution = load_solution(given.solution)
    answer = check(load_problem(given.problem), solution.choices, solution.profit)
    print(f"profit {answer}" if isinstance(answer, int) else f"violation {answer}")
    return 0 if isinstance(answer, int) else 1


if __name__ == "__main__":
    raise SystemExit(main())
