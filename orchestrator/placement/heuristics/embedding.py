"""The batch problem as virtual-network embedding, plainly: what the published heuristics see and may do.

Substrate: one node per model, as the request's isolation degree lets it see them (its class of instances); a node's
capacity is what is free of its instance and of its site, in each resource; models of different kinds are linked, since
any two may serve one request, and a link has the bandwidth that both ends have free. Virtual network: one node per
role, linked to a full mesh, a link asking for the smaller bandwidth demand of its ends.

As published, requests are embedded in the order of arrival, each accepted wherever an embedding is found, and nodes
are mapped one by one, largest first, without going back. Two things are added in the heuristics' favour: a node is
passed over where the latency it takes leaves too little for the other roles' fastest candidates, and several roles
may not collide, their kinds being different. Resources are added up to the one number that the papers call CPU.
"""

from typing import Protocol

import numpy as np

from orchestrator.placement.problem import Problem, Solution
from orchestrator.placement.tables import REFUSED, Bools, Floats, Ints, Tables, choices_of, standing, tables

BANDWIDTH = "bandwidth"


class Ranking(Protocol):
    """One heuristic: in which order roles are mapped, and which substrate node each prefers."""

    def roles(self, cpu: Floats, links: Floats) -> list[int]:
        """The order in which virtual nodes are mapped, from their demand and the bandwidth of their links."""
        ...

    def nodes(self, cpu: Floats, links: Floats, chosen: list[int], distance: Floats) -> Floats:
        """What each substrate node is worth (higher is better), given the nodes chosen so far for this request."""
        ...


def embed_all(problem: Problem, ranking: Ranking) -> Solution:
    """Every request in the order of arrival, by one heuristic."""
    t = tables(problem)
    pick = np.full(t.stays.shape, REFUSED)
    now = standing(t, pick)
    room, site_room, users = now.room.copy(), now.site_room.copy(), now.users.copy()
    substrate = _Substrate(t)
    for row in range(len(problem.requests)):
        found = _embed(substrate, ranking, row, room, site_room, users)
        if found is None:
            continue
        pick[row] = found
        for role, instance in enumerate(t.instance[row, np.arange(len(found)), found]):
            if not users[instance]:
                site_room[t.site[instance]] -= t.overhead[instance]
            users[instance] += 1
            room[instance] -= t.demand[row, role]
            site_room[t.site[instance]] -= t.takes[row, role, found[role]]
    return Solution(choices_of(problem, pick), round(standing(t, pick).profit))


class _Substrate:
    """The models as a graph."""

    def __init__(self, t: Tables) -> None:
        problem = t.problem
        self.t = t
        self.models = len(problem.models)
        kinds = np.array([model.kind for model in problem.models])
        self.linked: Bools = kinds[:, None] != kinds[None, :]
        names = problem.resources
        self.bandwidth = names.index(BANDWIDTH) if BANDWIDTH in names else 0
        sites = np.array([model.site for model in problem.models])
        self.distance: Floats = np.where(sites[:, None] == sites[None, :], 1.0, 2.0)
        """hops: one inside a site, two across"""

    def free(self, row: int, room: Ints, site_room: Ints) -> Floats:
        """M T: what each model has free for this request's class."""
        t = self.t
        first = int((t.instance[row] - self._model(row))[t.usable[row]][0]) if t.usable[row].any() else 0
        mine = np.arange(first, first + self.models)
        capacity = np.array([model.capacity for model in t.problem.models])
        own = np.minimum(room[mine], capacity)
        free: Floats = np.maximum(np.minimum(own, site_room[t.site[mine]]), 0).astype(float)
        return free

    def _model(self, row: int) -> Ints:
        model: Ints = self.t.instance[row] % self.models
        return model

    def links(self, free: Floats) -> Floats:
        """M M: bandwidth between models."""
        bandwidth = free[:, self.bandwidth]
        links: Floats = np.minimum(bandwidth[:, None], bandwidth[None, :]) * self.linked
        return links


def _embed(substrate: _Substrate, ranking: Ranking, row: int, room: Ints, site_room: Ints, users: Ints) -> Ints | None:
    """One request's pick, role by role; None as soon as a role finds no node."""
    t = substrate.t
    count = int(t.has_role[row].sum())
    demand = t.demand[row, :count]
    wanted = demand[:, substrate.bandwidth].astype(float)
    mesh = np.minimum(wanted[:, None], wanted[None, :]) * ~np.eye(count, dtype=bool)
    pick = np.zeros(t.stays.shape[1], dtype=np.int64)
    fastest = np.where(t.usable[row, :count], t.latency[row, :count], 1 << 30).min(1)
    left, waiting = int(t.latency_bound[row]), int(fastest.sum())
    taken, chosen = np.zeros_like(site_room), list[int]()
    free = substrate.free(row, room, site_room)
    cpu, links = free.sum(1), substrate.links(free)
    for role in ranking.roles(demand.sum(1).astype(float), mesh):
        waiting -= int(fastest[role])
        which = t.instance[row, role]
        needs = t.takes[row, role] + np.where((users[which] == 0)[:, None], t.overhead[which], 0)
        fits = t.usable[row, role] & (demand[role] <= room[which]).all(1)
        fits &= (needs <= (site_room - taken)[t.site[which]]).all(1) & (t.latency[row, role] + waiting <= left)
        if not fits.any():
            return None
        model = which % substrate.models
        worth = ranking.nodes(cpu, links, chosen, substrate.distance)[np.where(fits, model, 0)]
        pick[role] = int(np.where(fits, worth, -np.inf).argmax())
        left -= int(t.latency[row, role, pick[role]])
        taken[t.site[which[pick[role]]]] += needs[pick[role]]
        chosen.append(int(model[pick[role]]))
    return pick
