"""Choose models and resources for one share: reuse, modify or create, with a reason for every candidate.

Used by MMF, and as a library on plain values. It reads no rows and starts nothing.
"""

from orchestrator.placement.candidates import Candidates, ModelOption, NodeRoom, RunningInstance
from orchestrator.placement.fair import fair_shares
from orchestrator.placement.greedy import greedy

__all__ = ["Candidates", "ModelOption", "NodeRoom", "RunningInstance", "fair_shares", "greedy"]
