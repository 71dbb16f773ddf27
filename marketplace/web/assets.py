"""GET /assets: an account's digital assets, and those that others sell. Selling, renting, buying: by the own wallet."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from marketplace.assets.endpoints import WantedAssets, listed
from marketplace.pagination import Window
from marketplace.parts import Parts
from marketplace.web.pages import page
from marketplace.web.services import account_of

SHOWN = 100
"""Assets of one kind on a page."""


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/assets")
    def assets(request: Request, account: str = "") -> Response:
        owner = account_of(account) if account else None
        own = listed(parts, WantedAssets(owner=owner), Window(SHOWN)) if owner else []
        offered = listed(parts, WantedAssets(forSale=True), Window(SHOWN))
        others = [asset for asset in offered if asset["owner"].lower() != account.lower()]
        now = parts.chain.latest().timestamp
        return page(request, "assets.html", title="My assets", account=account, own=own, others=others, now=now)

    return routes
