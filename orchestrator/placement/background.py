"""Placing a whole batch: exactly where it is small, else by large-neighbourhood search. For background work.

The path: greedy admission → a bound and prices of scarce room → which instances to open → everybody placed at them
(orchestrator.placement.layout) → destroy and repair until the budget ends (orchestrator.placement.repair). Every answer
carries profit, bound and gap. A running request may be moved at the problem's migration cost. With a budget in
iterations the same seed gives the same answer on any machine; a budget in seconds gives what the machine managed.
"""

import time
from collections.abc import Callable

import numpy as np

from orchestrator.placement.admission import admit
from orchestrator.placement.dual import dual, first_prices
from orchestrator.placement.formulation import formulate, whole
from orchestrator.placement.layout import open_and_place
from orchestrator.placement.problem import Problem, Solution
from orchestrator.placement.repair import destroy_and_repair
from orchestrator.placement.state import Clock, State, Tuning
from orchestrator.placement.tables import REFUSED, choices_of, tables

SMALL = 12
"""requests that are placed exactly"""
Heard = Callable[[float, float, float], None]
"""told profit, bound and seconds since the start"""


def search(
    problem: Problem,
    *,
    seed: int = 0,
    seconds: float | None = None,
    iterations: int | None = None,
    tuning: Tuning | None = None,
    heard: Heard | None = None,
) -> Solution:
    """The best answer within `seconds` of wall-clock time or `iterations` of destroy and repair, whichever ends first.

    `heard` is told of each better answer.
    """
    if seconds is None and iterations is None:
        raise ValueError("the search needs a budget: seconds or iterations")
    began, clock = time.monotonic(), Clock(seconds)
    state = _begin(problem, clock, tuning or Tuning(), seed)
    if not state.t.usable.any():
        return _nothing(problem)

    def tell() -> None:
        if heard is not None:
            heard(state.profit, state.bound, time.monotonic() - began)

    tell()
    open_and_place(state)
    tell()
    done = 0
    while clock.goes_on() and not state.proved and (iterations is None or done < iterations):
        done += 1
        if destroy_and_repair(state):
            tell()
    return Solution(choices_of(problem, state.pick), round(state.profit), state.bound)


def _nothing(problem: Problem) -> Solution:
    """Nobody can be served, and that is proved."""
    return Solution((None,) * len(problem.requests), 0, 0.0)


def place_batch(problem: Problem, *, seconds: float, seed: int = 0) -> Solution:
    """The usual door: exact for a few requests, else searched; `seconds` of wall-clock time either way."""
    if len(problem.requests) <= SMALL:
        return solve_exactly(problem, seconds=seconds)
    return search(problem, seed=seed, seconds=seconds)


def _begin(problem: Problem, clock: Clock, tuning: Tuning, seed: int) -> State:
    """Where what runs stays and the rest is admitted in the order of arrival."""
    t = tables(problem)
    state = State(
        t=t,
        clock=clock,
        tuning=tuning,
        draw=np.random.default_rng(seed),
        relaxed=dual(t),
        prices=first_prices(t),
        pick=np.full(t.stays.shape, REFUSED),
        profit=0.0,
    )
    state.offer(t.stays)
    waiting = np.flatnonzero(state.pick[:, 0] == REFUSED)
    state.offer(admit(t, state.pick, waiting, t.cost, t.opening))
    return state


def solve_exactly(problem: Problem, *, seconds: float | None = None, gap: float = 0.0) -> Solution:
    """The best answer by one mixed-integer program: to about ten requests in seconds.

    Where time ends it, the gap shows; what is found is never worse than greedy admission.
    """
    state = _begin(problem, Clock(seconds), Tuning(), 0)
    if not state.t.usable.any():
        return _nothing(problem)
    found = formulate(state.t, whole(state.t)).solve(gap=gap, seconds=seconds)
    state.lower(found.bound)
    if found.pick is not None:
        state.offer(found.pick)
    return Solution(choices_of(problem, state.pick), round(state.profit), state.bound)
