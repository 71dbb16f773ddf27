"""Buying over HTTP: once per order, and every bad input a named error that changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from market_yard import Market

from ledger.errors import ValueOutOfRange
from ledger.keys import WalletKey
from ledger.typed_data import sign
from ledger.values import Status, to_hex
from marketplace.errors import MalformedDocument, ProblemAnswer

SERVICE = "virtual-beach-travel"


def _body(market: Market, wallet: WalletKey, cap: int = 100, **changes: Any) -> dict[str, Any]:
    digest = market.client.put_document(market.request())
    quote = market.client.quote(wallet.address, market.plans[SERVICE], cap, 1)
    return market.client.signed_order(wallet, quote, WalletKey.create().address, digest) | changes


def _refused(market: Market, wallet: WalletKey, act: Callable[[], object]) -> str:
    """The code of the refusal; the state must be the same afterwards."""
    before = market.fingerprint(wallet)
    with pytest.raises(ProblemAnswer) as caught:
        act()
    assert market.fingerprint(wallet) == before
    assert caught.value.body["detail"]
    return caught.value.server_code


def test_order_with_permit_reserves_exactly_the_total(market: Market, wallet: WalletKey) -> None:
    before = market.parts.contracts.credit.balance_of(wallet.address)
    bought = market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 100, 1, store=market.store)
    found = market.parts.contracts.market.subscription(bought.subscription_id)
    assert (found.status, found.buyer, found.signer, found.cap) == (
        Status.PURCHASED, wallet.address, bought.session.address, 100,
    )  # fmt: skip
    assert before - market.parts.contracts.credit.balance_of(wallet.address) == bought.cost.total == 1_005_000
    assert market.store.session(bought.subscription_id).address == bought.session.address
    shown = market.client.subscription(bought.subscription_id)
    assert shown["chain"]["status"] == "purchased"
    assert shown["chain"]["reserved"] == "1005000"
    assert shown["service"]["state"] == "unknown"  # no orchestrator runs here, and that is said


def test_same_order_twice_is_one_subscription(market: Market, wallet: WalletKey) -> None:
    body = _body(market, wallet)
    first, second = market.client.post_order(body), market.client.post_order(body)
    assert first == second == market.client.order_state(first["orderId"])
    assert [row["subscriptionId"] for row in market.client.subscriptions(wallet.address)] == [first["subscriptionId"]]


def test_one_order_sent_by_many_at_once_is_one_subscription(market: Market, wallet: WalletKey) -> None:
    body = _body(market, wallet)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(market.client.post_order, [body] * 6))
    assert len({answer["subscriptionId"] for answer in answers}) == 1
    assert len(market.client.subscriptions(wallet.address)) == 1


def test_second_order_of_one_nonce_is_refused(market: Market, wallet: WalletKey) -> None:
    first, second = _body(market, wallet), _body(market, wallet)
    market.client.post_order(first)
    assert _refused(market, wallet, lambda: market.client.post_order(second)) == "wrong_nonce"


def test_second_purchase_uses_the_account_before_the_wallet(market: Market, wallet: WalletKey) -> None:
    market.client.post_order(_body(market, wallet))
    body = _body(market, wallet)
    assert body["order"]["nonce"] == "1"
    assert market.client.post_order(body)["state"] == "bought"


def test_unknown_plan(market: Market, wallet: WalletKey) -> None:
    body = {"planId": str(999 << 32 | 1), "cap": "1", "periods": 0, "buyer": wallet.address}
    assert _refused(market, wallet, lambda: market.client._call("POST", "/quotes", json=body)) == "unknown_plan"
    assert _refused(market, wallet, lambda: market.client.plan(7)) == "unknown_plan"


def test_unknown_model(market: Market, wallet: WalletKey) -> None:
    assert _refused(market, wallet, lambda: market.client.model(999)) == "unknown_model"
    assert _refused(market, wallet, lambda: market.client.plan_of_service("no-such-thing")) == "unknown_model"


def test_insufficient_funds_names_what_is_missing(market: Market, wallet: WalletKey) -> None:
    body = _body(market, wallet, cap=10_000_000)
    with pytest.raises(ProblemAnswer) as caught:
        market.client.post_order(body)
    assert caught.value.http_status == 402
    assert caught.value.body["missing"] == str(10_000_000 * 50 + 1_000_000 - 100_000_000)
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "insufficient_funds"


def test_order_without_permit_is_insufficient(market: Market, wallet: WalletKey) -> None:
    body = _body(market, wallet, permit=None)
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "insufficient_funds"


def test_expired_quote(market: Market, wallet: WalletKey) -> None:
    body = _body(market, wallet)
    market.clock.ahead_s = market.parts.settings.quote_seconds + 1
    try:
        assert _refused(market, wallet, lambda: market.client.post_order(body)) == "quote_expired"
    finally:
        market.clock.ahead_s = 0


def test_unknown_quote(market: Market, wallet: WalletKey) -> None:
    body = _body(market, wallet, quoteId="0" * 32)
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "unknown_quote"


def test_wrong_chain(market: Market, wallet: WalletKey) -> None:
    body = _body(market, wallet, chainId="1")
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "wrong_chain"


def test_signature_of_somebody_else(market: Market, wallet: WalletKey) -> None:
    body, stranger = _body(market, wallet), WalletKey.create()
    quote = market.client.quote(wallet.address, market.plans[SERVICE], 100, 1)
    order = market.client.order(quote, wallet.address, stranger.address, bytes(32))
    body["signature"] = to_hex(sign(stranger, market.parts.contracts.market_domain, order))
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "bad_signature"
    body["signature"] = "0x" + "11" * 65
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "bad_signature"


def test_document_missing(market: Market, wallet: WalletKey) -> None:
    quote = market.client.quote(wallet.address, market.plans[SERVICE], 100, 1)
    body = market.client.signed_order(wallet, quote, WalletKey.create().address, b"\x07" * 32)
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "document_missing"


@pytest.mark.parametrize("document", [{"schema": "s4m/request/3", "service": SERVICE}, {"a": 1}])
def test_a_document_that_is_no_request_buys_nothing(
    market: Market, wallet: WalletKey, document: dict[str, Any]
) -> None:
    digest = market.client.put_document(document)
    quote = market.client.quote(wallet.address, market.plans[SERVICE], 100, 1)
    body = market.client.signed_order(wallet, quote, WalletKey.create().address, digest)
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "malformed_document"


def test_a_document_that_json_cannot_hold_buys_nothing(market: Market, wallet: WalletKey) -> None:
    before = market.fingerprint(wallet)
    with pytest.raises(MalformedDocument):
        market.client.buy_only(wallet, market.plans[SERVICE], {"a": float("nan")}, 100, 1, store=market.store)
    assert market.fingerprint(wallet) == before


@pytest.mark.parametrize("number", [str(2**64), "9" * 77])
def test_numbers_that_no_contract_can_hold(market: Market, wallet: WalletKey, number: str) -> None:
    quote = {"planId": number, "cap": "1", "periods": 0, "buyer": wallet.address}
    assert _refused(market, wallet, lambda: market.client._call("POST", "/quotes", json=quote)) == "unknown_plan"
    with pytest.raises(ValueOutOfRange):
        market.client.cost(wallet.address, int(number), 1)
    for field in ("planId", "cap", "periods", "total", "nonce", "deadline"):
        body = _body(market, wallet)
        body["order"][field] = number
        code = _refused(market, wallet, lambda sent=body: market.client.post_order(sent))  # type: ignore[misc]
        assert code in ("order_differs", "value_out_of_range"), field
    body = _body(market, wallet)
    body["permit"]["value"] = body["permit"]["deadline"] = "9" * 78
    code = _refused(market, wallet, lambda: market.client.post_order(body))
    assert code in ("value_out_of_range", "insufficient_funds")


@pytest.mark.parametrize(("field", "value"), [("cap", "101"), ("total", "1"), ("nonce", "5"), ("deadline", "9")])
def test_order_that_differs_from_its_quote(market: Market, wallet: WalletKey, field: str, value: str) -> None:
    body = _body(market, wallet)
    body["order"][field] = value
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "order_differs"


@pytest.mark.parametrize("changes", [{"signature": "0xzz"}, {"order": {}}, {"extra": 1}, {"permit": {"value": "-1"}}])
def test_malformed_order(market: Market, wallet: WalletKey, changes: dict[str, Any]) -> None:
    body = _body(market, wallet) | changes
    assert _refused(market, wallet, lambda: market.client.post_order(body)) == "malformed_input"


def test_activation_by_a_wrong_key(market: Market, wallet: WalletKey) -> None:
    bought = market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store)
    stranger = WalletKey.create()
    code = _refused(market, wallet, lambda: market.client.activate(bought.subscription_id, stranger, b"\1" * 32))
    assert code == "bad_signature"


def test_activation_without_an_orchestrator(market: Market, wallet: WalletKey) -> None:
    bought = market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store)
    code = _refused(market, wallet, lambda: market.client.activate(bought.subscription_id, bought.session, b"\1" * 32))
    assert code == "orchestrator_down"


def test_unknown_subscription(market: Market, wallet: WalletKey) -> None:
    assert _refused(market, wallet, lambda: market.client.subscription(5)) == "unknown_subscription"
    assert _refused(market, wallet, lambda: market.client.subscription("x")) == "malformed_input"
    assert _refused(market, wallet, lambda: market.client.usage(5)) == "unknown_subscription"
