"""All pages as one router; `app.py` includes it and mounts the static files."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from marketplace.parts import Parts
from marketplace.web import ask, assets, beach, buy, catalogue, identity, model, receipts, services
from marketplace.web.security import SecurityHeaders
from marketplace.web.static_files import static_tree

PAGES = (catalogue, ask, model, buy, services, beach, receipts, assets, identity)


def router(parts: Parts) -> APIRouter:
    """One router of every page's module."""
    routes = APIRouter(include_in_schema=False)
    for each in PAGES:
        routes.include_router(each.router(parts))
    return routes


def furnish(app: FastAPI, parts: Parts) -> None:
    """Pages, static files and the security headers; call it before the gate goes on."""
    app.include_router(router(parts))
    app.mount("/static", static_tree())
    app.add_middleware(SecurityHeaders)
