"""Synthetic demands of many kinds, seeded. Used by the forecasts' bench and tests; none is tuned to."""

from collections.abc import Callable

import numpy as np

from orchestrator.controllers.forecast.costs import Floats

DAY = 96
"""steps of a quarter of an hour"""
STEP_S = 900.0


def diurnal(random: np.random.Generator, steps: int) -> Floats:
    """A day's wave with Poisson noise."""
    return random.poisson(60 * (1 + 0.6 * np.sin(2 * np.pi * np.arange(steps) / DAY))).astype(float)


def bursty(random: np.random.Generator, steps: int) -> Floats:
    """Steady but for heavy-tailed bursts."""
    calm: Floats = random.poisson(20, steps).astype(np.float64)
    return calm * np.where(random.random(steps) < 0.03, random.pareto(1.5, steps) + 3, 1.0)


def shrinking(random: np.random.Generator, steps: int) -> Floats:
    """Falls to a fiftieth, and is noisy."""
    level: Floats = 300 * np.exp(-4 * np.arange(steps) / steps)
    return level * random.gamma(1.2, 1 / 1.2, steps)


def trending(random: np.random.Generator, steps: int) -> Floats:
    """Grows five times."""
    noise: Floats = (1 + 0.1 * random.standard_normal(steps)).clip(0)
    return np.linspace(20, 100, steps) * noise


def stepping(random: np.random.Generator, steps: int) -> Floats:
    """Jumps between levels every two hundred steps."""
    levels: Floats = np.repeat(random.choice([5.0, 20.0, 60.0, 150.0], steps // 200 + 1), 200)[:steps]
    noise: Floats = (1 + 0.1 * random.standard_normal(steps)).clip(0)
    return levels * noise


def wandering(random: np.random.Generator, steps: int) -> Floats:
    """A slow random walk."""
    return (60 + np.cumsum(random.standard_normal(steps))).clip(1)


def sparse(random: np.random.Generator, steps: int) -> Floats:
    """Mostly nothing."""
    return np.where(random.random(steps) < 0.1, random.exponential(10, steps), 0.0)


def holey(random: np.random.Generator, steps: int) -> Floats:
    """A day's wave of which a tenth is missing, in runs."""
    demand = diurnal(random, steps)
    for start in random.integers(0, steps - 20, steps // 100):
        demand[start : start + 10] = np.nan
    return demand


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    kind.__name__: kind for kind in (diurnal, bursty, shrinking, trending, stepping, wandering, sparse, holey)
}
