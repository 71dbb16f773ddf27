"""GET and POST /ask: what somebody wants, in their own words, as a request document with plans that sell it.

A plain form: it works without JavaScript. Nothing is kept. MSMF understands the words (`marketplace.request_words`);
this page shows what it understood and from which words, asks back what it asks, and leads on to /buy with the document.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response

from marketplace.answers import RequestDocument
from marketplace.catalog import queries
from marketplace.errors import MarketplaceError, problem_of
from marketplace.parts import Parts
from marketplace.request_words import LONGEST, understood
from marketplace.web import asked
from marketplace.web.catalogue import offer
from marketplace.web.model import USUAL_CAP
from marketplace.web.pages import page

EXAMPLES = (
    "A sharp virtual beach for four friends with headsets this evening, no lag",
    "Early failure warning for the lathe and two pumps: 20 Hz, our own servers",
    "Karaoke with five friends, nobody else on our machines",
)


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/ask")
    def form(request: Request) -> Response:
        return _page(request)

    @routes.post("/ask")
    async def ask(request: Request) -> Response:
        given = parse_qs((await request.body()).decode(errors="replace"), max_num_fields=10)
        text = given.get("text", [""])[0].replace("\r\n", "\n").strip()
        try:
            found = await asyncio.to_thread(understood, parts, text)
            shown = await asyncio.to_thread(_shown, parts, found)
        except MarketplaceError as error:
            return _page(request, text, problem=error)
        return _page(request, text, found=shown)

    return routes


def _page(
    request: Request, text: str = "", *, found: dict[str, Any] | None = None, problem: MarketplaceError | None = None
) -> Response:
    status = 200 if problem is None else problem_of(problem)[0]
    return page(
        request, "ask.html", status=status, title="Ask in words", text=text, found=found, problem=problem,
        examples=EXAMPLES, longest=LONGEST,
    )  # fmt: skip


def _shown(parts: Parts, found: RequestDocument) -> dict[str, Any]:
    """The answer with what a page needs beside it: words for fields, the candidates' titles, the plans' models."""
    models = {model["name"]: offer(model) for model in queries.all_models(parts)}
    others = [
        {"model": models[name], "percent": round(100 * share)}
        for name, share in found["candidates"].items()
        if name in models and name != found["service"]
    ]
    return {
        **found,
        "percent": round(100 * found["confidence"]),
        "model": models.get(found["service"] or ""),
        "reasons": [_reason(each) for each in found["why"] if each["field"] != "service"],
        "wished": [(asked.label(name), asked.value(name, held)) for name, held in found["wishes"].items()],
        "others": others,
        "offers": [queries.one_plan(parts, plan_id) for plan_id in found["plans"]],
        "json": json.dumps(found["document"], indent=2) if found["document"] else "",
        "cap": USUAL_CAP,
    }


def _reason(why: dict[str, Any]) -> dict[str, str]:
    return {"words": why["words"], "label": asked.label(why["field"]), "value": asked.value(why["field"], why["value"])}
