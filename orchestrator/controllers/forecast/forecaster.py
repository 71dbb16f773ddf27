"""The online forecaster of one demand: observe step by step, ask for capacity. It knows no clock and trains nothing.

Whoever owns it asks `due`, runs `fit(forecaster.history(), forecaster.horizons, forecaster.seed)` where it likes (a
thread, another process, or `train` here and now) and hands the version back by `adopt`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.controllers.forecast.costs import Floats
from orchestrator.controllers.forecast.errors import ForecastError, UnknownHorizon
from orchestrator.controllers.forecast.features import reach, rows
from orchestrator.controllers.forecast.history import History, Recorder
from orchestrator.controllers.forecast.laws import LAWS
from orchestrator.controllers.forecast.portfolio import Forecast, Portfolio
from orchestrator.controllers.forecast.reserve import Outlook
from orchestrator.controllers.forecast.versions import LEAST_SAMPLES, TRAINED, Version, fit

GROWTH = 1.15
"""trained anew when there is so much more than the last version had"""
OFTEN = 288
"""or so many steps later at the latest"""
PLAUSIBLE = 3.0
"""no expert is believed who says more than this times the highest demand ever seen"""


class Forecaster:
    """Capacity to have, 1 … n steps ahead, of one resource of one service type; deterministic given its seed."""

    def __init__(self, step_s: float, horizons: Sequence[int] = (1, 6), seed: int = 0) -> None:
        if not step_s > 0 or not horizons or min(horizons) < 1:
            raise ForecastError(
                f"step {step_s} s and horizons {tuple(horizons)}: give more than 0 s and at least 1 step."
            )
        self.horizons = tuple(horizons)
        self.seed = seed
        self.version: Version | None = None
        self._recorder = Recorder(step_s)
        self._portfolios = {horizon: Portfolio(horizon) for horizon in self.horizons}
        self._peak = 0.0
        self._known = 0
        self._trained_at = 0

    def observe(self, value: float | None, at: float) -> None:
        """The demand of the step that ended at `at` (UTC seconds); None where it is not known.

        Steps skipped since the observation before count as not known. BadObservation changes nothing.
        """
        for demand in self._recorder.record(value, at):
            known = not np.isnan(demand)
            self._known += known
            self._peak = max(self._peak, demand) if known else self._peak
            for horizon, portfolio in self._portfolios.items():
                portfolio.settle(demand)
                portfolio.forecast(self._said(horizon))

    def capacity(self, horizon: int = 1) -> float:
        """The capacity to have that many steps after the newest one, in the demand's unit; 0 before any observation."""
        newest = self._portfolio(horizon).newest
        return newest.capacity if newest else 0.0

    def forecast(self, horizon: int = 1) -> Forecast | None:
        """The same with what each expert said; None before any observation."""
        return self._portfolio(horizon).newest

    def outlook(self, horizon: int = 1) -> Outlook:
        """What `capacity_to_reserve` divides by: capacity and equally likely demands; zero before any observation."""
        portfolio = self._portfolio(horizon)
        return portfolio.outlook() if portfolio.newest else Outlook(0.0, np.empty(0))

    @property
    def due(self) -> bool:
        """Whether a training would have enough more to learn from than the last one."""
        enough = self._known >= LEAST_SAMPLES + max(self.horizons)
        return enough and self._known >= min(self._trained_at * GROWTH, self._trained_at + OFTEN)

    def history(self) -> History:
        """A copy of what was observed, to train on elsewhere."""
        return self._recorder.history()

    def adopt(self, version: Version) -> None:
        """Forecast with this version from the next observation on."""
        lacking = set(self.horizons) - set(version.models)
        if lacking:
            raise UnknownHorizon(f"version {version.version} was not trained for {sorted(lacking)} steps. Fit it anew.")
        self.version = version
        self._trained_at = self._known

    def train(self) -> Version:
        """Fit and adopt here and now."""
        version = fit(self.history(), self.horizons, self.seed)
        self.adopt(version)
        return version

    def explain(self, horizon: int = 1) -> dict[str, Any]:
        """Why the capacity is what it is: version, experts, weights, costs, as data."""
        portfolio = self._portfolio(horizon)
        if not portfolio.newest:
            raise ForecastError("nothing was observed yet, so there is nothing to explain. Observe a demand first.")
        version = self.version.explanation() if self.version else None
        return {"horizon": horizon, **portfolio.explanation(), "version": version}

    def _portfolio(self, horizon: int) -> Portfolio:
        if horizon not in self._portfolios:
            raise UnknownHorizon(
                f"{horizon} steps ahead were not asked for. Make it with horizons {self.horizons} and {horizon}."
            )
        return self._portfolios[horizon]

    def _said(self, horizon: int) -> Floats:
        """What each of EXPERTS says for `horizon` steps from now; untrained ones say the last demand."""
        period = self.version.period if self.version else 0
        steps = reach(period, horizon)
        demand = self._recorder.tail(steps)
        laws = [law(demand, horizon, period) for law in LAWS.values()]
        if not self.version:
            return np.array([demand[-1]] * len(TRAINED) + laws)
        looks = rows(demand, horizon, period, 1, self._recorder.slot)
        models = self.version.models[horizon]
        trained = np.array([models[name].predict(looks) for name in TRAINED])
        return np.array([*np.clip(trained, 0.0, PLAUSIBLE * self._peak), *laws])
