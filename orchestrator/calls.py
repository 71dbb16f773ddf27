"""How one component calls another: through the gate in-process or over HTTP, with the same result.

Used by the pipeline, reconcile and settlement (and handed to VMOF for its calls of MMF). A `FunctionClient` belongs to
one caller identity and one peer. Its coroutine `request` runs on the server's loop; the plain `get`, `post`, `put` and
`delete` are for worker threads (durable steps) and block until the answer is there. It retries nothing: an answer of
`TryLater` or `Refusal` is for the caller to judge.
"""

import asyncio
import contextvars
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from orchestrator.errors import PeerRefused, PeerUnavailable

PASSING_STATUSES = frozenset({401, 403, 408, 425, 429})
"""Client-side statuses that may pass: a key whose enrolment is not final yet, a clock, a queue."""


class AsgiApp(Protocol):
    """Any ASGI application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class DetachedTransport(httpx.AsyncBaseTransport):
    """In-process transport that runs each request in a task with an empty context.

    A handler that inherits the context of a durable step could not start a workflow of its own.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._inner = httpx.ASGITransport(app=app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        work = asyncio.create_task(self._inner.handle_async_request(request), context=contextvars.Context())
        return await work


@dataclass(frozen=True)
class Answer:
    """A good answer of a peer: its status and its JSON."""

    status: int
    body: Any


class FunctionClient:
    """Calls of one peer under one caller's identity."""

    def __init__(
        self,
        peer: str,
        auth: httpx.Auth | None,
        loop: asyncio.AbstractEventLoop,
        *,
        base_url: str = "",
        app: AsgiApp | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        self.peer = peer
        self._loop = loop
        self._timeout_s = timeout_s
        transport = DetachedTransport(app) if app is not None and not base_url else None
        self._client = httpx.AsyncClient(
            base_url=base_url or f"http://{peer}", auth=auth, transport=transport, timeout=timeout_s
        )

    async def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        idempotency_key: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; raises PeerUnavailable (try later) or PeerRefused (final)."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        try:
            response = await self._client.request(method, path, json=json, headers=headers, params=params)
        except httpx.TransportError as cause:
            raise PeerUnavailable(
                f"{self.peer} did not answer {method} {path}: {type(cause).__name__} {cause}. "
                "Is it running? The call is made again by itself.",
                peer=self.peer,
            ) from cause
        return self._judge(method, path, response)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON at `path`."""
        return self._wait("GET", path, params=params)

    def post(self, path: str, json: Any, idempotency_key: str = "") -> Any:
        """The JSON answer to a POST."""
        return self._wait("POST", path, json, idempotency_key=idempotency_key)

    def put(self, path: str, json: Any, idempotency_key: str = "") -> Any:
        """The JSON answer to a PUT."""
        return self._wait("PUT", path, json, idempotency_key=idempotency_key)

    def delete(self, path: str, idempotency_key: str = "") -> Any:
        """The JSON answer to a DELETE; a thing that is not there counts as deleted."""
        try:
            return self._wait("DELETE", path, idempotency_key=idempotency_key)
        except PeerRefused as refusal:
            if refusal.peer_status in (404, 410):
                return None
            raise

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _wait(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        idempotency_key: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Any:
        work = self.request(method, path, json, idempotency_key=idempotency_key, params=params)
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as cause:
            work.close()
            raise PeerUnavailable(f"{self.peer} was not asked: the program is stopping.", peer=self.peer) from cause
        try:
            return future.result(self._timeout_s + 5).body
        except TimeoutError as cause:
            future.cancel()
            raise PeerUnavailable(f"{self.peer} gave no answer to {method} {path} in time.", peer=self.peer) from cause

    def _judge(self, method: str, path: str, response: httpx.Response) -> Answer:
        if response.status_code < 400:
            return Answer(response.status_code, _json_of(response))
        body = _json_of(response)
        problem: dict[str, Any] = body if isinstance(body, dict) else {"detail": str(body)}
        said = f"{self.peer} answered {method} {path} with {response.status_code}: {problem.get('detail', 'no reason')}"
        if response.status_code >= 500 or response.status_code in PASSING_STATUSES:
            raise PeerUnavailable(said, peer=self.peer, peer_code=problem.get("code", ""))
        raise PeerRefused(said, peer=self.peer, peer_status=response.status_code, problem=problem)


def _json_of(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return response.text
