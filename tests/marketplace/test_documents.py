"""Documents are kept by their hash, in canonical form, and requests are for components only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from market_yard import Market

from marketplace.documents import canonical, hash_of

REQUEST = {"schema": "s4m/request/1", "service": "virtual-beach-travel"}


def _put(market: Market, body: bytes, digest: str | None = None) -> httpx.Response:
    return httpx.put(f"{market.url}/api/v1/documents/{digest or hashlib.sha256(body).hexdigest()}", content=body)


def test_terms_are_public_and_come_back_byte_for_byte(market: Market) -> None:
    plan = market.client.plan(market.plans["virtual-beach-travel"])
    answer = httpx.get(f"{market.url}/api/v1/documents/{plan['termsHash'][2:]}")
    assert hashlib.sha256(answer.content).hexdigest() == plan["termsHash"][2:]
    assert plan["terms"]["schema"] == "s4m/terms/1"


def test_a_request_is_stored_but_not_shown_to_strangers(market: Market) -> None:
    assert _put(market, canonical(REQUEST)).status_code == 204
    assert _put(market, canonical(REQUEST)).status_code == 204
    assert httpx.get(f"{market.url}/api/v1/documents/{hash_of(REQUEST).hex()}").json()["code"] == "unknown_document"


@pytest.mark.parametrize(
    "document",
    [
        REQUEST | {"users": 0},
        REQUEST | {"isolation": 3},
        REQUEST | {"objects": [{"object": 99, "attention": 1}]},
        REQUEST | {"surprise": True},
        {"schema": "s4m/request/1"},
    ],
)
def test_a_request_that_breaks_its_schema(market: Market, document: dict[str, Any]) -> None:
    answer = _put(market, canonical(document))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_document")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"b":1, "a":2}', b'{"a":1e400}', b"\xff", b'{"a":' * 50_000])
def test_bytes_that_are_no_canonical_object(market: Market, body: bytes) -> None:
    answer = _put(market, body)
    assert (answer.status_code, answer.json()["code"]) in ((400, "malformed_document"), (413, "body_too_large"))


def test_a_hash_that_is_not_the_bodys(market: Market) -> None:
    assert _put(market, canonical(REQUEST), "ab" * 32).json()["code"] == "malformed_document"


def test_a_document_that_is_too_large(market: Market) -> None:
    body = canonical({"schema": "x", "a": "b" * 70_000})
    assert _put(market, body).json()["code"] == "malformed_document"


@pytest.mark.parametrize("version", [1, 2])
def test_the_schema_is_the_one_that_requests_are_read_by(version: int) -> None:
    root = Path(__file__).parents[2]
    ours, theirs = (
        (root / room / f"request-{version}.schema.json").read_text() for room in ("marketplace", "orchestrator/msmf")
    )
    assert json.loads(ours) == json.loads(theirs)


def test_a_twins_request_is_put_and_a_wrong_one_is_not(market: Market) -> None:
    twin = {
        "schema": "s4m/request/2",
        "service": "city-twin",
        "access": "site-1",
        "things": ["bridge"],
        "qoe": {"fidelity_floor": 0.7},
    }
    assert _put(market, canonical(twin)).status_code < 300
    wrong = _put(market, canonical({**twin, "qoe": {"fidelity_floor": 7}}))
    assert wrong.json()["code"] == "malformed_document"
    assert "s4m/request/2" in wrong.json()["remedy"]
