"""What the apps of MSMF, VMOF and MMF have in common: errors as problem documents, worker threads, and work done once.

A mutating call carries an Idempotency-Key. Durable work runs as the function's own workflow, whose id is the key and
the function's name: a repeat, after a crash too, gets the first one's result. Handlers never work on the event loop;
each door has threads of its own, so that one function waiting for another cannot starve it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, ParamSpec, TypeVar

from dbos import DBOS, SetWorkflowID
from dbos import error as engine_errors
from dbos._core import WorkflowHandlePolling
from fastapi import FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from orchestrator.errors import OrchestratorError, TryLater
from orchestrator.instances.transact import durable
from orchestrator.requirements import MOST_NOTICES, FunctionCall, Notice

POLLING_S = 0.02
"""How often a workflow that runs elsewhere is asked for its result (the engine's default is a second)."""
THREADS = 64
PATIENCE_S = 20.0
"""How long a neighbour that does not answer is asked again, seconds."""
PAUSE_S = 0.1

P = ParamSpec("P")
R = TypeVar("R")


class MalformedCall(OrchestratorError):
    """The body, the path or the Idempotency-Key of a call breaks the shape in orchestrator.requirements."""

    code = "malformed_call"
    status = 422
    title = "The call does not have the shape it must have"


class KeyReused(OrchestratorError):
    """An Idempotency-Key came again with another call; the first call's answer is not the second's."""

    code = "idempotency_key_reused"
    status = 422
    title = "The Idempotency-Key belongs to another call"


IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class Door:
    """An app of one function with the threads behind it."""

    def __init__(self, function: str, title: str, msmf: FunctionCall | None = None) -> None:
        self.function = function
        self._msmf = msmf
        self._telling = durable(f"{function}.tell", self._tell_patiently)
        self.app = FastAPI(title=title, openapi_url=None, docs_url=None, redoc_url=None)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=function)
        self.app.add_exception_handler(OrchestratorError, _problem)
        self.app.add_exception_handler(RequestValidationError, _malformed)
        self.app.add_api_route("/health", self._health, methods=["GET"])

    def tell(self, key: str, notices: Sequence[Notice]) -> None:
        """Let MSMF hear of this without being waited for. A repeated key tells nothing anew."""
        told = [notice.to_json() for notice in notices]
        for first in range(0, len(told) if self._msmf is not None else 0, MOST_NOTICES):
            self._threads.submit(self._tell, f"{key}:{self.function}:tell/{first}", told[first : first + MOST_NOTICES])

    def _tell(self, key: str, notices: list[dict[str, Any]]) -> None:
        """At once where MSMF answers; else the engine keeps at it, also over a restart."""
        try:
            self._tell_msmf(key, notices)
        except TryLater:
            run_once(key, self._telling, key, notices)

    def _tell_patiently(self, key: str, notices: list[dict[str, Any]]) -> None:
        patient(self._tell_msmf, key, notices)

    def _tell_msmf(self, key: str, notices: list[dict[str, Any]]) -> None:
        if self._msmf is not None:
            self._msmf.post("/notices", {"notices": notices}, key)

    async def _health(self) -> dict[str, str]:
        return {"status": "ok", "function": self.function}

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do `work` in a thread of this door."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))

    async def once(self, key: str, workflow: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function's workflow for this key, or wait for the one that has it; its result either way."""
        return await self.run(partial(run_once, f"{key}:{self.function}", workflow, *args, **kwargs))


def run_once(workflow_id: str, workflow: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of the one run of `workflow` with this id. Blocks; call it outside any durable step."""
    try:
        with SetWorkflowID(workflow_id):
            handle: Any = DBOS.start_workflow(workflow, *args, **kwargs)
    except engine_errors.DBOSConflictingWorkflowError as cause:
        raise _reused(workflow_id) from cause
    if isinstance(handle, WorkflowHandlePolling):
        _require_same(workflow_id, handle, args)
    result: R = handle.get_result(polling_interval_sec=POLLING_S)
    return result


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


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    known = error if isinstance(error, OrchestratorError) else OrchestratorError(str(error))
    return JSONResponse(known.problem(), status_code=known.status, media_type="application/problem+json")


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    places = [{"at": ".".join(str(part) for part in one["loc"]), "why": one["msg"]} for one in errors]
    first = f"{places[0]['at']}: {places[0]['why']}" if places else str(error)
    detail = f"{request.method} {request.url.path} was not understood: {first}. Send the shape of requirements.py."
    return await _problem(request, MalformedCall(detail, errors=places))
