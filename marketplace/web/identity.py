"""GET /identity: signing in, passkeys, sign-ins. The page is the same for all; its scripts ask as who signed in."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from marketplace.parts import Parts
from marketplace.web.pages import page


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/identity")
    def identity(request: Request) -> Response:
        return page(request, "identity.html", title="My identity", origin=parts.settings.site_origin)

    return routes
