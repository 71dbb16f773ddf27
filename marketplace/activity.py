"""GET /activity and /activity/stream: what happens on the market's contracts, for everybody.

From the projected `activity` table, which shows unfinal blocks too: a stream says where a reorganisation took events
back, and sends what stands now. `rows_after` serves the other readers of the table.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, RowMapping, Select, Tuple, literal, select, tuple_

from ledger.errors import LedgerError
from marketplace.answers import ActivityAnswer, Page
from marketplace.database import activity
from marketplace.errors import MalformedCursor, MalformedInput, TooManyReaders
from marketplace.openapi import problems, stream_of
from marketplace.orders.schemas import Decimal
from marketplace.pagination import Window, page_of, window
from marketplace.parts import Parts
from marketplace.places import BEGINNING, Place
from marketplace.streams import Event, EventStream, Source

POLL_S = 0.5
"""Pause between looks of one stream, seconds."""
BATCH = 100
"""Events that a stream reads at once."""
DEEPEST = 64
"""How many blocks before its place a stream sends anew after a reorganisation."""
EXAMPLE = 'id: 184.3.5fe7f977\nevent: Activated\ndata: {"name":"Activated","place":"184.3"}\n\n'


class WantedActivity(BaseModel):
    """Which events; None asks for all."""

    model_config = ConfigDict(frozen=True)

    name: str | None = Field(default=None, max_length=40, description="Of this name, such as `Settled`.")
    contract: str | None = Field(default=None, max_length=20, description="`catalog`, `market` or `assets`.")
    subscriptionId: Decimal | None = Field(default=None, description="Of this subscription.")

    def conditions(self) -> list[ColumnElement[bool]]:
        """As conditions on the table."""
        pairs = (("name", self.name), ("contract", self.contract), ("subscription_id", self.subscriptionId))
        return [activity.c[column] == value for column, value in pairs if value is not None]


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["market"])

    @routes.get("/activity", responses=problems(MalformedInput, MalformedCursor))
    def list_activity(
        request: Request, asked: Annotated[WantedActivity, Query()], page: Annotated[Window, Depends(window)]
    ) -> Page[ActivityAnswer]:
        """Events of catalogue, market and assets, newest first."""
        parts.projection.refresh()
        found = newest(parts, asked, page)
        return page_of(request, page, found, lambda one: (one["place"],))

    @routes.get(
        "/activity/stream",
        response_class=Response,
        responses={**stream_of("what happens on the contracts", EXAMPLE), **problems(MalformedCursor, TooManyReaders)},
    )
    async def stream_activity(
        request: Request,
        asked: Annotated[WantedActivity, Query()],
        since: Annotated[str | None, Query(description="After this place; from now on unless given.")] = None,
    ) -> Response:
        """Events as they come. `Last-Event-ID` goes on where it was cut; `reorganised` says what is sent anew."""
        last = request.headers.get("last-event-id") or since
        after, tx = await asyncio.to_thread(_newest_place, parts) if last is None else _mark(last)
        return EventStream(_stream(parts, asked, after, tx), parts.activity_readers)

    return routes


def rows_after(parts: Parts, after: Place, wanted: list[ColumnElement[bool]], most: int = BATCH) -> list[RowMapping]:
    """Rows of the table after a place, oldest first."""
    query = _ordered(select(activity).where(_key() > _at(after), *wanted)).limit(most)
    with parts.engine.connect() as connection:
        return list(connection.execute(query).mappings())


def place_of(row: RowMapping) -> Place:
    return Place(row["block_number"], row["log_index"])


def answer(row: RowMapping) -> ActivityAnswer:
    """One event as it is shown."""
    return {
        "place": str(place_of(row)),
        "name": row["name"],
        "contract": row["contract"],
        "subscriptionId": row["subscription_id"],
        "blockNumber": row["block_number"],
        "logIndex": row["log_index"],
        "txHash": row["tx_hash"],
        "at": row["at"],
        "fields": row["fields"],
    }


def newest(parts: Parts, asked: WantedActivity, page: Window) -> list[ActivityAnswer]:
    query = select(activity).where(*asked.conditions())
    if page.after is not None:
        query = query.where(_key() < _at(Place.parse(page.after[0])))
    newest_first = (activity.c.block_number.desc(), activity.c.log_index.desc())
    with parts.engine.connect() as connection:
        rows = connection.execute(query.order_by(*newest_first).limit(page.limit + 1)).mappings()
        return [answer(row) for row in rows]


def _newest_place(parts: Parts) -> tuple[Place, str]:
    parts.projection.refresh()
    found = newest(parts, WantedActivity(), Window(limit=1))
    return (Place.parse(found[0]["place"]), found[0]["txHash"][2:10]) if found else (BEGINNING, "")


def _mark(text: str) -> tuple[Place, str]:
    """Place and beginning of the transaction's hash of a stream's id; the hash may be left out."""
    parts = text.split(".")
    return Place.parse(".".join(parts[:2])), parts[2] if len(parts) == 3 else ""


async def _stream(parts: Parts, asked: WantedActivity, after: Place, tx: str) -> Source:
    """For ever. A node that is away for a while is waited for."""
    while True:
        try:
            await asyncio.to_thread(parts.projection.refresh)
            stands = await asyncio.to_thread(_stands, parts, after, tx)
        except LedgerError:
            stands = True
        if not stands:
            after, tx = Place(max(0, after.block - DEEPEST), -1), ""
            yield Event(str(after), "reorganised", {"sentAnewAfter": str(after)})
        rows = await asyncio.to_thread(rows_after, parts, after, asked.conditions())
        for row in rows:
            after, tx = place_of(row), row["tx_hash"][2:10]
            yield Event(f"{after}.{tx}", row["name"], answer(row))
        if not rows:
            yield None
            await asyncio.sleep(POLL_S)


def _stands(parts: Parts, place: Place, tx: str) -> bool:
    """Whether the event that was sent last is still in the chain."""
    if not tx:
        return True
    here = (activity.c.block_number == place.block, activity.c.log_index == place.log)
    with parts.engine.connect() as connection:
        found = connection.execute(select(activity.c.tx_hash).where(*here)).scalar()
    return found is not None and str(found)[2:10] == tx


def _key() -> Tuple:
    return tuple_(activity.c.block_number, activity.c.log_index)


def _at(place: Place) -> Tuple:
    return tuple_(literal(place.block), literal(place.log))


def _ordered(query: Select[tuple[object, ...]]) -> Select[tuple[object, ...]]:
    return query.order_by(activity.c.block_number, activity.c.log_index)
