"""POST /quotes, POST /orders, GET /orders/{orderId}."""

from __future__ import annotations

from fastapi import APIRouter

from marketplace.answers import OrderAnswer, QuoteAnswer
from marketplace.errors import (
    BadSignature,
    DocumentMissing,
    InsufficientFunds,
    MalformedDocument,
    MalformedInput,
    OrderDiffers,
    PlanRetired,
    QuoteExpired,
    UnknownOrder,
    UnknownPlan,
    UnknownQuote,
    WrongChain,
)
from marketplace.openapi import problems
from marketplace.orders import service
from marketplace.orders.schemas import OrderRequest, QuoteRequest
from marketplace.parts import Parts

REFUSALS = (
    MalformedInput, OrderDiffers, UnknownQuote, QuoteExpired, WrongChain, DocumentMissing, MalformedDocument,
    BadSignature, InsufficientFunds,
)  # fmt: skip


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["buying"])

    @routes.post("/quotes", responses=problems(MalformedInput, UnknownPlan, PlanRetired))
    def post_quote(request: QuoteRequest) -> QuoteAnswer:
        """Price a purchase; the price holds until `expires`."""
        return service.quote(parts, request)

    @routes.post("/orders", status_code=202, responses=problems(*REFUSALS))
    def post_order(request: OrderRequest) -> OrderAnswer:
        """Buy what was quoted: the order is checked, then relayed in one transaction. The same order twice is one."""
        return service.place(parts, request)

    @routes.get("/orders/{orderId}", responses=problems(UnknownOrder))
    def get_order(orderId: str) -> OrderAnswer:
        """Where an order stands."""
        return service.find(parts, orderId)

    return routes
