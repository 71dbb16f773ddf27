"""How one component calls another: through the gate in-process or over HTTP, with the same result.

Used by the pipeline, reconcile and settlement (and handed to VMOF for its calls of MMF). A `FunctionClient` belongs to
one caller identity and one peer. Its coroutine `request` runs on the server's loop; the plain `get`, `post`, `put` and
`delete` are for worker threads (durable steps) and block until the answer is there. It retries nothing: an answer of
`TryLater` or `Refusal` is for the caller to judge.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps, loads
from typing import Any, Protocol

import httpx

from orchestrator.errors import PeerRefused, PeerUnavailable
from orchestrator.in_process import AsgiApp, ask, target_of
from trust.auth import GateAuth
from trust.callee import HEADER, AnswerUnproven, Call

PASSING_STATUSES = frozenset({401, 403, 408, 425, 429})
"""Client-side statuses that may pass: a key whose enrolment is not final yet, a clock, a queue."""


class Wire(Protocol):
    """How a request reaches the peer: status and body of the answer. Raises `httpx.TransportError` where none came."""

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]: ...

    async def close(self) -> None: ...


class InProcess:
    """The peer is an app of this program."""

    def __init__(self, app: AsgiApp, peer: str, auth: GateAuth | None) -> None:
        self._app = app
        self._peer = peer
        self._auth = auth

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        auth = self._auth
        credentials = auth.headers(method, f"http://{self._peer}{target}", body) if auth else {}
        answer = await ask(self._app, self._peer, method, target, {**headers, **credentials}, body)
        if auth is not None:
            call = Call(self._peer, method, target.partition("?")[0], credentials["DPoP"])
            await auth.require_callee(call, answer.status, answer.headers.get(HEADER.lower(), ""), answer.body)
        return answer.status, answer.body

    async def close(self) -> None:
        """There is no connection."""


class OverHttp:
    """The peer is another program."""

    def __init__(self, base_url: str, auth: GateAuth | None, timeout_s: float) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, auth=auth, timeout=timeout_s)

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        response = await self._client.request(method, target, content=body or None, headers=headers)
        return response.status_code, response.content

    async def close(self) -> None:
        await self._client.aclose()


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
        auth: GateAuth | None,
        loop: asyncio.AbstractEventLoop,
        *,
        base_url: str = "",
        app: AsgiApp | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        self.peer = peer
        self._loop = loop
        self._timeout_s = timeout_s
        self._wire: Wire
        if app is not None and not base_url:
            self._wire = InProcess(app, peer, auth)
        else:
            self._wire = OverHttp(base_url or f"http://{peer}", auth, timeout_s)

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
        body = b""
        if json is not None:
            body = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        try:
            status, content = await self._wire.send(method, target_of(path, params), headers, body)
        except AnswerUnproven as cause:
            raise PeerUnavailable(
                f"The answer to {method} {path} is not believed: {cause} The call is made again by itself.",
                peer=self.peer,
                peer_code=cause.code,
            ) from cause
        except httpx.TransportError as cause:
            raise PeerUnavailable(
                f"{self.peer} did not answer {method} {path}: {type(cause).__name__} {cause}. "
                "Is it running? The call is made again by itself.",
                peer=self.peer,
            ) from cause
        return self._judge(method, path, status, content)

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
        await self._wire.close()

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

    def _judge(self, method: str, path: str, status: int, content: bytes) -> Answer:
        body = _json_of(content)
        if status < 400:
            return Answer(status, body)
        problem: dict[str, Any] = body if isinstance(body, dict) else {"detail": str(body)}
        said = f"{self.peer} answered {method} {path} with {status}: {problem.get('detail', 'no reason')}"
        if status >= 500 or status in PASSING_STATUSES:
            raise PeerUnavailable(said, peer=self.peer, peer_code=problem.get("code", ""))
        raise PeerRefused(said, peer=self.peer, peer_status=status, problem=problem)


def _json_of(content: bytes) -> Any:
    if not content:
        return None
    try:
        return loads(content)
    except ValueError:
        return content.decode(errors="replace")
