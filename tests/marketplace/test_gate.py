"""No route of the marketplace answers without the gate's decision."""

from __future__ import annotations

import httpx
from market_yard import Market

from trust.exposure import unguarded_routes, unlisted_routes


def test_every_route_is_guarded_and_listed(market: Market) -> None:
    gate = market.app.state.gate
    assert unguarded_routes(market.app, gate) == []
    assert unlisted_routes(market.app, gate) == []


def test_unlisted_paths_are_refused(market: Market) -> None:
    for path in ("/openapi.json", "/docs", "/api/v1/nothing"):
        assert httpx.get(market.url + path).status_code in (403, 404)
    assert httpx.delete(market.url + "/api/v1/models").status_code in (403, 405)


def test_health_is_open(market: Market) -> None:
    assert market.client.health()["status"] == "ok"
