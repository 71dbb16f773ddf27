"""The door over real sockets: who does not take its answer is cut off, and what waits for it is bounded."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
import uvicorn
from trust_apps import gateway_app
from trust_yard import Yard, session

from trust.auth import SessionAuth
from trust.door import BoundedHttp, DoorLimits, server_config
from trust.keys import ProofKey

LIMITS = DoorLimits(write_s=0.4)
PIECE = b"x" * 65_536
KERNEL = 16 << 20
"""Bytes that two sockets' buffers of one machine hold at most (tcp_wmem and tcp_rmem), generously."""


@dataclass
class Endless:
    """A log that never ends; counts what was asked of it, and whether it was told to stop."""

    pieces: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    async def __call__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.pieces += 1
                yield PIECE
                await asyncio.sleep(0)
        finally:
            self.stopped.set()


@contextmanager
def served(app: object) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(server_config(app, LIMITS, lifespan="off"))  # type: ignore[arg-type]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[door])))
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture
def log(yard: Yard) -> Endless:
    return Endless()


@pytest.fixture
def port(yard: Yard, log: Endless) -> Iterator[int]:
    with served(gateway_app(yard.gate("gateway"), log)) as port:
        yield port


def asked(port: int, auth: SessionAuth) -> socket.socket:
    """A connection on which the log was asked for; nothing of it is read yet."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    wire.connect(("127.0.0.1", port))
    credentials = auth.headers("GET", "http://app/usage/7/log", b"")
    lines = ["GET /usage/7/log HTTP/1.1", "Host: app", *(f"{name}: {value}" for name, value in credentials.items())]
    wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return wire


def rest(wire: socket.socket) -> bytes:
    """What the kernels still hold, up to the end of the connection."""
    wire.settimeout(20)
    received = b""
    with suppress(ConnectionResetError):
        while piece := wire.recv(1 << 20):
            received += piece
    return received


def eventually(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_reader_that_takes_nothing_is_cut_off_and_what_waits_is_bounded(yard: Yard, port: int, log: Endless) -> None:
    with asked(port, session(yard, ProofKey.generate())) as wire:
        assert log.stopped.wait(20), "the source must be told to stop"
        assert 0 < log.pieces * len(PIECE) < KERNEL
        assert not rest(wire).endswith(b"\r\n0\r\n\r\n"), "the answer must not look whole"
    eventually(lambda: BoundedHttp.open_here["127.0.0.1"] == 0)
    assert yard.decisions("gateway")[-1] == ("deny", "answer_not_taken")


def test_reader_that_goes_on_reading_is_not_cut_off(yard: Yard, port: int, log: Endless) -> None:
    begun = time.monotonic()
    with asked(port, session(yard, ProofKey.generate())) as wire:
        wire.settimeout(20)
        while time.monotonic() < begun + 4 * LIMITS.write_s:
            assert wire.recv(1 << 20)
        assert not log.stopped.is_set()
    assert log.stopped.wait(20), "who hangs up ends the answer too"
    assert ("deny", "answer_not_taken") not in yard.decisions("gateway")


def test_slow_readers_do_not_hold_up_others(yard: Yard, port: int, log: Endless) -> None:
    auth = session(yard, ProofKey.generate())
    slow = [asked(port, auth) for _ in range(8)]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(b"GET /nowhere HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
        assert wire.recv(1 << 16).startswith(b"HTTP/1.1 403")
    for each in slow:
        each.close()
