"""Demand forecasting for the global controller: capacity, not load. Pure: no database, no network, no clock of its own.

`Forecaster` is observed into and asked for capacity; `fit` trains in the background; `capacity_to_reserve` turns the
capacities of many demands into reservations. docs/forecasting.md tells the method.
"""

from orchestrator.controllers.forecast.costs import cost
from orchestrator.controllers.forecast.errors import BadObservation, ForecastError, ShortHistory, UnknownHorizon
from orchestrator.controllers.forecast.forecaster import Forecaster
from orchestrator.controllers.forecast.history import History
from orchestrator.controllers.forecast.portfolio import EXPERTS, Forecast
from orchestrator.controllers.forecast.reserve import Outlook, capacity_to_reserve
from orchestrator.controllers.forecast.versions import Version, fit

__all__ = [
    "EXPERTS",
    "BadObservation",
    "Forecast",
    "ForecastError",
    "Forecaster",
    "History",
    "Outlook",
    "ShortHistory",
    "UnknownHorizon",
    "Version",
    "capacity_to_reserve",
    "cost",
    "fit",
]
