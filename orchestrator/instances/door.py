"""What the apps of MSMF, VMOF and MMF have in common: errors as problem documents, worker threads, and work done once.

A mutating call carries an Idempotency-Key. Durable work runs as the function's own workflow, whose id is the key and
the function's name: a repeat, after a crash too, gets the first one's result. Handlers never work on the event loop;
each door has threads of its own, so that one function waiting for another cannot starve it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

from fastapi import FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestrator.errors import OrchestratorError, TryLater
from orchestrator.instances.repeats import KeyReused, run_once
from orchestrator.instances.states import IllegalMove
from orchestrator.instances.telling import Teller
from orchestrator.requirements import FunctionCall, Notice
from trust.openapi import problems

THREADS = 64

P = ParamSpec("P")
R = TypeVar("R")


class MalformedCall(OrchestratorError):
    """The body, the path or the Idempotency-Key of a call breaks the shape in orchestrator.requirements."""

    code = "malformed_call"
    status = 422
    title = "The call does not have the shape it must have"


Tell = Callable[[str, Sequence[Notice]], None]
"""`Door.tell`, for workflows; `Teller.tell`, for what no call asked for"""
CHANGING = (MalformedCall, KeyReused, IllegalMove, TryLater)
"""What any call that changes something can be refused with."""
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class Door:
    """An app of one function with the threads behind it."""

    def __init__(self, function: str, title: str, msmf: FunctionCall | None = None) -> None:
        self.function = function
        self.app = FastAPI(
            title=title, openapi_url=None, docs_url=None, redoc_url=None, responses=problems(MalformedCall)
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=function)
        self.teller = Teller(function, msmf, self._threads) if msmf is not None else None
        self.app.state.door = self
        self.app.add_exception_handler(OrchestratorError, _problem)
        self.app.add_exception_handler(RequestValidationError, _malformed)
        self.app.add_exception_handler(HTTPException, _unreadable)
        self.app.add_api_route("/health", self._health, methods=["GET"])

    def tell(self, key: str, notices: Sequence[Notice]) -> None:
        """Let MSMF hear of what the call of this key did, without being waited for. A repeat tells nothing anew."""
        if self.teller is not None:
            self.teller.tell(f"{key}:{self.function}:tell", notices)

    def close(self) -> None:
        """Take nothing more, and wait for what is under way, notices too. A crash needs none of it."""
        self._threads.shutdown()
        if self.teller is not None:
            self.teller.close()

    async def _health(self) -> dict[str, str]:
        return {"status": "ok", "function": self.function}

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do `work` in a thread of this door."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))

    async def once(self, key: str, workflow: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function's workflow for this key, or wait for the one that has it; its result either way."""
        return await self.run(partial(run_once, f"{key}:{self.function}", workflow, *args, **kwargs))


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    known = error if isinstance(error, OrchestratorError) else OrchestratorError(str(error))
    return JSONResponse(known.problem(), status_code=known.status, media_type="application/problem+json")


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    places = [{"at": ".".join(str(part) for part in one["loc"]), "why": one["msg"]} for one in errors]
    first = f"{places[0]['at']}: {places[0]['why']}" if places else str(error)
    detail = f"{request.method} {request.url.path} was not understood: {first}. Send the shape of requirements.py."
    return await _problem(request, MalformedCall(detail, errors=places))


async def _unreadable(request: Request, error: Exception) -> JSONResponse:
    """The framework's own word: a body that is no text at all."""
    why = error.detail if isinstance(error, HTTPException) else str(error)
    return await _problem(request, MalformedCall(f"{request.method} {request.url.path} was not understood: {why}."))
