"""The mixed-integer form of a batch problem, or of a part of it, for scipy's HiGHS.

Variables, in this order: accept a request, attach a role to a candidate, open an instance, move a running request. A
part is given by which candidates stay in play and which instances may still be opened; whatever is fixed outside of the
part only narrows the room that is passed in. Each attachment to an instance that may be opened is linked to it on its
own (x ≤ y), which is what makes the relaxation tight.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from orchestrator.placement.dual import Prices, first_prices
from orchestrator.placement.tables import REFUSED, Bools, Floats, Ints, Tables

CLOSE = 0.5


@dataclass(frozen=True, eq=False)
class Part:
    """What is still to be decided."""

    rows: Ints
    """the requests, ascending"""
    keep: Bools
    """n K C: the candidates in play"""
    may_open: Ints
    """instances that are closed and may be opened, ascending; every other one in play is open already"""
    room: Ints
    """I T: free at the instances in play"""
    site_room: Ints
    """S + 1, T"""


@dataclass(frozen=True, eq=False)
class Found:
    """An answer of the solver."""

    pick: Ints | None
    """n K; None where no feasible answer was found in time"""
    profit: float
    """of the part: what its requests earn less what it opens"""
    bound: float
    finished: bool
    """proved within the tolerance asked for"""


@dataclass(frozen=True, eq=False)
class Formulation:
    """Costs (to be minimised), `filled @ x = 0` for the roles, `within @ x ≤ room` for everything else."""

    t: Tables
    part: Part
    at: tuple[Ints, Ints, Ints]
    """N: row within the part, role, candidate of each attachment"""
    open_here: Ints
    """instances in play, ascending, whose capacity is kept"""
    cost: Floats
    filled: csr_array
    within: csr_array
    room: Floats
    sections: dict[str, slice]
    """the rows of `within`, by what they keep"""

    def solve(
        self, gap: float = 0.0, seconds: float | None = None, nodes: int | None = None, beat: float | None = None
    ) -> Found:
        """The best integer answer, to a relative gap; `beat` cuts off answers that do not earn more."""
        options = {"mip_rel_gap": gap, "time_limit": seconds, "node_limit": nodes}
        constraints = [
            LinearConstraint(self.filled, 0.0, 0.0),
            LinearConstraint(self.within, -np.inf, self.room),
        ]
        if beat is not None:
            constraints.append(LinearConstraint(csr_array(self.cost[None, :]), -np.inf, -beat))
        answer = milp(
            self.cost,
            integrality=np.ones(len(self.cost)),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options={name: value for name, value in options.items() if value is not None},
        )
        bound = -answer.mip_dual_bound if answer.mip_dual_bound is not None else np.inf
        if answer.x is None:
            return Found(None, -np.inf, bound, answer.status in (0, 2))
        return Found(self._pick(answer.x), -float(answer.fun), bound, answer.status == 0)

    def relax(self, seconds: float | None = None) -> tuple[float | None, Prices]:
        """The value of the linear relaxation, None where time ended it, and what the room in play is worth."""
        answer = linprog(
            self.cost,
            A_eq=self.filled,
            b_eq=np.zeros(self.filled.shape[0]),
            A_ub=self.within,
            b_ub=self.room,
            bounds=(0, 1),
            method="highs",
            options={} if seconds is None else {"time_limit": seconds},
        )
        if answer.status != 0:
            return None, first_prices(self.t)
        return -float(answer.fun), self._prices(-answer.ineqlin.marginals, answer.eqlin.marginals)

    def _pick(self, x: Floats) -> Ints:
        row, role, candidate = self.at
        first = len(self.part.rows)
        chosen = x[first : first + len(row)] > CLOSE
        pick = np.full(self.part.keep.shape[:2], REFUSED, dtype=np.int64)
        accepted = x[:first] > CLOSE
        pick[accepted] = 0
        pick[row[chosen], role[chosen]] = candidate[chosen]
        pick[~accepted] = REFUSED
        return pick

    def _prices(self, worth: Floats, roles: Floats) -> Prices:
        t, resources = self.t, self.part.room.shape[1]
        role = np.zeros(t.has_role.shape)
        of_part = t.has_role[self.part.rows]
        filled = np.zeros(of_part.shape)
        filled[of_part] = roles
        role[self.part.rows] = filled
        latency = np.zeros(len(t.revenue))
        latency[self.part.rows] = worth[self.sections["latency"]]
        instance = np.zeros((t.shared, resources))
        instance[self.open_here] = worth[self.sections["instance"]].reshape(resources, -1).T
        return Prices(role, latency, worth[self.sections["site"]].reshape(resources, -1).T, instance)


def whole(t: Tables) -> Part:
    """Everything is still to be decided."""
    return Part(np.arange(len(t.revenue)), t.usable, np.arange(t.shared), t.capacity, t.site_capacity)


class _Rows:
    """Sparse rows `… ≤ room`, gathered block by block."""

    def __init__(self, columns: int) -> None:
        self.columns, self.count = columns, 0
        self.entries: list[tuple[Ints, Ints, Floats]] = []
        self.room: list[Floats] = []
        self.sections: dict[str, slice] = {}

    def add(self, name: str, room: Floats, *entries: tuple[Ints, Ints, Floats | Ints | float]) -> None:
        """A block of rows; each entry is (row in the block, column, value)."""
        for row, column, value in entries:
            self.entries.append((row + self.count, column, np.broadcast_to(np.asarray(value, float), row.shape)))
        self.room.append(np.asarray(room, float))
        self.sections[name] = slice(self.count, self.count + len(room))
        self.count += len(room)

    def matrix(self) -> csr_array:
        """All blocks as one sparse matrix."""
        row, column, value = (np.concatenate(one) for one in zip(*self.entries, strict=True))
        return csr_array((value, (row, column)), shape=(self.count, self.columns))


def formulate(t: Tables, part: Part) -> Formulation:
    """The mixed-integer form of a part."""
    rows, keep = part.rows, part.keep & t.usable[part.rows]
    row, role, candidate = np.nonzero(keep)
    instance = t.instance[rows[row], role, candidate]
    runs = np.flatnonzero((t.stays[rows, 0] != REFUSED) & (t.moving[rows] > 0))
    attach = len(rows) + np.arange(len(row))
    opens = len(rows) + len(row) + np.arange(len(part.may_open))
    moves = len(rows) + len(row) + len(opens) + np.arange(len(runs))
    columns = len(rows) + len(row) + len(opens) + len(runs)
    cost = np.concatenate(
        [-t.revenue[rows], t.cost[rows[row], role, candidate], t.opening[part.may_open], t.moving[rows[runs]]]
    )
    filled = _filled(t.has_role[rows], row, role, attach, columns)
    within = _Rows(columns)
    everyone = np.arange(len(rows))
    within.add(
        "latency",
        np.zeros(len(rows)),
        (row, attach, t.latency[rows[row], role, candidate]),
        (everyone, everyone, -t.latency_bound[rows]),
    )
    open_here = np.union1d(part.may_open, instance[instance < t.shared])
    _capacities(t, part, within, (rows[row], role, candidate), attach, opens, open_here)
    linked = np.flatnonzero(np.isin(instance, part.may_open))
    each = np.arange(len(linked))
    opened = opens[np.searchsorted(part.may_open, instance[linked])]
    within.add("links", np.zeros(len(linked)), (each, attach[linked], 1.0), (each, opened, -1.0))
    _moving(t, part, within, (row, role, candidate), attach, moves, runs)
    return Formulation(
        t=t,
        part=part,
        at=(row, role, candidate),
        open_here=open_here,
        cost=cost,
        filled=filled,
        within=within.matrix(),
        room=np.concatenate(within.room),
        sections=within.sections,
    )


def _filled(has_role: Bools, row: Ints, role: Ints, attach: Ints, columns: int) -> csr_array:
    """Each role is filled as often as its request is accepted."""
    number = np.full(has_role.shape, -1)
    number[has_role] = np.arange(has_role.sum())
    whose = np.nonzero(has_role)[0]
    value = np.concatenate([np.ones(len(row)), -np.ones(len(whose))])
    place = (np.concatenate([number[row, role], number[has_role]]), np.concatenate([attach, whose]))
    return csr_array((value, place), shape=(len(whose), columns))


def _capacities(
    t: Tables, part: Part, within: _Rows, at: Sequence[Ints], attach: Ints, opens: Ints, open_here: Ints
) -> None:
    """Instances and sites give no more than they have, in each resource."""
    row, role, candidate = at
    instance = t.instance[row, role, candidate]
    shared = np.flatnonzero(instance < t.shared)
    place = np.searchsorted(open_here, instance[shared])
    new = np.searchsorted(open_here, part.may_open)
    is_new = np.isin(open_here, part.may_open)
    held, own, count = [], t.demand[row, role], len(open_here)
    taken, sites = [], t.sites
    for resource in range(part.room.shape[1]):
        first = resource * count
        held.append((first + place, attach[shared], own[shared, resource]))
        held.append((first + new, opens, -part.room[part.may_open, resource]))
        there = resource * sites
        taken.append((there + t.site[instance], attach, t.takes[row, role, candidate][:, resource]))
        taken.append((there + t.site[part.may_open], opens, t.overhead[part.may_open, resource]))
    within.add("instance", np.where(is_new[:, None], 0.0, part.room[open_here]).T.ravel(), *held)
    within.add("site", part.site_room[:-1].T.ravel().astype(float), *taken)


def _moving(t: Tables, part: Part, within: _Rows, at: Sequence[Ints], attach: Ints, moves: Ints, runs: Ints) -> None:
    """An accepted request that runs pays its move unless every role stays: accept − stay ≤ move, role by role."""
    row, role, candidate = at
    has_role = t.has_role[part.rows[runs]]
    number = np.full(part.keep.shape[:2], -1)
    of_run, of_role = np.nonzero(has_role)
    each = np.arange(len(of_run))
    number[runs[of_run], of_role] = each
    stay = np.flatnonzero((number[row, role] >= 0) & (t.stays[part.rows[row], role] == candidate))
    within.add(
        "moves",
        np.zeros(len(each)),
        (each, runs[of_run], 1.0),
        (number[row[stay], role[stay]], attach[stay], -1.0),
        (each, moves[of_run], -1.0),
    )
