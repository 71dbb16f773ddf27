"""The pure-ASGI shell of the gate: outermost on its app, streams untouched, request bodies buffered and handed on.

Installed by `Gate.protect`. It decides nothing itself.
"""

import asyncio
import json
import math
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from trust.callee import Call, Signing
from trust.caller import PUBLIC, Caller, CallerKind
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
            if page is not None:
                await page(scope, receive, send)
                return
            floods = isinstance(refusal, TooManyRequests)  # refused for speed: not worth a signature
            await _refuse(refusal, send if floods else self._proven(inbound, inbound.caller, send))
            return
        except ClientGone:
            return
        if match.mounted is not None:
            await self.app(scope, receive, send)  # its own gate decides and keeps the record
            return
        self.gate.record(inbound, match.template, caller, None)
        state = {**scope.get("state", {}), "caller": caller}
        proven = self._proven(inbound, caller, send)
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

    def _proven(self, inbound: Inbound, caller: Caller | None, send: Send) -> Send:
        """A `send` that proves this app to a component: to whoever sent token and proof, unless it is a person's."""
        identity, proof = self.gate.identity, inbound.headers.get("dpop", [""])[0]
        is_person = caller is not None and caller.kind in (CallerKind.SESSION, CallerKind.ACCOUNT)
        if identity is None or is_person or not inbound.has("authorization") or not 0 < len(proof) <= MAX_LENGTH:
            return send
        return Signing(identity, Call(identity.component, inbound.method, inbound.path, proof), send).send


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
