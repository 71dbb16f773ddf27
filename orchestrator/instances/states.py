"""States of MSIs, shares and model instances, and one table of allowed moves for each (life cycle of section II-D).

`after` is the only way from state to state. Pure; used by every transaction of VMOF and MMF that changes a state.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from orchestrator.errors import OrchestratorError


class MsiState(enum.StrEnum):
    """Phases of an MSI: preparation, planning, run-time (`running`), decommission, and its two ends."""

    ABSENT = ""
    """there is none yet"""
    PREPARATION = "preparation"
    PLANNING = "planning"
    RUNNING = "running"
    DECOMMISSION = "decommission"
    GONE = "gone"
    FAILED = "failed"


class MsiMove(enum.StrEnum):
    """What may happen to an MSI."""

    PREPARE = "prepare"
    PLAN = "plan"
    ACTIVATE = "activate"
    DECOMMISSION = "decommission"
    FINISH = "finish"
    FAIL = "fail"


class ShareState(enum.StrEnum):
    """A subscription's share of an MSI."""

    ABSENT = ""
    """there is none yet, or only a place was kept and was given up"""
    PLANNING = "planning"
    RUNNING = "running"
    DRAINING = "draining"
    RELEASED = "released"
    REFUSED = "refused"


class ShareMove(enum.StrEnum):
    """What may happen to a share."""

    JOIN = "join"
    ACTIVATE = "activate"
    DRAIN = "drain"
    RELEASE = "release"
    REFUSE = "refuse"
    RETRY = "retry"
    DROP = "drop"


class ModelState(enum.StrEnum):
    """A model instance in the runtime."""

    PLANNED = "planned"
    RUNNING = "running"
    STOPPING = "stopping"
    GONE = "gone"
    FAILED = "failed"


class ModelMove(enum.StrEnum):
    """What may happen to a model instance."""

    START = "start"
    STOP = "stop"
    FINISH = "finish"
    FAIL = "fail"


MSI_MOVES: Mapping[tuple[MsiState, MsiMove], MsiState] = MappingProxyType(
    {
        (MsiState.ABSENT, MsiMove.PREPARE): MsiState.PREPARATION,
        (MsiState.PREPARATION, MsiMove.PLAN): MsiState.PLANNING,
        (MsiState.PLANNING, MsiMove.ACTIVATE): MsiState.RUNNING,
        (MsiState.PLANNING, MsiMove.DECOMMISSION): MsiState.DECOMMISSION,
        (MsiState.PLANNING, MsiMove.FAIL): MsiState.FAILED,
        (MsiState.RUNNING, MsiMove.DECOMMISSION): MsiState.DECOMMISSION,
        (MsiState.DECOMMISSION, MsiMove.FINISH): MsiState.GONE,
    }
)

SHARE_MOVES: Mapping[tuple[ShareState, ShareMove], ShareState] = MappingProxyType(
    {
        (ShareState.ABSENT, ShareMove.JOIN): ShareState.PLANNING,
        (ShareState.PLANNING, ShareMove.ACTIVATE): ShareState.RUNNING,
        (ShareState.PLANNING, ShareMove.REFUSE): ShareState.REFUSED,
        (ShareState.PLANNING, ShareMove.DRAIN): ShareState.DRAINING,
        (ShareState.PLANNING, ShareMove.DROP): ShareState.ABSENT,
        (ShareState.RUNNING, ShareMove.DRAIN): ShareState.DRAINING,
        (ShareState.DRAINING, ShareMove.RELEASE): ShareState.RELEASED,
        (ShareState.REFUSED, ShareMove.RETRY): ShareState.PLANNING,
        (ShareState.RELEASED, ShareMove.RETRY): ShareState.PLANNING,
    }
)

MODEL_MOVES: Mapping[tuple[ModelState, ModelMove], ModelState] = MappingProxyType(
    {
        (ModelState.PLANNED, ModelMove.START): ModelState.RUNNING,
        (ModelState.PLANNED, ModelMove.STOP): ModelState.STOPPING,
        (ModelState.PLANNED, ModelMove.FAIL): ModelState.FAILED,
        (ModelState.RUNNING, ModelMove.START): ModelState.RUNNING,
        (ModelState.RUNNING, ModelMove.STOP): ModelState.STOPPING,
        (ModelState.STOPPING, ModelMove.FINISH): ModelState.GONE,
    }
)

State = TypeVar("State", MsiState, ShareState, ModelState)
Move = TypeVar("Move", MsiMove, ShareMove, ModelMove)


class IllegalMove(OrchestratorError):
    """A thing was asked to go where its table of moves does not lead."""

    code = "illegal_move"
    status = 409
    title = "The thing is not in a state that allows this"


def after(moves: Mapping[tuple[State, Move], State], state: State, move: Move) -> State:
    """The state after a move; IllegalMove where the table has none."""
    found = moves.get((state, move))
    if found is None:
        allowed = sorted(str(m) for s, m in moves if s is state)
        raise IllegalMove(
            f"{type(state).__name__} {state} does not allow {move}; it allows {', '.join(allowed) or 'nothing'}. "
            "Read its present state and ask for what that allows."
        )
    return found
