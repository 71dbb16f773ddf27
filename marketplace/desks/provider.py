"""What a provider's desk shows: the account's models, their plans, what each earned and is due, and the quality kept.

Models and plans from the projection, money from the market contract at one block, quality from the gateway's counts.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import httpx
from sqlalchemy import select

from ledger.values import Address, BlockStamp
from marketplace.catalog.queries import all_models
from marketplace.database import subscriptions
from marketplace.parts import Parts


def desk(parts: Parts, owner: Address) -> dict[str, Any]:
    """Everything of one provider; all money is read at the same block."""
    block = parts.chain.latest()
    models = cast(list[dict[str, Any]], all_models(parts))
    own = [model for model in models if model["owner"] == owner]
    sold = _sold(parts)
    for model in own:
        model["plans"] = [_plan(parts, plan, sold, block) for plan in model["plans"]]
    return {"owner": owner, "block": block, "models": own, "shares": _shares(parts, models, own, block)}


def _plan(parts: Parts, plan: dict[str, Any], sold: Counter[str], block: BlockStamp) -> dict[str, Any]:
    earnings = parts.contracts.market.earnings_of(int(plan["planId"]), block)
    return {
        **plan,
        "sold": sold[plan["planId"]],
        "earned": earnings.earned,
        "paid": earnings.paid,
        "due": earnings.earned - earnings.paid,
        "quality": quality(parts, plan),
    }


def _sold(parts: Parts) -> Counter[str]:
    """Plan → subscriptions ever bought."""
    with parts.engine.connect() as connection:
        return Counter(connection.execute(select(subscriptions.c.plan_id)).scalars())


def _shares(
    parts: Parts, models: list[dict[str, Any]], own: list[dict[str, Any]], block: BlockStamp
) -> list[dict[str, Any]]:
    """What others' composites owe for the use of one's models."""
    mine = {model["modelId"] for model in own}
    return [
        {
            "planId": plan["planId"], "composite": model["title"] or model["modelId"], "modelId": share["modelId"],
            "bps": share["bps"],
            "due": parts.contracts.market.share_pending(int(plan["planId"]), int(share["modelId"]), block),
        }
        for model in models for plan in model["plans"] for share in plan["shares"] if share["modelId"] in mine
    ]  # fmt: skip


def quality(parts: Parts, plan: dict[str, Any]) -> dict[str, Any] | None:
    """Promise against measured, of all records of a plan so far: None where the gateway does not answer.

    `measured` counts the records whose Meta-Immersion was measured, `under` those below the plan's floor (thousandths).
    """
    asked = {"floor": str(plan["qoeFloor"])}
    try:
        answer = parts.gateway.get(f"/quality/{plan['planId']}", params=asked)
    except httpx.TransportError:
        return None
    return dict(answer.json()) if answer.status_code == 200 else None
