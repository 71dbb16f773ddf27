"""The cheapest way to fill all roles of a request under its latency, for many requests at once, by dynamic programming.

One step per role over a latency axis of `width` tenths of a millisecond; forward and backward tables meet at each
candidate, which gives the best complete pattern *through* every candidate, open or closed. That one table answers what
closing any instance would lose and what opening any would gain.
"""

import numpy as np

from orchestrator.placement.tables import REFUSED, Bools, Floats, Ints, Tables


def through(t: Tables, rows: Ints, prices: Floats, is_open: Bools) -> Floats:
    """n K C: the cheapest pattern that uses this candidate (open or not), all its other roles at open instances.

    `prices` is R K C, what a candidate costs at present prices; `is_open` is over instances. Moving costs are counted.
    """
    latency, bound = t.latency[rows], t.latency_bound[rows]
    price = prices[rows]
    at_open = np.where(is_open[t.instance[rows]], price, np.inf)
    roles, width = latency.shape[1], int(bound.max(initial=0)) + 1
    before = [np.zeros((len(rows), width))]
    for role in range(roles - 1):
        before.append(_step(before[-1], latency[:, role], at_open[:, role]))
    after = [np.zeros((len(rows), width))]
    for role in range(roles - 1, 0, -1):
        after.append(_step(after[-1], latency[:, role], at_open[:, role]))
    after.reverse()
    found = np.empty_like(price)
    each, axis = np.arange(len(rows))[:, None, None], np.arange(width)
    for role in range(roles):
        left = (bound[:, None] - latency[:, role])[:, :, None] - axis
        rest = np.where(left >= 0, after[role][each, np.maximum(left, 0)], np.inf)
        found[:, role] = price[:, role] + (before[role][:, None, :] + rest).min(2)
    return _with_staying(t, rows, price, is_open, found)


def _step(table: Floats, latency: Ints, price: Floats) -> Floats:
    """One role more: n × width, the cheapest within each latency."""
    width, longest = table.shape[1], int(latency.max(initial=0))
    padded = np.full((len(table), width + longest), np.inf)
    padded[:, longest:] = table
    index = np.arange(width)[None, None, :] + longest - latency[:, :, None]
    reached: Floats = (padded[np.arange(len(table))[:, None, None], index] + price[:, :, None]).min(1)
    return reached


def _with_staying(t: Tables, rows: Ints, price: Floats, is_open: Bools, found: Floats) -> Floats:
    """A request that runs pays for moving, unless it stays exactly as it is."""
    runs = np.flatnonzero(t.stays[rows, 0] != REFUSED)
    if not len(runs):
        return found
    which = rows[runs]
    found[runs] += t.moving[which][:, None, None]
    roles = np.arange(found.shape[1])[None, :]
    now = t.stays[which]
    closed = ~is_open[t.instance[which[:, None], roles, now]]
    others_open = closed.sum(1)[:, None] - closed == 0
    stay = np.where(others_open, price[runs[:, None], roles, now].sum(1)[:, None], np.inf)
    found[runs[:, None], roles, now] = np.minimum(found[runs[:, None], roles, now], stay)
    return found


def best_pick(t: Tables, row: int, prices: Floats, allowed: Bools) -> tuple[float, Ints | None]:
    """The cheapest pattern of one request among the allowed candidates (K C), and its cost; None where there is none.

    The latency axis holds "at most", so the walk back may take any candidate that reaches the table's value.
    """
    price = np.where(allowed, prices, np.inf)
    bound, latency = int(t.latency_bound[row]), t.latency[row]
    roles = len(price)
    after = [np.zeros(bound + 1)]
    for role in range(roles - 1, 0, -1):
        after.append(_step(after[-1][None], latency[None, role], price[None, role])[0])
    after.reverse()
    pick, left, total = np.zeros(roles, dtype=np.int64), bound, 0.0
    for role in range(roles):
        rest = left - latency[role]
        value = np.where(rest >= 0, price[role] + after[role][np.maximum(rest, 0)], np.inf)
        position = int(value.argmin())
        if not np.isfinite(value[position]):
            return np.inf, None
        pick[role], left, total = position, int(rest[position]), total + float(price[role, position])
    return total, pick
