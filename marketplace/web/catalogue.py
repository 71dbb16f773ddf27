"""GET /: what is for sale, with search and filters. A form that works without JavaScript; htmx refreshes the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from marketplace.answers import ModelAnswer, PlanAnswer
from marketplace.catalog.queries import catalogue as everything
from marketplace.catalog.search import Search, search
from marketplace.errors import MalformedInput
from marketplace.parts import Parts
from marketplace.wallet.plans import degree_plans
from marketplace.web.pages import page
from marketplace.web.words import in_smallest

ORDER = {"composite": 0, "caas": 1, "taas": 2}
"""Whole services first: that is what most visitors come for."""
FIELDS = ("text", "kind", "serviceType", "scenario", "minQoe", "maxUnitPrice", "isolation")


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/")
    def catalogue(request: Request) -> Response:
        given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
        known = everything(parts)
        found = search(known.models, asked_of(given), known.specs)
        offers = [offer(model) for model in sorted(found, key=lambda model: ORDER[model["kind"]])]
        choices = {name: _choices(known.models, name) for name in ("serviceType", "scenario")}
        return page(request, "catalogue.html", title="Catalogue", offers=offers, given=given, choices=choices)

    return routes


def asked_of(given: Mapping[str, str]) -> Search:
    """The search that the form's texts mean: immersion and prices as people write them. Raises `MalformedInput`."""
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value}
    try:
        if "minQoe" in wanted:
            wanted["minQoe"] = round(1000 * float(wanted["minQoe"]))
        if "maxUnitPrice" in wanted:
            wanted["maxUnitPrice"] = str(in_smallest(wanted["maxUnitPrice"]))
        return Search(**wanted)
    except ValidationError as error:
        found = error.errors()[0]
        why = f"{found['loc'][0]}: {found['msg']}."
        raise MalformedInput(why, remedy="Correct the filter, or leave it empty.") from error
    except (ValueError, OverflowError) as error:
        raise MalformedInput(f"{error}.", remedy="Write numbers such as 0.5, or leave it empty.") from error


def offer(model: ModelAnswer) -> dict[str, Any]:
    """What a card shows: the model, its title in two parts, and the least price of its open plans."""
    title, _, tagline = (model["title"] or model["name"] or f"Model {model['modelId']}").partition(": ")
    sold: list[PlanAnswer] = [plan for plan in model["plans"] if not plan["retired"]]
    cheapest = min(sold, key=lambda plan: (int(plan["unitPrice"]), int(plan["periodPrice"])), default=None)
    return {**model, "heading": title, "tagline": tagline, "cheapest": cheapest, "degrees": sorted(degree_plans(model))}


def _choices(models: tuple[ModelAnswer, ...], name: str) -> list[str]:
    return sorted({str(value) for model in models if (value := model.get(name))})
