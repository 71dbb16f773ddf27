"""Virtual Metaverse Orchestration Function, Step II: which MSI a service shares or gets, and its whole life cycle.

`build_vmof` makes its app. It owns MSIs and shares, negotiates models with MMF by offers, and shares rendering fairly.
"""

from orchestrator.vmof.app import build_vmof
from orchestrator.vmof.monitor import Monitor
from orchestrator.vmof.workflows import VmofDeps

__all__ = ["Monitor", "VmofDeps", "build_vmof"]
