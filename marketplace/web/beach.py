"""GET /services/{id}/beach: a walk through a running service that shows pictures, paid use by use.

The server tells what the chain and the service's spec say. Pictures, records and vouchers pass between the visitor's
browser, which holds the session key, and the gateway (marketplace/passage.py): nothing of them is seen here.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from ledger.values import SubscriptionId, plan_of
from marketplace.catalog import queries
from marketplace.errors import NoPictures
from marketplace.parts import Parts
from marketplace.subscriptions.service import chain_side
from marketplace.web.catalogue import offer
from marketplace.web.pages import page


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/services/{id}/beach")
    def beach(request: Request, id: str) -> Response:
        found = chain_side(parts, id)
        plan = queries.one_plan(parts, str(plan_of(SubscriptionId(int(id)))))
        model = queries.one_model(parts, plan["modelId"])
        shown = operations(model["spec"] or {})
        if shown["picture"] is None:
            raise NoPictures(f"{offer(model)['heading']} makes none.", remedy="Use it by `s4m use`, or by the API.")
        facts = {
            "subscriptionId": id, "status": found.status.name.lower(), "firstBlock": parts.deployment.block_number,
            "assets": parts.deployment.assets, **shown,
        }  # fmt: skip
        return page(
            request, "beach.html", title=f"Walk: {offer(model)['heading']}", id=id, plan=plan, model=offer(model),
            buyer=found.buyer, cap=found.cap, standing=found.status.name.lower(), facts=facts,
        )  # fmt: skip

    return routes


def operations(spec: dict[str, Any]) -> dict[str, str | None]:
    """Which operation of a service shows a picture, and which makes a thing to take home; None where none does."""
    known: dict[str, dict[str, Any]] = spec.get("operations") or {}
    return {
        "picture": next((name for name, each in known.items() if each.get("immersion")), None),
        "souvenir": next((name for name, each in known.items() if each.get("provenance")), None),
    }
