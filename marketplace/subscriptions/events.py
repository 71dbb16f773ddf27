"""GET /subscriptions/{id}/events: a purchase's progress and what became of it, as JSON or as server-sent events.

Public, like both sides of a subscription. What a stream says is made anew of tables and orchestrator: nothing is kept.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from ledger.errors import LedgerError
from marketplace.activity import WantedActivity, answer, rows_after
from marketplace.answers import Page, ProgressEvent, ServiceSide
from marketplace.errors import MalformedCursor, MalformedInput, TooManyReaders, UnknownSubscription
from marketplace.openapi import problems
from marketplace.parts import Parts
from marketplace.streams import Event, EventStream, Source
from marketplace.subscriptions.progress import Mark, told, waiting
from marketplace.subscriptions.service import require_known, service_side

POLL_S = 0.5
"""Pause between looks of one stream, seconds."""
MOST_EVENTS = 1000
"""Chain events of one subscription that are looked at: a settlement every few seconds for an hour, and its life."""


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["subscriptions"])

    @routes.get(
        "/subscriptions/{id}/events",
        response_model=Page[ProgressEvent],
        responses=problems(MalformedInput, MalformedCursor, UnknownSubscription, TooManyReaders),
    )
    async def get_events(
        id: str,
        request: Request,
        since: Annotated[str | None, Query(description="After this id, as `Last-Event-ID`.")] = None,
    ) -> Response:
        """Events so far as JSON, or with `Accept: text/event-stream` as they come. `Last-Event-ID` goes on after it."""
        await asyncio.to_thread(require_known, parts, id)
        last = request.headers.get("last-event-id") or since
        known = Mark() if last is None else Mark.parse(last)
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(_stream(parts, id, known), parts.progress_readers)
        news, _ = await asyncio.to_thread(_look, parts, id, known)
        return JSONResponse({"items": [event for _, event in news], "next": None})

    return routes


def _look(parts: Parts, subscription_id: str, known: Mark) -> tuple[list[tuple[Mark, ProgressEvent]], ServiceSide]:
    parts.projection.refresh()
    wanted = WantedActivity(subscriptionId=subscription_id).conditions()
    rows = rows_after(parts, known.chain, wanted, MOST_EVENTS)
    service = service_side(parts, subscription_id)
    return told([answer(row) for row in rows], service, known), service


async def _stream(parts: Parts, subscription_id: str, known: Mark) -> Source:
    """For ever; a node or an orchestrator that is away is waited for."""
    waited: Any = None
    while True:
        try:
            news, service = await asyncio.to_thread(_look, parts, subscription_id, known)
        except LedgerError:
            news, service = [], ServiceSide(state="unknown")
        for known, event in news:
            yield Event(str(known), event["kind"], event)
        reason = waiting(service)
        if reason is not None and reason["detail"] != waited:
            yield Event(str(known), "waiting", reason)
        waited = reason and reason["detail"]
        yield None
        await asyncio.sleep(POLL_S)
