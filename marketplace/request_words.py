"""POST /request-documents: what a buyer wants in its own words, as a request document that can be bought with.

MSMF understands the words; here the document's hash and the plans that sell it are added, so that a quote is the next
call. Nothing is kept: the buyer puts the document, changed or not, when it orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpx
from fastapi import APIRouter
from pydantic import Field

from ledger.values import to_hex
from marketplace.answers import RequestDocument
from marketplace.catalog.queries import all_models
from marketplace.documents import hash_of
from marketplace.errors import MalformedInput, OrchestratorDown, ProblemAnswer
from marketplace.openapi import KEPT_BY_KEY, problems
from marketplace.orders.schemas import Shape
from marketplace.parts import Parts
from marketplace.subscriptions.service import problem_in

LONGEST = 2000
"""signs of a request, as MSMF takes them"""


class RequestInWords(Shape):
    """What is wanted, in English."""

    text: str = Field(max_length=LONGEST, examples=["A calm beach for six friends this evening, with headsets"])


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["orders"])

    @routes.post(
        "/request-documents",
        responses=problems(MalformedInput, OrchestratorDown),
        openapi_extra={KEPT_BY_KEY: False},
    )
    def understand(words: RequestInWords) -> RequestDocument:
        """A request document of words, how sure it is, why, and a question back where it is not. Nothing is kept."""
        return understood(parts, words.text)

    return routes


def understood(parts: Parts, text: str) -> RequestDocument:
    """MSMF's understanding with the document's hash and the plans that sell it. Blocking.

    Raises `MalformedInput` for what is too long, `OrchestratorDown`, `ProblemAnswer`.
    """
    if len(text) > LONGEST:
        raise MalformedInput(f"The text has {len(text)} signs.", remedy=f"Say it in at most {LONGEST}.")
    told = _asked(parts, text)
    document = told["document"]
    found = {
        "requirementsHash": to_hex(hash_of(document)) if document else None,
        "plans": _plans(parts, document) if document else [],
    }
    return cast(RequestDocument, {**told, **found})


def _asked(parts: Parts, text: str) -> dict[str, Any]:
    """MSMF's understanding; `OrchestratorDown` where it is silent, its own problem where it says no."""
    try:
        answer = parts.msmf.post("/request-documents", json={"text": text})
    except httpx.TransportError as error:
        raise OrchestratorDown(f"{type(error).__name__}: {error}.", remedy="Try again in a moment.") from error
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, problem_in(answer))
    return dict(answer.json())


def _plans(parts: Parts, document: Mapping[str, Any]) -> list[str]:
    """The open plans that sell the document's service at its degree of isolation, the newest first."""
    degree = document.get("isolation", 0)
    of_service = (model for model in all_models(parts) if model["name"] == document["service"])
    fitting = [
        plan
        for model in of_service
        for plan in model["plans"]
        if not plan["retired"] and (plan["isolation"] or 0) == degree
    ]
    return [plan["planId"] for plan in sorted(fitting, key=lambda plan: -int(plan["planId"]))]
