"""Keeps verifying the caller of an answer that is still being sent: server-sent events, followed logs, long downloads.

Used by `trust.middleware` on every answer, so that no handler can forget it. An answer that is sent in one piece costs
nothing. The token's own end does not matter here: it opened the stream; the key, the subscription and the absence of a
revocation keep it open.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Send

from trust.errors import Refusal


class Standing:
    """One answer. `check` raises a Refusal when its caller would not pass any more; then the handler is cancelled."""

    def __init__(self, check: Callable[[], Awaitable[None]], every_s: float, send: Send) -> None:
        self._check = check
        self._every_s = every_s
        self._send = send
        self._handler = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._checking: asyncio.Task[None] | None = None
        self._has_length = False
        self.fallen: Refusal | None = None

    async def send(self, message: Message) -> None:
        """Passes on what the handler sends; an answer without a length, or in several pieces, is watched."""
        if message["type"] == "http.response.start":
            self._has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", []))
            if not self._has_length:
                self._arm()
        elif self._timer is None and message.get("more_body", False):
            self._arm()
        await self._send(message)

    async def finish(self) -> None:
        """After the handler was cancelled: ends the answer properly where its length was not promised."""
        if self._handler is not None:
            self._handler.uncancel()
        if not self._has_length:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def end(self) -> None:
        """The handler is done."""
        if self._timer is not None:
            self._timer.cancel()
        if self._checking is not None:
            self._checking.cancel()

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._look)

    def _look(self) -> None:
        self._checking = asyncio.create_task(self._verify())

    async def _verify(self) -> None:
        try:
            await self._check()
        except Refusal as refusal:
            self.fallen = refusal
            if self._handler is not None:
                self._handler.cancel()
        else:
            self._arm()
