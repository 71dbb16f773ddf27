"""Linear quantile regression by majorise-minimise (Hunter and Lange, J. Comput. Graph. Stat. 9, 2000).

Each round solves a weighted least-squares problem that lies above the smoothed pinball loss and touches it, so the loss
never rises. A hair of ridge keeps it solvable where columns are alike.
"""

from dataclasses import dataclass

import numpy as np

from orchestrator.controllers.forecast.costs import Floats

ROUNDS = 40
SMOOTHING = 1e-3
"""residuals under this share of the targets' mean size count as this"""
RIDGE = 1e-3


@dataclass(frozen=True)
class Linear:
    """Coefficients over standardised columns."""

    intercept: float
    coefficients: Floats
    centre: Floats
    spread: Floats

    def predict(self, rows: Floats) -> Floats:
        """The quantile for each row."""
        predicted: Floats = self.intercept + ((rows - self.centre) / self.spread) @ self.coefficients
        return predicted


def train_linear(rows: Floats, targets: Floats, quantile: float) -> Linear:
    """The line with the least pinball loss at this quantile (to the smoothing)."""
    centre: Floats = rows.mean(axis=0)
    spread: Floats = rows.std(axis=0)
    spread[spread <= 1e-9 * (1 + np.abs(centre))] = 1.0
    design: Floats = np.column_stack([np.ones(len(rows)), (rows - centre) / spread])
    least = SMOOTHING * float(np.abs(targets).mean()) + 1e-9
    ridge = RIDGE * len(rows) * np.eye(design.shape[1])
    ridge[0, 0] = 0.0
    line: Floats = np.eye(design.shape[1])[0] * float(np.quantile(targets, quantile))
    for _ in range(ROUNDS):
        line = _round(design, targets, quantile, least, ridge, line)
    return Linear(float(line[0]), line[1:], centre, spread)


def _round(design: Floats, targets: Floats, quantile: float, least: float, ridge: Floats, line: Floats) -> Floats:
    """One step: 4 × pinball(r) ≤ r² ÷ |r₀| + (4q − 2) r + |r₀|, which is least where the normal equations hold."""
    weights = 1 / (least + np.abs(targets - design @ line))
    pull = design.T @ (weights * targets + 2 * quantile - 1)
    normal: Floats = design.T @ (weights[:, None] * design) + ridge
    return np.linalg.solve(normal, pull).astype(np.float64)
