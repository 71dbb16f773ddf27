"""GET /decisions/{subscriptionId}: why a service stands as it stands, for its buyer and its provider.

The orchestrator keeps and explains the decisions; here the reader's right is checked and the answer passed on.
"""

from __future__ import annotations

from typing import Any, cast

import httpx
from fastapi import APIRouter, Request

from marketplace.answers import Decisions
from marketplace.errors import BadSignature, MalformedInput, OrchestratorDown, ProblemAnswer, UnknownSubscription
from marketplace.openapi import problems
from marketplace.parts import Parts
from marketplace.rights import Binding, require_reader
from marketplace.subscriptions.service import problem_in


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["subscriptions"])

    @routes.get(
        "/decisions/{subscriptionId}",
        responses=problems(MalformedInput, UnknownSubscription, BadSignature, OrchestratorDown),
    )
    def get_decisions(subscriptionId: str, request: Request, _binding: Binding = "") -> Decisions:
        """Steps I to III with their candidates and reasons, for the buyer, the session key and the provider."""
        require_reader(parts, request, subscriptionId)
        return cast(Decisions, ask_orchestrator(parts, "GET", f"/decisions/{subscriptionId}"))

    return routes


def ask_orchestrator(parts: Parts, method: str, path: str, **options: Any) -> dict[str, Any]:
    """The orchestrator's JSON answer; `OrchestratorDown` where it is silent, its own problem where it says no."""
    try:
        answer = parts.orchestrator.request(method, path, **options)
    except httpx.TransportError as error:
        raise OrchestratorDown(f"{type(error).__name__}: {error}.", remedy="Try again in a moment.") from error
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, problem_in(answer))
    return dict(answer.json())
