"""One connection to a marketplace: broken calls are repeated, problems become errors, answers are held to their types.

Synchronous; may be used from several threads.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast
from uuid import uuid4

import httpx
from pydantic import TypeAdapter, ValidationError

from marketplace.answers import Page
from marketplace.errors import AnswerMalformed, KeyBusy, MarketplaceDown, ProblemAnswer

T = TypeVar("T")

PREFIX = "/api/v1"
PAUSES_S = (0.1, 0.3)
"""Before each further try of a connection that broke, seconds."""
BUSY_S, BUSY_PAUSE_S = 30.0, 0.3
"""How long an earlier try of the same call is waited for, and between looks, seconds."""
LARGEST_PAGE = "200"


class Connection:
    """Close it after use."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.http = httpx.Client(base_url=url.rstrip("/") + PREFIX, timeout=timeout_s)

    def close(self) -> None:
        self.http.close()

    def ask(self, shape: type[T], method: str, path: str, **options: Any) -> T:
        """The answer, which is of this shape; raises `AnswerMalformed` where it is not."""
        answer = self.call(method, path, **options)
        with readable(path):
            _adapter(cast(Hashable, shape)).validate_python(answer)
        return cast(T, answer)

    def all(self, shape: type[T], path: str, params: Mapping[str, str] | None = None, **options: Any) -> list[T]:
        """The items of every page."""
        of_page: Any = Page[shape]  # type: ignore[valid-type]
        page = self.ask(of_page, "GET", path, params={"limit": LARGEST_PAGE, **(params or {})}, **options)
        found: list[T] = list(page["items"])
        while page["next"]:
            page = self.ask(of_page, "GET", page["next"].removeprefix(PREFIX), **options)
            found += page["items"]
        return found

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON; raises `ProblemAnswer`, `MarketplaceDown`, `AnswerMalformed`.

        Every call may be repeated: what changes something carries one Idempotency-Key for all its tries.
        """
        headers = dict(options.pop("headers", {}))
        if method != "GET":
            headers["Idempotency-Key"] = uuid4().hex
        until = time.monotonic() + BUSY_S
        while True:
            answer = self._insist(method, path, headers=headers, **options)
            if not answer.is_error:
                break
            problem = problem_in(answer)
            if problem.get("code") != KeyBusy.code or time.monotonic() > until:
                raise ProblemAnswer(answer.status_code, problem)
            time.sleep(BUSY_PAUSE_S)
        with readable(path):
            return answer.json() if answer.content else None

    def _insist(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer, whatever it says; a broken connection is tried again. A time-out is not: work may be under way."""
        for pause_s in (*PAUSES_S, None):
            try:
                return self.http.request(method, path, **options)
            except httpx.TransportError as error:
                if pause_s is None or isinstance(error, httpx.TimeoutException):
                    why = f"no answer from {self.http.base_url.host} ({type(error).__name__})."
                    raise MarketplaceDown(why, remedy="Start it with `s4m up`, or correct the address.") from error
                time.sleep(pause_s)
        raise AssertionError("unreachable")


@contextmanager
def readable(what: str) -> Iterator[None]:
    """What the server sent is not our program's fault where it cannot be read."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{what}: {type(error).__name__}: {_short(error)}."
        raise AnswerMalformed(
            why, remedy="Check that the address is a marketplace's; nothing more was signed."
        ) from error


def _short(error: Exception) -> str:
    """Of a validation error the first fault alone."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def problem_in(answer: httpx.Response) -> dict[str, Any]:
    """The problem document of an answer, or one in its place."""
    try:
        return dict(answer.json())
    except ValueError:
        return {"code": "internal_error", "title": f"HTTP {answer.status_code}", "detail": answer.text[:200]}


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
