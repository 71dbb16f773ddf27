"""Errors of pages, as pages: what happened, why, what to do next. The API's stay problem+json.

`app.py` asks `wants_page` in its exception handlers, and hands `refusal_page` to the gate, which refuses before any
handler runs: what it does not let in, and addresses that do not exist.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from marketplace.errors import UnknownPage
from marketplace.web.pages import page
from marketplace.web.security import HEADERS
from trust.errors import Refusal


def wants_page(request: Request) -> bool:
    """Whether a person reads the answer: any path outside the API, asked for as HTML."""
    inside = request.url.path.startswith(("/api/", "/gateway/"))
    return not inside and "text/html" in request.headers.get("accept", "")


def failure_page(request: Request, status: int, problem: dict[str, Any]) -> Response:
    """`problem` is the RFC 9457 body that the API would have sent. Guarded here too: it may be made outside the layers
    that guard other answers."""
    answer = page(request, "failure.html", status=status, title=problem["title"], problem=problem)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def refusal_page(scope: Scope, refusal: Refusal, known: bool) -> Response | None:
    """The gate's refusal as a page; None for programs, which get problem+json. `known`: the address has a route."""
    request = Request(scope)
    if not wants_page(request):
        return None
    if known:
        return failure_page(request, refusal.status, refusal.problem())
    missing = UnknownPage(
        f"nothing is at {request.url.path[:80]}.", remedy="Check the address, or start from one of the pages above."
    )
    return failure_page(request, missing.status, missing.problem())
