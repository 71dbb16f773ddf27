"""The buyer's client signs only what the chain itself says, whatever the marketplace answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from market_yard import Market

from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import Status
from marketplace.errors import (
    AnswerMalformed,
    EndpointDiffers,
    MarketplaceDown,
    PurchaseDiffers,
    QuoteDiffers,
    ServiceRefused,
)
from marketplace.wallet.client import MarketClient
from marketplace.wallet.handover import check_endpoint, refused

SERVICE = "virtual-beach-travel"
Forge = Callable[[dict[str, Any]], None]


class Liar:
    """A man in the middle: forwards everything and changes the answer to one request."""

    def __init__(self, url: str, forge: Forge, path: str = "/quotes") -> None:
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def _forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                answer = httpx.request(
                    self.command, url + self.path, content=body, headers={"Content-Type": "application/json"}
                )
                content = answer.content
                liar.seen.append(self.command + " " + self.path)
                if self.path.endswith(path):
                    document = answer.json()
                    forge(document)
                    content = httpx.Response(200, json=document).content
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _forward

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.seen: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _raise_total(quote: dict[str, Any]) -> None:
    quote["total"] = str(int(quote["total"]) + 1)


def _other_contract(quote: dict[str, Any]) -> None:
    quote["typedData"]["domain"]["verifyingContract"] = "0x" + "11" * 20


def _other_chain(quote: dict[str, Any]) -> None:
    quote["typedData"]["domain"]["chainId"] = 1


def _other_plan(quote: dict[str, Any]) -> None:
    quote["typedData"]["message"]["planId"] = "77"


def _other_nonce(quote: dict[str, Any]) -> None:
    quote["nonce"] = quote["typedData"]["message"]["nonce"] = "9"


def _far_deadline(quote: dict[str, Any]) -> None:
    quote["deadline"] = quote["typedData"]["message"]["deadline"] = str(int(quote["deadline"]) + 86_400)


@pytest.fixture
def lying(market: Market, request: pytest.FixtureRequest) -> Iterator[Liar]:
    liar = Liar(market.url, request.param)
    yield liar
    liar.stop()


@pytest.mark.parametrize(
    "lying", [_raise_total, _other_contract, _other_chain, _other_plan, _other_nonce, _far_deadline], indirect=True
)
def test_a_quote_that_differs_from_the_chain_is_never_signed(market: Market, lying: Liar, wallet: WalletKey) -> None:
    client = MarketClient(lying.url, market.client.chain, market.parts.deployment)
    with client, pytest.raises(QuoteDiffers):
        client.buy_only(wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store)
    assert not [line for line in lying.seen if line.endswith("/orders")]
    assert market.client.subscriptions(wallet.address) == []


def test_a_purchase_that_the_chain_does_not_hold_is_not_taken(market: Market, wallet: WalletKey) -> None:
    """A marketplace that names somebody else's subscription, to have this buyer's key sign for it."""
    bought = market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store)
    liar = Liar(market.url, lambda answer: answer.update(subscriptionId=str(bought.subscription_id)), "/orders")
    try:
        with (
            MarketClient(liar.url, market.client.chain, market.parts.deployment) as client,
            pytest.raises(PurchaseDiffers),
        ):
            client.buy_only(wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store)
    finally:
        liar.stop()
    assert market.store.session(bought.subscription_id).address == bought.session.address


@pytest.mark.parametrize("forge", [dict.clear, lambda answer: answer.update(nonce="x", deadline=None)])
def test_an_answer_that_cannot_be_read_is_named(market: Market, wallet: WalletKey, forge: Forge) -> None:
    liar = Liar(market.url, forge)
    try:
        with (
            MarketClient(liar.url, market.client.chain, market.parts.deployment) as client,
            pytest.raises(AnswerMalformed),
        ):
            client.buy_only(wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store)
    finally:
        liar.stop()
    assert market.client.subscriptions(wallet.address) == []


def test_whoever_disagrees_with_the_cost_signs_nothing(market: Market, wallet: WalletKey) -> None:
    class TooMuch(Exception):
        pass

    def disagree(_cost: object) -> None:
        raise TooMuch

    with pytest.raises(TooMuch):
        market.client.buy_only(
            wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store, agree=disagree
        )
    assert market.client.subscriptions(wallet.address) == []


def test_an_endpoint_must_hash_to_what_is_activated() -> None:
    from marketplace.documents import hash_of

    document = {"schema": "s4m/endpoint/1", "subscriptionId": "5", "url": "http://gateway/use/5"}
    service = {
        "endpoint": document["url"],
        "endpointDocument": document,
        "endpointHash": "0x" + hash_of(document).hex(),
    }
    assert check_endpoint(5, service) == (document["url"], service["endpointHash"])
    for change in ({"endpointHash": "0x" + "00" * 32}, {"endpoint": "http://evil/use/5"}, {"endpointDocument": None}):
        with pytest.raises(EndpointDiffers):
            check_endpoint(5, service | change)
    with pytest.raises(EndpointDiffers):
        check_endpoint(6, service)


@pytest.mark.parametrize(
    ("state", "status"), [("refused", "purchased"), ("decommissioned", "active"), ("requested", "refunded")]
)
def test_waiting_in_vain_ends(state: str, status: str) -> None:
    with pytest.raises(ServiceRefused):
        refused({"service": {"state": state, "refusal": {"code": "no_capacity"}}, "chain": {"status": status}})


def test_a_marketplace_that_is_down_is_named(market: Market) -> None:
    client = MarketClient("http://127.0.0.1:9", market.client.chain, market.parts.deployment)
    with client, pytest.raises(MarketplaceDown, match="s4m up"):
        client.models()


def test_the_buyer_gets_everything_back_when_nothing_was_handed_over(
    own_devnet: tuple[Any, Market, WalletKey], tmp_path: Path
) -> None:
    devnet, market, wallet = own_devnet
    before = market.parts.contracts.credit.balance_of(wallet.address)
    bought = market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 10, 1, store=market.store)
    devnet.fund(wallet.address)
    devnet.increase_time(400)
    with Sender(market.client.chain, wallet) as sender:
        assert market.client.give_back(sender, bought.subscription_id)["refunded"] == str(bought.cost.total)
        sender.send(market.parts.contracts.market.withdraw(bought.cost.total))
    assert market.parts.contracts.credit.balance_of(wallet.address) == before
    assert market.parts.contracts.market.status_of(bought.subscription_id) == Status.REFUNDED
    shown = market.client.subscription(bought.subscription_id)
    assert shown["chain"]["returned"] == str(bought.cost.total)
    assert market.client.audit()["ok"] is True
