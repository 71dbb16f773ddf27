"""Gradient-boosted trees for a quantile: LightGBM, small trees, deterministic. Imported only when something trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.controllers.forecast.costs import Floats

if TYPE_CHECKING:
    from lightgbm import Booster

ROUNDS = 120


@dataclass(frozen=True)
class Boosted:
    """Trees, and how much each column lessened their loss."""

    booster: Booster
    gains: Floats

    def predict(self, rows: Floats) -> Floats:
        """The quantile for each row. On one thread: for a row, waking others takes longer than the trees do."""
        return np.asarray(self.booster.predict(rows, num_threads=1), dtype=np.float64)


def train_boosted(rows: Floats, targets: Floats, quantile: float, seed: int, names: list[str]) -> Boosted:
    """Trees whose answer is this quantile. Few samples make small leaves."""
    import lightgbm

    dataset = lightgbm.Dataset(rows, targets, feature_name=[name.replace(" ", "_") for name in names])
    booster = lightgbm.train(_parameters(len(rows), quantile, seed), dataset, num_boost_round=ROUNDS)
    return Boosted(booster, booster.feature_importance("gain").astype(np.float64))


def _parameters(samples: int, quantile: float, seed: int) -> dict[str, Any]:
    return {
        "objective": "quantile",
        "alpha": quantile,
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_data_in_leaf": max(10, min(40, samples // 12)),
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
