"""Trains the experts on a history: slow, pure, to be run in the background. The outcome is a version, with reasons."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from orchestrator.controllers.forecast.boosted import train_boosted
from orchestrator.controllers.forecast.costs import QUANTILE, Floats
from orchestrator.controllers.forecast.errors import ShortHistory
from orchestrator.controllers.forecast.features import names, rows
from orchestrator.controllers.forecast.history import History
from orchestrator.controllers.forecast.linear import train_linear
from orchestrator.controllers.forecast.period import find_period

LEAST_SAMPLES = 64
"""moments whose outcome is known, before anything is trained"""
TRAINED = ("boosted", "boosted log", "linear", "linear log")
TOLD = 5
"""features named in an explanation"""


class Predictor(Protocol):
    """A trained regression."""

    def predict(self, rows: Floats) -> Floats:
        """The quantile for each row."""


@dataclass(frozen=True)
class Model:
    """One trained expert at one horizon, and what it looks at most."""

    predictor: Predictor
    logarithmic: bool
    scale: float
    importance: Mapping[str, float]
    """shares of the features, the greatest first"""

    def predict(self, rows: Floats) -> float:
        """The demand's quantile for the one row."""
        said = float(self.predictor.predict(_seen(rows, self.scale, self.logarithmic))[0])
        return float(np.expm1(min(said, 50.0)) if self.logarithmic else said) * self.scale


@dataclass(frozen=True)
class Version:
    """What one training made. `version` is the hash of what it was trained on and how."""

    version: str
    samples: int
    missing: int
    first_at: float
    last_at: float
    """UTC seconds of the first and the last step trained on"""
    period: int
    """steps, 0 for none"""
    models: Mapping[int, Mapping[str, Model]]
    """by horizon and name"""

    def explanation(self) -> dict[str, Any]:
        """What it was trained on, and the shares of the features that matter most to each model, as data."""
        return {
            "version": self.version,
            "samples": self.samples,
            "missing": self.missing,
            "firstAt": self.first_at,
            "lastAt": self.last_at,
            "periodSteps": self.period,
            "importance": {
                str(horizon): {name: dict(list(model.importance.items())[:TOLD]) for name, model in models.items()}
                for horizon, models in self.models.items()
            },
        }


def fit(history: History, horizons: Sequence[int], seed: int = 0) -> Version:
    """Train all models for all horizons. The same history, horizons and seed make the same version.

    ShortHistory where fewer than LEAST_SAMPLES moments know their outcome.
    """
    demand, known = history.filled, history.demand[~np.isnan(history.demand)]
    if len(known) < LEAST_SAMPLES + max(horizons):
        raise ShortHistory(
            f"{len(known)} demands are too few to train on. Observe {LEAST_SAMPLES + max(horizons)} of them first; "
            "until then the untrained experts serve."
        )
    period = find_period(demand, history.step_s)
    scale = float(np.median(known[known > 0])) if (known > 0).any() else 1.0
    return Version(
        version=_identity(history, horizons, seed),
        samples=len(known),
        missing=len(demand) - len(known),
        first_at=history.at(0),
        last_at=history.at(len(demand) - 1),
        period=period,
        models={horizon: _train(history, demand, horizon, period, scale, seed) for horizon in horizons},
    )


def _identity(history: History, horizons: Sequence[int], seed: int) -> str:
    how = f"{history.step_s}|{history.start}|{history.slot}|{sorted(horizons)}|{seed}|"
    return hashlib.sha256(how.encode() + history.demand.tobytes()).hexdigest()[:16]


def _train(history: History, demand: Floats, horizon: int, period: int, scale: float, seed: int) -> dict[str, Model]:
    """All models of one horizon: each moment's row against the demand that came then, where it is known."""
    looks = rows(demand, horizon, period, len(demand), history.slot)[:-horizon]
    came = history.demand[horizon:]
    looks, came = looks[~np.isnan(came)], came[~np.isnan(came)]
    columns = names(period)
    models = {}
    for logarithmic in (False, True):
        ending = " log" if logarithmic else ""
        seen, targets = _seen(looks, scale, logarithmic), _seen(came, scale, logarithmic)
        trees = train_boosted(seen, targets, QUANTILE, seed, columns)
        models["boosted" + ending] = Model(trees, logarithmic, scale, _shares(columns, trees.gains))
        line = train_linear(seen, targets, QUANTILE)
        models["linear" + ending] = Model(line, logarithmic, scale, _shares(columns, np.abs(line.coefficients)))
    return models


def _seen(amounts: Floats, scale: float, logarithmic: bool) -> Floats:
    """In units of the usual demand; logarithmic: ln(1 + size), with its sign."""
    scaled = amounts / scale
    seen: Floats = np.sign(scaled) * np.log1p(np.abs(scaled)) if logarithmic else scaled
    return seen


def _shares(columns: list[str], weights: Floats) -> dict[str, float]:
    total = float(weights.sum()) or 1.0
    ranked = sorted(zip(columns, weights, strict=True), key=lambda pair: -pair[1])
    return {name: round(float(weight) / total, 4) for name, weight in ranked}
