"""Cursor pagination, one form for every list: `limit`, an opaque `cursor`, a `next` link.

A cursor holds the key of the last item shown, so that what is inserted meanwhile neither repeats nor hides an item.
Feature folders ask for one item more than they show; whether it is there says whether there is a next page.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Query, Request

from marketplace.answers import Page
from marketplace.errors import MalformedCursor

T = TypeVar("T")

USUAL, MOST = 50, 200
"""Items of a page: unless asked, and at most."""


@dataclass(frozen=True)
class Window:
    """Which page: at most `limit` items after the one whose key is `after` (text parts; None: from the start)."""

    limit: int = USUAL
    after: tuple[str, ...] | None = None


Limit = Annotated[int, Query(ge=1, le=MOST, description="Most items of the page.")]
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before, as it was given.")]


def window(limit: Limit = USUAL, cursor: Cursor = None) -> Window:
    """The page that a request asks for; a FastAPI dependency. Raises `MalformedCursor`."""
    return Window(limit, None if cursor is None else _opened(cursor))


def page_of(request: Request, asked: Window, found: Sequence[T], key: Callable[[T], tuple[str, ...]]) -> Page[T]:
    """The page of `found`, which holds one item more than asked where there is a next page."""
    items = list(found[: asked.limit])
    more = len(found) > asked.limit
    return {"items": items, "next": next_link(request, key(items[-1])) if more else None}


def next_link(request: Request, key: tuple[str, ...]) -> str:
    """Path and query of this very request, with the cursor after `key`."""
    url = request.url.include_query_params(cursor=_closed(key))
    return f"{url.path}?{url.query}"


def _closed(key: tuple[str, ...]) -> str:
    return urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _opened(cursor: str) -> tuple[str, ...]:
    try:
        parts = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
            raise ValueError("no list of texts")
    except (ValueError, RecursionError) as error:
        raise MalformedCursor(
            f"{cursor[:40]!r} was not given by this market.", remedy="Follow `next` as it is."
        ) from error
    return tuple(parts)
