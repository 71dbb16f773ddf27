"""The typed client: every route; broken calls repeated under one key; answers of another shape named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from market_yard import Market

from ledger.keys import WalletKey
from marketplace.client.api import ApiClient
from marketplace.errors import AnswerMalformed, MarketplaceDown, ProblemAnswer
from marketplace.wallet.client import Purchase

BEACH = "virtual-beach-travel"
BUSY = {"code": "idempotency_key_busy", "title": "busy"}


class Clumsy:
    """A server that hangs up or answers as `script` says, one entry a request; None: hangs up."""

    def __init__(self, script: list[tuple[int, Any] | None]) -> None:
        clumsy = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                clumsy.keys.append(self.headers.get("Idempotency-Key"))
                step = script.pop(0)
                if step is None:
                    self.connection.close()
                    return
                body = json.dumps(step[1]).encode()
                self.send_response(step[0])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = _answer

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.keys: list[str | None] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()
        self.client = ApiClient(f"http://127.0.0.1:{self.server.server_port}")

    def __enter__(self) -> Clumsy:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def api(market: Market) -> Iterator[ApiClient]:
    with ApiClient(market.url) as client:
        yield client


@pytest.fixture(scope="module")
def bought(market: Market, funded_wallet: Any) -> Purchase:
    wallet: WalletKey = funded_wallet(credits=100)
    return market.client.buy_only(wallet, market.plans[BEACH], market.request(), 10, 1, store=market.store)


def test_it_reads_every_public_list_and_thing(api: ApiClient, bought: Purchase) -> None:
    assert api.health()["status"] == "ok"
    beach = api.models(text="virtual beach", scenario="virtual_travelling", minQoe="500")[0]
    assert (beach["name"], beach["scenario"]) == (BEACH, "virtual_travelling")
    model, plan = api.model(beach["modelId"]), api.plan(beach["plans"][0]["planId"])
    assert (model["spec"] or {})["name"] == BEACH
    assert api.document(plan["termsHash"]) == plan["terms"]
    subscription = api.subscription(bought.subscription_id)
    assert subscription["chain"]["reserved"] == "1000500"
    assert api.subscriptions(txHash=bought.tx_hash)[0]["subscriptionId"] == str(bought.subscription_id)
    assert api.usage(bought.subscription_id)["settled"] == []
    assert api.order_state(bought.order_id)["state"] == "bought"
    assert api.assets(owner=subscription["chain"]["buyer"]) == []
    assert [event["name"] for event in api.activity(subscriptionId=str(bought.subscription_id))] == ["Subscribed"]
    assert api.audit()["ok"] is True


def test_it_follows_a_purchase_as_it_happens(api: ApiClient, bought: Purchase) -> None:
    assert next(api.follow_progress(bought.subscription_id)) == api.progress(bought.subscription_id)[0]
    assert next(api.follow_activity("0.0")).data["contract"] == "catalog"


def test_an_owner_manages_webhooks(market: Market, wallet: WalletKey) -> None:
    hooks = market.client.webhooks(wallet)
    made = hooks.register("http://127.0.0.1:9/hooks", ["Settled"], 5)
    assert hooks.all() == [made]
    assert hooks.secret(made["webhookId"]).startswith("whsec_")
    assert hooks.deliveries(made["webhookId"]) == []
    hooks.remove(made["webhookId"])
    assert hooks.all() == []


def test_a_connection_that_breaks_is_tried_again_under_one_key() -> None:
    with Clumsy([None, (202, {"orderId": "0x1", "state": "bought", "txHash": None, "subscriptionId": None})]) as server:
        assert server.client.post_order({})["state"] == "bought"
        assert len(server.keys) == 2
        assert len(set(server.keys)) == 1
        assert server.keys[0]


def test_a_call_that_is_still_at_work_is_waited_for() -> None:
    with Clumsy(
        [(409, BUSY), (202, {"orderId": "0x1", "state": "bought", "txHash": None, "subscriptionId": None})]
    ) as server:
        assert server.client.post_order({})["state"] == "bought"


def test_a_connection_that_stays_broken_is_named() -> None:
    with Clumsy([None, None, None]) as server, pytest.raises(MarketplaceDown):
        server.client.health()


def test_a_refusal_is_not_repeated() -> None:
    with Clumsy([(503, {"code": "node_down", "title": "down"})]) as server, pytest.raises(ProblemAnswer) as refused:
        server.client.post_order({})
    assert refused.value.server_code == "node_down"


@pytest.mark.parametrize("answer", [{}, [], None, {"status": "fine", "chainId": "1", "block": "2"}])
def test_an_answer_of_another_shape_is_named(answer: Any) -> None:
    with Clumsy([(200, answer)]) as server, pytest.raises(AnswerMalformed, match="marketplace"):
        server.client.health()
