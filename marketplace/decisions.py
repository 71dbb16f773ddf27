"""GET /decisions/{subscriptionId}: why a service stands as it stands, for its buyer and its provider.

The orchestrator keeps and explains the decisions; here the reader's right is checked and the answer passed on.
"""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import APIRouter, Request

from marketplace.errors import OrchestratorDown, ProblemAnswer
from marketplace.parts import Parts
from marketplace.rights import require_reader
from marketplace.subscriptions.service import problem_in


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/decisions/{subscriptionId}")
    def get_decisions(subscriptionId: str, request: Request) -> dict[str, Any]:
        require_reader(parts, request, subscriptionId)
        return ask_orchestrator(parts, "GET", f"/decisions/{subscriptionId}")

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
