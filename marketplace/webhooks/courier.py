"""Carries messages out: final events and notices become messages, which are sent until they are taken or given up.

One thread looks, a few send. A message is written down in the transaction that moves the feed on, so a crash loses
none; it may be sent twice, under the same id. Only final events are told: none is ever taken back. What becomes of
notices is in `notice_feed`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.exc import SQLAlchemyError

from ledger.errors import LedgerError
from marketplace.activity import answer, place_of
from marketplace.database import activity, deliveries, feeds, models, plans, subscriptions, webhooks
from marketplace.errors import MarketplaceError, WebhookRefused
from marketplace.parts import Parts
from marketplace.webhooks.notice_feed import collect_notices
from marketplace.webhooks.outbox import EVENTS as FEED
from marketplace.webhooks.outbox import move_feed, now_ms, pending
from marketplace.webhooks.secrets import headers_of
from storage import upsert

LOOK_S = 0.5
AT_ONCE = 8
"""Messages on their way at the same time."""
BLOCKS = 100
"""Blocks whose events become messages in one transaction."""
LONGEST_PAUSE_S = 3600.0


def pause_s(first_s: float, tries: int) -> float:
    """Before the next try after so many in vain: four times as long each time, an hour at most."""
    return min(first_s * 4.0 ** (tries - 1), LONGEST_PAUSE_S)


class Courier:
    """Runs from `run` to `stop`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stopped = threading.Event()
        self._on_way: set[str] = set()

    def run(self) -> None:
        """Until `stop`: looks twice a second, sends what is due."""
        with ThreadPoolExecutor(AT_ONCE, "courier") as pool:
            while not self._stopped.wait(LOOK_S):
                with suppress(LedgerError, SQLAlchemyError):  # what is written down can go out all the same
                    self.collect()
                with suppress(MarketplaceError, LedgerError, SQLAlchemyError):  # asked again in half a second
                    collect_notices(self._parts)
                with suppress(SQLAlchemyError):  # looked for again in half a second
                    for row in self._due():
                        self._on_way.add(row["message_id"])
                        pool.submit(self._carry, row)

    def stop(self) -> None:
        """Ends `run` once what is on its way has arrived or failed."""
        self._stopped.set()

    def collect(self) -> None:
        """Makes messages of the events that became final since the last look."""
        with self._parts.engine.connect() as rows:
            if rows.execute(select(webhooks.c.webhook_id).limit(1)).first() is None:
                return
        final = self._parts.chain.finalized().number
        self._parts.projection.refresh()
        with self._parts.engine.begin() as rows:
            last = rows.execute(select(feeds.c.block_number).where(feeds.c.name == FEED)).scalar()
            if last is not None and last < final:
                _write_messages(rows, last, min(final, last + BLOCKS))

    def _due(self) -> Sequence[RowMapping]:
        room = AT_ONCE - len(self._on_way)
        due = (deliveries.c.state == "pending", deliveries.c.next_try <= now_ms())
        query = select(deliveries, webhooks.c.url).join(webhooks, webhooks.c.webhook_id == deliveries.c.webhook_id)
        query = query.where(*due, deliveries.c.message_id.not_in(tuple(self._on_way))).order_by(deliveries.c.next_try)
        with self._parts.engine.connect() as rows:
            return rows.execute(query.limit(room)).mappings().all() if room > 0 else []

    def _carry(self, row: RowMapping) -> None:
        """One try, and what came of it."""
        try:
            status, error = self._try(row)
            self._note(row, status, error)
        finally:
            self._on_way.discard(row["message_id"])

    def _try(self, row: RowMapping) -> tuple[int | None, str | None]:
        body = row["body"].encode()
        headers = headers_of(
            self._parts.secrets.secret(row["webhook_id"]), row["message_id"], int(self._parts.clock()), body
        )
        try:
            status = self._parts.door.post(self._parts.door.target(row["url"]), headers, body)
        except (httpx.HTTPError, WebhookRefused) as error:
            return None, str(error) or type(error).__name__
        return status, None if 200 <= status < 300 else f"answered {status}"

    def _note(self, row: RowMapping, status: int | None, error: str | None) -> None:
        settings, tries = self._parts.settings, row["tries"] + 1
        state = "delivered" if error is None else "dead" if tries >= settings.webhook_tries else "pending"
        later = now_ms() + int(1000 * pause_s(settings.webhook_pause_s, tries))
        values = {"state": state, "tries": tries, "next_try": later, "last_status": status, "last_error": error}
        with self._parts.engine.begin() as rows:
            rows.execute(update(deliveries).where(deliveries.c.message_id == row["message_id"]).values(values))


def _write_messages(rows: Connection, last: int, final: int) -> None:
    """All messages of the blocks after `last` up to `final`, and the feed's new place, in one transaction."""
    hooks = rows.execute(select(webhooks)).mappings().all()
    query = (
        select(activity, subscriptions.c.buyer, models.c.owner)
        .join(subscriptions, subscriptions.c.subscription_id == activity.c.subscription_id)
        .join(plans, plans.c.plan_id == subscriptions.c.plan_id)
        .join(models, models.c.model_id == plans.c.model_id)
        .where(activity.c.block_number > last, activity.c.block_number <= final)
        .order_by(activity.c.block_number, activity.c.log_index)
    )
    for event in rows.execute(query).mappings().all():
        for hook in hooks:
            if _concerns(hook, event):
                rows.execute(upsert(deliveries).values(_message(hook, event)).on_conflict_do_nothing())
    move_feed(rows, FEED, final)


def _concerns(hook: RowMapping, event: RowMapping) -> bool:
    return (
        event["name"] in hook["kinds"]
        and hook["owner"] in (event["buyer"], event["owner"])
        and hook["subscription_id"] in (None, event["subscription_id"])
        and hook["created"] <= event["at"]
    )


def _message(hook: RowMapping, event: RowMapping) -> dict[str, Any]:
    place = str(place_of(event))
    return pending(hook["webhook_id"], event["name"], place, event["tx_hash"], event["at"], dict(answer(event)))
