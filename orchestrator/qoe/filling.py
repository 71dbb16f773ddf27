"""Water-filling over rows of weighted objects, exact, all rows at once: the machinery under allocation and fairness.

An object of weight w that is kept takes x = clip(t w, x_th, cap) K at the water level t (K per unit of weight) and is
worth w ln(x / x_th); one that is dropped takes and is worth nothing. Keeping heavier objects first is never worse, so
a row's answer is a count (its heaviest so many are kept) and a level. What a row spends and is worth between two
breakpoints x_th/w, cap/w of the level is closed form over prefix sums, so each question is a binary search.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.qoe.immersion import Floats

Counts = NDArray[np.intp]
Flags = NDArray[np.bool_]
TOLERANCE = 1e-12
"""Relative; worths nearer than this are equal."""
GRID = 64
"""How many counts of a row are tried at once."""


@dataclass(frozen=True)
class Point:
    """Rows at levels of the water: K spent, what that is worth, and the weight of all objects that rise with it."""

    level: Floats
    spent: Floats
    worth: Floats
    rising: Floats


class Filling:
    """(rows, N) weights, none negative; 0 is an object that nobody sees. Resolutions lie in x_th..cap or are 0.

    No row ever has more than `budget_k`, so no object takes more and no more objects are kept than it carries.
    """

    def __init__(self, weights: Floats, budget_k: float, cap_k: float, threshold_k: float) -> None:
        self.weights, self.threshold_k = weights, threshold_k
        self.cap_k = min(cap_k, max(budget_k, threshold_k))
        self.ranked = -np.sort(-weights, axis=1)[:, : max(int(budget_k // threshold_k), 1)]
        self._rows = np.arange(weights.shape[0])[:, None]
        self.seen: Counts = np.count_nonzero(self.ranked > 0, axis=1)
        positive = np.where(self.ranked > 0, self.ranked, np.min(self.ranked, initial=1.0, where=self.ranked > 0))
        self._mass = _sums(self.ranked)
        self._logs = _sums(self.ranked * np.log(positive))
        self._breaks = np.concatenate([threshold_k / positive, self.cap_k / positive], axis=1)
        self._order = np.argsort(self._breaks, axis=1, kind="stable")
        self._started = np.cumsum(self._order < self.ranked.shape[1], axis=1, dtype=np.int32)

    @property
    def breaks(self) -> int:
        """Breakpoints of each row."""
        return int(self._breaks.shape[1])

    def best(self, budget_k: Floats) -> tuple[Counts, Floats]:
        """Count and level of each row that are worth most within its budget; of equals, the most objects.

        What one more object adds never grows with the count, so the worth has one summit.
        """
        fits, budget = self.fitting(budget_k), budget_k[:, None]
        count = summit(lambda counts: self.spend(counts, budget).worth, np.minimum(fits, 1), fits)
        return count, self.spend(count[:, None], budget).level[:, 0]

    def cheapest(self, worth: Floats) -> tuple[Counts, Floats, Floats]:
        """Count, level and K of each row that reach a worth with the fewest K; K is infinite where nothing does."""
        target = worth[:, None]
        most = self._mass * np.log(self.cap_k / self.threshold_k)
        least = np.count_nonzero(most < target * (1 - TOLERANCE), axis=1)
        count = summit(lambda counts: -self.reach(counts, target).spent, np.minimum(least, self.seen), self.seen)
        point = self.reach(count[:, None], target)
        return count, point.level[:, 0], np.where(least <= self.seen, point.spent[:, 0], np.inf)

    def fitting(self, budget_k: Floats) -> Counts:
        """How many objects of each row its budget carries at the threshold."""
        return np.minimum(self.seen, np.floor(np.maximum(budget_k, 0.0) / self.threshold_k).astype(np.intp))

    def spend(self, count: Counts, budget_k: Floats) -> Point:
        """The level at which so many objects spend the budget, or all that they can take; count × x_th ≤ budget."""
        point = self._last_break(count, lambda at: at.spent <= budget_k)
        return self.risen(point, point.level + _ratio(budget_k - point.spent, point.rising))

    def reach(self, count: Counts, worth: Floats) -> Point:
        """The level at which so many objects are worth this, or all that they can be."""
        point = self._last_break(count, lambda at: at.worth <= worth)
        return self.risen(point, point.level * np.exp(_ratio(worth - point.worth, point.rising)))

    def at(self, count: Counts, index: Counts) -> Point:
        """(rows, C) counts of kept objects, each row at its breakpoints of these indices."""
        rows, cap, threshold = self._rows, self.cap_k, self.threshold_k
        level = self._breaks[rows, self._order[rows, index]]
        started = self._started[rows, index]
        started, ended = np.minimum(started, count), np.minimum(index + 1 - started, count)
        full = self._mass[rows, ended]
        rising = self._mass[rows, started] - full
        logs = self._logs[rows, started] - self._logs[rows, ended]
        spent = threshold * (count - started) + level * rising + cap * ended
        worth = full * np.log(cap / threshold) + rising * np.log(level / threshold) + logs
        return Point(level, spent, worth, rising)

    def risen(self, point: Point, level: Floats) -> Point:
        """The same at another level, before the next breakpoint."""
        spent = point.spent + (level - point.level) * point.rising
        return Point(level, spent, point.worth + point.rising * np.log(level / point.level), point.rising)

    def resolutions(self, count: Counts, level: Floats) -> Floats:
        """(rows, N) K in the given order; of objects alike the first are kept."""
        weakest = self.ranked[self._rows, np.maximum(count - 1, 0)[:, None]]
        heavier, alike = self.weights > weakest, self.weights == weakest
        wanted = count - np.count_nonzero(heavier, axis=1)
        kept = heavier | (alike & (np.cumsum(alike, axis=1) <= wanted[:, None]))
        filled = np.clip(level[:, None] * self.weights, self.threshold_k, self.cap_k)
        return np.where(kept & (count > 0)[:, None], filled, 0.0)

    def _last_break(self, count: Counts, holds: Callable[[Point], Flags]) -> Point:
        """The last breakpoint at which `holds` is true: taken to be so at the first, and once false it stays."""
        low, high = np.zeros_like(count), np.full_like(count, self.breaks - 1)
        while np.any(low < high):
            middle = (low + high + 1) // 2
            true = holds(self.at(count, middle))
            low, high = np.where(true, middle, low), np.where(true, high, middle - 1)
        return self.at(count, low)


def summit(score: Callable[[Counts], Floats], low: Counts, high: Counts) -> Counts:
    """Each row's number from low to high of the highest score, the greatest of equals; scores have one summit.

    Looks at `GRID` numbers of all rows at once and goes on between the neighbours of the best.
    """
    rows = np.arange(low.size)
    while True:
        steps = np.linspace(0.0, 1.0, GRID)
        grid = low[:, None] + np.round(steps * (high - low)[:, None]).astype(np.intp)
        scores = score(grid)
        top = scores.max(axis=1, keepdims=True)
        equal = scores >= top - TOLERANCE * np.maximum(np.abs(top), 1.0)
        best = GRID - 1 - np.argmax(equal[:, ::-1], axis=1)
        if np.all(high - low < GRID):
            found: Counts = grid[rows, best]
            return found
        low, high = grid[rows, np.maximum(best - 1, 0)], grid[rows, np.minimum(best + 1, GRID - 1)]


def _sums(values: Floats) -> Floats:
    """(rows, N) → (rows, N + 1) sums of the first 0..N."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, and 0 where nothing rises."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
