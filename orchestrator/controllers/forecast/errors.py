"""Errors of the forecasts, all of them input that cannot be.

ForecastError
├── BadObservation   a value or time that cannot follow what was observed before; nothing was recorded
├── UnknownHorizon   a horizon that the forecaster was not made for
└── ShortHistory     too few demands to train on
"""


class ForecastError(ValueError):
    """Root of the package's errors; the message says what, why and what to do."""


class BadObservation(ForecastError):
    """The observation cannot follow what was observed before. Nothing was recorded."""


class UnknownHorizon(ForecastError):
    """The forecaster was not made for this horizon."""


class ShortHistory(ForecastError):
    """Too few demands to train on."""
