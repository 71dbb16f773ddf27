"""What was observed, on a grid of equal steps. Used by the forecaster, which appends, and by `fit`, which reads."""

from dataclasses import dataclass
from math import isfinite, isnan

import numpy as np

from orchestrator.controllers.forecast.costs import Floats
from orchestrator.controllers.forecast.errors import BadObservation

KEPT = 8_064
"""steps that are kept: four weeks of five minutes"""


@dataclass(frozen=True)
class History:
    """Demand step by step, oldest first; nan where nothing was observed. Not to be changed."""

    demand: Floats
    step_s: float
    start: float
    """UTC seconds of the first step ever; slot 0"""
    slot: int
    """number of the newest step since the start, for harmonics"""

    def at(self, place: int) -> float:
        """UTC seconds of a step, of which 0 is the oldest kept, as if no clock had drifted."""
        return self.start + (self.slot - len(self.demand) + 1 + place) * self.step_s

    @property
    def filled(self) -> Floats:
        """The demand with gaps closed: what is missing is as it was last, before the first as the first."""
        return filled(self.demand)


def filled(demand: Floats) -> Floats:
    """Gaps closed with what was known before them; zeros where nothing is known at all."""
    there = ~np.isnan(demand)
    if not there.any():
        return np.zeros_like(demand)
    newest = np.maximum.accumulate(np.where(there, np.arange(len(demand)), -1))
    return demand[np.where(newest >= 0, newest, int(np.argmax(there)))]


class Recorder:
    """Puts observations on the grid: steps that were skipped are missing, the grid follows a drifting clock."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self._demand: list[float] = []
        self._filled: list[float] = []
        self._start = 0.0
        self._newest = 0.0
        self._slots = 0

    def __len__(self) -> int:
        return len(self._demand)

    def record(self, value: float | None, at: float) -> list[float]:
        """The steps that this observation adds, the skipped ones (nan) first. BadObservation changes nothing."""
        known = _checked(value)
        if not isfinite(at):
            raise BadObservation(f"the time {at!r} is no number of UTC seconds. Give the moment of the observation.")
        if self._slots and at <= self._newest:
            raise BadObservation(
                f"the observation of {at} is not after the one of {self._newest}. Give observations in their order."
            )
        skipped = round((at - self._newest) / self.step_s) - 1 if self._slots else 0
        added = [*[np.nan] * min(max(skipped, 0), KEPT), known]
        self._start = self._start if self._slots else at
        self._newest, self._slots = at, self._slots + len(added)
        self._demand.extend(added)
        for each in added:
            self._filled.append(each if not isnan(each) else self._filled[-1] if self._filled else 0.0)
        for kept in (self._demand, self._filled):
            del kept[: -KEPT if len(kept) > 2 * KEPT else 0]
        return added

    def tail(self, steps: int) -> Floats:
        """The newest demands, at most so many, gaps closed with what was known before them."""
        return np.array(self._filled[-steps:])

    @property
    def slot(self) -> int:
        """Number of the newest step, the first ever being 0."""
        return self._slots - 1

    def history(self) -> History:
        """A copy of what is kept."""
        return History(np.array(self._demand[-KEPT:]), self.step_s, self._start, self.slot)


def _checked(value: float | None) -> float:
    """nan for what is missing; BadObservation for what cannot be a demand."""
    if value is None or isnan(value):
        return np.nan
    if not isfinite(value) or value < 0:
        raise BadObservation(
            f"a demand of {value!r} cannot be. Give a number of at least 0, or None where none is known."
        )
    return float(value)
