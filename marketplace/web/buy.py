"""GET /buy: the purchase on one page. The server shows the price; the browser asks the wallet and follows the service.

Everything that moves money goes through /api/v1, as any client's purchase does: this page has no way of its own.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from marketplace.catalog import queries
from marketplace.documents import check_request
from marketplace.errors import MalformedDocument, MalformedInput, PlanRetired
from marketplace.parts import Parts
from marketplace.web.asked import facts
from marketplace.web.catalogue import offer
from marketplace.web.model import price, whole
from marketplace.web.pages import page

STEPS = (
    ("bought", "Money reserved on the chain"),
    ("stepI", "Step I: MSMF reads your request"),
    ("stepII", "Step II: VMOF finds a service instance"),
    ("stepIII", "Step III: MMF starts models and resources"),
    ("running", "Running: your session key signs the handover"),
    ("active", "Active: yours to use"),
)
SHOWN = [{"object": kind, "attention": 3} for kind in range(0, 56, 7)]
"""What a plain request looks at, where the service shows anything: as `s4m buy` asks."""
QOE = {"rate_mbps": 250, "latency_ms": 1.5, "reliability": 0.99}


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/buy")
    def buy(request: Request, planId: str, cap: str = "", periods: str = "", document: str = "") -> Response:
        plan = queries.one_plan(parts, planId)
        if plan["retired"]:
            raise PlanRetired(f"plan {planId} takes no new buyers.", remedy="Choose a newer version of the plan.")
        model = queries.one_model(parts, plan["modelId"])
        chosen = price(plan, whole(cap), whole(periods))
        if not (chosen["cap"] or chosen["periods"]):
            raise MalformedInput("nothing was chosen.", remedy="Go back and give units or periods.")
        isolation = plan["isolation"] or 0
        wanted = given(document, model["name"], isolation) if document else request_for(model["spec"] or {}, isolation)
        return page(
            request, "buy.html", title=f"Buy {offer(model)['heading']}", model=offer(model), price=chosen,
            wanted=wanted, facts=facts(wanted), steps=STEPS,
        )  # fmt: skip

    return routes


def given(text: str, service: str | None, isolation: int) -> dict[str, Any]:
    """The request document that a visitor brings along; raises `MalformedDocument` where it is none for this plan."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedDocument(f"it is not JSON: {error}.", remedy="Ask in words again.") from error
    if not isinstance(document, dict):
        raise MalformedDocument("it is no JSON object.", remedy="Ask in words again.")
    check_request(document)
    wanted = document["service"], document.get("isolation", 0)
    if wanted != (service, isolation):
        why = f"it asks for {wanted[0]}, isolation {wanted[1]}; the plan sells {service}, isolation {isolation}."
        raise MalformedDocument(why, remedy="Choose a plan that sells what the document asks for.")
    return document


def request_for(spec: dict[str, Any], isolation: int) -> dict[str, Any]:
    """A plain s4m/request/2 document for this service; the page lets its buyer change users and rate."""
    wanted: dict[str, Any] = {
        "schema": "s4m/request/2", "service": str(spec.get("name", "")), "users": 1, "isolation": isolation,
        "qoe": dict(QOE),
    }  # fmt: skip
    if spec.get("scenario"):
        wanted["scenario"] = spec["scenario"]
    operations = spec.get("operations") or {}
    if any(operation.get("immersion") for operation in operations.values()):
        wanted["objects"] = SHOWN
        wanted["qoe"]["immersion_floor"] = 0.5
    return wanted
