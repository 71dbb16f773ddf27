"""The search's second half: destroy and repair. Some requests are freed and given to a small exact program.

With them come the instances that only they use and a few closed ones that would gain most at present prices; everything
else keeps its place and its room. What is freed is drawn by one of five rules, each the likelier the more it found.
"""

from collections.abc import Callable

import numpy as np

from orchestrator.placement.formulation import Part, formulate
from orchestrator.placement.layout import reopen
from orchestrator.placement.patterns import through
from orchestrator.placement.state import SLICE, State
from orchestrator.placement.tables import REFUSED, Bools, Floats, Ints, standing

FEWEST = 6
PATIENCE, AGAIN = 12, 4
"""turns of reopening in vain before a repair, and between one repair and the next"""
WIDE = (1, 2, 4)
"""times the usual margin and closed instances: a repair is narrow and quick, or wide"""
REFUSED_SHARE = 0.25
"""of the requests in a neighbourhood: refused ones that would pay most at present prices"""


def destroy_and_repair(state: State) -> bool:
    """One turn; whether the answer became better. Layouts are tried first, and again between repairs, being cheaper."""
    if not len(state.favour):
        state.favour = np.ones(len(NEIGHBOURHOODS))
        state.free = min(state.tuning.free, len(state.t.revenue))
    if state.idle < PATIENCE:
        better = reopen(state)
        state.idle = 0 if better else state.idle + 1
        return better
    state.idle = PATIENCE - AGAIN
    which = int(state.draw.choice(len(state.favour), p=state.favour / state.favour.sum()))
    better = _repair(state, _with_refused(state, NEIGHBOURHOODS[which](state, state.free)))
    state.favour[which] = max(0.9 * state.favour[which] + 0.1 * (3.0 if better else 0.0), 0.2)
    return better


def _repair(state: State, rows: Ints) -> bool:
    """The best there is for these requests while all others stay, if it is better."""
    if not len(rows):
        return False
    t, pick = state.t, state.pick.copy()
    pick[rows] = REFUSED
    rest = standing(t, pick)
    is_open = rest.users > 0
    is_open[t.shared :] = True
    part = _part(state, rows, is_open, rest.room, rest.site_room)
    seconds = state.clock.left()
    found = formulate(t, part).solve(
        seconds=None if seconds is None else min(seconds, SLICE),
        nodes=state.tuning.nodes,
        beat=state.profit - rest.profit + 1,
    )
    state.free = _next_size(state, found.finished)
    if found.pick is None:
        return False
    pick[rows] = found.pick
    return state.offer(pick)


def _next_size(state: State, finished: bool) -> int:
    size = state.free * (1.1 if finished else 0.8)
    return int(np.clip(np.ceil(size) if finished else size, FEWEST, len(state.t.revenue)))


def _part(state: State, rows: Ints, is_open: Bools, room: Ints, site_room: Ints) -> Part:
    """The freed requests, their candidates near the best at present prices, and the instances worth opening."""
    t = state.t
    prices, wide = _priced(state), state.draw.choice(WIDE)
    own = np.unique(t.instance[rows][t.usable[rows]])
    closed = own[(own < t.shared) & ~is_open[own]]
    used = standing(t, state.pick).users
    alone, others = closed[used[closed] > 0], closed[used[closed] == 0]
    hopeful = is_open.copy()
    hopeful[alone] = True
    cost = through(t, rows, prices, hopeful)
    limit = np.minimum(np.where(hopeful[t.instance[rows][:, 0]], cost[:, 0], np.inf).min(1), t.revenue[rows])
    gain = np.bincount(
        t.instance[rows].ravel(), np.maximum(limit[:, None, None] - cost, 0.0).ravel(), minlength=len(t.site)
    )[others]
    gain -= t.opening[others] * state.draw.uniform(0.0, 1.0, len(others))
    promising = others[np.argsort(-gain, kind="stable")[: state.tuning.closed * int(wide)]]
    may_open = np.sort(np.concatenate([alone, promising]))
    hopeful[promising] = True
    keep = hopeful[t.instance[rows]] & (cost <= limit[:, None, None] + wide * state.tuning.margin)
    keep |= state.pick[rows][:, :, None] == np.arange(keep.shape[2])
    return Part(rows, keep & t.usable[rows], may_open, room, site_room)


def _priced(state: State) -> Floats:
    """R K C: what each candidate costs with the room it takes of its site."""
    t = state.t
    of_site = np.vstack([state.prices.site, np.zeros((1, t.demand.shape[2]))])
    cost: Floats = t.cost + np.einsum("rkct,rkct->rkc", t.takes, of_site[t.site[t.instance]])
    return cost


def _surplus(state: State) -> Floats:
    """R: what a served request earns at present prices, as it is served."""
    pick = state.pick
    cost = np.take_along_axis(_priced(state), np.maximum(pick, 0)[..., None], 2)[..., 0].sum(1)
    return np.where(pick[:, 0] == REFUSED, np.inf, state.t.revenue - cost)


def _with_refused(state: State, rows: Ints) -> Ints:
    """The rows, and some refused requests: the likelier the more they promise."""
    t = state.t
    refused = np.flatnonzero(state.pick[:, 0] == REFUSED)
    promise = t.revenue[refused] - _priced(state)[refused].min(2).sum(1)
    refused, promise = refused[np.isfinite(promise)], promise[np.isfinite(promise)]
    count = min(len(refused), max(int(REFUSED_SHARE * state.free), 2))
    noisy = promise + state.draw.exponential(
        max(float(np.abs(promise).sum()) / max(len(promise), 1), 1.0), len(promise)
    )
    return np.union1d(rows, refused[np.argsort(-noisy, kind="stable")[:count]])


def _served(state: State) -> Ints:
    return np.flatnonzero(state.pick[:, 0] != REFUSED)


def _at_random(state: State, count: int) -> Ints:
    served = _served(state)
    return state.draw.choice(served, min(count, len(served)), replace=False)


def _worst(state: State, count: int) -> Ints:
    """Those who earn least at present prices, with some noise."""
    served = _served(state)
    surplus = _surplus(state)[served]
    noisy = surplus + state.draw.exponential(max(float(np.abs(surplus).sum()) / max(len(served), 1), 1.0), len(served))
    return served[np.argsort(noisy, kind="stable")[:count]]


def _related(state: State, count: int) -> Ints:
    """One request and those who could use most of the same instances."""
    t, served = state.t, _served(state)
    if not len(served):
        return served
    centre = state.draw.choice(served)
    its = np.unique(t.instance[centre][t.usable[centre]])
    common = (np.isin(t.instance[served], its) & t.usable[served]).sum((1, 2))
    noisy = common + state.draw.uniform(0, 2, len(served))
    return served[np.argsort(-noisy, kind="stable")[:count]]


def _of_sites(state: State, count: int) -> Ints:
    """Those who take most of one site or two."""
    t, served = state.t, _served(state)
    sites = state.draw.choice(t.sites, min(t.sites, int(state.draw.integers(1, 3))), replace=False)
    roles = np.arange(t.stays.shape[1])
    there = t.site[t.instance[served[:, None], roles, state.pick[served]]]
    noisy = np.isin(there, sites).sum(1) + state.draw.uniform(0, 2, len(served))
    return served[np.argsort(-noisy, kind="stable")[:count]]


def _of_instances(state: State, count: int) -> Ints:
    """All who use some of the open instances, little-used ones first: so that these can close."""
    t, served = state.t, _served(state)
    roles = np.arange(t.stays.shape[1])
    used = t.instance[served[:, None], roles, state.pick[served]]
    users = np.bincount(used.ravel(), minlength=len(t.site))[: t.shared]
    some = np.flatnonzero(users)
    order = some[np.argsort(users[some] * state.draw.uniform(0.2, 1.0, len(some)), kind="stable")]
    upto = max(int(np.searchsorted(np.cumsum(users[order]), count)), 1)
    return served[np.isin(used, order[:upto]).any(1)][: 2 * count]


NEIGHBOURHOODS: tuple[Callable[[State, int], Ints], ...] = (_at_random, _worst, _related, _of_sites, _of_instances)
