"""Server-sent events (WHATWG), one form for every stream: bounded readers, a heartbeat, slow readers cut off.

A source yields events, or None each time it has nothing to say. A reader that takes nothing for `SLOW_S` loses its
connection and takes the stream up again by `Last-Event-ID`; nothing is kept for it in memory meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from marketplace.errors import TooManyReaders

HEARTBEAT_S = 15.0
"""Longest silence, seconds: proxies cut what is silent for long."""
SLOW_S = 10.0
"""Longest time that a reader may take for one event, seconds."""
RETRY_MS = 1000
"""After what pause a browser connects again, milliseconds."""


@dataclass(frozen=True)
class Event:
    """One event; `id` is what `Last-Event-ID` will say."""

    id: str
    kind: str
    data: Mapping[str, Any]

    def frame(self) -> bytes:
        """As it goes over the wire, one data line."""
        data = json.dumps(self.data, separators=(",", ":"))
        return f"id: {self.id}\nevent: {self.kind}\ndata: {data}\n\n".encode()


Source = AsyncIterator[Event | None]


@dataclass
class Readers:
    """Who reads one kind of stream; at most `most` at once."""

    most: int
    _there: set[object] = field(default_factory=set)

    def enter(self) -> object:
        """A place; raises `TooManyReaders`."""
        if len(self._there) >= self.most:
            raise TooManyReaders(f"{self.most} streams are open.", remedy="Ask without a stream, or a little later.")
        place = object()
        self._there.add(place)
        return place

    def leave(self, place: object) -> None:
        self._there.discard(place)


class EventStream(Response):
    """The answer. It takes a reader's place when it is made and gives it back when the stream ends, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, source: Source, readers: Readers, slow_s: float = SLOW_S) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._readers = readers
        self._slow_s = slow_s
        self._place = readers.enter()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            gone = asyncio.ensure_future(_hung_up(receive))
            sent = asyncio.ensure_future(self._send_all(send))
            await asyncio.wait({gone, sent}, return_when=asyncio.FIRST_COMPLETED)
            for task in (gone, sent):
                task.cancel()
            await asyncio.gather(gone, sent, return_exceptions=True)
        finally:
            self._readers.leave(self._place)

    async def _send_all(self, send: Send) -> None:
        """Until the source ends, or the reader is too slow."""
        try:
            async with asyncio.timeout(self._slow_s) as patience:
                loop = asyncio.get_running_loop()
                async for frame in _frames(self._source):
                    patience.reschedule(loop.time() + self._slow_s)
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
                    patience.reschedule(None)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()


async def _frames(source: Source) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    spoke = time.monotonic()
    async for event in source:
        if event is not None:
            spoke = time.monotonic()
            yield event.frame()
        elif time.monotonic() - spoke >= HEARTBEAT_S:
            spoke = time.monotonic()
            yield b": heartbeat\n\n"


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
