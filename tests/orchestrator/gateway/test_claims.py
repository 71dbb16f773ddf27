"""A plan that asks for a claim: served to whom an issuer attested it, refused to others, and once it is taken back."""

import asyncio
import secrets
import time
from typing import Any

import pytest
from gateway_house import TERMS, Bought, GatewayHouse

from ledger.claims import SCHEMA, Disclosure
from ledger.identity import claim_type, claim_value, commitment
from ledger.keys import WalletKey
from ledger.values import Address, to_hex
from marketplace.wallet.passes import PassSession
from marketplace.wallet.use import UsageSession, UseRefused
from orchestrator.gateway.claims import AGAIN_S
from trust import passes
from trust.keys import ProofKey
from trust.passes import Limits


class Issuer:
    """Somebody whose word about people a plan believes."""

    def __init__(self, house: GatewayHouse) -> None:
        self.house, self.key = house, WalletKey.create()
        house.devnet.fund(self.key.address)
        self.identity = house.contracts.identity

    def attest(self, account: Address, value: str = "yes", lasts: int = 3600) -> Disclosure:
        told = {"schema": SCHEMA, "issuer": self.key.address, "claim": "over18", "value": value}
        made = Disclosure.parse({**told, "salt": to_hex(secrets.token_bytes(32))})
        kind, word = claim_type("over18"), claim_value(value)
        committed = commitment(self.key.address, account, kind, word, made.salt)
        expires = self.house.contracts.chain.latest().timestamp + lasts
        self.house.sender_of(self.key).send(self.identity.attest(account, kind, committed, expires))
        return made

    def revoke(self, account: Address) -> None:
        self.house.sender_of(self.key).send(self.identity.revoke_attestation(account, claim_type("over18")))


@pytest.fixture
def issuer(house: GatewayHouse) -> Issuer:
    return Issuer(house)


async def adults_only(house: GatewayHouse, issuer: Issuer) -> Bought:
    """A subscription whose terms ask for over18 = yes of that issuer."""
    asked = {"claim": "over18", "value": "yes", "issuers": [issuer.key.address]}
    return await house.served(terms={**TERMS, "requires": [asked]})


async def refused(house: GatewayHouse, bought: Bought, *shown: Disclosure) -> str:
    with pytest.raises(UseRefused) as caught:
        await UsageSession.open(house.url, house.agreement(bought), bought.session, disclosures=shown)
    assert caught.value.http_status == 403
    return caught.value.server_code


async def test_adult_is_served_and_the_value_is_written_nowhere(house: GatewayHouse, issuer: Issuer) -> None:
    bought = await adults_only(house, issuer)
    shown = issuer.attest(bought.buyer.address)
    session = await house.session(bought, disclosures=[shown])
    assert (await session.use("frame", {"budget_k": 20})).record.units == 20
    await session.close()
    for path in [*house.home.glob("db/*"), *house.home.glob("journal/*"), house.home / "gateway.log"]:
        content = path.read_bytes()
        assert shown.salt not in content
        assert shown.salt.hex().encode() not in content, path


async def test_everybody_else_is_refused_with_the_reason(house: GatewayHouse, issuer: Issuer) -> None:
    bought, other = await adults_only(house, issuer), Issuer(house)
    assert await refused(house, bought) == "claim_required"
    assert await refused(house, bought, issuer.attest(WalletKey.create().address)) == "claim_required", "another's"
    assert await refused(house, bought, other.attest(bought.buyer.address)) == "claim_required", "another issuer"
    assert await refused(house, bought, issuer.attest(bought.buyer.address, "no")) == "claim_required"
    good = issuer.attest(bought.buyer.address)
    altered = Disclosure(good.issuer, good.claim, good.value, bytes(32))
    assert await refused(house, bought, altered) == "claim_required"
    issuer.revoke(bought.buyer.address)
    assert await refused(house, bought, good) == "claim_required", "revoked"


async def test_claim_taken_back_ends_the_use_of_a_live_session(house: GatewayHouse, issuer: Issuer) -> None:
    bought = await adults_only(house, issuer)
    session = await house.session(bought, disclosures=[issuer.attest(bought.buyer.address)])
    await session.use("frame", {"budget_k": 20})
    issuer.revoke(bought.buyer.address)
    await asyncio.sleep(AGAIN_S)
    with pytest.raises(UseRefused) as caught:
        await session.use("frame", {"budget_k": 20})
    assert caught.value.server_code == "claim_required"
    await session.close(sign=False)


async def test_pass_does_not_carry_the_buyers_claim(house: GatewayHouse, issuer: Issuer) -> None:
    bought, key = await adults_only(house, issuer), ProofKey.generate()
    session = await house.session(bought, disclosures=[issuer.attest(bought.buyer.address)])
    limits = Limits(frozenset({"frame"}), 100, int(time.time()) + 600)
    document = passes.grant(bought.session, house.contracts.market_domain, bought.id, key.jkt, limits)
    with PassSession(house.url, document, key) as friend, pytest.raises(UseRefused) as caught:
        friend.use("frame")
    assert caught.value.server_code == "claim_required"
    await session.close()


@pytest.mark.parametrize(
    "requires",
    [
        "over18",
        [{"claim": "over18"}],
        [{"claim": "Over 18", "value": "yes", "issuers": ["0x" + "11" * 20]}],
        [{"claim": "over18", "value": "", "issuers": ["0x" + "11" * 20]}],
        [{"claim": "over18", "value": "yes", "issuers": []}],
        [{"claim": "over18", "value": "yes", "issuers": ["somebody"]}],
        [{"claim": "over18", "value": "yes", "issuers": ["0x" + "11" * 20], "more": 1}],
    ],
)
async def test_malformed_requirement_is_no_terms(house: GatewayHouse, operators: Any, requires: Any) -> None:
    bought = house.buy()
    bad = house.route(bought, terms={**TERMS, "requires": requires})
    answer = await operators.put(f"/routes/{bought.id}", json=bad)
    assert (answer.status_code, answer.json()["code"]) == (422, "terms_invalid")
