"""Answers of models that are anybody's programs: too long or never ending ones are cut off, and nothing is kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator.gateway import models
from orchestrator.gateway.errors import ModelUnavailable
from orchestrator.gateway.models import ModelClients, Tenant

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]
TENANT = Tenant("7", {"computing_mcores": 100})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def model(path: Path, answering: Answering) -> AsyncIterator[str]:
    """A program on a socket that answers each call so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answering(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield str(path)


async def without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def by_drops(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for _ in range(1000):
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def test_an_answer_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MOST_BYTES", 100_000)
    clients = ModelClients(timeout_s=20)
    async with model(tmp_path / "s", without_end) as socket:
        with pytest.raises(ModelUnavailable, match="more than 100000 bytes"):
            await clients.ask(socket, "frame", TENANT, {})
    await clients.close()


async def test_an_answer_by_drops_has_no_longer_than_any_other(tmp_path: Path) -> None:
    clients = ModelClients(timeout_s=0.5)
    async with model(tmp_path / "s", by_drops) as socket:
        with pytest.raises(ModelUnavailable, match="TimeoutError"):
            await clients.ask(socket, "frame", TENANT, {})
    await clients.close()
