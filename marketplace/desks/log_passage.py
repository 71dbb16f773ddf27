"""GET /gateway/usage/{subscriptionId}/log: the gateway's log through this origin, for the auditor's page.

The buyer's audit grant goes along as it came, and the gateway judges it; nothing of the marketplace's own rights does.
"""

from __future__ import annotations

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from marketplace.errors import GatewayDown
from marketplace.parts import Parts

GRANT = "s4m-audit-grant"


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/gateway/usage/{subscriptionId}/log")
    def get_log(request: Request, subscriptionId: int) -> Response:
        asked = parts.gateway.build_request(
            "GET", f"/usage/{subscriptionId}/log", headers={GRANT: request.headers.get(GRANT, "")}
        )
        try:
            answer = parts.gateway.send(asked, auth=None, stream=True)
        except httpx.TransportError as error:
            raise GatewayDown(f"{type(error).__name__}: {error}.", remedy="Try again in a moment.") from error
        kind = answer.headers.get("content-type")
        return StreamingResponse(
            answer.iter_bytes(), answer.status_code, media_type=kind, background=BackgroundTask(answer.close)
        )

    return routes
