"""Idempotency-Key: the same key with the same request gets the same answer again, for a day, also after a restart.

Called by the middleware below on every request that changes something and carries the header (after
draft-ietf-httpapi-idempotency-key-header). Only what succeeded is kept: a refusal changed nothing and is judged anew.
The features are idempotent by the chain's own ids besides; this makes whole answers repeatable.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Engine, delete, select, update
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketplace.database import answers
from marketplace.errors import KeyBusy, KeyReused, MalformedInput, MarketplaceError
from storage import upsert

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_S = 86_400
"""How long an answer is kept, seconds: a day of a client's retries."""
LEASE_S = 60
"""How long work under a key keeps others out, seconds; longer than the slowest request."""
LARGEST = 262_144
"""Largest answer that is kept, bytes."""
METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Kept:
    """An answer as it was given."""

    status: int
    content_type: str
    body: bytes


class KeptAnswers:
    """The answers table. `clock` tells UTC seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        with engine.begin() as rows:  # work that a crash cut off: whoever repeats it may begin at once
            rows.execute(delete(answers).where(answers.c.status.is_(None)))

    def claim(self, key: str, fingerprint: str) -> Kept | None:
        """The kept answer, or None: the caller does the work. Raises `KeyReused`, `KeyBusy`."""
        now = int(self._clock())
        row = {"key": key, "fingerprint": fingerprint, "content_type": "", "body": b"", "until": now + LEASE_S}
        with self._engine.begin() as rows:
            rows.execute(delete(answers).where(answers.c.until < now))
            mine = upsert(answers).values(row).on_conflict_do_nothing().returning(answers.c.key)
            if rows.execute(mine).first() is not None:
                return None
            found = rows.execute(select(answers).where(answers.c.key == key)).mappings().one()
        if found["fingerprint"] != fingerprint:
            raise KeyReused(f"{key!r} came with another method, address or body.", remedy="Take a new key.")
        if found["status"] is None:
            raise KeyBusy(f"{key!r} is being worked on.", remedy="Repeat it in a second, with the same key.")
        return Kept(found["status"], found["content_type"], bytes(found["body"]))

    def keep(self, key: str, answer: Kept) -> None:
        """From now on the answer under this key."""
        until = int(self._clock()) + KEPT_S
        values = {"status": answer.status, "content_type": answer.content_type, "body": answer.body, "until": until}
        with self._engine.begin() as rows:
            rows.execute(update(answers).where(answers.c.key == key).values(values))

    def release(self, key: str) -> None:
        """The work under this key came to nothing."""
        with self._engine.begin() as rows:
            rows.execute(delete(answers).where(answers.c.key == key, answers.c.status.is_(None)))


class IdempotencyMiddleware:
    """Inside the gate, which has checked the caller and read the body. `exempt`: (method, path) that change nothing."""

    def __init__(self, app: ASGIApp, kept: KeptAnswers, exempt: frozenset[tuple[str, str]]) -> None:
        self.app = app
        self._kept = kept
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._concerns(scope):
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        try:
            key = _key(scope)
            kept = await asyncio.to_thread(self._kept.claim, key, _fingerprint(scope, body))
        except MarketplaceError as error:
            answer = JSONResponse(error.problem(), error.status, media_type="application/problem+json")
            await answer(scope, receive, send)
            return
        if kept is None:
            await self._work(key, scope, _again(body, receive), send)
        else:
            await _replayed(kept)(scope, receive, send)

    def _concerns(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["method"] in METHODS
            and scope["path"].startswith("/api/")  # what passes on to the gateway is repeatable by its own ids
            and HEADER in Headers(scope=scope)
            and (scope["method"], scope["path"]) not in self._exempt
        )

    async def _work(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer is kept before its first byte leaves, or the key is free again."""
        said: list[Message] = []

        async def hold(message: Message) -> None:
            said.append(message)

        try:
            await self.app(scope, receive, hold)
        except BaseException:
            await asyncio.to_thread(self._kept.release, key)
            raise
        answer = _answer(said)
        if 200 <= answer.status < 300 and len(answer.body) <= LARGEST:
            await asyncio.to_thread(self._kept.keep, key, answer)
        else:
            await asyncio.to_thread(self._kept.release, key)
        for message in said:
            await send(message)


def _key(scope: Scope) -> str:
    given = Headers(scope=scope).getlist(HEADER)
    if len(given) != 1 or not _KEY.fullmatch(given[0]):
        raise MalformedInput(f"{HEADER} is malformed.", remedy="Send one, of 1 to 255 visible ASCII characters.")
    return given[0]


def _fingerprint(scope: Scope, body: bytes) -> str:
    target = scope["path"].encode() + b"?" + scope["query_string"]
    return sha256(scope["method"].encode() + b" " + target + b"\n" + body).hexdigest()


def _answer(said: list[Message]) -> Kept:
    start = said[0]
    body = b"".join(message.get("body", b"") for message in said[1:])
    return Kept(start["status"], MutableHeaders(scope=start).get("content-type", ""), body)


def _replayed(kept: Kept) -> Response:
    return Response(kept.body or None, kept.status, {REPLAYED: "true"}, kept.content_type or None)


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _again(body: bytes, receive: Receive) -> Receive:
    fresh = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": fresh.pop(), "more_body": False} if fresh else await receive()

    return again
