"""Requests in words at the market: what is none is refused, and a silent MSMF is named."""

from typing import Any

import httpx
import pytest
from market_yard import Market


@pytest.mark.parametrize("body", [{}, {"text": 5}, {"text": "x" * 2001}, {"text": "a beach", "more": 1}])
def test_body_that_holds_no_request_in_words_is_malformed(market: Market, body: dict[str, Any]) -> None:
    answer = httpx.post(f"{market.url}/api/v1/request-documents", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_input")


def test_msmf_that_does_not_answer_is_named(market: Market) -> None:
    answer = httpx.post(f"{market.url}/api/v1/request-documents", json={"text": "karaoke with five friends"})
    assert (answer.status_code, answer.json()["code"]) == (503, "orchestrator_down")
    assert answer.json()["remedy"]
