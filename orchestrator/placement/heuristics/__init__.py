"""Published virtual-network-embedding heuristics, for comparison only: nothing places with them.

Each ranks nodes as its paper says; `embedding` holds what they share and how the problem was turned into theirs.
"""

from orchestrator.placement.heuristics.embedding import embed_all
from orchestrator.placement.heuristics.grc import Grc
from orchestrator.placement.heuristics.pl_rank import PlRank
from orchestrator.placement.heuristics.random_walk import RandomWalk

__all__ = ["Grc", "PlRank", "RandomWalk", "embed_all"]
