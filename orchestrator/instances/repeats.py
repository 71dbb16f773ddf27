"""Work that is done once however often it is asked for, and calls that are made again until they are answered.

Used by the doors of MSMF, VMOF and MMF and by their workflows.
"""

import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from dbos import DBOS, SetWorkflowID
from dbos import error as engine_errors
from dbos._core import WorkflowHandlePolling

from orchestrator.errors import OrchestratorError, TryLater

POLLING_S = 0.02
"""How often a workflow that runs elsewhere is asked for its result (the engine's default is a second)."""
PATIENCE_S = 20.0
"""How long a neighbour that does not answer is asked again, seconds."""
PAUSE_S = 0.1

P = ParamSpec("P")
R = TypeVar("R")


class KeyReused(OrchestratorError):
    """An Idempotency-Key came again with another call; the first call's answer is not the second's."""

    code = "idempotency_key_reused"
    status = 422
    title = "The Idempotency-Key belongs to another call"


def run_once(workflow_id: str, workflow: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of the one run of `workflow` with this id. Blocks; call it outside any durable step."""
    result: R = start_once(workflow_id, workflow, *args, **kwargs).get_result(polling_interval_sec=POLLING_S)
    return result


def start_once(workflow_id: str, workflow: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Any:
    """The handle of the one run of `workflow` with this id, begun now unless it was before."""
    try:
        with SetWorkflowID(workflow_id):
            handle: Any = DBOS.start_workflow(workflow, *args, **kwargs)
    except engine_errors.DBOSConflictingWorkflowError as cause:
        raise _reused(workflow_id) from cause
    if isinstance(handle, WorkflowHandlePolling):
        _require_same(workflow_id, handle, args)
    return handle


def _require_same(workflow_id: str, handle: Any, args: tuple[Any, ...]) -> None:
    """A workflow that was there before must have been started for the same."""
    given = handle.get_status().input
    if given is not None and tuple(given["args"])[-len(args) :] != args:
        raise _reused(workflow_id)


def _reused(workflow_id: str) -> KeyReused:
    return KeyReused(f"{workflow_id} was begun for another call. Take a new Idempotency-Key for a new call.")


def patient(call: Callable[..., Any], *args: Any) -> Any:
    """A neighbour's answer, asked again while it does not answer; TryLater when patience ends."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call(*args)
        except TryLater:
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE_S)
