"""The explorer's pages; every one works without scripts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from marketplace.explorer import queries
from marketplace.parts import Parts
from marketplace.web.pages import page


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/explorer")
    def overview(request: Request, before: str | None = None) -> Response:
        blocks, older = queries.newest_blocks(parts, None if before is None else queries.number(before))
        events = queries.newest_events(parts, None).events if before is None else []
        return page(request, "explorer/overview.html", title="Explorer", blocks=blocks, older=older, events=events,
                    deployment=parts.deployment)  # fmt: skip

    @routes.get("/explorer/search")
    def search(q: str = "") -> Response:
        return RedirectResponse(queries.search(parts, q.strip()), 303)

    @routes.get("/explorer/blocks/{block}")
    def block(request: Request, block: str) -> Response:
        found, events = queries.one_block(parts, block)
        return page(request, "explorer/block.html", title=f"Block {found.stamp.number}", block=found, events=events)

    @routes.get("/explorer/transactions/{txHash}")
    def transaction(request: Request, txHash: str) -> Response:
        found = queries.one_transaction(parts, txHash)
        return page(request, "explorer/transaction.html", title="Transaction", **found)

    @routes.get("/explorer/events")
    def events(request: Request, before: str | None = None) -> Response:
        found = queries.newest_events(parts, before)
        return page(request, "explorer/events.html", title="Events", events=found.events, older=found.older)

    @routes.get("/explorer/addresses/{address}")
    def address(request: Request, address: str, before: str | None = None) -> Response:
        found = queries.one_address(parts, address, before)
        return page(request, "explorer/address.html", title="Address", **found)

    @routes.get("/explorer/subscriptions/{id}")
    def subscription(request: Request, id: str) -> Response:
        found = queries.life(parts, id)
        return page(request, "explorer/subscription.html", title="A subscription's life", **found)

    return routes
