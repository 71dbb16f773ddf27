"""What concerns one subscription only is read by its session key, its buyer and the model's owner; by nobody else."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from market_yard import Market

from ledger.keys import WalletKey
from ledger.typed_data import RequestUpdate, market_domain, sign
from ledger.values import SubscriptionId, to_hex
from marketplace.documents import hash_of
from marketplace.errors import ProblemAnswer
from marketplace.wallet.client import Purchase
from marketplace.wallet.own import HEADER, OwnService
from s4m.accounts import ACCOUNTS
from trust.auth import SessionAuth
from trust.keys import ProofKey

SERVICE = "virtual-beach-travel"


@pytest.fixture
def bought(market: Market, wallet: WalletKey) -> Purchase:
    return market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 100, 1, store=market.store)


def code_of(market: Market, subscription_id: int, key: WalletKey) -> tuple[int, str]:
    """What the marketplace says to this key; the orchestrator is away, so whoever may read hears just that."""
    with market.client.own(subscription_id, key) as own, pytest.raises(ProblemAnswer) as refused:
        own.decisions()
    return refused.value.http_status, refused.value.server_code


def test_session_key_buyer_and_owner_may_read(market: Market, wallet: WalletKey, bought: Purchase) -> None:
    owner = market.parts.contracts.catalog.owner_of(market.plans[SERVICE] >> 32)
    providers = [key for name in ACCOUNTS if (key := market.keys.account(name)).address == owner]
    assert len(providers) == 1
    for key in (bought.session, wallet, providers[0]):
        assert code_of(market, bought.subscription_id, key) == (503, "orchestrator_down")


def test_strangers_may_not(market: Market, bought: Purchase) -> None:
    assert code_of(market, bought.subscription_id, WalletKey.create()) == (401, "bad_signature")
    assert code_of(market, 7, bought.session) == (404, "unknown_subscription")


def test_a_binding_for_another_subscription_or_chain_opens_nothing(
    market: Market, wallet: WalletKey, bought: Purchase
) -> None:
    url, domain = market.url + "/api/v1", market.parts.contracts.market_domain
    other = market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 100, 1, store=market.store)
    assert code_of(market, other.subscription_id, bought.session) == (401, "bad_signature")
    elsewhere = market_domain(domain.chain_id + 1, domain.verifying_contract)
    with OwnService(url, elsewhere, SubscriptionId(bought.subscription_id), bought.session) as own:
        with pytest.raises(ProblemAnswer) as refused:
            own.decisions()
        assert refused.value.server_code == "bad_signature"


@pytest.mark.parametrize("header", ["", "!!", "e30", "eyJqa3QiOiAxLCAiZXhwaXJlcyI6ICJ4In0"])
def test_a_header_that_cannot_be_read_is_refused(market: Market, bought: Purchase, header: str) -> None:
    auth = SessionAuth(lambda: None, ProofKey.generate())
    path = f"{market.url}/api/v1/decisions/{bought.subscription_id}"
    answer = httpx.get(path, auth=auth, headers={HEADER: header})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


def test_a_stolen_binding_is_worth_nothing_without_its_proof_key(market: Market, bought: Purchase) -> None:
    path = f"{market.url}/api/v1/decisions/{bought.subscription_id}"
    with market.client.own(bought.subscription_id, bought.session) as own:
        header = own.binding()
    stolen = httpx.get(path, auth=SessionAuth(lambda: None, ProofKey.generate()), headers={HEADER: header})
    assert stolen.json()["code"] == "bad_signature"
    unproven: Any = httpx.get(path, headers={HEADER: header}).json()
    assert unproven["code"] == "proof_invalid"
    assert httpx.get(path).json()["code"] == "token_missing"


@pytest.mark.parametrize("life_s", [-1, 3_700])
def test_a_binding_has_an_end_and_it_is_near(
    market: Market, bought: Purchase, life_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace.wallet.own.BINDING_S", life_s)
    assert code_of(market, bought.subscription_id, bought.session) == (401, "bad_signature")


def test_notices_are_for_the_same_readers(market: Market, bought: Purchase) -> None:
    for key, expected in ((bought.session, "orchestrator_down"), (WalletKey.create(), "bad_signature")):
        with market.client.own(bought.subscription_id, key) as own:
            with pytest.raises(ProblemAnswer) as refused:
                own.notices()
            assert refused.value.server_code == expected
    with market.client.own(bought.subscription_id, WalletKey.create()) as own, pytest.raises(ProblemAnswer):
        next(own.follow())


def test_a_stream_ends_with_its_binding(market: Market, bought: Purchase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The orchestrator is away all the while: that alone ends no stream."""
    monkeypatch.setattr("marketplace.wallet.own.BINDING_S", 2)
    with market.client.own(bought.subscription_id, bought.session) as own:
        assert list(own._stream(0)) == []


def test_no_more_streams_than_there_is_room_for(
    market: Market, bought: Purchase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market.parts.notice_readers, "most", 0)
    with market.client.own(bought.subscription_id, bought.session) as own, pytest.raises(ProblemAnswer) as refused:
        next(own.follow())
    assert (refused.value.http_status, refused.value.server_code) == (503, "too_many_readers")


def test_only_the_session_key_changes_a_request(market: Market, wallet: WalletKey, bought: Purchase) -> None:
    domain, subscription = market.parts.contracts.market_domain, SubscriptionId(bought.subscription_id)
    document = market.request()
    digest, deadline = hash_of(document), int(time.time()) + 60
    codes = []
    for key in (wallet, WalletKey.create(), bought.session):
        signature = sign(key, domain, RequestUpdate(subscription, digest, 1, deadline))
        body = {"document": document, "requirementsHash": to_hex(digest), "revision": 1, "deadline": deadline,
                "signature": to_hex(signature)}  # fmt: skip
        answer = httpx.put(f"{market.url}/api/v1/subscriptions/{subscription}/request", json=body)
        codes.append((answer.status_code, answer.json()["code"]))
    assert codes == [(401, "bad_signature"), (401, "bad_signature"), (503, "orchestrator_down")]
