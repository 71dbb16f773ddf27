"""All experts at one horizon: each calibrated by what it missed, then chosen among by what it cost."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.controllers.forecast.calibration import VARIANTS, Calibration
from orchestrator.controllers.forecast.choice import Choice, Tracking
from orchestrator.controllers.forecast.costs import Floats
from orchestrator.controllers.forecast.laws import LAWS, UNCALIBRATED
from orchestrator.controllers.forecast.reserve import Outlook
from orchestrator.controllers.forecast.versions import TRAINED

EXPERTS = (*TRAINED, *LAWS)
COLD = 10
"""outcomes known before anything but the autoscaler's law is trusted: fewer hold no 10/11 quantile"""
SCENARIOS = 200
"""outcomes that an outlook is made of"""
COLD_EXPERT = EXPERTS.index("hpa stabilised")
AT_THEIR_WORD = np.array([name in UNCALIBRATED for name in EXPERTS])


@dataclass(frozen=True)
class Forecast:
    """What was said for one step: by each expert bare, under each calibration, calibrated, and by the portfolio."""

    said: Floats
    variants: Floats
    calibrated: Floats
    tracked: Floats
    """by each memory of the choice among experts"""
    capacity: float


class Portfolio:
    """The experts of one horizon. `forecast` each step, then `settle` with the demand that came for the same step."""

    def __init__(self, horizon: int) -> None:
        self._calibration = Calibration(len(EXPERTS))
        self._variants = Choice(len(EXPERTS), len(VARIANTS))
        self._experts = Tracking(len(EXPERTS))
        self._open: deque[Forecast] = deque(maxlen=horizon)
        self._outcomes: deque[tuple[float, float]] = deque(maxlen=SCENARIOS)
        self._horizon = horizon

    def forecast(self, said: Floats) -> Forecast:
        """The forecast for `horizon` steps from now, from what each of EXPERTS says."""
        variants = self._calibration.variants(said)
        variants[AT_THEIR_WORD] = said[AT_THEIR_WORD, None]
        calibrated = self._variants.mean(variants)
        tracked = self._experts.means(calibrated)
        chosen = calibrated[COLD_EXPERT] if len(self._calibration) < COLD else self._experts.mean(tracked)
        forecast = Forecast(said, variants, calibrated, tracked, float(chosen))
        self._open.append(forecast)
        return forecast

    @property
    def newest(self) -> Forecast | None:
        """The newest forecast, None before the first observation."""
        return self._open[-1] if self._open else None

    def settle(self, demand: float) -> None:
        """Learn from the demand of the present step, for which the oldest open forecast was; nan teaches nothing."""
        if len(self._open) < self._horizon or np.isnan(demand):
            return
        due = self._open[0]
        self._outcomes.append((due.capacity, demand))
        self._calibration.learn(due.said, demand)
        self._variants.learn(due.variants, demand)
        self._experts.learn(due.calibrated, due.tracked, demand)

    def outlook(self) -> Outlook:
        """The newest capacity, and what demand would be if it fell out as often before, in proportion."""
        capacity = self._open[-1].capacity
        said, came = np.array(list(self._outcomes)).reshape(-1, 2).T
        there = said > 0
        return Outlook(capacity, np.sort(capacity * came[there] / said[there]))

    def explanation(self) -> dict[str, Any]:
        """Of each expert what it says, its weight, its discounted cost and the calibration that serves it best."""
        newest = self._open[-1]
        best = self._variants.weights().argmax(axis=1)
        experts = {
            name: {
                "capacity": float(newest.calibrated[place]),
                "weight": round(float(self._experts.weights()[place]), 4),
                "discountedCost": float(self._experts.costs[place]),
                "calibration": "as it is" if name in UNCALIBRATED else VARIANTS[best[place]],
            }
            for place, name in enumerate(EXPERTS)
        }
        chosen = "hpa stabilised" if len(self._calibration) < COLD else EXPERTS[self._experts.weights().argmax()]
        reason = "too few outcomes yet" if len(self._calibration) < COLD else "least discounted cost"
        return {"capacity": newest.capacity, "chosen": chosen, "reason": reason, "experts": experts}
