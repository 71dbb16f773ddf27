"""Where a background search stands: the best pick, prices of scarce room, the bound, and what is left of the budget."""

import time
from dataclasses import dataclass, field

import numpy as np

from orchestrator.placement.dual import Dual, Prices
from orchestrator.placement.tables import Bools, Floats, Ints, Tables, standing

ROUNDING = 1e-6
HOPE = 0.4
"""of the least that rounding a layout ever cost"""
SLICE = 4.0
"""seconds that one repair may take, where the budget is in seconds"""


class Clock:
    """What is left of the budget; without seconds it never ends."""

    def __init__(self, seconds: float | None) -> None:
        self.ends = None if seconds is None else time.monotonic() + seconds

    def left(self, share: float = 1.0) -> float | None:
        """Seconds that are left, or a share of them; None where nothing limits them."""
        return None if self.ends is None else max(self.ends - time.monotonic(), 0.0) * share

    def goes_on(self) -> bool:
        """Whether anything is left."""
        return self.ends is None or time.monotonic() < self.ends

    def part(self, share: float) -> "Clock":
        """A clock that ends after this share of what is left."""
        return Clock(self.left(share))


@dataclass(frozen=True, slots=True)
class Tuning:
    """Knobs, with defaults that serve 10 to 1,000 requests; none depends on one instance."""

    first_steps: int = 300
    """of the dual, before anything is opened"""
    last_steps: int = 1200
    """of the dual, once a good profit is known"""
    exact_bound: int = 5000
    """candidates up to which the linear relaxation is solved instead"""
    rounds: int = 8
    """of opening and pricing"""
    margin: float = 15.0
    """money above its request's best pattern at which a candidate leaves a program"""
    tolerance: float = 1e-3
    """relative gap at which the program for all requests stops"""
    free: int = 40
    """requests freed at first; grows while repairs finish, shrinks when they do not"""
    nodes: int = 10
    """of one program's search tree"""
    closed: int = 12
    """closed instances that a repair may open beside those that only its own requests use"""


@dataclass(eq=False)
class State:
    """The search's memory. `pick` is feasible at all times."""

    t: Tables
    clock: Clock
    tuning: Tuning
    draw: np.random.Generator
    relaxed: Dual
    prices: Prices
    pick: Ints
    profit: float = -np.inf
    bound: float = np.inf
    free: int = 0
    layout: Bools = field(default_factory=lambda: np.ones(0, dtype=bool))
    """instances that the present layout opens"""
    layout_worth: float = -np.inf
    """what the linear relaxation makes of the layout"""
    layout_prices: Prices | None = None
    """what room is worth where the layout's instances are open and no others"""
    last_prices: Prices | None = None
    rounding: float = np.inf
    """the least that a layout lost on the way to a placement"""

    idle: int = 0
    """turns of reopening in vain"""
    favour: Floats = field(default_factory=lambda: np.ones(0))
    """neighbourhood → how likely it is drawn"""

    def offer(self, pick: Ints) -> bool:
        """Take a pick that is feasible and no worse than the present one; whether it is better."""
        now = standing(self.t, pick)
        if not now.feasible or now.profit < self.profit - ROUNDING:
            return False
        better = now.profit > self.profit + ROUNDING
        self.pick, self.profit = pick, now.profit
        return better

    def lower(self, bound: float) -> None:
        """A bound that was proved: money is whole, so it may be rounded down."""
        self.bound = min(self.bound, float(np.floor(bound + ROUNDING)))

    @property
    def proved(self) -> bool:
        """Nothing can be better."""
        return self.profit >= self.bound - ROUNDING

    @property
    def hope(self) -> float:
        """What a layout must be able to lose in rounding and still be better."""
        return HOPE * self.rounding if np.isfinite(self.rounding) else 0.0
