"""Signing in with a wallet: good once, here, now, by this key; contracts by their own word; ended at once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from market_yard import Market
from signing_in import Browser, code, rfc3339

from ledger.account_signature import MAGIC, WRAPPED, text_digest
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.values import Address, address, from_hex, to_hex
from trust.keys import ProofKey

RETURN = "60005260206000f3"


@pytest.fixture
def browser(enrolled: Market) -> Iterator[Browser]:
    yield Browser(enrolled.url)
    enrolled.clock.ahead_s = 0.0


def refusal(answer: httpx.Response) -> str:
    assert code(answer) == (401, "sign_in_refused")
    assert answer.json()["remedy"]
    return str(answer.json()["detail"])


def test_signed_in_browser_reaches_its_own_identity_and_nothing_else(browser: Browser) -> None:
    wallet = WalletKey.create()
    assert code(browser.call("GET", "/me")) == (401, "token_missing")
    begun = browser.signed_in(wallet, time.time())
    assert begun["account"] == wallet.address
    me = browser.call("GET", "/me").json()
    assert me["account"] == wallet.address
    assert [each["signInId"] for each in me["signIns"]] == [begun["signInId"]]
    assert code(browser.call("GET", "/me", key=ProofKey.generate())) == (401, "proof_invalid")


def test_nonce_is_good_once_and_a_refusal_leaves_it_good(browser: Browser) -> None:
    wallet, stranger = WalletKey.create(), WalletKey.create()
    text = browser.message(wallet.address, time.time())
    digest = text_digest(text)
    assert "not signed by" in refusal(browser.sign_in(text, stranger.sign_digest(digest)))
    assert browser.sign_in(text, wallet.sign_digest(digest)).status_code == 201
    assert "nonce" in refusal(browser.sign_in(text, wallet.sign_digest(digest)))


def test_nonce_of_nobody_or_expired_is_refused(market: Market, browser: Browser) -> None:
    wallet = WalletKey.create()
    text = browser.message(wallet.address, time.time(), nonce="a" * 32)
    assert "nonce" in refusal(browser.sign_in(text, wallet.sign_digest(text_digest(text))))
    text = browser.message(wallet.address, time.time())
    market.clock.ahead_s = 301
    browser.key = ProofKey.generate()
    late = browser.sign_in(text, wallet.sign_digest(text_digest(text)))
    assert code(late) == (401, "proof_invalid"), "the browser's clock is behind"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"domain": "evil.example"}, "evil.example"),
        ({"uri": "https://evil.example"}, "URI"),
        ({"chain_id": "1"}, "chain 1"),
        ({"issued_at": rfc3339(time.time() + 3600)}, "future"),
        ({"not_before": rfc3339(time.time() + 3600)}, "not valid yet"),
        ({"expiration_time": rfc3339(time.time() - 1)}, "expired"),
        ({"resources": None}, "the key"),
    ],
)
def test_message_for_elsewhere_or_another_time_is_refused(browser: Browser, changes: dict[str, Any], why: str) -> None:
    wallet = WalletKey.create()
    text = browser.message(wallet.address, time.time(), **changes)
    assert why in refusal(browser.sign_in(text, wallet.sign_digest(text_digest(text))))


def test_message_of_another_browsers_key_is_refused(browser: Browser, market: Market) -> None:
    wallet, thief = WalletKey.create(), Browser(market.url)
    text = browser.message(wallet.address, time.time())
    assert "the key" in refusal(thief.sign_in(text, wallet.sign_digest(text_digest(text))))


def test_malformed_sign_in_is_refused(browser: Browser) -> None:
    assert "EIP-4361" in refusal(browser.sign_in("let me in", bytes(65)))
    assert code(browser.post("/sign-ins", {"message": "x" * 9000, "signature": "0x00"})) == (400, "malformed_input")
    wallet = WalletKey.create()
    text = browser.message(wallet.address, time.time())
    for signature in (b"\x00", bytes(65), wallet.sign_digest(text_digest(text))[:64] + b"\x05"):
        assert "not signed by" in refusal(browser.sign_in(text, signature))


def contract_at(devnet: Devnet, market: Market, account: Address, code: str) -> None:
    market.parts.chain.request("anvil_setCode", [account, "0x" + code])


def test_contract_wallet_signs_in_by_its_own_word(browser: Browser, market: Market, devnet: Devnet) -> None:
    account = WalletKey.create().address
    text = browser.message(account, time.time())
    approves = f"7f{MAGIC.ljust(32, bytes(1)).hex()}7f{text_digest(text).hex()}6004351402"  # magic × (digest == asked)
    assert "not signed by" in refusal(browser.sign_in(text, b"\x01")), "nobody is there yet"
    contract_at(devnet, market, account, approves + RETURN)
    other = browser.message(account, time.time())
    assert "not signed by" in refusal(browser.sign_in(other, b"\x01"))
    answer = browser.sign_in(text, b"\x01")
    assert (answer.status_code, answer.json()["account"]) == (201, account)


@pytest.mark.parametrize(
    "lie",
    [
        "6001" + RETURN,  # true
        f"7f{(MAGIC + bytes(27) + bytes([1])).hex()}" + RETURN,  # the magic word and dirt behind it
        f"7f{MAGIC.ljust(32, bytes(1)).hex()}60005260046000f3",  # four bytes only
        f"7f{MAGIC.ljust(32, bytes(1)).hex()}60005260206000fd",  # says it by reverting
        "5b600056",  # never answers
        "00",  # answers nothing
    ],
)
def test_contract_wallet_that_lies_is_refused(browser: Browser, market: Market, devnet: Devnet, lie: str) -> None:
    account = WalletKey.create().address
    contract_at(devnet, market, account, lie)
    assert "not signed by" in refusal(browser.sign_in(browser.message(account, time.time()), b"\x01"))


CREATE2 = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""Deploys whatever it is sent, at an address made of that (EIP-1014); it stands on every devnet."""


class Wallet:
    """A contract wallet that stands nowhere yet: it takes its secret, blended with the digest, for a signature."""

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(32)
        code = f"7f{MAGIC.ljust(32, bytes(1)).hex()}60043560643518" + f"7f{self.secret.hex()}1402" + RETURN
        init = bytes.fromhex(f"61{len(code) // 2:04x}80600c6000396000f3" + code)
        self.deployment = bytes(32) + init
        self.address = address("0x" + keccak(b"\xff" + from_hex(CREATE2) + bytes(32) + keccak(init))[12:].hex())

    def signed(self, text: str) -> bytes:
        pairs = zip(text_digest(text), self.secret, strict=True)
        return bytes(one ^ other for one, other in pairs)


def wrapped(signature: bytes, deployment: bytes, factory: str = CREATE2) -> bytes:
    """ERC-6492."""
    return bytes(encode(["address", "bytes", "bytes"], [factory, deployment, signature])) + WRAPPED


def test_wallet_that_is_not_deployed_yet_signs_in_and_stays_undeployed(browser: Browser, market: Market) -> None:
    wallet = Wallet()
    text = browser.message(wallet.address, time.time())
    answer = browser.sign_in(text, wrapped(wallet.signed(text), wallet.deployment))
    assert (answer.status_code, answer.json()["account"]) == (201, wallet.address)
    assert market.parts.chain.code(wallet.address) == b""


def test_wallet_that_was_deployed_since_is_asked_itself(browser: Browser, market: Market, devnet: Devnet) -> None:
    wallet = Wallet()
    market.parts.chain.request(
        "anvil_setCode", [wallet.address, to_hex(market.parts.chain.constructed(wallet.deployment[32:]))]
    )
    text = browser.message(wallet.address, time.time())
    assert "not signed by" in refusal(browser.sign_in(text, wrapped(b"\x01", wallet.deployment)))
    assert browser.sign_in(text, wrapped(wallet.signed(text), b"whatever")).status_code == 201


def test_undeployed_wallets_signature_that_is_not_its_own_is_refused(browser: Browser) -> None:
    wallet, other = Wallet(), Wallet()
    text = browser.message(wallet.address, time.time())
    good = wallet.signed(text)
    elsewhere = browser.message(other.address, time.time())
    for message, signature in (
        (text, wrapped(other.signed(text), wallet.deployment)),
        (text, wrapped(wallet.signed(elsewhere), wallet.deployment)),
        (text, wrapped(other.signed(text), other.deployment)),
        (text, wrapped(good, wallet.deployment[:-1])),
        (text, wrapped(good, wallet.deployment, WalletKey.create().address)),
        (text, wrapped(good, b"")),
        (text, good),
        (text, b"\x01" + WRAPPED),
        (text, WRAPPED),
    ):
        assert "not signed by" in refusal(browser.sign_in(message, signature))


def test_key_is_not_impersonated_by_a_factory(browser: Browser) -> None:
    victim, wallet = WalletKey.create(), Wallet()
    text = browser.message(victim.address, time.time())
    signature = wrapped(wallet.signed(text), wallet.deployment)
    assert "not signed by" in refusal(browser.sign_in(text, signature))


def test_sign_in_is_renewed_by_its_own_key_alone_and_ends_at_once(browser: Browser) -> None:
    begun = browser.signed_in(WalletKey.create(), time.time())
    asked = {"signInId": begun["signInId"]}
    browser.token, old = None, browser.token
    assert code(browser.post("/sign-in-tokens", asked, key=ProofKey.generate())) == (401, "signed_out")
    browser.token = browser.post("/sign-in-tokens", asked).json()["token"]
    assert browser.token != old
    assert browser.call("DELETE", f"/sign-ins/{begun['signInId']}").status_code == 204
    assert code(browser.call("GET", "/me")) == (401, "signed_out")
    browser.token = None
    assert code(browser.post("/sign-in-tokens", asked)) == (401, "signed_out")


def test_sign_in_of_another_account_cannot_be_ended(browser: Browser, market: Market) -> None:
    victim = Browser(market.url)
    theirs = victim.signed_in(WalletKey.create(), time.time())
    browser.signed_in(WalletKey.create(), time.time())
    answer = browser.call("DELETE", f"/sign-ins/{theirs['signInId']}")
    assert code(answer) == (404, "unknown_sign_in")
    assert victim.call("GET", "/me").status_code == 200


def test_sign_in_lives_no_longer_than_its_message(browser: Browser) -> None:
    wallet, ends = WalletKey.create(), int(time.time()) + 600
    text = browser.message(wallet.address, time.time(), expiration_time=rfc3339(ends))
    begun = browser.sign_in(text, wallet.sign_digest(text_digest(text))).json()
    assert begun["ends"] == ends
    assert begun["expires"] <= time.time() + 120
