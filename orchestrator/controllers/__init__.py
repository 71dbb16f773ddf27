"""The controllers of the paper's AI layer (II-D): pure functions of state, observation and clock.

Used by `orchestrator.supervise_global` and `supervise_local` on real observations and by `orchestrator.simulation`
faster than real time. They measure nothing, carry nothing out and know no store.
"""

from orchestrator.controllers.laws import HpaLaw, StaticEven
from orchestrator.controllers.local import LocalController, Policy
from orchestrator.controllers.values import (
    AskMore,
    Change,
    Controller,
    MalformedObservation,
    Observation,
    Regrant,
    Report,
    Scale,
    Step,
)

__all__ = [
    "AskMore",
    "Change",
    "Controller",
    "HpaLaw",
    "LocalController",
    "MalformedObservation",
    "Observation",
    "Policy",
    "Regrant",
    "Report",
    "Scale",
    "StaticEven",
    "Step",
]
