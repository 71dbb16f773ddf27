"""GET /subscriptions, /subscriptions/{id}; POST /subscriptions/{id}/activation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from marketplace.answers import Accepted, Page, SubscriptionAnswer, SubscriptionRow
from marketplace.errors import BadSignature, MalformedCursor, MalformedInput, OrchestratorDown, UnknownSubscription
from marketplace.openapi import problems
from marketplace.pagination import Window, page_of, window
from marketplace.parts import Parts
from marketplace.subscriptions import service
from marketplace.subscriptions.schemas import ActivationRequest, Wanted


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["subscriptions"])

    @routes.get("/subscriptions", responses=problems(MalformedInput, MalformedCursor))
    def list_subscriptions(
        request: Request, asked: Annotated[Wanted, Query()], page: Annotated[Window, Depends(window)]
    ) -> Page[SubscriptionRow]:
        """Subscriptions as their events tell them, in the order of their ids as text."""
        found = service.listed(parts, asked, page)
        return page_of(request, page, found, lambda row: (row["subscriptionId"],))

    @routes.get("/subscriptions/{id}", responses=problems(MalformedInput, UnknownSubscription))
    def get_subscription(id: str) -> SubscriptionAnswer:
        """Both sides now: the contract's word and the orchestrator's, whose silence is said."""
        return service.one(parts, id)

    @routes.post(
        "/subscriptions/{id}/activation",
        responses=problems(MalformedInput, UnknownSubscription, BadSignature, OrchestratorDown),
    )
    def post_activation(id: str, request: ActivationRequest) -> Accepted:
        """Hand in the session key's signed activation; the orchestrator submits it. Twice is one transaction."""
        return service.activate(parts, id, request)

    return routes
