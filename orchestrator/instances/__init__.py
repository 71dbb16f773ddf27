"""Metaverse service instances (MSIs), their shares, model instances and uses: states, allowed moves and rows.

Used by VMOF (MSIs and shares) and MMF (model instances, uses and offers), which own these rows; the pipeline writes
none of them. It chooses nothing and starts nothing.
"""

from orchestrator.instances.states import (
    IllegalMove,
    ModelMove,
    ModelState,
    MsiMove,
    MsiState,
    ShareMove,
    ShareState,
    after,
)
from orchestrator.instances.tables import create_tables, take_turn, turn_of
from orchestrator.resources.pool import METADATA

__all__ = [
    "METADATA",
    "IllegalMove",
    "ModelMove",
    "ModelState",
    "MsiMove",
    "MsiState",
    "ShareMove",
    "ShareState",
    "after",
    "create_tables",
    "take_turn",
    "turn_of",
]
