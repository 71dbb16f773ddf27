"""A request to an app of this very program: the same messages that a server would pass it, without a server between.

Used by `calls`. The app's gate sees what it would see over HTTP: method, target, headers, body. Each request runs in a
task with an empty context: a handler that inherits the context of a durable step could not start a workflow of its
own. It knows no caller, no key and no JSON.
"""

import asyncio
import contextvars
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import structlog

log = structlog.get_logger("in_process")


class AsgiApp(Protocol):
    """Any ASGI application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Answered(NamedTuple):
    """What the app answered; header names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def target_of(path: str, params: Mapping[str, str] | None) -> str:
    """Path and query; `path` is escaped already."""
    return f"{path}?{urlencode(params)}" if params else path


async def ask(app: AsgiApp, host: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answered:
    """The app's answer; 500 where it raised before it began one."""
    exchange = _Exchange(body)
    await asyncio.create_task(exchange.run(app, _scope(host, method, target, headers)), context=contextvars.Context())
    return Answered(exchange.status, b"".join(exchange.answer), exchange.headers)


def _scope(host: str, method: str, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host.encode())] + [(name.lower().encode(), v.encode()) for name, v in headers.items()],
        "server": (host, None),
        "client": ("127.0.0.1", 0),
    }


class _Exchange:
    """One request's body on its way in, its answer on its way out."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._answered = asyncio.Event()
        self.status = 500
        self.headers: dict[str, str] = {}
        self.answer: list[bytes] = []

    async def run(self, app: AsgiApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as cause:
            log.exception("call.failed", method=scope["method"], path=scope["path"], error=str(cause))

    async def _receive(self) -> dict[str, Any]:
        if self._body is None:
            await self._answered.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode("latin-1").lower(): v.decode("latin-1") for name, v in message["headers"]}
        elif message["type"] == "http.response.body":
            self.answer.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._answered.set()
