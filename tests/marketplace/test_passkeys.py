"""Passkeys by a software authenticator: bound on the chain they sign in; unbound, revoked, copied ones do not."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import httpx
import pytest
from market_yard import Market
from signing_in import Authenticator, Browser, b64, code

from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import Address, Call, from_hex
from marketplace.identity.sign_ins import sign_in_challenge
from trust.keys import ProofKey

SenderFor = Callable[[WalletKey], Sender]


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Person:
    """A signed-in browser with a wallet and an authenticator."""

    def __init__(self, market: Market, sender_for: SenderFor) -> None:
        self.wallet = WalletKey.create()
        self.browser = Browser(market.url)
        self.browser.signed_in(self.wallet, time.time())
        self.authenticator = Authenticator(market.parts.settings.site_origin)
        self._sender = sender_for(self.wallet)

    def register(self, **changes: Any) -> httpx.Response:
        options = self.browser.post("/passkeys/options").json()
        made = self.authenticator.create(options["publicKey"]["challenge"], **changes)
        return self.browser.post("/passkeys", {"nonce": options["nonce"], "credential": made})

    def bind(self, passkey: dict[str, Any]) -> httpx.Response:
        proof = self.authenticator.get(unb64(passkey["bindingChallenge"]))
        return self.browser.post(f"/passkeys/{passkey['credentialId']}/binding", {"credential": proof})

    def send(self, transaction: dict[str, str]) -> None:
        """As the wallet does on `eth_sendTransaction`."""
        assert transaction["from"] == self.wallet.address
        self._sender.send(Call(Address(transaction["to"]), from_hex(transaction["data"])))

    def sign_in(self, market: Market, **changes: Any) -> tuple[Browser, httpx.Response]:
        """From another browser, which has no key of the wallet."""
        other = Browser(market.url)
        nonce = other.nonce()["nonce"]
        jkt = changes.pop("jkt", other.key.jkt)
        proof = changes.pop("proof", None) or self.authenticator.get(sign_in_challenge(nonce, jkt), **changes)
        answer = other.post("/passkey-sign-ins", {"nonce": nonce, "credential": proof})
        other.token = answer.json().get("token")
        return other, answer


@pytest.fixture(scope="module")
def bound(enrolled: Market, sender_for: SenderFor) -> Person:
    """A person whose passkey the chain has."""
    person = Person(enrolled, sender_for)
    passkey = person.register().json()
    assert not passkey["onChain"]
    person.send(person.bind(passkey).json())
    return person


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def why(answer: httpx.Response) -> str:
    assert code(answer) == (401, "sign_in_refused")
    return str(answer.json()["detail"])


def test_bound_passkey_signs_its_account_in_from_another_browser(bound: Person, enrolled: Market) -> None:
    other, answer = bound.sign_in(enrolled)
    assert (answer.status_code, answer.json()["account"]) == (201, bound.wallet.address)
    me = other.call("GET", "/me").json()
    assert [each["by"] for each in me["signIns"]] == ["wallet", "passkey"]
    assert me["passkeys"][0]["onChain"]


def test_assertion_for_elsewhere_is_refused(bound: Person, enrolled: Market) -> None:
    assert "origin" in why(bound.sign_in(enrolled, origin="https://evil.example")[1])
    assert "challenge" in why(bound.sign_in(enrolled, jkt=ProofKey.generate().jkt)[1])
    assert "verified" in why(bound.sign_in(enrolled, flags=0x01)[1])
    assert "type" in why(bound.sign_in(enrolled, type="webauthn.create")[1])


def test_assertion_is_good_once(bound: Person, enrolled: Market) -> None:
    other = Browser(enrolled.url)
    nonce = other.nonce()["nonce"]
    body = {"nonce": nonce, "credential": bound.authenticator.get(sign_in_challenge(nonce, other.key.jkt))}
    assert other.post("/passkey-sign-ins", body).status_code == 201
    assert why(other.post("/passkey-sign-ins", body))


def test_copied_authenticator_that_counts_behind_is_refused(bound: Person, enrolled: Market) -> None:
    assert bound.sign_in(enrolled)[1].status_code == 201
    bound.authenticator.count -= 2
    assert "count" in why(bound.sign_in(enrolled)[1]).lower()
    bound.authenticator.count += 2


def test_unknown_or_malformed_assertion_is_refused(bound: Person, enrolled: Market) -> None:
    stranger = Authenticator(enrolled.parts.settings.site_origin)
    assert "not known" in why(bound.sign_in(enrolled, proof=stranger.get(bytes(32)))[1])
    for broken in ({}, {"id": 7}, {"id": bound.authenticator.get(bytes(32))["id"], "response": "none"}):
        assert why(bound.sign_in(enrolled, proof=broken or {"id": ""})[1])


def test_registration_must_answer_this_sites_fresh_options(enrolled: Market, sender_for: SenderFor) -> None:
    person = Person(enrolled, sender_for)
    assert code(person.register(origin="https://evil.example")) == (422, "passkey_refused")
    assert code(person.register(challenge=b64(b"another"))) == (422, "passkey_refused")
    options = person.browser.post("/passkeys/options").json()
    made = person.authenticator.create(options["publicKey"]["challenge"])
    body = {"nonce": options["nonce"], "credential": made}
    assert person.browser.post("/passkeys", body).status_code == 201
    assert code(person.browser.post("/passkeys", body)) == (401, "sign_in_refused"), "the nonce was used"
    assert code(person.register()) == (422, "passkey_refused"), "the credential is registered already"


def test_unbound_passkey_signs_nobody_in(enrolled: Market, sender_for: SenderFor) -> None:
    person = Person(enrolled, sender_for)
    assert person.register().status_code == 201
    assert "chain" in why(person.sign_in(enrolled)[1])


def test_passkey_of_another_account_cannot_be_bound(enrolled: Market, sender_for: SenderFor, bound: Person) -> None:
    thief = Person(enrolled, sender_for)
    own = thief.register().json()
    theirs = bound.browser.call("GET", "/me").json()["passkeys"][0]["credentialId"]
    proof = bound.authenticator.get(unb64(own["bindingChallenge"]))
    answer = thief.browser.post(f"/passkeys/{theirs}/binding", {"credential": proof})
    assert code(answer) == (404, "unknown_passkey")
    answer = thief.browser.post(f"/passkeys/{own['credentialId']}/binding", {"credential": proof})
    assert code(answer) == (422, "passkey_refused"), "signed by another key"


def test_revoked_passkey_signs_nobody_in_and_renews_nothing(enrolled: Market, sender_for: SenderFor) -> None:
    person = Person(enrolled, sender_for)
    person.send(person.bind(person.register().json()).json())
    other, begun = person.sign_in(enrolled)
    assert begun.status_code == 201
    person.send(other.call("GET", "/me").json()["passkeys"][0]["revocation"])
    wait_until(lambda: other.call("GET", "/me").status_code == 401)
    assert code(other.call("GET", "/me")) == (401, "signed_out")
    assert person.browser.call("GET", "/me").status_code == 200, "the wallet's own sign-in goes on"
    assert "chain" in why(person.sign_in(enrolled)[1])
    other.token = None
    assert code(other.post("/sign-in-tokens", {"signInId": begun.json()["signInId"]})) == (401, "signed_out")


def test_chain_holds_the_point_under_the_hash_of_the_credentials_id(bound: Person, enrolled: Market) -> None:
    name = sha256(unb64(bound.authenticator.get(bytes(32))["id"])).digest()
    x, y = enrolled.parts.contracts.identity.passkey(bound.wallet.address, name)
    assert any(x)
    assert any(y)
