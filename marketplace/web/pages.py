"""Turns a template and its values into an answer: one Jinja2 environment, one navigation, gzip for who takes it.

Called by every page's module: `page(request, "catalogue.html", title="…", …)`. Templates get no request and no parts,
only values.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from ledger.deployment import Deployment
from marketplace.web import asked, words
from marketplace.web.static_files import accepts_gzip, static_tree

TEMPLATES = Path(__file__).parent / "templates"
PACK_FROM = 1_000
"""Pages above this many bytes are compressed."""


@dataclass(frozen=True)
class Place:
    """One entry of the navigation."""

    path: str
    label: str


NAVIGATION = [
    Place("/", "Catalogue"),
    Place("/ask", "Ask"),
    Place("/services", "My services"),
    Place("/assets", "My assets"),
    Place("/identity", "Identity"),
    Place("/explorer", "Explorer"),
    Place("/auditor", "Auditor"),
    Place("/provider", "Provider"),
]


@cache
def environment() -> Environment:
    """Autoescaping; an unknown name in a template is an error, not an empty string."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.filters.update(words.FILTERS | asked.FILTERS)
    made.globals.update(
        static=static_tree().address,
        navigation=NAVIGATION,
        isolation_words=words.ISOLATION,
        money_names=words.MONEY_NAMES,
        time_names=words.TIME_NAMES,
    )
    return made


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text alone: for fragments and for events of a stream."""
    return environment().get_template(template).render(values)


def chain_of(deployment: Deployment) -> dict[str, str]:
    """What pages and their scripts are told of the chain."""
    return {
        "id": str(deployment.chain_id), "market": deployment.market, "credit": deployment.credit,
        "assets": deployment.assets,
    }  # fmt: skip


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """A whole page, or a fragment of one. `title` names it; `here` marks its place in the navigation."""
    state = request.app.state
    chain = {**chain_of(state.parts.deployment), "devnet": state.on_devnet}
    body = render(template, {"here": request.url.path, "title": "", "chain": chain, **values}).encode()
    headers = {"cache-control": "no-store", "vary": "accept-encoding"}
    if len(body) > PACK_FROM and accepts_gzip(request.scope):
        body = gzip.compress(body, 5, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(body, status, headers, "text/html")
