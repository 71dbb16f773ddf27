"""MaaS Management Function, Step III: which models and resources to reuse, modify or create, and running them.

`build_mmf` makes its app; `Keeper` holds its rows against the runtime, `Repacking` moves what runs to make room. It
owns model instances, uses and offers, and knows neither users nor money.
"""

from orchestrator.mmf.app import build_mmf
from orchestrator.mmf.keeper import Keeper
from orchestrator.mmf.parting import Parting
from orchestrator.mmf.repacking import Repacking
from orchestrator.mmf.workflows import MmfDeps

__all__ = ["Keeper", "MmfDeps", "Parting", "Repacking", "build_mmf"]
