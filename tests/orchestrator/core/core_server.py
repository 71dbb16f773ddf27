"""Real HTTP servers and a real event loop for tests that call across threads."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from core_wait import wait_for
from fastapi import FastAPI

from orchestrator.calls import FunctionClient


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The app on a free port; yields its URL."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[door])), daemon=True)
        thread.start()
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join(5)


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, as the orchestrator's server has one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


@contextmanager
def calling(peer: str, url: str, app: FastAPI | None = None) -> Iterator[FunctionClient]:
    """A client of the peer on a loop of its own; with an app, in-process."""
    with running_loop() as loop:
        client = FunctionClient(peer, None, loop, base_url=url, app=app, timeout_s=5)
        yield client
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(5)
