"""Rolling conformal calibration: moves what an expert says so far that demand stays within it ten times of eleven.

The correction is the quantile of the newest residuals at rank ⌈(n + 1) · 10/11⌉ (split conformal prediction; Vovk et
al., Algorithmic Learning in a Random World, 2005), of differences or of ratios, over three windows. Ratios suit demands
whose spread grows with their level. Which of them serves is chosen by realised cost, per expert (`Choice`).
"""

from math import ceil

import numpy as np

from orchestrator.controllers.forecast.costs import QUANTILE, Floats

WINDOWS = (50, 200, 800)
"""residuals looked at"""
VARIANTS = ("as it is", *(f"{sign} of {window}" for sign in ("plus", "times") for window in WINDOWS))
FLOOR = 0.05
"""share of the median demand added to both sides of a ratio, so that zeros do no harm"""


class Calibration:
    """The newest forecasts of several experts at one horizon, beside the demands that came."""

    def __init__(self, experts: int) -> None:
        self._said = np.empty((0, experts))
        self._came = np.empty(0)

    def __len__(self) -> int:
        return len(self._came)

    def learn(self, said: Floats, came: float) -> None:
        """Keep what each expert said for a step, and the demand that came."""
        self._said = np.vstack([self._said, said])[-max(WINDOWS) :]
        self._came = np.append(self._came, came)[-max(WINDOWS) :]

    def variants(self, said: Floats) -> Floats:
        """What each expert says now under each of VARIANTS: experts × variants."""
        if not len(self):
            return np.repeat(said[:, None], len(VARIANTS), axis=1)
        floor = FLOOR * float(np.median(self._came)) + 1e-9
        missed = self._came[:, None] - self._said
        ratios = (self._came[:, None] + floor) / (self._said + floor)
        added = [said + conformal(missed[-window:]) for window in WINDOWS]
        scaled = [(said + floor) * conformal(ratios[-window:]) - floor for window in WINDOWS]
        return np.maximum(np.column_stack([said, *added, *scaled]), 0.0)


def conformal(residuals: Floats) -> Floats:
    """Of each column the residual at rank ⌈(n + 1) · 10/11⌉, the highest where there are fewer."""
    rank = min(ceil(QUANTILE * (len(residuals) + 1)), len(residuals)) - 1
    chosen: Floats = np.partition(residuals, rank, axis=0)[rank]
    return chosen
