"""Where an event stands in the chain: block and log, in order. The id of its events in pages, streams and webhooks."""

from __future__ import annotations

import re
from typing import NamedTuple

from marketplace.errors import MalformedCursor

_FORM = re.compile(r"(\d{1,15})\.(\d{1,9})", re.ASCII)


class Place(NamedTuple):
    """Compares in chain order; written `block.log`."""

    block: int
    log: int

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that `str` wrote; raises `MalformedCursor`."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise MalformedCursor(f"{text[:40]!r} is no place.", remedy="Give block.log, as it was given to you.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.block}.{self.log}"


BEGINNING = Place(0, -1)
"""Before every event."""
