"""Signing in, in Chromium: by the wallet's message, by a passkey of the virtual authenticator; the key nobody gets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from browser.yard import Visitor, accessibility_faults

SHOTS = Path(__file__).parents[2] / "out" / "screenshots" / "identity"
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


class Authenticator:
    """Chromium's virtual authenticator (WebAuthn domain of its debugging protocol)."""

    def __init__(self, page: Page) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        self._id = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]

    def credentials(self) -> list[dict[str, Any]]:
        return list(self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self._id})["credentials"])

    def refuses_to_verify(self) -> None:
        self._cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": False})


@pytest.fixture
def at_home(visitor: Visitor) -> Visitor:
    """The visitor on the origin that people sign in at."""
    visitor.url = visitor.url.replace("127.0.0.1", "localhost")
    visitor.open("/identity")
    visitor.connect()
    return visitor


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def sign_in(page: Page) -> None:
    page.get_by_role("button", name="Sign in with the wallet").click()
    expect(page.get_by_role("heading", name="Signed in", exact=True)).to_be_visible()


def test_wallet_signs_in_shows_what_it_signs_and_signs_out(at_home: Visitor) -> None:
    page = at_home.page
    sign_in(page)
    expect(page.locator("#account")).to_have_text(at_home.wallet.key.address)
    signed = bytes.fromhex(at_home.wallet.prompts[-1][0][2:]).decode()
    assert signed.startswith("localhost:")
    assert "moves no money" in signed
    assert accessibility_faults(page) == []
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('s4m-sign-in')") is None


def test_refusal_in_the_wallet_signs_nobody_in(at_home: Visitor) -> None:
    at_home.wallet.refuses.add("personal_sign")
    at_home.page.get_by_role("button", name="Sign in with the wallet").click()
    expect(at_home.page.get_by_role("status")).to_contain_text("You refused in the wallet")
    expect(at_home.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_key_of_the_browser_cannot_be_taken_out(at_home: Visitor) -> None:
    sign_in(at_home.page)
    taken = at_home.page.evaluate(
        """() => new Promise((resolve) => {
          const opening = indexedDB.open('s4m-identity', 1);
          opening.onsuccess = () => {
            const read = opening.result.transaction('keys').objectStore('keys').get('proof');
            read.onsuccess = async () => {
              const key = read.result.privateKey;
              const how = await crypto.subtle.exportKey('pkcs8', key).then(() => 'exported', (error) => error.name);
              resolve([key.extractable, key.algorithm.namedCurve, how]);
            };
          };
        })"""
    )
    assert taken == [False, "P-256", "InvalidAccessError"]


def test_passkey_is_bound_on_the_chain_and_signs_in_alone(at_home: Visitor) -> None:
    page, authenticator = at_home.page, Authenticator(at_home.page)
    shoot(page, "1-sign-in")
    sign_in(page)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#passkeys")).to_contain_text("bound on the chain")
    shoot(page, "2-passkey-bound")
    assert len(authenticator.credentials()) == 1
    page.get_by_role("button", name="Sign out").click()
    at_home.wallet.refuses.update({"personal_sign", "eth_sendTransaction"})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("#account")).to_have_text(at_home.wallet.key.address)
    expect(page.locator("#sign-ins")).to_contain_text("by passkey")
    shoot(page, "3-signed-in-by-passkey")
    at_home.wallet.refuses.clear()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_contain_text(re.compile("is revoked on the chain|The sign-in has ended"))
    wait_signed_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("The chain does not have this passkey")
    shoot(page, "4-revoked-passkey-refused")


def wait_signed_out(page: Page) -> None:
    """The block that revokes a passkey ends its sign-ins: the page is asked anew until it says so."""
    button = page.get_by_role("button", name="Sign in with a passkey")
    for _ in range(20):
        page.reload(wait_until="networkidle")
        if button.is_visible():
            break
    expect(button).to_be_visible()


def test_unverified_person_makes_no_passkey(at_home: Visitor) -> None:
    page, authenticator = at_home.page, Authenticator(at_home.page)
    sign_in(page)
    authenticator.refuses_to_verify()
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#say p.bad")).to_be_visible()
    assert authenticator.credentials() == []


def test_another_address_of_the_site_sends_people_to_the_right_one(visitor: Visitor) -> None:
    visitor.open("/identity")
    expect(visitor.page.locator("#elsewhere")).to_contain_text("http://localhost:")
    expect(visitor.page.get_by_role("button", name="Sign in with the wallet")).to_be_disabled()
