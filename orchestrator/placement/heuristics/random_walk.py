"""Topology-aware node ranking by a random walk: X. Cheng, S. Su, Z. Zhang, H. Wang, F. Yang, Y. Luo, J. Wang, "Virtual
Network Embedding Through Topology-Aware Node Ranking", ACM SIGCOMM CCR 41(2), 2011 (RW-MaxMatch).

H(u) = CPU(u) · Σ bandwidth of u's links. The walk jumps to any node with probability 0.15, in proportion to H, and
moves to a neighbour with probability 0.85, in proportion to the neighbour's H; a node's rank is how often the walk is
there. MaxMatch maps virtual nodes in the order of their rank, each to the free node of the highest rank that can hold
it. Substrate and links: see `embedding`.
"""

import numpy as np

from orchestrator.placement.tables import Floats

JUMP, FORWARD = 0.15, 0.85
PRECISION = 1e-6


class RandomWalk:
    """Ranks by the random walk, once per request."""

    def __init__(self) -> None:
        self._ranks: Floats = np.zeros(0)

    def roles(self, cpu: Floats, links: Floats) -> list[int]:
        """Highest rank first."""
        order: list[int] = np.argsort(-ranks(cpu, links), kind="stable").tolist()
        return order

    def nodes(self, cpu: Floats, links: Floats, chosen: list[int], distance: Floats) -> Floats:  # noqa: ARG002
        """The ranks before the request came."""
        if not chosen:
            self._ranks = ranks(cpu, links)
        return self._ranks


def ranks(cpu: Floats, links: Floats) -> Floats:
    """The stationary distribution of the walk."""
    strength = cpu * links.sum(1)
    jump = strength / max(float(strength.sum()), 1e-12)
    towards = np.where(links > 0, strength[:, None], 0.0)
    forward = towards / np.maximum(towards.sum(0), 1e-12)[None, :]
    rank = jump
    while True:
        moved: Floats = JUMP * jump * rank.sum() + FORWARD * (forward @ rank)
        if float(np.abs(moved - rank).sum()) < PRECISION:
            return moved
        rank = moved
