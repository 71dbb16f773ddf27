"""GET /subscriptions, /subscriptions/{id}; POST /subscriptions/{id}/activation."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ledger.values import address
from marketplace.parts import Parts
from marketplace.subscriptions import service
from marketplace.subscriptions.schemas import ActivationRequest


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/subscriptions")
    def list_subscriptions(buyer: str | None = None) -> list[dict[str, Any]]:
        return service.listed(parts, None if buyer is None else address(buyer))

    @routes.get("/subscriptions/{id}")
    def get_subscription(id: str) -> dict[str, Any]:
        return service.one(parts, id)

    @routes.post("/subscriptions/{id}/activation")
    def post_activation(id: str, request: ActivationRequest) -> dict[str, Any]:
        return service.activate(parts, id, request)

    return routes
