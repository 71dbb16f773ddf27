"""Global resource capacity: L. Gong, Y. Wen, Z. Zhu, T. Lee, "Toward Profit-Seeking Virtual Network Embedding
Algorithm via Global Resource Capacity", IEEE INFOCOM 2014.

r = (1 − d) c + d M r, where c is a node's share of all free CPU and M[u, v] the share of v's adjacent bandwidth that
its link to u has; d = 0.85. Virtual nodes are ranked the same way, and "large to large, small to small": the largest
virtual node goes to the largest substrate node that can hold it. Substrate and links: see `embedding`.
"""

import numpy as np

from orchestrator.placement.tables import Floats

DAMPING = 0.85
PRECISION = 1e-6


class Grc:
    """Ranks by global resource capacity, once per request."""

    def __init__(self) -> None:
        self._ranks: Floats = np.zeros(0)

    def roles(self, cpu: Floats, links: Floats) -> list[int]:
        """Largest capacity first."""
        order: list[int] = np.argsort(-capacities(cpu, links), kind="stable").tolist()
        return order

    def nodes(self, cpu: Floats, links: Floats, chosen: list[int], distance: Floats) -> Floats:  # noqa: ARG002
        """The capacities before the request came: they do not depend on what it was given so far."""
        if not chosen:
            self._ranks = capacities(cpu, links)
        return self._ranks


def capacities(cpu: Floats, links: Floats) -> Floats:
    """The fixed point r, by power iteration."""
    share = cpu / max(float(cpu.sum()), 1e-12)
    flow = links / np.maximum(links.sum(0), 1e-12)[None, :]
    rank = share
    while True:
        moved: Floats = (1 - DAMPING) * share + DAMPING * (flow @ rank)
        if float(np.abs(moved - rank).sum()) < PRECISION:
            return moved
        rank = moved
