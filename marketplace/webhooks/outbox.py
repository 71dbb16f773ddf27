"""Messages of webhooks as rows, and how far each feed of them has come. Used by `courier`, `notice_feed`, `service`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection

from marketplace.database import feeds
from storage import upsert

EVENTS: Final = "webhooks"
"""The feed of the chain's events; its place is a block."""
NOTICES: Final = "webhook-notices"
"""The feed of the orchestrator's notices; its place is a notice's number."""


def message_id(webhook_id: str, place: str, tx_hash: str) -> str:
    """The same event for the same webhook has the same id, whatever happens in between: receivers know repeats."""
    return "msg_" + sha256(f"{webhook_id}|{place}|{tx_hash}".encode()).hexdigest()[:24]


def pending(webhook_id: str, kind: str, place: str, mark: str, at: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """A message's row, to be sent now; `at` in UTC seconds, `mark` tells things apart that come to the same place."""
    said_at = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    body = {"type": kind, "timestamp": said_at, "data": data}
    return {
        "message_id": message_id(webhook_id, place, mark),
        "webhook_id": webhook_id,
        "kind": kind,
        "place": place,
        "body": json.dumps(body, separators=(",", ":")),
        "state": "pending",
        "tries": 0,
        "next_try": now_ms(),
    }


def move_feed(rows: Connection, feed: str, place: int) -> None:
    """What stands up to this place is done with."""
    row = {"name": feed, "block_number": place}
    rows.execute(upsert(feeds).values(row).on_conflict_do_update(index_elements=["name"], set_=row))


def now_ms() -> int:
    """Wall-clock time, UTC milliseconds."""
    return time.time_ns() // 1_000_000
