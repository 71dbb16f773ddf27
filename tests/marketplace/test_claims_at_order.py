"""A plan that asks for a claim: no order is taken, and no money reserved, of whom the chain does not bear it out."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from market_yard import Market

from ledger.claims import SCHEMA, Disclosure
from ledger.events import ModelRegistered, PlanPublished
from ledger.identity import claim_type, claim_value, commitment
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.structs import PlanTerms
from ledger.values import Address, Kind, Money, model_of, to_hex
from marketplace.documents import hash_of
from marketplace.errors import ProblemAnswer

SenderFor = Callable[[WalletKey], Sender]


@pytest.fixture(scope="module")
def issuer() -> WalletKey:
    return WalletKey.create()


@pytest.fixture(scope="module")
def plan_id(market: Market, sender_for: SenderFor, issuer: WalletKey) -> int:
    """A plan for adults only."""
    contracts, sender = market.parts.contracts, sender_for(WalletKey.create())
    asked = {"claim": "over18", "value": "yes", "issuers": [issuer.address]}
    terms: dict[str, Any] = {
        "schema": "s4m/terms/1", "meters": [{"name": "frame", "unit": "K", "units_per_1000": 1000}],
        "included_units_per_period": "0", "qoe": {"floor_milli": 0, "discount_bps": 0}, "credit_units": "100",
        "credit_seconds": 60, "requires": [asked],
    }  # fmt: skip
    market.client.put_document(terms)
    spec_hash = contracts.catalog.model(model_of(market.plans["monitoring"])).spec_hash
    call = contracts.catalog.register(Kind.TAAS, spec_hash, "s4m:adults", issuer.address, 0)
    model = contracts.event_in(sender.send(call), ModelRegistered).model_id
    prices = PlanTerms(Money(50), Money(0), 0, 3600, 300, 0, hash_of(terms))
    return int(contracts.event_in(sender.send(contracts.catalog.publish_plan(model, prices)), PlanPublished).plan_id)


def attested(market: Market, sender_for: SenderFor, issuer: WalletKey, account: Address) -> Disclosure:
    told = {"schema": SCHEMA, "issuer": issuer.address, "claim": "over18", "value": "yes"}
    made = Disclosure.parse({**told, "salt": to_hex(secrets.token_bytes(32))})
    identity, kind = market.parts.contracts.identity, claim_type("over18")
    committed = commitment(issuer.address, account, kind, claim_value("yes"), made.salt)
    expires = market.parts.chain.latest().timestamp + 3600
    sender_for(issuer).send(identity.attest(account, kind, committed, expires))
    return made


def test_order_without_the_claim_is_refused_and_reserves_nothing(
    market: Market, wallet: WalletKey, plan_id: int, issuer: WalletKey, sender_for: SenderFor
) -> None:
    before = market.fingerprint(wallet)
    of_another = attested(market, sender_for, issuer, WalletKey.create().address)
    for shown in ([], [of_another]):
        with pytest.raises(ProblemAnswer) as caught:
            market.client.buy_only(wallet, plan_id, market.request(), 100, store=market.store, disclosures=shown)
        assert caught.value.server_code == "claim_required"
        assert issuer.address in caught.value.body["detail"]
    assert market.fingerprint(wallet) == before


def test_order_with_the_claim_is_taken(
    market: Market, wallet: WalletKey, plan_id: int, issuer: WalletKey, sender_for: SenderFor
) -> None:
    shown = [attested(market, sender_for, issuer, wallet.address)]
    bought = market.client.buy_only(wallet, plan_id, market.request(), 100, store=market.store, disclosures=shown)
    assert market.parts.contracts.market.subscription(bought.subscription_id).buyer == wallet.address
    with market.parts.engine.connect() as rows:
        kept = rows.exec_driver_sql("select * from orders").all()
    assert shown[0].salt.hex() not in str(kept)


def test_malformed_disclosure_is_refused(market: Market, wallet: WalletKey, plan_id: int) -> None:
    client = market.client
    quote = client.quote(wallet.address, plan_id, 100, 0)
    body = client.signed_order(wallet, quote, WalletKey.create().address, client.put_document(market.request()))
    with pytest.raises(ProblemAnswer) as caught:
        client.post_order({**body, "disclosures": [{"claim": "over18"}]})
    assert caught.value.server_code == "malformed_input"
