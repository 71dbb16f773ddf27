"""PL-Rank, node proximity sensing: W. Fan, F. Xiao, X. Chen, L. Cui, S. Yu, "Efficient Virtual Network Embedding of
Cloud-Based Data Center Networks into Optical Networks", IEEE TPDS 32(11), 2021.

A node's resources are its CPU times the bandwidth of its links; virtual nodes are mapped breadth-first from the one
with the most links (here a full mesh, so the richest comes first); each goes to the candidate with the highest
resources divided by the hops to all nodes already chosen for the request, so that a request stays together. The
paper's second half, the evaluation of paths, has nothing to choose here: between two models there is one link. Hops:
one inside a site, two across sites. Substrate and links: see `embedding`.
"""

import numpy as np

from orchestrator.placement.tables import Floats

TINY = 1e-6


class PlRank:
    """Ranks by resources over proximity, again for every role."""

    def roles(self, cpu: Floats, links: Floats) -> list[int]:
        """Breadth-first in a mesh: the root, then the others, richest first."""
        order: list[int] = np.argsort(-cpu * links.sum(1), kind="stable").tolist()
        return order

    def nodes(self, cpu: Floats, links: Floats, chosen: list[int], distance: Floats) -> Floats:
        """Resources over the hops to what is chosen."""
        worth: Floats = cpu * links.sum(1) / (distance[:, chosen].sum(1) + TINY)
        return worth
