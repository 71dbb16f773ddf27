"""The OpenAPI 3.1 document of an app of this program or of the gateway, served by the app itself at /openapi.json.

Generated from the routes and what they say of their problems, completed by what the gate refuses. The document is made
at the first request, when all routes are there; they do not change afterwards.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from pydantic import BaseModel

from orchestrator.errors import OrchestratorError, PeerRefused, PeerUnavailable
from trust.openapi import Json, add_refusals, merge, operations, problems
from trust.policy import Policy

PATH = "/openapi.json"
OF_PEERS = (PeerRefused, PeerUnavailable)
"""What a route can answer that asks a neighbour."""


class MalformedRequest(OrchestratorError):
    """The body, a parameter or a header breaks the shape that the document gives it."""

    code = "malformed_request"
    status = 422
    title = "Malformed request"


def serve_document(app: FastAPI, name: str, more: Mapping[str, Json] | None = None) -> FastAPI:
    """Adds the route to the app whose policy rows are those of `name`; before the gate is put on.

    `more` are paths that FastAPI does not know of: plain routes.
    """

    @cache
    def body() -> bytes:
        return json.dumps(document(app, name, more or {}), separators=(",", ":")).encode()

    @app.get(PATH, include_in_schema=False)
    async def openapi() -> Response:
        return Response(body(), media_type="application/json")

    return app


def document(app: FastAPI, name: str, more: Mapping[str, Json]) -> Json:
    """The whole document."""
    made = get_openapi(
        title=app.title,
        version="1",
        openapi_version="3.1.0",
        description="Ids, money and units are decimal strings; times are UTC seconds.",
        routes=app.routes,
    )
    made["paths"].update(more)
    made.setdefault("components", {}).setdefault("schemas", {})
    for _, _, operation in operations(made):
        _name_shapes(operation, made["components"]["schemas"])
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            operation["responses"].pop("422")  # answered by a problem
            merge(operation["responses"], problems(MalformedRequest))
    add_refusals(made, name, Policy.load())
    for unused in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(unused, None)
    return made


def body_of(shape: type[BaseModel]) -> dict[str, Any]:
    """For `openapi_extra`: the JSON body of a handler that reads its bytes itself."""
    schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _name_shapes(operation: Json, schemas: Json) -> None:
    """Moves the shapes inside a body of `body_of` to where references look for them."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schemas.update(content["schema"].pop("$defs", {}))
