"""Errors of pages, as pages: what happened, why, what to do next. The API's stay problem+json.

`app.py` asks `wants_page` in its exception handlers.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace.web.pages import page


def wants_page(request: Request) -> bool:
    """Whether a person reads the answer: any path outside the API, asked for as HTML."""
    inside = request.url.path.startswith(("/api/", "/gateway/"))
    return not inside and "text/html" in request.headers.get("accept", "")


def failure_page(request: Request, status: int, problem: dict[str, Any]) -> Response:
    """`problem` is the RFC 9457 body that the API would have sent."""
    return page(request, "failure.html", status=status, title=problem["title"], problem=problem)
