"""A batch problem as numpy arrays, made once per search. Requests × roles × candidates, padded to a box.

Letters of the shapes, here and in the modules that use the tables: R requests, K roles, C candidates, T resources,
I instances, S sites. Instances are numbered class by class, M models each: open to all, one class per cluster, and last
the dedicated ones, which are always "open" and whose opening cost and overhead sit on the attachment instead. A role
that a request does not have is one free candidate at the last instance, which stands on the last site, and both have
room for everything; so no loop asks how many roles a request has.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.placement.problem import Choice, Problem, Request

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
PLENTY = 1 << 40
"""room of what is never full"""
REFUSED = -1
"""in a pick: the request is not served"""


@dataclass(frozen=True, eq=False)
class Tables:
    """The arrays. A pick is an R × K array of candidate positions, REFUSED in a refused request's whole row."""

    problem: Problem
    shared: int
    """instances below this number can be open or closed; from it on they are dedicated, or the padding"""
    instance: Ints
    """R K C → I"""
    usable: Bools
    """R K C: a candidate of a role that exists, and it fits alone"""
    cost: Floats
    """R K C: use, and for a dedicated instance its opening; infinite where not usable"""
    takes: Ints
    """R K C T: of the site, with the overhead of a dedicated instance"""
    demand: Ints
    """R K T: of the instance"""
    latency: Ints
    """R K C: the model's own and that of the way to its site"""
    has_role: Bools
    """R K"""
    revenue: Floats
    """R"""
    latency_bound: Ints
    """R"""
    moving: Floats
    """R: what it costs to serve it otherwise than now; 0 where it does not run"""
    stays: Ints
    """R K: the pick that runs now, REFUSED where none does"""
    site: Ints
    """I → S"""
    capacity: Ints
    """I T"""
    overhead: Ints
    """I T"""
    opening: Floats
    """I: what opening costs, 0 where the instance runs already"""
    site_capacity: Ints
    """S + 1, T"""
    askers: tuple[Ints, ...]
    """shared instance → the requests it is a candidate of"""

    @property
    def sites(self) -> int:
        """How many sites there are, without the padding's."""
        return len(self.site_capacity) - 1


def tables(problem: Problem) -> Tables:
    """The arrays of a problem."""
    models, requests = problem.models, problem.requests
    count, clusters = len(models), max((len(model.running_in_cluster) for model in models), default=0)
    resources = len(problem.resources)
    lines = {
        name: np.array([getattr(model, name) for model in models], dtype=np.int64).reshape(count, -1)
        for name in ("capacity", "overhead", "site", "opening_cost", "use_cost", "latency_tenth_ms")
    }
    opening, runs = lines["opening_cost"][:, 0], np.array([model.running_in_cluster for model in models]).T
    per_cluster = [np.where(runs[cluster], 0, opening) for cluster in range(clusters)]
    shared = count * (1 + clusters)
    padding = shared + count
    site_capacity = np.array([*(site.capacity for site in problem.sites), (PLENTY,) * resources], dtype=np.int64)
    roomy = np.full((count + 1, resources), PLENTY)
    nothing = np.zeros((count + 1, resources), dtype=np.int64)
    box = _box(problem, lines, site_capacity, shared, padding)
    return Tables(
        problem=problem,
        shared=shared,
        site=np.append(np.tile(lines["site"][:, 0], 2 + clusters), len(problem.sites)),
        capacity=np.vstack([np.tile(lines["capacity"], (1 + clusters, 1)), roomy]),
        overhead=np.vstack([np.tile(lines["overhead"], (1 + clusters, 1)), nothing]),
        opening=np.concatenate([opening, *per_cluster, np.zeros(count + 1)]).astype(float),
        site_capacity=site_capacity,
        revenue=np.array([request.revenue for request in requests], dtype=float),
        latency_bound=np.array([request.max_latency_tenth_ms for request in requests], dtype=np.int64),
        moving=np.array([problem.migration_cost * (request.running is not None) for request in requests], dtype=float),
        stays=pick_of(problem, [request.running for request in requests], box["has_role"].shape[1]),
        askers=_askers(box["instance"], box["usable"], shared),
        **box,
    )


def _box(problem: Problem, lines: dict[str, Ints], site_capacity: Ints, shared: int, padding: int) -> dict[str, Any]:
    """The arrays over requests, roles and candidates."""
    roles = max((len(request.roles) for request in problem.requests), default=1)
    widest = max((len(role.candidates) for request in problem.requests for role in request.roles), default=1)
    box, resources = (len(problem.requests), roles, widest), len(problem.resources)
    instance, usable = np.full(box, padding), np.zeros(box, dtype=bool)
    cost, latency = np.full(box, np.inf), np.zeros(box, dtype=np.int64)
    takes = np.zeros((*box, resources), dtype=np.int64)
    demand, has_role = np.zeros((*box[:2], resources), dtype=np.int64), np.zeros(box[:2], dtype=bool)
    count = len(problem.models)
    ways = np.array(problem.ways_tenth_ms or ((0,) * len(problem.sites),), dtype=np.int64)
    for index, request in enumerate(problem.requests):
        first = _first_instance(request, count, shared)
        alone = request.isolation == 2
        for position, role in enumerate(request.roles):
            some = np.array(role.candidates, dtype=np.int64)
            at = (index, position, slice(0, len(some)))
            own, overhead = np.array(role.demand), lines["overhead"][some]
            room = site_capacity[lines["site"][some, 0]]
            instance[at] = first + some
            fits = (own <= lines["capacity"][some]).all(1) & (own + overhead <= room).all(1)
            usable[at] = fits
            opening = lines["opening_cost"][some, 0] if alone else 0
            cost[at] = np.where(fits, lines["use_cost"][some, 0] + opening, np.inf)
            way = ways[request.access if problem.ways_tenth_ms else 0]
            latency[at] = lines["latency_tenth_ms"][some, 0] + way[lines["site"][some, 0]]
            takes[at] = own + overhead * alone
            demand[index, position], has_role[index, position] = own, True
    cost[..., 0][~has_role] = 0.0
    return {
        "instance": instance, "usable": usable, "cost": cost, "takes": takes, "demand": demand, "latency": latency,
        "has_role": has_role,
    }  # fmt: skip


def _first_instance(request: Request, models: int, shared: int) -> int:
    """Number of model 0's instance for this request: model m's is m further."""
    if request.isolation == 2:
        return shared
    return models * (1 + request.cluster) if request.isolation == 1 else 0


def _askers(instance: Ints, usable: Bools, shared: int) -> tuple[Ints, ...]:
    rows, which = np.nonzero(usable)[0], instance[usable]
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(shared + 1))
    return tuple(np.unique(rows[order[start:end]]) for start, end in pairwise(ends))


def pick_of(problem: Problem, choices: list[Choice | None], roles: int) -> Ints:
    """The pick of choices; a role that does not exist picks its one candidate."""
    pick = np.full((len(choices), roles), REFUSED, dtype=np.int64)
    for index, (request, choice) in enumerate(zip(problem.requests, choices, strict=True)):
        if choice is not None:
            pick[index] = 0
            for position, (role, model) in enumerate(zip(request.roles, choice, strict=True)):
                pick[index, position] = role.candidates.index(model)
    return pick


def choices_of(problem: Problem, pick: Ints) -> tuple[Choice | None, ...]:
    """The choices of a pick."""
    return tuple(
        None
        if row[0] == REFUSED
        else tuple(role.candidates[position] for role, position in zip(request.roles, row, strict=False))
        for request, row in zip(problem.requests, pick.tolist(), strict=True)
    )


@dataclass(frozen=True, eq=False)
class Standing:
    """What a pick takes and leaves, and what it earns: recomputed in about a millisecond for 1,000 requests."""

    users: Ints
    """I: attachments"""
    room: Ints
    """I T: free of each instance's capacity"""
    site_room: Ints
    """S + 1, T: free of each site"""
    profit: float

    @property
    def feasible(self) -> bool:
        """Whether nothing gives more than it has."""
        return bool((self.room >= 0).all() and (self.site_room >= 0).all())


def standing(t: Tables, pick: Ints) -> Standing:
    """What a pick takes, leaves and earns (its latencies and candidates are the caller's promise)."""
    served = np.flatnonzero(pick[:, 0] != REFUSED) if pick.size else np.zeros(0, dtype=np.int64)
    rows, roles = served[:, None], np.arange(pick.shape[1])[None, :]
    chosen = pick[served]
    which = t.instance[rows, roles, chosen].ravel()
    users = np.bincount(which, minlength=len(t.site))
    is_open = users > 0
    room, site_room = t.capacity.copy(), t.site_capacity.copy()
    np.subtract.at(room, which, t.demand[served].reshape(-1, t.demand.shape[2]))
    np.subtract.at(site_room, t.site[which], t.takes[rows, roles, chosen].reshape(-1, t.demand.shape[2]))
    np.subtract.at(site_room, t.site[is_open], t.overhead[is_open])
    moved = (t.stays[served, :1] != REFUSED).any(1) & (chosen != t.stays[served]).any(1)
    profit = t.revenue[served].sum() - t.cost[rows, roles, chosen].sum() - t.opening[is_open].sum()
    return Standing(users, room, site_room, float(profit - t.moving[served][moved].sum()))
