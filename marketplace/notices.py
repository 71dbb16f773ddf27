"""GET /subscriptions/{id}/notices: what concerns one subscription, as JSON or as server-sent events.

The orchestrator keeps the notices; here the reader's right is checked, again every half minute while a stream is open.
A reader pulls a page at a time; `Last-Event-ID` goes on where it was cut.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from marketplace.decisions import ask_orchestrator
from marketplace.errors import MarketplaceError, TooManyReaders
from marketplace.parts import Parts
from marketplace.rights import Reader, may_read, require_reader

POLL_S = 0.5
"""Pause between looks, seconds, each for one reader."""
HEARTBEAT_S = 15.0
CHECK_S = 30.0
MOST_READERS = 64


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()
    readers: set[object] = set()

    @routes.get("/subscriptions/{id}/notices")
    async def get_notices(id: str, request: Request, since: int = Query(default=0, ge=0)) -> Response:
        reader = await asyncio.to_thread(require_reader, parts, request, id)
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isdecimal() else since
        if "text/event-stream" not in request.headers.get("accept", ""):
            return JSONResponse({"notices": await asyncio.to_thread(_page, parts, id, after)})
        if len(readers) >= MOST_READERS:
            raise TooManyReaders(f"{MOST_READERS} streams are open.", remedy="Ask without a stream, or a little later.")
        stream = _stream(parts, reader, id, after, readers)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return routes


def _page(parts: Parts, subscription_id: str, after: int) -> list[dict[str, Any]]:
    params = {"since": str(after), "subscriptionId": subscription_id}
    return list(ask_orchestrator(parts, "GET", "/notices", params=params)["notices"])


async def _stream(
    parts: Parts, reader: Reader, subscription_id: str, after: int, readers: set[object]
) -> AsyncIterator[bytes]:
    """Until the binding ends, or the reader may read no more; an orchestrator that is away is waited for."""
    me = object()
    readers.add(me)
    spoke = checked = time.monotonic()
    try:
        yield b": notices\n\n"
        while parts.clock() < reader.ends:
            if time.monotonic() - checked >= CHECK_S:
                checked = time.monotonic()
                if not await asyncio.to_thread(may_read, parts, subscription_id, reader.address):
                    return
            try:
                notices = await asyncio.to_thread(_page, parts, subscription_id, after)
            except MarketplaceError:
                notices = []
            for notice in notices:
                after, spoke = int(notice["number"]), time.monotonic()
                data = json.dumps(notice, separators=(",", ":"))
                yield f"id: {after}\nevent: {notice['kind']}\ndata: {data}\n\n".encode()
            if not notices:
                if time.monotonic() - spoke >= HEARTBEAT_S:
                    spoke = time.monotonic()
                    yield b": heartbeat\n\n"
                await asyncio.sleep(POLL_S)
    finally:
        readers.discard(me)
