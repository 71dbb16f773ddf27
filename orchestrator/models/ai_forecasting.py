"""AI forecasting: what a series will do next, with quantiles out of its own errors.

forecast {"history": [numbers, oldest first], "steps": 1..200, "season": length or 0, "quantiles": [0..1, …]}
Candidates: the last value, the last season, and autoregressions of growing order, with and without the season's
harmonics, fitted by least squares. Each foretells the last third of the history from before it; the one with the least
absolute error there is used, and its errors there, step by step, are the quantiles (split conformal). The granted
computing says how many candidates are tried (one per 10 millicores, 2 to 24) from how many origins (six times as many).
Quantity: steps.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.errors import BadCall
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES = 100
MCORES_PER_CANDIDATE = 10
LEAST_CANDIDATES, MOST_CANDIDATES = 2, 24
LEAST_HISTORY, MOST_HISTORY = 8, 10_000
MOST_STEPS, MOST_QUANTILES = 200, 9
ORDERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
ORIGINS_PER_CANDIDATE = 6
MOST_HARMONICS = 6
RIDGE = 1e-6
DEFAULT_QUANTILES = (0.1, 0.5, 0.9)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """An autoregression of `order` with so many harmonics of the season; with order 0 the value `repeat` steps back."""

    name: str
    order: int = 0
    season: int = 0
    harmonics: int = 0
    repeat: int = 0

    @property
    def reach(self) -> int:
        """How far back it looks."""
        return self.order or self.repeat

    @property
    def weights(self) -> int:
        return self.order + 2 * self.harmonics + 1


def forecast(request: Request) -> Answer:
    history = np.asarray(request.numbers("history", LEAST_HISTORY, MOST_HISTORY))
    steps = request.integer("steps", 1, 1, MOST_STEPS)
    season, levels = request.integer("season", 0, 0, len(history) // 2), _quantiles(request)
    count = candidates_for(request.granted("computing_mcores", DEFAULT_MCORES))
    scored = [
        (errors, candidate)
        for candidate in candidates(season, count)
        if (errors := backtest(history, candidate, steps, ORIGINS_PER_CANDIDATE * count)) is not None
    ]
    errors, best = min(scored, key=lambda pair: float(np.abs(pair[0]).mean()))
    ahead = foretell(history, history, np.array([len(history)]), best, steps)[0]
    value = {
        "model": best.name,
        "forecast": _rounded(ahead),
        "quantiles": {str(level): _rounded(ahead + quantile(errors, level)) for level in levels},
        "expected_error": round(float(np.abs(errors).mean()), 6),
    }
    return json_answer(value, steps, {"candidates": len(scored), "origins": len(errors)})


def candidates_for(mcores: int) -> int:
    return min(max(mcores // MCORES_PER_CANDIDATE, LEAST_CANDIDATES), MOST_CANDIDATES)


def candidates(season: int, count: int) -> list[Candidate]:
    """The simplest first, so that less computing means simpler ones."""
    found = [Candidate("last value", repeat=1)]
    if season > 1:
        found.append(Candidate("last season", repeat=season))
    for order in ORDERS:
        if season > 1:
            harmonics = min(MOST_HARMONICS, season // 2)
            found.append(Candidate(f"ar({order}) with season", order, season, harmonics))
        found.append(Candidate(f"ar({order})", order))
    return found[:count]


def backtest(history: Array, candidate: Candidate, steps: int, origins: int) -> Array | None:
    """Errors (truth − forecast), shape (origins, steps), on the history's last third; None where it is too short."""
    first = max(len(history) * 2 // 3, candidate.reach + 1)
    last = len(history) - steps
    if last < first or first < candidate.reach + 2 * candidate.weights * (candidate.order > 0):
        return _spread(history, steps) if candidate.repeat == 1 else None
    starts = np.unique(np.linspace(first, last, origins).astype(int))
    truth = np.stack([history[start : start + steps] for start in starts])
    return truth - foretell(history[:first], history, starts, candidate, steps)


def foretell(known: Array, history: Array, starts: NDArray[np.int64], candidate: Candidate, steps: int) -> Array:
    """The steps from each start on, shape (starts, steps), out of what lies before it; fitted on `known`."""
    past = np.stack([history[start - candidate.reach : start] for start in starts])
    if candidate.order == 0:
        return np.tile(past, (1, math.ceil(steps / candidate.repeat)))[:, :steps]
    middle, weights = _fit(known, candidate)
    bound, order = 10 * float(np.abs(known - middle).max()) + 1e-9, candidate.order
    rows = np.concatenate((past - middle, np.zeros((len(past), steps))), axis=1)
    for step in range(steps):
        now = order + step
        features = np.concatenate((rows[:, step:now][:, ::-1], _season(starts + step, candidate)), axis=1)
        rows[:, now] = np.clip(features @ weights, -bound, bound)
    return np.asarray(rows[:, order:] + middle)


def quantile(errors: Array, level: float) -> Array:
    """The conformal quantile of each step's errors: with n of them the level is stretched by (n + 1) ÷ n."""
    count = len(errors)
    stretched = 0.5 + (level - 0.5) * (count + 1) / count
    return np.asarray(np.quantile(errors, min(max(stretched, 0.0), 1.0), axis=0))


def _fit(series: Array, candidate: Candidate) -> tuple[float, Array]:
    """Mean and least-squares weights, with a little ridge so that short and constant histories stay calm."""
    middle, order = float(series.mean()), candidate.order
    flat = series - middle
    lags = [flat[order - lag : len(flat) - lag] for lag in range(1, order + 1)]
    table = np.column_stack((*lags, _season(np.arange(order, len(flat)), candidate)))
    ridge = (RIDGE * float((table * table).sum()) + 1e-9) * np.eye(table.shape[1])
    return middle, np.asarray(np.linalg.solve(table.T @ table + ridge, table.T @ flat[order:]), np.float64)


def _season(moments: NDArray[np.int64], candidate: Candidate) -> Array:
    """A constant, and the season's harmonics."""
    angle = moments[:, None] * (np.arange(1, candidate.harmonics + 1) * math.tau / max(candidate.season, 1))
    return np.concatenate((np.ones((len(moments), 1)), np.sin(angle), np.cos(angle)), axis=1)


def _spread(history: Array, steps: int) -> Array:
    """Of a short history: its changes over 1 … steps, as far as they go."""
    farthest = len(history) // 2
    changes = [history[reach:] - history[:-reach] for reach in (min(step + 1, farthest) for step in range(steps))]
    return np.column_stack([each[-(len(history) - farthest) :] for each in changes])


def _quantiles(request: Request) -> list[float]:
    levels = request.numbers("quantiles", 0, MOST_QUANTILES, 0.0, 1.0) or list(DEFAULT_QUANTILES)
    if len(set(levels)) != len(levels):
        raise BadCall("quantiles names a level twice; give each once")
    return levels


def _rounded(values: Array) -> list[Any]:
    return [round(value, 6) for value in values.tolist()]


def build() -> Program:
    return Program("ai-forecasting", {"forecast": forecast})


if __name__ == "__main__":
    run(build())
