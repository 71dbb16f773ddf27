"""Multi-dimensional resources: vectors, isolation degrees, physical nodes and the virtual pool mapped from them.

Used by placement, instances, VMOF and MMF. It decides nothing and starts nothing.
"""

from orchestrator.resources.isolation import Isolation, may_share
from orchestrator.resources.vector import RESOURCES, Resources, ResourceVector

__all__ = ["RESOURCES", "Isolation", "ResourceVector", "Resources", "may_share"]
