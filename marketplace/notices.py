"""GET /subscriptions/{id}/notices: what concerns one subscription, as JSON or as server-sent events.

The orchestrator keeps the notices; here the reader's right is checked, again every half minute while a stream is open.
A reader pulls a page at a time; `Last-Event-ID` goes on where it was cut.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from marketplace.answers import Notice, Notices
from marketplace.decisions import ask_orchestrator
from marketplace.errors import (
    BadSignature,
    MalformedInput,
    MarketplaceError,
    OrchestratorDown,
    TooManyReaders,
    UnknownSubscription,
)
from marketplace.notice_kinds import STANDING
from marketplace.openapi import problems
from marketplace.parts import Parts
from marketplace.rights import Binding, Reader, may_read, require_reader
from marketplace.streams import Event, EventStream, Source

POLL_S = 0.5
"""Pause between looks, seconds, each for one reader."""
CHECK_S = 30.0
SHOWN = 12
"""Notices on a service's page."""


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["subscriptions"])

    @routes.get(
        "/subscriptions/{id}/notices",
        response_model=Notices,
        responses=problems(MalformedInput, UnknownSubscription, BadSignature, OrchestratorDown, TooManyReaders),
    )
    async def get_notices(
        id: str,
        request: Request,
        since: Annotated[int, Query(ge=0, description="After this number.")] = 0,
        _binding: Binding = "",
    ) -> Response:
        """Notices as JSON, or with `Accept: text/event-stream` as they come."""
        reader = await asyncio.to_thread(require_reader, parts, request, id)
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isdecimal() else since
        if "text/event-stream" not in request.headers.get("accept", ""):
            return JSONResponse({"notices": await asyncio.to_thread(_page, parts, id, after)})
        return EventStream(_stream(parts, reader, id, after), parts.notice_readers)

    return routes


def standing(parts: Parts, subscription_id: str) -> list[Notice]:
    """How the service stood lately, newest first, as anybody may know it. Nothing while the orchestrator is away."""
    params = {"subscriptionId": subscription_id, "kinds": ",".join(STANDING), "newest": str(SHOWN)}
    try:
        found = ask_orchestrator(parts, "GET", "/notices", params=params)["notices"]
    except MarketplaceError:
        return []
    return cast(list[Notice], found[::-1])


def _page(parts: Parts, subscription_id: str, after: int) -> list[Notice]:
    params = {"since": str(after), "subscriptionId": subscription_id}
    return cast(list[Notice], ask_orchestrator(parts, "GET", "/notices", params=params)["notices"])


async def _stream(parts: Parts, reader: Reader, subscription_id: str, after: int) -> Source:
    """Until the binding ends, or the reader may read no more; an orchestrator that is away is waited for."""
    checked = time.monotonic()
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
            after = int(notice["number"])
            yield Event(str(after), str(notice["kind"]), notice)
        if not notices:
            yield None
            await asyncio.sleep(POLL_S)
