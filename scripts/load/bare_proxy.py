"""The gateway's peer and its model: `python -m scripts.load.bare_proxy model --uds S` and `… proxy --uds S --port P`.

The proxy is built of what the gateway is built of (uvicorn, uvloop, Starlette, httpx over a Unix socket) and only
passes a request on: no token, no meter, no record. The model answers at once with two kilobytes and a quantity of one.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = bytes(2_048)


async def _answer(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, headers={"S4M-Quantity": "1"}, media_type="application/octet-stream")


def model() -> Starlette:
    """Answers every call."""
    return Starlette(routes=[Route("/{call}", _answer, methods=["POST"])])


def proxy(socket: str) -> Starlette:
    """Passes every POST on to the model's socket."""

    @asynccontextmanager
    async def client_for(app: Starlette) -> AsyncIterator[None]:
        transport = httpx.AsyncHTTPTransport(uds=socket, retries=1)
        async with httpx.AsyncClient(transport=transport, base_url="http://model", trust_env=False) as client:
            app.state.client = client
            yield

    async def forward(request: Request) -> Response:
        answer = await request.app.state.client.post("/call", content=await request.body())
        return Response(answer.content, answer.status_code, media_type=answer.headers["Content-Type"])

    return Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])], lifespan=client_for)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["model", "proxy"])
    parser.add_argument("--uds", required=True)
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    if given.role == "model":
        uvicorn.run(model(), uds=given.uds, log_level="warning", access_log=False)
    else:
        uvicorn.run(proxy(given.uds), host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
