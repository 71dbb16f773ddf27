"""GET /: what is for sale."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from marketplace.catalog import queries
from marketplace.parts import Parts
from marketplace.web.pages import page


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/")
    def catalogue(request: Request) -> Response:
        return page(request, "catalogue.html", title="Catalogue", models=queries.all_models(parts))

    return routes
