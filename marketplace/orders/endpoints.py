"""POST /quotes, POST /orders, GET /orders/{orderId}."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from marketplace.orders import service
from marketplace.orders.schemas import OrderRequest, QuoteRequest
from marketplace.parts import Parts


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.post("/quotes")
    def post_quote(request: QuoteRequest) -> dict[str, Any]:
        return service.quote(parts, request)

    @routes.post("/orders", status_code=202)
    def post_order(request: OrderRequest) -> dict[str, Any]:
        return service.place(parts, request)

    @routes.get("/orders/{orderId}")
    def get_order(orderId: str) -> dict[str, Any]:
        return service.find(parts, orderId)

    return routes
