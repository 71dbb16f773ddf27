"""Webhooks of an owner: registered, listed, removed; their messages. All on the owner's signed word."""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import RowMapping, delete, func, select

from ledger.values import SubscriptionId, address
from marketplace.answers import DeliveryAnswer, SecretAnswer, WebhookAnswer
from marketplace.database import deliveries, webhooks
from marketplace.errors import BadSignature, TooManyWebhooks, UnknownWebhook
from marketplace.pagination import Window
from marketplace.parts import Parts
from marketplace.webhooks.outbox import EVENTS, move_feed
from marketplace.webhooks.schemas import WebhookRequest
from marketplace.webhooks.words import WebhookReading, WebhookRegistration, WebhookRemoval, signer_in, signer_of
from storage import upsert

MOST_OF_ONE, MOST = 16, 10_000
"""Webhooks of one owner, and of all: whoever has a key can be an owner."""
ALL = "*"


def register(parts: Parts, request: WebhookRequest) -> WebhookAnswer:
    """The same registration again is the same webhook. Raises `BadSignature`, `WebhookRefused`, `TooManyWebhooks`."""
    owner, kinds = address(request.owner), sorted({str(kind) for kind in request.kinds})
    subscription = SubscriptionId(int(request.subscriptionId or 0))
    word = WebhookRegistration(owner, request.url, ",".join(request.kinds), subscription, request.expires)
    signer = signer_of(parts.contracts.market_domain, word, request.expires, request.signature, parts.clock())
    if signer != owner:
        raise BadSignature(f"made by {signer}, the owner is {owner}.", remedy="Sign with the owner's key.")
    parts.door.target(request.url)
    row = {
        "webhook_id": _id(owner, request.url, kinds, request.subscriptionId), "owner": owner, "url": request.url,
        "kinds": kinds, "subscription_id": request.subscriptionId, "created": int(parts.clock()),
    }  # fmt: skip
    final = parts.chain.finalized().number
    with parts.engine.begin() as rows:
        count = rows.execute(select(func.count()).select_from(webhooks)).scalar_one()
        of_owner = select(webhooks.c.webhook_id).where(webhooks.c.owner == owner)
        known = set(rows.execute(of_owner).scalars())
        if row["webhook_id"] not in known and (len(known) >= MOST_OF_ONE or count >= MOST):
            raise TooManyWebhooks(
                f"{len(known)} are yours, {count} there are.", remedy="Remove one that is not needed."
            )
        if not count:
            move_feed(rows, EVENTS, final)
        rows.execute(upsert(webhooks).values(row).on_conflict_do_nothing())
    return _shown(parts, str(row["webhook_id"]))


def listed(parts: Parts, header: str, window: Window) -> list[WebhookAnswer]:
    """The signer's own; one more than `window` shows where there are more."""
    owner = _signer(parts, header, ALL)
    query = select(webhooks).where(webhooks.c.owner == owner).order_by(webhooks.c.webhook_id)
    if window.after is not None:
        query = query.where(webhooks.c.webhook_id > window.after[0])
    with parts.engine.connect() as rows:
        found = rows.execute(query.limit(window.limit + 1)).mappings().all()
    return [_answer(parts, row) for row in found]


def secret(parts: Parts, webhook_id: str, header: str) -> SecretAnswer:
    """What its messages are signed with; raises `UnknownWebhook`, `BadSignature`."""
    _require_owner(parts, webhook_id, _signer(parts, header, webhook_id))
    return {"webhookId": webhook_id, "secret": parts.secrets.shown(webhook_id)}


def sent(parts: Parts, webhook_id: str, header: str, window: Window) -> list[DeliveryAnswer]:
    """Its messages in the order of their ids; one more than `window` shows where there are more."""
    _require_owner(parts, webhook_id, _signer(parts, header, webhook_id))
    query = select(deliveries).where(deliveries.c.webhook_id == webhook_id).order_by(deliveries.c.message_id)
    if window.after is not None:
        query = query.where(deliveries.c.message_id > window.after[0])
    with parts.engine.connect() as rows:
        return [_delivery(row) for row in rows.execute(query.limit(window.limit + 1)).mappings()]


def remove(parts: Parts, webhook_id: str, header: str) -> None:
    """Nothing more is sent; raises `UnknownWebhook`, `BadSignature`."""
    domain, now = parts.contracts.market_domain, parts.clock()
    _require_owner(parts, webhook_id, signer_in(header, domain, WebhookRemoval, webhook_id, now))
    with parts.engine.begin() as rows:
        for table in (deliveries, webhooks):
            rows.execute(delete(table).where(table.c.webhook_id == webhook_id))


def _signer(parts: Parts, header: str, webhook_id: str) -> str:
    return signer_in(header, parts.contracts.market_domain, WebhookReading, webhook_id, parts.clock())


def _require_owner(parts: Parts, webhook_id: str, signer: str) -> None:
    if _row(parts, webhook_id)["owner"] != signer:
        raise BadSignature(f"made by {signer}, who does not own it.", remedy="Sign with the owner's key.")


def _row(parts: Parts, webhook_id: str) -> RowMapping:
    with parts.engine.connect() as rows:
        row = rows.execute(select(webhooks).where(webhooks.c.webhook_id == webhook_id)).mappings().first()
    if row is None:
        raise UnknownWebhook(f"no webhook {webhook_id[:40]} is registered.", remedy="GET /api/v1/webhooks lists yours.")
    return row


def _id(owner: str, url: str, kinds: list[str], subscription_id: str | None) -> str:
    return "wh_" + sha256(f"{owner}|{url}|{','.join(kinds)}|{subscription_id}".encode()).hexdigest()[:24]


def _shown(parts: Parts, webhook_id: str) -> WebhookAnswer:
    return _answer(parts, _row(parts, webhook_id))


def _answer(parts: Parts, row: RowMapping) -> WebhookAnswer:
    query = select(deliveries.c.state, func.count()).where(deliveries.c.webhook_id == row["webhook_id"])
    with parts.engine.connect() as rows:
        counts = {str(state): int(count) for state, count in rows.execute(query.group_by(deliveries.c.state))}
    return {
        "webhookId": row["webhook_id"],
        "owner": row["owner"],
        "url": row["url"],
        "kinds": row["kinds"],
        "subscriptionId": row["subscription_id"],
        "created": row["created"],
        "pending": counts.get("pending", 0),
        "dead": counts.get("dead", 0),
    }


def _delivery(row: RowMapping) -> DeliveryAnswer:
    waits = row["state"] == "pending"
    return {
        "messageId": row["message_id"],
        "kind": row["kind"],
        "place": row["place"],
        "state": row["state"],
        "tries": row["tries"],
        "nextTry": row["next_try"] // 1000 if waits else None,
        "lastStatus": row["last_status"],
        "lastError": row["last_error"],
    }
