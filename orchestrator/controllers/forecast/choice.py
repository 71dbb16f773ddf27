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
SHORT_LIFE = 30
"""the same of a memory that follows when another rival becomes the best"""
INDIFFERENT = 1e-5
"""costs under this share of the demand make no difference"""


class Choice:
    """Discounted costs of rival capacities along the last axis; rows of the axes before it choose for themselves."""

    def __init__(self, *shape: int, half_life: int = HALF_LIFE) -> None:
        self._keep = 0.5 ** (1 / half_life)
        self.costs = np.zeros(shape)
        self.demand = 0.0
        """discounted, as the costs"""

    def learn(self, capacities: Floats, demand: float) -> None:
        """Count what these capacities cost, now that the demand is known."""
        self.costs = self._keep * self.costs + cost(capacities, demand)
        self.demand = self._keep * self.demand + demand

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


class Tracking:
    """Chooses among rivals with a long memory and with a short one, and between these two by what each really cost.

    The long one tells close rivals apart; the short one follows a level that jumped, after which another rival is best
    (tracking the best expert: Herbster and Warmuth 1998; here with discounted costs in place of shared weights).
    """

    def __init__(self, rivals: int) -> None:
        self._memories = (Choice(rivals), Choice(rivals, half_life=SHORT_LIFE))
        self._choice = Choice(len(self._memories))

    def means(self, capacities: Floats) -> Floats:
        """What each memory makes of the rivals' capacities: to be kept until the demand is known."""
        return np.array([memory.mean(capacities) for memory in self._memories])

    def mean(self, means: Floats) -> float:
        """The weighted mean of what the memories made."""
        return float(self._choice.mean(means))

    def learn(self, capacities: Floats, means: Floats, demand: float) -> None:
        """Count what rivals and memories cost, now that the demand is known."""
        self._choice.learn(means, demand)
        for memory in self._memories:
            memory.learn(capacities, demand)

    def weights(self) -> Floats:
        """Shares of the rivals in the mean, summing to 1."""
        shares: Floats = self._choice.weights() @ np.array([memory.weights() for memory in self._memories])
        return shares

    @property
    def costs(self) -> Floats:
        """Of each rival, as the long memory counts them."""
        return self._memories[0].costs
