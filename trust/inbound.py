"""One request as the gate sees it: method, signed target, headers, and the body once it has arrived whole.

Used by `trust.gate` and `trust.middleware`.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from starlette.types import Message, Receive, Scope

from trust.caller import Caller
from trust.errors import BodyTooLarge, BodyTooSlow, Refusal
from trust.proofs import Proof


class ClientGone(Exception):
    """The client hung up before its body was complete: nobody is left to answer."""


@dataclass(slots=True)
class Inbound:
    """`target` is path?query as sent (still escaped); `path` is decoded and without query, for the journal."""

    method: str
    path: str
    target: str
    headers: dict[str, list[str]] = field(default_factory=dict, repr=False)
    address: str = ""
    proof: Proof | None = None
    caller: Caller | None = None

    @classmethod
    def of(cls, scope: Scope) -> Self:
        raw = scope.get("raw_path")
        path = raw.decode("latin-1") if raw is not None else quote(scope["path"], safe="/:@!$&'()*+,;=~-._")
        query = scope.get("query_string", b"").decode("latin-1")
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        client = scope.get("client")
        address = client[0] if client else ""
        return cls(scope["method"], scope["path"], path + (f"?{query}" if query else ""), headers, address)

    def has(self, name: str) -> bool:
        return name in self.headers

    def single(self, name: str, refusal: type[Refusal]) -> str | None:
        """The header's value, None when absent; two of them are refused, whatever they say."""
        values = self.headers.get(name, [])
        if len(values) > 1:
            raise refusal(f"There are {len(values)} {name} headers; one is allowed.")
        return values[0].strip() if values else None


async def read_body(inbound: Inbound, receive: Receive, limit: int, timeout_s: float) -> bytes:
    """The whole body; BodyTooLarge as soon as it passes `limit` bytes, BodyTooSlow after `timeout_s`."""
    declared = inbound.headers.get("content-length", ["0"])[0]
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise BodyTooLarge(f"The body has {declared[:20]} bytes; this route takes {limit}.")
    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(receive, limit)
    except TimeoutError as error:
        raise BodyTooSlow(f"The body was not complete after {timeout_s:g} s.") from error


async def _collect(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"The body has more than {limit} bytes.")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def replaying(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out the buffered body first and then what the server says (a disconnect)."""
    fresh = True

    async def again() -> Message:
        nonlocal fresh
        if fresh:
            fresh = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again
