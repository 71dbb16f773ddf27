"""Reading server-sent events, as this house's servers write them (one data line each): resumed where they break."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import httpx

from marketplace.client.connection import problem_in
from marketplace.errors import MarketplaceDown, ProblemAnswer

SILENCE_S = 40.0
"""How long a stream may say nothing, seconds: the server's heartbeat is due after 15."""
PATIENCE_S, RETRY_S = 60.0, 0.5


class Told(NamedTuple):
    """One event: its id, for taking the stream up after it, its kind, its data."""

    id: str
    kind: str
    data: dict[str, Any]


def follow(http: httpx.Client, path: str, last: str, headers: Callable[[], Mapping[str, str]] = dict) -> Iterator[Told]:
    """Events as they come, for ever; a stream that ends or breaks is taken up where it was.

    `headers` are asked for at each connection. Raises ProblemAnswer where the server refuses, MarketplaceDown after
    `PATIENCE_S` without an answer.
    """
    heard = time.monotonic()
    while True:
        try:
            for event in read(http, path, last, headers()):
                last, heard = event.id, time.monotonic()
                yield event
            heard = time.monotonic()
        except httpx.TransportError as error:
            if time.monotonic() - heard > PATIENCE_S:
                why = f"the stream broke ({type(error).__name__})."
                raise MarketplaceDown(why, remedy="Start it with `s4m up`, or correct the address.") from error
            time.sleep(RETRY_S)


def read(http: httpx.Client, path: str, last: str, headers: Mapping[str, str]) -> Iterator[Told]:
    """The events of one connection; raises ProblemAnswer, httpx.TransportError."""
    asked = {**headers, "Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    with http.stream("GET", path, headers=asked, timeout=httpx.Timeout(10.0, read=SILENCE_S)) as answer:
        if answer.is_error:
            answer.read()
            raise ProblemAnswer(answer.status_code, problem_in(answer))
        yield from _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Told]:
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        if colon and name:
            fields[name] = value
        elif not line and "data" in fields:
            yield Told(fields.get("id", ""), fields.get("event", ""), dict(json.loads(fields["data"])))
            fields = {}
