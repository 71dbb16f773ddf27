"""Notices: the kinds there are, and streaming them as server-sent events, resumable and bounded.

The kinds are used by VMOF, MMF and MSMF, which tell of what they change; `Board` and `events` by the API's
`GET /notices`. docs/reference/notices.md has a line for each kind; a test holds both together. A reader pulls: it gets
at most a page at a time and never piles up in memory, however slow it is.
"""

import asyncio
import enum
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

POLL_S = 0.25
"""Pause between looks for new notices, seconds; one look for all readers."""
HEARTBEAT_S = 15.0
"""Longest silence of a stream, seconds: proxies cut what is silent for long."""
MOST_READERS = 128

Page = Callable[[int, str | None], Awaitable[list[dict[str, Any]]]]
"""(after this number, of this subscription or of all) → the next notices, oldest first, a bounded page."""


class NoticeKind(enum.StrEnum):
    """What MSMF is told of."""

    REQUEST_TRANSLATED = "request.translated"
    MSI_RUNNING = "msi.running"
    SHARE_JOINED = "share.joined"
    SHARE_REFUSED = "share.refused"
    SHARE_MOVED = "share.moved"
    SHARE_MIGRATED = "share.migrated"
    SHARE_DRAINING = "share.draining"
    SHARE_RELEASED = "share.released"
    GRANT_CHANGED = "grant.changed"
    UPDATE_ACCEPTED = "update.accepted"
    UPDATE_REFUSED = "update.refused"
    MODEL_RUNNING = "model.running"
    MODEL_STOPPED = "model.stopped"
    MODEL_ENDED = "model.ended"
    MODEL_RESTARTED = "model.restarted"
    MODEL_PUBLISHED = "model.published"
    POOL_SUPPLIED = "pool.supplied"
    POOL_WITHDRAWN = "pool.withdrawn"
    RESERVATION_MADE = "reservation.made"
    RESERVATION_ENDED = "reservation.ended"


class Board:
    """Knows the newest notice's number, by one look for all readers while there are any."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.newest = 0
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self.readers = 0

    async def wait(self, after: int, seconds: float) -> bool:
        """Whether there is something newer than `after`, waited for so long."""
        until = time.monotonic() + seconds
        while self.newest <= after:
            left = until - time.monotonic()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                return self.newest > after
        return True

    def enter(self) -> None:
        """A reader comes; the first one starts the looking."""
        self.readers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def leave(self) -> None:
        """A reader goes; the last one ends the looking."""
        self.readers -= 1
        if not self.readers and self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        while True:
            try:
                page = await self._page(self.newest, None)
            except Exception:  # noqa: BLE001 — outermost: MSMF is away for a moment; the next look tries again
                page = []
            if page:
                self.newest = int(page[-1]["number"])
                self._news.set()
                self._news = asyncio.Event()
            await asyncio.sleep(0 if len(page) > 1 else POLL_S)


async def events(
    board: Board, page: Page, after: int, subscription_id: str | None, heartbeat_s: float = HEARTBEAT_S
) -> AsyncIterator[bytes]:
    """The stream: what is there after a number, then whatever comes; a comment when nothing does for long."""
    board.enter()
    try:
        yield b": notices\n\n"
        seen = after
        while True:
            notices = await page(after, subscription_id)
            for notice in notices:
                after = int(notice["number"])
                yield event(notice)
            seen = max(seen, after)
            if notices:
                continue
            if await board.wait(seen, heartbeat_s):
                seen = board.newest  # of somebody else, perhaps: the next page says
            else:
                yield b": heartbeat\n\n"
    finally:
        board.leave()


def event(notice: Mapping[str, Any]) -> bytes:
    """One server-sent event: the notice's number as its id, its kind as its name, the notice as JSON."""
    data = json.dumps(dict(notice), separators=(",", ":"))
    return f"id: {notice['number']}\nevent: {notice['kind']}\ndata: {data}\n\n".encode()


def resume_from(last_event_id: str | None, since: int) -> int:
    """Where to go on: after the event that the reader had last, else after the number it names."""
    return int(last_event_id) if last_event_id and last_event_id.isdecimal() else since
