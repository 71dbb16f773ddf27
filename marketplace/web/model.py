"""GET /models/{modelId}: one model's plans, a price calculator, its promise against what was measured. And its price.

The price is computed here from the plan's terms, shown as a fragment; the purchase asks the contract itself again.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from marketplace.answers import PlanAnswer
from marketplace.catalog import queries
from marketplace.desks.provider import quality
from marketplace.errors import MalformedInput, UnknownPlan
from marketplace.orders.service import MAX_CAP
from marketplace.parts import Parts
from marketplace.wallet.plans import degree_plans
from marketplace.web.catalogue import offer
from marketplace.web.pages import page

USUAL_CAP = 20_000
"""Units: about a quarter of an hour of a shared beach at one frame a second."""


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/models/{modelId}")
    def model(request: Request, modelId: str) -> Response:
        found = queries.one_model(parts, modelId)
        plans = list(degree_plans(found).values())
        promises = [{**plan, "measured": quality(parts, dict(plan))} for plan in plans]
        chosen = price(plans[0], USUAL_CAP, 1 if plans[0]["period"] else 0) if plans else None  # type: ignore[arg-type]
        return page(
            request, "model.html", title=found["title"] or found["name"] or f"Model {modelId}", model=offer(found),
            plans=promises, price=chosen, names=_names(parts), operations=_operations(found["spec"] or {}),
        )  # fmt: skip

    @routes.get("/price")
    def fragment(request: Request, planId: str, cap: str = "", periods: str = "") -> Response:
        plan = queries.one_plan(parts, planId)
        if plan["retired"]:
            raise UnknownPlan(f"plan {planId} takes no new buyers.", remedy="Choose another plan.")
        return page(request, "price.html", price=price(plan, whole(cap), whole(periods)))

    return routes


def price(plan: PlanAnswer, cap: int, periods: int) -> dict[str, Any]:
    """What a purchase reserves, in the token's smallest units: cap × unitPrice + periods × periodPrice."""
    use, time = cap * int(plan["unitPrice"]), periods * int(plan["periodPrice"])
    return {"plan": plan, "cap": cap, "periods": periods, "use": use, "time": time, "total": use + time}


def whole(text: str, most: int = MAX_CAP) -> int:
    """A whole number from a form's field; empty is 0."""
    text = text.strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 15 or int(text) > most:
        raise MalformedInput(f"{text[:30]!r} is no whole number up to {most}.", remedy="Write digits only.")
    return int(text)


def _names(parts: Parts) -> dict[str, str]:
    """modelId → title, for the shares of a composite."""
    return {each["modelId"]: offer(each)["heading"] for each in queries.all_models(parts)}


def _operations(spec: dict[str, Any]) -> list[str]:
    """What a buyer can call: a service's operations, a model's calls."""
    return list(spec.get("operations") or spec.get("calls") or {})
