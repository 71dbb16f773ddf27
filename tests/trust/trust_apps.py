"""Small real apps with routes of the shipped policy, for the gate's tests."""

import asyncio
from collections.abc import AsyncIterator, Callable

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse

from trust.gate import Gate


async def echo(request: Request) -> dict[str, object]:
    """Who called and what arrived, as the handler sees it."""
    caller = request.state.caller
    body = await request.body()
    return {
        "kind": caller.kind,
        "subject": caller.subject,
        "subscription": caller.subscription,
        "jkt": caller.jkt,
        "body": body.decode("latin-1"),
    }


def mmf_app(gate: Gate) -> FastAPI:
    """MMF's routes, one of them from an included router, plus one that no row names."""
    app = FastAPI()
    router = APIRouter(prefix="/offers")
    router.add_api_route("", echo, methods=["POST"])
    router.add_api_route("/{offer}/acceptance", echo, methods=["POST"])
    app.include_router(router)
    app.add_api_route("/health", echo, methods=["GET"])
    app.add_api_route("/pool", echo, methods=["GET", "DELETE"])
    app.add_api_route("/secret", echo, methods=["GET"])
    gate.protect(app)
    return app


async def lines() -> AsyncIterator[bytes]:
    """A log that never ends by itself."""
    while True:
        yield b'{"record":1}\n'
        await asyncio.sleep(0.02)


def gateway_app(gate: Gate, source: Callable[[], AsyncIterator[bytes]] = lines) -> FastAPI:
    """The gateway's session routes and a log that is streamed."""
    app = FastAPI()
    app.add_api_route("/sessions", echo, methods=["POST"])
    app.add_api_route("/use/{subscription_id}", echo, methods=["POST"])
    app.add_api_route("/routes/{subscription_id}", echo, methods=["PUT"])

    @app.get("/usage/{subscription_id}/log")
    async def log() -> StreamingResponse:
        return StreamingResponse(source(), media_type="application/jsonl")

    gate.protect(app)
    return app
