"""The batch problem: which of many requests to serve, and with which models, for the highest profit.

Plain frozen values and their JSON form, for whoever places many requests at once (the background search, the bench, a
stranger with a file). It solves nothing; what a solution must keep stands in `orchestrator.placement.check`.

Every accepted request fills each of its roles with one of the role's candidates. By its isolation degree it attaches
to the model's instance that is open to all (0), to the model's instance of its own cluster (1), or to an instance that
is opened for this role alone (2). Profit = revenue − use cost of every attachment − opening cost of every instance
that is opened − migration cost of every running request that is moved.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

Amounts = tuple[int, ...]
"""One amount per resource of the problem, in its order."""
Choice = tuple[int, ...]
"""The model of each role of an accepted request, in the order of its roles."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where instances stand: what all of them together may take."""

    capacity: Amounts


@dataclass(frozen=True, slots=True)
class Model:
    """A MaaS model at its site. Costs in the problem's money, latency in tenths of a millisecond."""

    kind: int
    site: int
    capacity: Amounts
    """what may be attached to one instance"""
    overhead: Amounts
    """what an open instance takes of its site beside what is attached"""
    opening_cost: int
    use_cost: int
    """of each attachment"""
    latency_tenth_ms: int
    running_in_cluster: tuple[bool, ...]
    """cluster → whether its instance runs already and so costs nothing to open"""


@dataclass(frozen=True, slots=True)
class Role:
    """One sub-instance of a service: what it takes and the models that can fill it."""

    kind: int
    demand: Amounts
    candidates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a service: worth `revenue` where every role is filled and the latencies add up to the maximum."""

    cluster: int
    isolation: int
    revenue: int
    max_latency_tenth_ms: int
    roles: tuple[Role, ...]
    running: Choice | None = None
    """how it is served now, if it is"""
    access: int = 0
    """where its user enters: a row of the problem's ways"""


@dataclass(frozen=True, slots=True)
class Problem:
    """One batch."""

    resources: tuple[str, ...]
    sites: tuple[Site, ...]
    models: tuple[Model, ...]
    requests: tuple[Request, ...]
    migration_cost: int = 0
    """of each running request that is served otherwise than now (one that is refused costs its revenue only)"""
    ways_tenth_ms: tuple[tuple[int, ...], ...] = ()
    """access → site → what the way there adds to the latency of every role at that site; none where empty"""

    def way_tenth_ms(self, access: int, site: int) -> int:
        """What the way from an access to a site adds."""
        return self.ways_tenth_ms[access][site] if self.ways_tenth_ms else 0


@dataclass(frozen=True, slots=True)
class Solution:
    """An answer: how each request is served, None for a refused one; what it earns and what no answer can pass."""

    choices: tuple[Choice | None, ...]
    profit: int
    bound: float = float("inf")

    @property
    def gap(self) -> float:
        """How far the profit may be from the best there is, as a share of the bound: 0 is proved best."""
        if self.bound <= 0:
            return 0.0
        return max(0.0, 1 - self.profit / self.bound)


def problem_from_json(document: Mapping[str, Any]) -> Problem:
    """The problem of its JSON form (data/placement; what has a default above may be absent)."""
    models = tuple(
        Model(
            kind=one["kind"],
            site=one["site"],
            capacity=tuple(one["capacity"]),
            overhead=tuple(one["overhead"]),
            opening_cost=one["opening_cost"],
            use_cost=one["use_cost"],
            latency_tenth_ms=one["latency_tenth_ms"],
            running_in_cluster=tuple(one["running_in_cluster"]),
        )
        for one in document["models"]
    )
    return Problem(
        resources=tuple(document["resources"]),
        sites=tuple(Site(tuple(one["capacity"])) for one in document["sites"]),
        models=models,
        requests=tuple(_request(one) for one in document["requests"]),
        migration_cost=document.get("migration_cost", 0),
        ways_tenth_ms=tuple(tuple(way) for way in document.get("ways_tenth_ms", ())),
    )


def _request(document: Mapping[str, Any]) -> Request:
    running = document.get("running")
    return Request(
        cluster=document["cluster"],
        isolation=document["isolation"],
        revenue=document["revenue"],
        max_latency_tenth_ms=document["max_latency_tenth_ms"],
        roles=tuple(Role(one["kind"], tuple(one["demand"]), tuple(one["candidates"])) for one in document["roles"]),
        running=None if running is None else tuple(running),
        access=document.get("access", 0),
    )


def solution_to_json(solution: Solution) -> dict[str, Any]:
    """`choices` has one entry per request: the model of each role, or null; `bound` is null where none was computed."""
    bound = solution.bound if solution.bound < float("inf") else None
    return {"profit": solution.profit, "bound": bound, "choices": solution.choices}


def solution_from_json(document: Mapping[str, Any]) -> Solution:
    """The solution of its JSON form."""
    bound = document.get("bound")
    return Solution(
        choices=tuple(None if choice is None else tuple(choice) for choice in document["choices"]),
        profit=document["profit"],
        bound=float("inf") if bound is None else bound,
    )


def read_json(path: Path) -> Any:
    """What a .json or .json.gz file holds."""
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)


def load_problem(path: Path) -> Problem:
    """The problem in a .json or .json.gz file."""
    return problem_from_json(read_json(path))


def load_solution(path: Path) -> Solution:
    """The solution in a .json or .json.gz file."""
    return solution_from_json(read_json(path))


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """The problem in its JSON form."""
    return asdict(problem)


def save_problem(problem: Problem, path: Path) -> None:
    """Write a problem as .json.gz, the same bytes for the same problem."""
    path.write_bytes(gzip.compress(json.dumps(problem_to_json(problem)).encode(), mtime=0))


def save_solution(solution: Solution, path: Path) -> None:
    """Write a solution as .json.gz, the same bytes for the same solution."""
    path.write_bytes(gzip.compress(json.dumps(solution_to_json(solution)).encode(), mtime=0))


def with_running(problem: Problem, choices: Sequence[Choice | None], migration_cost: int) -> Problem:
    """The problem as it stands once `choices` run: moving one of them costs."""
    requests = tuple(
        replace(request, running=choice) for request, choice in zip(problem.requests, choices, strict=True)
    )
    return replace(problem, requests=requests, migration_cost=migration_cost)
