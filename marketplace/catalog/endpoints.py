"""GET /models, /models/{modelId}, /plans/{planId}: what is for sale. Public."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from marketplace.answers import ModelAnswer, Page, PlanAnswer
from marketplace.catalog import queries
from marketplace.catalog.search import Asked
from marketplace.errors import MalformedCursor, MalformedInput, UnknownModel, UnknownPlan
from marketplace.openapi import problems
from marketplace.pagination import Window, page_of, window
from marketplace.parts import Parts


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["catalogue"])

    @routes.get("/models", responses=problems(MalformedInput, MalformedCursor))
    def list_models(request: Request, asked: Asked, page: Annotated[Window, Depends(window)]) -> Page[ModelAnswer]:
        """Models and their plans in order of registration, those that fit the search."""
        found = queries.found_models(parts, asked, page)
        return page_of(request, page, found, lambda model: (model["modelId"],))

    @routes.get("/models/{modelId}", responses=problems(UnknownModel))
    def get_model(modelId: str) -> ModelAnswer:
        """One model, its spec document, and its plans with their terms."""
        return queries.one_model(parts, modelId)

    @routes.get("/plans/{planId}", responses=problems(UnknownPlan))
    def get_plan(planId: str) -> PlanAnswer:
        """One plan and its terms document."""
        return queries.one_plan(parts, planId)

    return routes
