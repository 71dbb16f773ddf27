"""Webhooks: registered by a signature, delivered signed, repeated until taken or dead, never into private networks."""

from __future__ import annotations

import hmac
import json
import socket
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

import httpx
import pytest
from market_yard import Market
from sqlalchemy import select

from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.typed_data import Message, sign
from ledger.values import SubscriptionId, to_hex
from marketplace.database import deliveries
from marketplace.errors import WebhookRefused
from marketplace.webhooks.courier import Courier, pause_s
from marketplace.webhooks.door import Door, is_public
from marketplace.webhooks.words import HEADER, WebhookReading, WebhookRegistration, WebhookRemoval
from tests.webhook_receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def registration(market: Market, owner: WalletKey, url: str) -> dict[str, Any]:
    kinds, expires = ("Subscribed",), int(time.time()) + 300
    word = WebhookRegistration(owner.address, url, ",".join(kinds), SubscriptionId(0), expires)
    signature = to_hex(sign(owner, market.parts.contracts.market_domain, word))
    return {"owner": owner.address, "url": url, "kinds": kinds, "expires": expires, "signature": signature}


def word(market: Market, key: WalletKey, kind: Callable[[str, int], Message], webhook_id: str) -> dict[str, str]:
    expires = int(time.time()) + 300
    signature = to_hex(sign(key, market.parts.contracts.market_domain, kind(webhook_id, expires)))
    document = json.dumps({"expires": expires, "signature": signature}).encode()
    return {HEADER: urlsafe_b64encode(document).decode()}


def register(market: Market, owner: WalletKey, receiver: Receiver) -> str:
    answer = httpx.post(f"{market.url}/api/v1/webhooks", json=registration(market, owner, receiver.url))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["webhookId"])


def buy_finally(market: Market, devnet: Devnet, wallet: WalletKey) -> str:
    """A purchase that is final."""
    plan = market.plans["virtual-beach-travel"]
    bought = market.client.buy_only(wallet, plan, market.request(), 10, 1, store=market.store)
    devnet.mine(70)
    return str(bought.subscription_id)


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def messages(market: Market, owner: WalletKey, webhook_id: str) -> list[dict[str, Any]]:
    path = f"{market.url}/api/v1/webhooks/{webhook_id}/deliveries"
    answer = httpx.get(path, headers=word(market, owner, WebhookReading, webhook_id))
    return list(answer.raise_for_status().json()["items"])


def secret_of(market: Market, owner: WalletKey, webhook_id: str) -> bytes:
    path = f"{market.url}/api/v1/webhooks/{webhook_id}/secret"
    shown = httpx.get(path, headers=word(market, owner, WebhookReading, webhook_id)).json()["secret"]
    return b64decode(str(shown).removeprefix("whsec_"))


def test_a_purchase_is_told_signed(market: Market, devnet: Devnet, wallet: WalletKey, receiver: Receiver) -> None:
    webhook_id = register(market, wallet, receiver)
    assert register(market, wallet, receiver) == webhook_id
    subscription = buy_finally(market, devnet, wallet)
    wait_for(lambda: bool(receiver.told))
    headers, body = receiver.told[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    due = b64encode(hmac.digest(secret_of(market, wallet, webhook_id), signed, sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{due}"
    event = json.loads(body)
    assert (event["type"], event["data"]["subscriptionId"]) == ("Subscribed", subscription)
    wait_for(lambda: messages(market, wallet, webhook_id)[0]["state"] == "delivered")
    assert messages(market, wallet, webhook_id)[0]["messageId"] == headers["webhook-id"]


def test_what_is_not_taken_comes_again_under_the_same_id(
    market: Market, devnet: Devnet, wallet: WalletKey, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302]
    webhook_id = register(market, wallet, receiver)
    buy_finally(market, devnet, wallet)
    wait_for(lambda: len(receiver.told) == 3)
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1
    wait_for(lambda: messages(market, wallet, webhook_id)[0]["state"] == "delivered")
    assert messages(market, wallet, webhook_id)[0]["tries"] == 3


def test_what_is_never_taken_is_dead_and_visible(
    market: Market, devnet: Devnet, wallet: WalletKey, receiver: Receiver
) -> None:
    receiver.otherwise = 503
    webhook_id = register(market, wallet, receiver)
    buy_finally(market, devnet, wallet)
    wait_for(lambda: bool(messages(market, wallet, webhook_id)) and
             messages(market, wallet, webhook_id)[0]["state"] == "dead")  # fmt: skip
    dead = messages(market, wallet, webhook_id)[0]
    assert (dead["tries"], dead["lastStatus"], dead["nextTry"]) == (3, 503, None)
    own = httpx.get(f"{market.url}/api/v1/webhooks", headers=word(market, wallet, WebhookReading, "*")).json()["items"]
    assert [(hook["webhookId"], hook["dead"]) for hook in own] == [(webhook_id, 1)]


def test_after_a_restart_what_was_not_delivered_is_and_nothing_is_written_twice(
    market: Market, devnet: Devnet, wallet: WalletKey, receiver: Receiver
) -> None:
    """Another courier over the same tables, as after a crash between a delivery and the note of it."""
    webhook_id = register(market, wallet, receiver)
    buy_finally(market, devnet, wallet)
    wait_for(lambda: bool(receiver.told) and messages(market, wallet, webhook_id)[0]["state"] == "delivered")
    with market.parts.engine.begin() as rows:
        of_hook = deliveries.c.webhook_id == webhook_id
        rows.execute(deliveries.update().where(of_hook).values(state="pending", next_try=0))
    Courier(market.parts).collect()
    wait_for(lambda: len(receiver.told) == 2)
    assert receiver.told[0][0]["webhook-id"] == receiver.told[1][0]["webhook-id"]
    with market.parts.engine.connect() as rows:
        assert len(rows.execute(select(deliveries.c.message_id).where(of_hook)).all()) == 1


def test_only_the_owner_sees_and_removes_it(market: Market, wallet: WalletKey, receiver: Receiver) -> None:
    webhook_id, stranger = register(market, wallet, receiver), WalletKey.create()
    path = f"{market.url}/api/v1/webhooks/{webhook_id}"
    for key, kind in ((stranger, WebhookRemoval), (wallet, WebhookReading)):
        refused = httpx.delete(path, headers=word(market, key, kind, webhook_id))
        assert (refused.status_code, refused.json()["code"]) == (401, "bad_signature")
    for part in ("secret", "deliveries"):
        assert httpx.get(f"{path}/{part}").status_code == 401
        refused = httpx.get(f"{path}/{part}", headers=word(market, stranger, WebhookReading, webhook_id))
        assert refused.json()["code"] == "bad_signature"
    assert httpx.delete(path, headers=word(market, wallet, WebhookRemoval, webhook_id)).status_code == 204
    gone = httpx.get(f"{path}/secret", headers=word(market, wallet, WebhookReading, webhook_id))
    assert gone.json()["code"] == "unknown_webhook"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"url": "https://other.example/"}, "bad_signature"),
        ({"expires": 5}, "bad_signature"),
        ({"signature": "0x00"}, "bad_signature"),
        ({"kinds": ["Everything"]}, "malformed_input"),
        ({"kinds": []}, "malformed_input"),
    ],
)
def test_a_registration_that_was_not_signed_so_is_refused(
    market: Market, wallet: WalletKey, changes: dict[str, Any], code: str
) -> None:
    body = registration(market, wallet, "https://shop.example/") | changes
    assert httpx.post(f"{market.url}/api/v1/webhooks", json=body).json()["code"] == code


@pytest.mark.parametrize("url", ["https://10.0.0.7/", "http://169.254.169.254/latest", "https://[::1]/", "ftp://x/",
                                 "https://user:word@1.1.1.1/", "http://1.1.1.1/", "https://", "//x"])  # fmt: skip
def test_addresses_that_strangers_must_not_name_are_refused(url: str) -> None:
    door = Door(loopback=False)
    with pytest.raises(WebhookRefused):
        door.target(url)
    door.close()


def test_a_private_address_is_refused_at_registration(market: Market, wallet: WalletKey) -> None:
    answer = httpx.post(f"{market.url}/api/v1/webhooks", json=registration(market, wallet, "https://192.168.1.1/"))
    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_refused")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.1.1", "100.64.0.1", "169.254.1.1", "0.0.0.1", "224.0.0.1", "240.0.0.1", "::", "fe80::1",
     "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1:1:1:1:80ff:fffe", "ff02::1"],
)  # fmt: skip
def test_no_private_address_counts_as_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_count_as_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_name_that_means_a_private_address_too_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver is the network outside: it is replaced."""
    both = [(0, 0, 0, "", ("1.1.1.1", 443)), (0, 0, 0, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: both)
    door = Door(loopback=False)
    with pytest.raises(WebhookRefused):
        door.target("https://rebinding.example/")
    both.pop()
    assert door.target("https://honest.example/hooks").address == "1.1.1.1"
    door.close()


def test_pauses_grow_and_end() -> None:
    assert [pause_s(4.0, tries) for tries in (1, 2, 3, 20)] == [4.0, 16.0, 64.0, 3600.0]
