"""Layouts: which instances to open, and everybody placed at them. The search's first half, and one of its moves.

At given prices of scarce room openings are chosen by local search; the linear program at those openings values the
layout; a mixed-integer program, almost integral once openings are fixed, turns it into a placement. The first prices
are rough and settle in rounds of opening and pricing; once a good profit is known, the dual's are better and stay.
"""

import numpy as np

from orchestrator.placement.admission import admit
from orchestrator.placement.dual import descend, of_flat
from orchestrator.placement.formulation import Part, formulate, whole
from orchestrator.placement.openings import Openings
from orchestrator.placement.state import Clock, State
from orchestrator.placement.tables import REFUSED, Floats, Ints

ENOUGH = 2
"""rounds without a better layout before the rounds end"""
ATTEMPTS = 5
"""of one turn of reopening"""
FLIPS = (1, 1, 2, 3)
"""instances that an attempt opens or closes against the prices"""
MEND = 0.5
"""of the attempts: the rest is mended at the prices; else the few flips stand alone"""
DRIFT = 2e-4
"""of a layout's worth: how much worse the next layout may be, on average"""


def open_and_place(state: State) -> None:
    """From rough prices to a placement of all requests, a bound and good prices; each step offers what it has."""
    t, clock = state.t, state.clock
    bound, prices = descend(
        state.relaxed, state.prices, state.tuning.first_steps, state.profit, clock.part(0.15).goes_on
    )
    state.lower(bound)
    state.prices, state.layout = prices, np.ones(len(t.site), dtype=bool)
    if not clock.goes_on():
        return
    _settle(state, clock.part(0.35))
    pull_bound(state, clock.part(0.3))
    layout = Openings(t, state.layout, state.prices)
    layout.climb(clock.goes_on)
    _value(state, layout)
    _place_all(state, Openings(t, state.layout, state.layout_prices or state.prices), clock.left(0.6))


def reopen(state: State) -> bool:
    """Open or close a few instances against the prices, mend the rest, and place everybody again where it may pay."""
    t, draw = state.t, state.draw
    for _ in range(ATTEMPTS):
        if not state.clock.goes_on():
            return False
        layout = Openings(t, state.layout, state.prices)
        _, change = layout.moves()
        near = np.argsort(-change[: t.shared], kind="stable")[: max(t.shared // 5, 10)]
        held = draw.choice(near, min(int(draw.choice(FLIPS)), len(near)), replace=False)
        for instance in held:
            layout.flip(int(instance))
        if draw.random() < MEND:
            layout.climb(state.clock.goes_on, held)
        if _value(state, layout, DRIFT) and state.layout_worth - state.hope >= state.profit + 1:
            return _place_all(state, Openings(t, state.layout, state.layout_prices or state.prices), state.clock.left())
    return False


def pull_bound(state: State, clock: Clock) -> None:
    """The bound as far down as the clock allows, and its prices: a linear program where small, else the dual."""
    if len(state.relaxed.row) <= state.tuning.exact_bound:
        worth, prices = formulate(state.t, whole(state.t)).relax(clock.left())
        if worth is not None:
            state.prices = prices
            state.lower(worth)
            return
    bound, prices = descend(state.relaxed, state.prices, state.tuning.last_steps, state.profit, clock.goes_on)
    if np.isfinite(bound):
        state.prices = prices
        state.lower(bound)


def _settle(state: State, clock: Clock) -> None:
    """Rounds of opening and pricing from all instances open; the best layout is kept and admitted one by one."""
    layout, prices, stalled = Openings(state.t, state.layout, state.prices), state.prices, 0
    for turn in range(state.tuning.rounds):
        layout.climb(clock.goes_on)
        if not clock.goes_on():
            break
        stalled = 0 if _value(state, layout) else stalled + 1
        if stalled > ENOUGH or state.last_prices is None:
            break
        step = 1 / (2 + turn / 2)
        prices = of_flat(state.t, (1 - step) * prices.flat() + step * state.last_prices.flat())
        layout.price(prices)
    state.offer(admit_at(Openings(state.t, state.layout, state.layout_prices or state.prices)))


def _value(state: State, layout: Openings, drift: float = 0.0) -> bool:
    """What the linear program makes of a layout; taken, and True, where it is better, or worse by a little drift."""
    worth, state.last_prices = formulate(state.t, _at_open(layout)).relax(state.clock.left())
    if worth is None:
        return False
    worth -= float(state.t.opening[layout.is_open].sum())
    if worth <= state.layout_worth - (state.draw.exponential(drift * abs(state.layout_worth)) if drift else 0.0):
        return False
    state.layout, state.layout_worth, state.layout_prices = layout.is_open.copy(), worth, state.last_prices
    return True


def _at_open(layout: Openings, margin: float = np.inf) -> Part:
    """All requests, the instances of a layout, nothing else to open."""
    t, is_open = layout.t, layout.is_open
    keep = t.usable & is_open[t.instance]
    if np.isfinite(margin):
        keep &= layout.through <= np.minimum(layout.best_costs(), t.revenue)[:, None, None] + margin
    shared = np.flatnonzero(is_open[: t.shared])
    site_room = t.site_capacity.copy()
    np.subtract.at(site_room, t.site[shared], t.overhead[shared])
    return Part(np.arange(len(t.revenue)), keep, shared[:0], t.capacity, site_room)


def _place_all(state: State, layout: Openings, seconds: float | None) -> bool:
    """Everybody at the layout's open instances, within the tolerance; whether that is better than what there was."""
    if not state.clock.goes_on():
        return False
    opened = float(state.t.opening[layout.is_open].sum())
    found = formulate(state.t, _at_open(layout, state.tuning.margin)).solve(
        gap=state.tuning.tolerance, seconds=seconds, nodes=state.tuning.nodes, beat=state.profit + 1 + opened
    )
    if found.pick is None:
        return False
    state.rounding = min(state.rounding, state.layout_worth - (found.profit - opened))
    return state.offer(found.pick)


def admit_at(layout: Openings) -> Ints:
    """Everybody one by one at the layout's prices, those who earn most first."""
    t = layout.t
    surplus: Floats = t.revenue - layout.best_costs()
    opening = np.where(layout.is_open, 0.0, layout.site_opening)
    order = np.argsort(-surplus, kind="stable")
    return admit(t, np.full(t.stays.shape, REFUSED), order, layout.prices, opening)
