"""GET /services and /services/{id}: what an account bought; of each, the word of chain and orchestrator side by side.

Public like the API's subscriptions: who shows which account is asked, no more. What changes anything the visitor's own
wallet sends.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from ledger.values import SubscriptionId, model_of, plan_of
from marketplace.activity import WantedActivity, newest
from marketplace.answers import ChainSide, PlanAnswer
from marketplace.catalog import queries
from marketplace.desks.provider import quality
from marketplace.errors import MalformedInput
from marketplace.notice_kinds import WORDS
from marketplace.notices import standing
from marketplace.pagination import Window
from marketplace.parts import Parts
from marketplace.subscriptions import service
from marketplace.subscriptions.schemas import Wanted
from marketplace.web.beach import operations
from marketplace.web.catalogue import offer
from marketplace.web.pages import page

SHOWN = 100
"""Subscriptions of one account on a page."""
ROWS = 6
"""Settled vouchers that a service's page shows."""


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/services")
    def services(request: Request, account: str = "") -> Response:
        names = {model["modelId"]: offer(model)["heading"] for model in queries.all_models(parts)}
        rows = service.listed(parts, Wanted(buyer=account_of(account)), Window(SHOWN)) if account else []
        shown = [{**row, "heading": names.get(_model_id(row["subscriptionId"]), "A model")} for row in rows]
        return page(request, "services.html", title="My services", account=account, services=shown)

    @routes.get("/services/{id}")
    def one_service(request: Request, id: str) -> Response:
        found = service.one(parts, id)
        plan = queries.one_plan(parts, str(plan_of(SubscriptionId(int(id)))))
        model = offer(queries.one_model(parts, plan["modelId"]))
        now = max(int(parts.clock()), parts.chain.latest().timestamp)
        spec = model["spec"] or {}
        return page(
            request, "service.html", title=model["heading"], id=id, chain_side=found["chain"],
            service_side=found["service"], plan=plan, model=model, money=spend(found["chain"], plan, now),
            settled=settlements(parts, id), pictures=operations(spec)["picture"], measured=quality(parts, dict(plan)),
            facts=live_facts(id, found["chain"], plan, spec), told=standing(parts, id),
        )  # fmt: skip

    return routes


def live_facts(subscription_id: str, chain: ChainSide, plan: PlanAnswer, spec: dict[str, Any]) -> dict[str, Any]:
    """What the page's scripts need for charts and passes; money in smallest units, immersion in thousandths."""
    qoe = (plan.get("terms") or {}).get("qoe", {})
    return {
        "subscriptionId": subscription_id, "isActive": chain["status"] == "active",
        "cap": chain["cap"], "unitPrice": plan["unitPrice"], "floor": plan["qoeFloor"],
        "discountBps": int(qoe.get("discount_bps", 0)),
        "operations": sorted(spec.get("operations") or {}), "noticeWords": WORDS,
    }  # fmt: skip


def settlements(parts: Parts, subscription_id: str) -> list[dict[str, Any]]:
    """The newest settled vouchers, newest first: UTC seconds, units in all, what this one paid, the transaction."""
    wanted = WantedActivity(subscriptionId=subscription_id, name="Settled")
    found = newest(parts, wanted, Window(ROWS))[:ROWS]
    return [{**event["fields"], "at": event["at"], "txHash": event["txHash"]} for event in found]


def account_of(text: str) -> str:
    """An address as it was typed; raises `MalformedInput`."""
    if len(text) != 42 or not text.startswith("0x") or any(each not in "0123456789abcdefABCDEF" for each in text[2:]):
        raise MalformedInput(f"{text[:50]!r} is no address.", remedy="Write 0x and 40 hexadecimal digits.")
    return text


def spend(chain: ChainSide, plan: PlanAnswer, now: int) -> dict[str, Any]:
    """What was spent and what is left: units and money of use, seconds of paid time.

    `rate` is settled units an hour since the activation, `runway` the seconds that the rest of the cap lasts at that
    rate, None where nothing was settled.
    """
    used, cap = int(chain["used"]), int(chain["cap"])
    lasted = max(0, now - chain["since"]) if chain["since"] else 0
    rate = used * 3600 // lasted if lasted else 0
    return {
        "used": used, "cap": cap, "spent": used * int(plan["unitPrice"]), "most": cap * int(plan["unitPrice"]),
        "rate": rate, "runway": (cap - used) * 3600 // rate if rate else None,
        "paid_seconds": max(0, chain["paidThrough"] - now) if chain["status"] == "active" else 0,
    }  # fmt: skip


def _model_id(subscription_id: str) -> str:
    return str(model_of(plan_of(SubscriptionId(int(subscription_id)))))
