"""Chooses online among capacities by what they have really cost: weights fall as a high power of discounted cost.

The cost is convex, so the weighted mean of capacities costs no more than the weighted mean of their costs; the power
makes that nearly the least of them. It is free of scale: doubling all demand changes no weight.
"""

import numpy as np

from orchestrator.controllers.forecast.costs import Floats, cost

POWER = 32
"""a tenth more cost leaves a twentieth of the weight"""
HALF_LIFE = 300
"""steps after which a cost counts half"""
INDIFFERENT = 1e-5
"""costs under this share of the demand make no difference"""


class Choice:
    """Discounted costs of rival capacities along the last axis; rows of the axes before it choose for themselves."""

    def __init__(self, *shape: int) -> None:
        self.costs = np.zeros(shape)
        self.demand = 0.0
        """discounted, as the costs"""

    def learn(self, capacities: Floats, demand: float) -> None:
        """Count what these capacities cost, now that the demand is known."""
        keep = 0.5 ** (1 / HALF_LIFE)
        self.costs = keep * self.costs + cost(capacities, demand)
        self.demand = keep * self.demand + demand

    def weights(self) -> Floats:
        """Shares of the rivals, summing to 1."""
        counted = self.costs + INDIFFERENT * self.demand + 1e-12
        weights: Floats = (counted.min(axis=-1, keepdims=True) / counted) ** POWER
        weights /= weights.sum(axis=-1, keepdims=True)
        return weights

    def mean(self, capacities: Floats) -> Floats:
        """The weighted mean of the rivals' capacities."""
        mean: Floats = (self.weights() * capacities).sum(axis=-1)
        return mean
