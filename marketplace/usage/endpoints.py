"""GET /usage/{subscriptionId}: what was settled, from chain events. The records themselves are the gateway's."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import select

from marketplace.database import settlements
from marketplace.parts import Parts
from marketplace.subscriptions.service import chain_side


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/usage/{subscriptionId}")
    def get_usage(subscriptionId: str) -> dict[str, Any]:
        chain_side(parts, subscriptionId)
        return usage_of(parts, subscriptionId)

    return routes


def usage_of(parts: Parts, subscription_id: str) -> dict[str, Any]:
    """Settled vouchers and collected time, oldest first, with their sums."""
    parts.projection.refresh()
    query = select(settlements).where(settlements.c.subscription_id == subscription_id)
    order = (settlements.c.block_number, settlements.c.log_index)
    with parts.engine.connect() as connection:
        rows = connection.execute(query.order_by(*order)).mappings().all()
    entries = [
        {
            "kind": row["kind"], "units": row["units"], "amount": row["amount"], "usageRoot": row["usage_root"],
            "txHash": row["tx_hash"], "blockNumber": row["block_number"],
        }
        for row in rows
    ]  # fmt: skip
    vouchers = [row for row in rows if row["kind"] == "voucher"]
    return {
        "subscriptionId": subscription_id,
        "units": vouchers[-1]["units"] if vouchers else "0",
        "amount": str(sum(int(row["amount"]) for row in rows)),
        "settled": entries,
    }
