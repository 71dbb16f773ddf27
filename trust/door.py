"""The front door of a program: uvicorn's HTTP protocol with limits on how long and how much a client may take.

Used by the three programs through `server_config`. The gate bounds what a request may do once its head is there; this
bounds the head itself, the pace of the body, and connections. What it refuses is journalled by the app's gate. uvicorn
has none of these limits (its keep-alive timeout only covers the time between two requests).
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from trust.limits import place_of


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Seconds, bytes and connections that one client may take."""

    head_s: float = 10.0  # from the connection, or a request's first byte, to the end of its headers
    message_s: float = 30.0  # from the end of the headers to the end of the body, also where nobody reads it any more
    write_s: float = 30.0  # in which a client must take something of an answer that waits for it
    head_bytes: int = 32_768
    connections: int = 1_024  # of one address; of all: four times as many


class BoundedHttp(HttpToolsProtocol):
    """One connection. Its refusals are plain HTTP: no request is there yet that the gate could answer."""

    limits = DoorLimits()
    open_here: ClassVar[Counter[str]] = Counter()  # connections of each address, in this process

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._place = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._place = place_of(self.client[0]) if self.client else ""
        self.open_here[self._place] += 1
        most = self.limits.connections
        if self.open_here[self._place] > most or len(self.connections) > 4 * most:
            self._turn_away(503, "too_many_connections")
        else:
            self._within(self.limits.head_s, 408, "head_too_slow")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_here[self._place] -= 1
        if self.open_here[self._place] <= 0:
            del self.open_here[self._place]
        self._clear()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._head_bytes
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes = before + len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._turn_away(431, "head_too_large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._within(self.limits.head_s, 408, "head_too_slow")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > self.limits.head_bytes:
            self._turn_away(431, "head_too_large")
            return
        self._within(self.limits.message_s, 408, "body_too_slow")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._clear()
        if self.cycle is not None:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._journal("malformed_http")
        super().send_400_response(msg)

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        self.flow.pause_writing()
        self._write_deadline = self.loop.call_later(self.limits.write_s, self._hang_up)

    def resume_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
        if self.flow is not None:
            self.flow.resume_writing()

    def _hang_up(self) -> None:
        """What waits to be taken is thrown away; who was making more of it is told that nobody is there."""
        self._journal("answer_not_taken")
        self.transport.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """The gate refuses what is not an ordinary request; a line in the log for each would be a gift to floods."""

    def _within(self, seconds: float, status: int, code: str) -> None:
        self._clear()
        self._deadline = self.loop.call_later(seconds, self._turn_away, status, code)

    def _clear(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _turn_away(self, status: int, code: str) -> None:
        """One line and the end; nothing once an answer has begun."""
        self._clear()
        if self.transport.is_closing():
            return
        self._journal(code)
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()

    def _journal(self, code: str) -> None:
        gate = getattr(getattr(self.config.app, "state", None), "gate", None)
        if gate is not None:
            gate.record_at_door(code, self.client[0] if self.client else "")


def server_config(app: ASGIApp, limits: DoorLimits | None = None, **options: Any) -> uvicorn.Config:
    """How every program serves its app; `options` are uvicorn's own (host, port, …)."""
    protocol = BoundedHttp if limits is None else type("BoundedHttp", (BoundedHttp,), {"limits": limits})
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        server_header=False,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,  # streams never end by themselves
        **options,
    )
