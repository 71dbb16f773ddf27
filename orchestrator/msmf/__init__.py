"""Metaverse Service Management Function, Step I: a user's request becomes service requirements; it hears of changes.

`build_msmf` makes its app. It owns service requirements and notices, and chooses nothing.
"""

from orchestrator.msmf.app import build_msmf
from orchestrator.msmf.rows import MsmfDeps
from orchestrator.msmf.translation import BadRequest, translate

__all__ = ["BadRequest", "MsmfDeps", "build_msmf", "translate"]
