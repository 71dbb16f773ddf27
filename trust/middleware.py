"""The pure-ASGI shell of the gate: outermost on its app, streams untouched, request bodies buffered and handed on.

Installed by `Gate.protect`. It decides nothing itself.
"""

import asyncio
import json
import math
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trust import callee
from trust.caller import PUBLIC, Caller
from trust.errors import NotAllowed, Refusal, TooManyRequests
from trust.inbound import ClientGone, Inbound, read_body, replaying
from trust.jws import MAX_LENGTH
from trust.routes import UNKNOWN, RouteMatch, RouteTable, route_path
from trust.standing import Standing

if TYPE_CHECKING:
    from trust.gate import Gate
    from trust.policy import Row

POLICY_VIOLATION = 1008  # RFC 6455 close code


class GateMiddleware:
    """`guarded` is the app whose routes are looked up; `app` the next ASGI layer inside."""

    def __init__(self, app: ASGIApp, gate: "Gate", guarded: Starlette) -> None:
        self.app = app
        self.gate = gate
        self._guarded = guarded
        self._table: RouteTable | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "not_allowed"})
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        inbound = Inbound.of(scope)
        match = self._match(inbound.method, route_path(scope))
        try:
            caller, body = await self._check(inbound, match, receive)
        except Refusal as refusal:
            self.gate.record(inbound, match.template, inbound.caller, refusal)
            page = self._page(scope, refusal, match)
            await (_refuse(refusal, send) if page is None else page(scope, receive, send))
            return
        except ClientGone:
            return
        if match.mounted is not None:
            await self.app(scope, receive, send)  # its own gate decides and keeps the record
            return
        self.gate.record(inbound, match.template, caller, None)
        state = {**scope.get("state", {}), "caller": caller}
        proven = self._proven(inbound, send)
        standing = Standing(lambda: self.gate.reverify(caller), self.gate.recheck_s, proven)
        answer = proven if caller.is_anonymous else standing.send
        try:
            await self.app({**scope, "state": state}, replaying(body, receive), answer)
        except asyncio.CancelledError:
            if standing.fallen is None:
                raise
            self.gate.record(inbound, match.template, caller, standing.fallen)
            await standing.finish()
        finally:
            standing.end()

    async def _check(self, inbound: Inbound, match: RouteMatch, receive: Receive) -> tuple[Caller, bytes]:
        """The caller and the whole body, or a Refusal; of a mount nothing but that it has a gate of its own."""
        self.gate.knock(inbound)
        row = self.gate.row_for(inbound.method, match)
        if match.mounted is not None:
            _require_gate(inbound.method, row, match)
            return PUBLIC, b""
        inbound.caller = await self.gate.admit(inbound, row, match)
        body = await read_body(inbound, receive, row.max_body, self.gate.body_timeout_s)
        await self.gate.accept_body(inbound, body)
        return inbound.caller, body

    def _page(self, scope: Scope, refusal: Refusal, match: RouteMatch) -> ASGIApp | None:
        """How the app shows this to a person; floods are answered as cheaply as can be."""
        show = self.gate.refusal_page
        return None if show is None or isinstance(refusal, TooManyRequests) else show(scope, refusal, match != UNKNOWN)

    def _match(self, method: str, path: str) -> RouteMatch:
        if self._table is None:
            self._table = RouteTable(self._guarded)
        return self._table.match(method, path)

    def _proven(self, inbound: Inbound, send: Send) -> Send:
        """A `send` that adds the callee's own proof where the request carried one."""
        identity = self.gate.identity
        proof = inbound.headers.get("dpop", [""])[0]
        if identity is None or not 0 < len(proof) <= MAX_LENGTH:
            return send

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = callee.Answer(proof, inbound.method, message["status"])
                MutableHeaders(scope=message)[callee.HEADER] = callee.sign(identity, answer)
            await send(message)

        return signed


def _require_gate(method: str, row: "Row", match: RouteMatch) -> None:
    """A mounted app has its own gate, or its row opens it (static files) to reading."""
    if "public" in row.access and method in ("GET", "HEAD"):
        return
    if getattr(getattr(match.mounted, "state", None), "gate", None) is None:
        raise NotAllowed(f"The app mounted at {row.path} has no gate of its own.")


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps(refusal.problem()).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if refusal.status == 401:
        headers.append((b"www-authenticate", f'DPoP error="{refusal.code}", algs="EdDSA ES256"'.encode()))
    if isinstance(refusal, TooManyRequests):
        headers.append((b"retry-after", str(math.ceil(refusal.wait_s)).encode()))
    if refusal.status == 408:  # not at 413: closing on unread bytes would reset the connection and lose the answer
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
