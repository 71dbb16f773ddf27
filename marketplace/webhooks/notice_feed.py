"""Notices of the orchestrator become messages of webhooks, as final events do. Called by the courier.

Only kinds that tell how a service stands are offered (`notice_kinds`), to the buyer and the model's owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from marketplace.database import deliveries, feeds, models, plans, subscriptions, webhooks
from marketplace.decisions import ask_orchestrator
from marketplace.notice_kinds import STANDING
from marketplace.parts import Parts
from marketplace.webhooks.outbox import NOTICES, move_feed, pending
from storage import upsert


def collect_notices(parts: Parts) -> None:
    """Make messages of what was told since the last look; nobody is asked where no webhook wants any.

    `OrchestratorDown` while the orchestrator is away: its notices are rows and wait.
    """
    with parts.engine.connect() as rows:
        hooks = [hook for hook in rows.execute(select(webhooks)).mappings() if set(hook["kinds"]) & set(STANDING)]
        last = rows.execute(select(feeds.c.block_number).where(feeds.c.name == NOTICES)).scalar() or 0
    if not hooks:
        return
    params = {"since": str(last), "kinds": ",".join(STANDING)}
    told = ask_orchestrator(parts, "GET", "/notices", params=params)["notices"]
    if told:
        parts.projection.refresh()
        with parts.engine.begin() as rows:
            _write_messages(rows, hooks, told)


def _write_messages(rows: Connection, hooks: Sequence[RowMapping], told: Sequence[Mapping[str, Any]]) -> None:
    """All messages of these notices and the feed's new place, in one transaction."""
    owners = _owners(rows, {notice["subscriptionId"] for notice in told})
    for notice in told:
        for hook in hooks:
            if _concerns(hook, notice, owners.get(notice["subscriptionId"], ())):
                place = f"notice/{notice['number']}"
                message = pending(hook["webhook_id"], notice["kind"], place, str(notice["at"]), notice["at"], notice)
                rows.execute(upsert(deliveries).values(message).on_conflict_do_nothing())
    move_feed(rows, NOTICES, int(told[-1]["number"]))


def _owners(rows: Connection, subscription_ids: set[str]) -> dict[str, tuple[str, str]]:
    """Subscription → its buyer and the owner of its model."""
    query = (
        select(subscriptions.c.subscription_id, subscriptions.c.buyer, models.c.owner)
        .join(plans, plans.c.plan_id == subscriptions.c.plan_id)
        .join(models, models.c.model_id == plans.c.model_id)
        .where(subscriptions.c.subscription_id.in_(sorted(subscription_ids)))
    )
    return {found.subscription_id: (found.buyer, found.owner) for found in rows.execute(query)}


def _concerns(hook: RowMapping, notice: Mapping[str, Any], whose: tuple[str, ...]) -> bool:
    return (
        notice["kind"] in hook["kinds"]
        and hook["owner"] in whose
        and hook["subscription_id"] in (None, notice["subscriptionId"])
        and hook["created"] <= notice["at"]
    )
