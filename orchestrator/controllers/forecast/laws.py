"""Experts that need no training: the Kubernetes autoscaler's law, the same time a period ago, the last value, nothing.

Each says a capacity from the demands known so far. The last two are bare levels: calibration turns them into the last
value times (or plus) a quantile of how demand moved, and into a quantile of recent demand.
"""

from collections.abc import Callable

import numpy as np

from orchestrator.controllers.forecast.costs import Floats
from orchestrator.controllers.forecast.features import a_period_ago

Law = Callable[[Floats, int, int], float]
"""(demands without gaps, oldest first; horizon in steps; period in steps or 0) → capacity"""

HPA_TARGET = 0.7
"""use that Kubernetes' horizontal pod autoscaler steers to: capacity = demand ÷ target"""
HPA_STABILISED = 5
"""steps whose highest recommendation holds: Kubernetes' 300 s of downscale stabilisation where a step is a minute"""


def hpa(demand: Floats, _horizon: int, _period: int) -> float:
    """The autoscaler's law without stabilisation."""
    return float(demand[-1]) / HPA_TARGET


def hpa_stabilised(demand: Floats, _horizon: int, _period: int) -> float:
    """The autoscaler's law, going down only when the recommendations of the window all did."""
    return float(np.max(demand[-HPA_STABILISED:])) / HPA_TARGET


def seasonal(demand: Floats, horizon: int, period: int) -> float:
    """The demand at the same time a period ago; the last one where there is no period."""
    ago = a_period_ago(period, horizon) if period else 0
    return float(demand[-1 - ago] if ago < len(demand) else demand[-1])


def last(demand: Floats, _horizon: int, _period: int) -> float:
    """The last demand."""
    return float(demand[-1])


def nothing(_demand: Floats, _horizon: int, _period: int) -> float:
    """Nothing at all."""
    return 0.0


LAWS: dict[str, Law] = {
    "hpa": hpa, "hpa stabilised": hpa_stabilised, "seasonal": seasonal, "last": last, "recent": nothing,
}  # fmt: skip
UNCALIBRATED = ("hpa", "hpa stabilised")
"""laws that are taken at their word, for they are what others run"""
