"""The desks where the other programs are away: what is missing is said, the rest is shown."""

from __future__ import annotations

import time

import httpx
import pytest
from market_yard import Market

from marketplace.desks import operator_pass
from marketplace.errors import OperatorOnly

HTML = {"accept": "text/html"}


def test_provider_desk_says_that_the_gateway_is_away(market: Market) -> None:
    owner = market.keys.account("provider-worlds").address
    page = httpx.get(f"{market.url}/provider", params={"account": owner}, headers=HTML)
    assert page.status_code == 200
    assert "the gateway does not answer" in page.text


def test_what_is_no_account_has_no_desk(market: Market) -> None:
    answer = httpx.get(f"{market.url}/provider", params={"account": "0x12"})
    assert (answer.status_code, answer.json()["code"]) == (400, "address_malformed")


def test_operator_desk_says_that_the_orchestrator_is_away(market: Market) -> None:
    contracts, domain = market.parts.contracts, market.parts.settings.domain
    text = operator_pass.issue(
        market.keys.account("operator"), contracts.market_domain, domain, int(market.clock()) + 60
    )
    answer = httpx.get(f"{market.url}/operator", cookies={operator_pass.COOKIE: text})
    assert (answer.status_code, answer.json()["code"]) == (503, "orchestrator_down")


def test_a_pass_ends_with_its_time(market: Market) -> None:
    contracts, domain, key = market.parts.contracts, market.parts.settings.domain, market.keys.account("operator")
    now = int(time.time())
    text = operator_pass.issue(key, contracts.market_domain, domain, now + 60)
    require = (text, contracts.market_domain, domain, key.address)
    assert operator_pass.require(*require, now) == now + 60
    with pytest.raises(OperatorOnly, match="has ended"):
        operator_pass.require(*require, now + 60)


@pytest.mark.parametrize("text", ["", "AAAA", "bnVsbA", "eyJkb21haW4iOiAxfQ", "é" * 9])
def test_what_is_no_pass_is_refused_by_name(market: Market, text: str) -> None:
    answer = httpx.post(f"{market.url}/operator/session", data={"pass": text}, headers=HTML)
    assert answer.status_code == 403
    assert operator_pass.COOKIE not in answer.cookies
