"""GET /models, /models/{modelId}, /plans/{planId}: what is for sale. Public."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from marketplace.catalog import queries
from marketplace.parts import Parts


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/models")
    def list_models() -> list[dict[str, Any]]:
        return queries.all_models(parts)

    @routes.get("/models/{modelId}")
    def get_model(modelId: str) -> dict[str, Any]:
        return queries.one_model(parts, modelId)

    @routes.get("/plans/{planId}")
    def get_plan(planId: str) -> dict[str, Any]:
        return queries.one_plan(parts, planId)

    return routes
