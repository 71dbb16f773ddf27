"""GET /usage/{subscriptionId}: what was settled, from chain events. The records themselves are the gateway's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import RowMapping, select

from marketplace.answers import SettledAnswer, UsageAnswer
from marketplace.database import settlements
from marketplace.errors import MalformedCursor, MalformedInput, UnknownSubscription
from marketplace.openapi import problems
from marketplace.pagination import Window, next_link, window
from marketplace.parts import Parts
from marketplace.places import BEGINNING, Place
from marketplace.subscriptions.service import require_known


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["subscriptions"])

    @routes.get("/usage/{subscriptionId}", responses=problems(MalformedInput, MalformedCursor, UnknownSubscription))
    def get_usage(request: Request, subscriptionId: str, page: Annotated[Window, Depends(window)]) -> UsageAnswer:
        """Settled vouchers and collected time, oldest first, a page of them; the sums are over all."""
        require_known(parts, subscriptionId)
        rows = _rows(parts, subscriptionId)
        return _answer(request, subscriptionId, rows, page)

    return routes


def _rows(parts: Parts, subscription_id: str) -> list[RowMapping]:
    parts.projection.refresh()
    query = select(settlements).where(settlements.c.subscription_id == subscription_id)
    order = (settlements.c.block_number, settlements.c.log_index)
    with parts.engine.connect() as connection:
        return list(connection.execute(query.order_by(*order)).mappings())


def _answer(request: Request, subscription_id: str, rows: list[RowMapping], page: Window) -> UsageAnswer:
    """All rows are read for the sums; a subscription has a few hundred at most (one a settlement)."""
    after = BEGINNING if page.after is None else Place.parse(page.after[0])
    later = [row for row in rows if _place(row) > after]
    shown, more = later[: page.limit], len(later) > page.limit
    vouchers = [row for row in rows if row["kind"] == "voucher"]
    return {
        "subscriptionId": subscription_id,
        "units": vouchers[-1]["units"] if vouchers else "0",
        "amount": str(sum(int(row["amount"]) for row in rows)),
        "settled": [_settled(row) for row in shown],
        "next": next_link(request, (str(_place(shown[-1])),)) if more else None,
    }


def _place(row: RowMapping) -> Place:
    return Place(row["block_number"], row["log_index"])


def _settled(row: RowMapping) -> SettledAnswer:
    return {
        "kind": row["kind"], "units": row["units"], "amount": row["amount"], "usageRoot": row["usage_root"],
        "txHash": row["tx_hash"], "blockNumber": row["block_number"],
    }  # fmt: skip
