"""Greedy admission of a batch: one request after the other, each by its cheapest pattern that still fits.

`admit` in the order of arrival is what an operator without foresight does; with prices for what is scarce and with the
instances that shall be open it is also how the search turns a layout into a feasible solution, and how it repairs.
"""

from collections.abc import Iterable

import numpy as np

from orchestrator.placement.patterns import best_pick
from orchestrator.placement.problem import Problem, Solution
from orchestrator.placement.tables import REFUSED, Floats, Ints, Tables, choices_of, standing, tables

TRIES = 6
"""patterns looked at per request before it is refused: each failed one forbids the place that was too full"""


def admit_batch(problem: Problem) -> Solution:
    """Each request in the order of arrival, if it earns more than it costs and still fits."""
    t = tables(problem)
    everyone = np.arange(len(problem.requests))
    pick = admit(t, np.full(t.stays.shape, REFUSED), everyone, t.cost, t.opening)
    return Solution(choices_of(problem, pick), round(standing(t, pick).profit))


def admit(t: Tables, pick: Ints, order: Iterable[int], prices: Floats, opening: Floats) -> Ints:
    """The pick with the requests of `order` placed one by one, those refused that no longer fit or pay.

    `prices` (R K C) and `opening` (I) say what attaching and opening cost in the eyes of the caller.
    """
    pick = pick.copy()
    now = standing(t, pick)
    room, site_room, users = now.room.copy(), now.site_room.copy(), now.users.copy()
    for row in order:
        found = _fitting(t, int(row), prices[row], opening, room, site_room, users)
        if found is None:
            continue
        pick[row] = found
        which = t.instance[row, np.arange(len(found)), found]
        for role, instance in enumerate(which):
            if not users[instance]:
                site_room[t.site[instance]] -= t.overhead[instance]
            users[instance] += 1
            room[instance] -= t.demand[row, role]
            site_room[t.site[instance]] -= t.takes[row, role, found[role]]
    return pick


def _fitting(
    t: Tables, row: int, prices: Floats, opening: Floats, room: Ints, site_room: Ints, users: Ints
) -> Ints | None:
    """The cheapest pattern of one request that fits what is left and pays; None where there is none."""
    which, site = t.instance[row], t.site[t.instance[row]]
    closed = users[which] == 0
    price = prices + np.where(closed, opening[which], 0.0)
    needs = t.takes[row] + np.where(closed[..., None], t.overhead[which], 0)
    allowed = (t.demand[row][:, None, :] <= room[which]).all(2) & (needs <= site_room[site]).all(2)
    roles = np.arange(len(price))
    for _ in range(TRIES):
        cost, found = best_pick(t, row, price, allowed)
        moves = t.stays[row, 0] != REFUSED and found is not None and bool((found != t.stays[row]).any())
        if found is None or cost + (t.moving[row] if moves else 0.0) >= t.revenue[row]:
            return _staying(t, row, price, allowed, needs, room, site_room)
        full = _too_full(t, row, found, needs, room, site_room)
        if full < 0:
            return found
        at_full = roles[site[roles, found] == full]
        hungriest = at_full[int(needs[at_full, found[at_full]].sum(1).argmax())]
        allowed[hungriest, found[hungriest]] = False
    return None


def _staying(
    t: Tables, row: int, price: Floats, allowed: np.ndarray, needs: Ints, room: Ints, site_room: Ints
) -> Ints | None:
    """A running request may stay where moving it would not pay."""
    stay = t.stays[row]
    roles = np.arange(len(stay))
    if stay[0] == REFUSED or not allowed[roles, stay].all() or price[roles, stay].sum() >= t.revenue[row]:
        return None
    return stay if _too_full(t, row, stay, needs, room, site_room) < 0 else None


def _too_full(t: Tables, row: int, found: Ints, needs: Ints, room: Ints, site_room: Ints) -> int:
    """The first site that the roles together would overfill (also through one of its instances); -1 for none."""
    roles = np.arange(len(found))
    which = t.instance[row, roles, found]
    for site in np.unique(t.site[which]):
        here = roles[t.site[which] == site]
        if (needs[here, found[here]].sum(0) > site_room[site]).any():
            return int(site)
        for instance in np.unique(which[here]):
            if (t.demand[row, roles[which == instance]].sum(0) > room[instance]).any():
                return int(site)
    return -1
