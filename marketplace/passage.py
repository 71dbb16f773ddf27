"""/gateway/…: the buyers' door of the gateway through this origin, for pages that may speak to no other.

Called by `app.py`. A request goes on as it came: its proof, token or signature, and its body, which the gate has
bounded and read. The gateway judges all of that for itself; the marketplace adds no right of its own and believes
nothing. Answers stream through in both senses: nothing is kept, and who hangs up here hangs up there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from marketplace.errors import GatewayDown, MalformedInput

PREFIX: Final = "/gateway"
DOORS: Final = (
    ("POST", "/sessions"),
    ("POST", "/pass-sessions"),
    ("POST", "/use/{subscriptionId}"),
    ("POST", "/vouchers/{subscriptionId}"),
    ("GET", "/usage/{subscriptionId}/log"),
    ("GET", "/usage/{subscriptionId}/voucher"),
    ("GET", "/passes/{subscriptionId}"),
    ("POST", "/passes/{subscriptionId}/revocations"),
)
"""What buyers, their delegates and auditors ask of the gateway. What components ask of it does not pass."""
ASKED: Final = ("authorization", "dpop", "s4m-audit-grant", "content-type")
ANSWERED: Final = (
    "content-type", "content-length", "www-authenticate", "retry-after",
    "s4m-record", "s4m-voucher", "s4m-info", "s4m-provenance",
)  # fmt: skip
MOST_AT_ONCE: Final = 256
"""Uses and streams under way together: each is one connection to the gateway."""
PATIENCE: Final = httpx.Timeout(10.0, read=None, pool=5.0)
"""Seconds. Reading has no end: a followed log is silent while nobody uses the service."""


def router(gateway_url: str) -> APIRouter:
    """The doors; they share one pool of connections, closed when the program ends."""
    limits = httpx.Limits(max_connections=MOST_AT_ONCE, max_keepalive_connections=32)
    http = httpx.AsyncClient(base_url=gateway_url, timeout=PATIENCE, limits=limits, trust_env=False)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        yield
        await http.aclose()

    routes = APIRouter(prefix=PREFIX, include_in_schema=False, lifespan=lifespan)
    for method, path in DOORS:
        routes.add_api_route(path, _through(http, path), methods=[method])
    return routes


def _through(http: httpx.AsyncClient, path: str) -> Callable[[Request], Awaitable[Response]]:
    async def pass_on(request: Request) -> Response:
        target = httpx.URL(_filled(path, request), query=request.url.query.encode())
        headers = {name: request.headers[name] for name in ASKED if name in request.headers}
        asked = http.build_request(
            request.method, target, headers={**headers, "accept-encoding": "identity"}, content=await request.body()
        )
        try:
            answer = await http.send(asked, stream=True)
        except httpx.TransportError as error:
            remedy = "Try again in a moment, with the same request id: nothing is billed twice."
            raise GatewayDown(f"{type(error).__name__}: {error}.", remedy=remedy) from error
        kept = {name: answer.headers[name] for name in ANSWERED if name in answer.headers}
        return StreamingResponse(_body(answer), answer.status_code, {**kept, "cache-control": "no-store"})

    return pass_on


def _filled(path: str, request: Request) -> str:
    """The path at the gateway; an id that is no number goes nowhere."""
    given = request.path_params.get("subscriptionId", "0")
    if not (given.isascii() and given.isdecimal() and len(given) < 30):
        raise MalformedInput(f"{given[:30]!r} is no subscription id.", remedy="Give a decimal id below 2^96.")
    return path.format(subscriptionId=given)


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()
