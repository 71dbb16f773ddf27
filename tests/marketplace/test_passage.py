"""The gateway's doors through the marketplace: what passes, what does not, what is said where it is away."""

from __future__ import annotations

import httpx
import pytest
from market_yard import Market

from marketplace.passage import DOORS, PREFIX
from trust.policy import Policy

PROVEN = {"DPoP": "a proof that the gateway would judge"}


def test_every_door_is_one_that_the_gateway_opens_to_buyers_or_who_signs() -> None:
    policy = Policy.load()
    for method, path in DOORS:
        row = policy.find("gateway", method, path)
        assert row is not None
        assert row.access <= {"session", "delegate", "signed"}


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_gateway_that_is_away_is_said(market: Market, method: str, path: str) -> None:
    address = market.url + PREFIX + path.format(subscriptionId=7)
    away = httpx.request(method, address, headers=PROVEN)
    assert (away.status_code, away.json()["code"]) == (503, "gateway_down")


def test_who_brings_no_proof_is_turned_away_here(market: Market) -> None:
    for path in ("/sessions", "/use/7", "/vouchers/7"):
        answer = httpx.post(f"{market.url}/gateway{path}", content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


@pytest.mark.parametrize("path", ["/routes", "/routes/7", "/measures", "/logs/7", "/quality/7", "/health"])
def test_what_components_ask_does_not_pass(market: Market, path: str) -> None:
    answer = httpx.get(f"{market.url}/gateway{path}", headers=PROVEN)
    assert answer.json()["code"] == "not_allowed"


@pytest.mark.parametrize("given", ["seven", "7%3Fa=1", "..%2Froutes", "%2e%2e", "٧", "9" * 30])
def test_id_that_is_no_number_goes_nowhere(market: Market, given: str) -> None:
    answer = httpx.post(f"{market.url}/gateway/use/{given}", headers=PROVEN)
    assert answer.json()["code"] in ("malformed_input", "not_allowed")


def test_body_is_bounded_before_it_passes(market: Market) -> None:
    answer = httpx.post(f"{market.url}/gateway/sessions", headers=PROVEN, content=b"x" * 65_537)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_no_answer_of_the_gateway_is_kept_under_a_key(market: Market) -> None:
    keyed = {**PROVEN, "Idempotency-Key": "passing"}
    for body in (b"one", b"another"):
        answer = httpx.post(f"{market.url}/gateway/sessions", headers=keyed, content=body)
        assert answer.json()["code"] == "gateway_down"
