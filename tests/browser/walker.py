"""A visitor whose browser holds a running beach's session key, for the tests of the walk and of a service's page."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, Page, Route, expect

from browser.wallet import TestWallet
from browser.yard import Visitor
from ledger.keys import WalletKey
from s4m.supervisor import House

BEACH = "virtual-beach-travel"
USES = "**/gateway/use/*"


class Walker(Visitor):
    """A visitor whose browser holds the session key of a running beach."""

    subscription = ""

    def buy(self, house: House, cap: int) -> None:
        page = self.open(f"/buy?planId={house.plan_of(BEACH)}&cap={cap}&periods=1")
        if not page.get_by_role("button", name="disconnect").is_visible():
            self.connect()
        page.get_by_role("button", name=re.compile("Sign and buy")).click()
        link = page.get_by_role("link", name="To your service")
        link.wait_for(timeout=30_000)
        self.subscription = (link.get_attribute("href") or "").rpartition("/")[2]

    def arrive(self) -> Page:
        page = self.open(f"/services/{self.subscription}/beach")
        page.get_by_role("button", name="Start walking").click()
        return page

    def walk(self) -> Page:
        """On the beach, the first picture seen."""
        page = self.arrive()
        self.see("m along the shore")
        return page

    def see(self, words: str) -> None:
        """Waits for a picture, whose place the page says so."""
        expect(self.page.locator("#saying")).to_contain_text(words, timeout=15_000)

    def sign(self) -> None:
        """Presses the button, unless the page was first: it signs by itself when the walker rests."""
        button = self.page.get_by_role("button", name="Sign what is used")
        button.dispatch_event("click")
        expect(button).to_be_disabled(timeout=15_000)

    def units(self, name: str) -> int:
        """Used or signed units as the page says them."""
        return int(re.sub(r"\D.*", "", self.page.locator(f"#{name}").inner_text().replace(",", "")))


def walking(house: House, browser: Browser, key: WalletKey, cap: int) -> Iterator[Walker]:
    """In a context of its own, with the beach bought by this wallet."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    wallet = TestWallet(key, house.urls.chain, house.deployment.chain_id)
    wallet.live_in(context)
    walker = Walker(context.new_page(), house.urls.marketplace, wallet)
    walker.buy(house, cap)
    yield walker
    context.close()


def said(header: str) -> dict[str, Any]:
    """The JSON of a header of the gateway's."""
    return dict(json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))))


def overcount(page: Page, header: str, field: str, by: int) -> None:
    """From now on the page meets a gateway that says too much in one field of its answers."""

    def answer(route: Route) -> None:
        honest = route.fetch()
        document = said(honest.headers[header])
        document[field] = type(document[field])(int(document[field]) + by)
        packed = urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
        route.fulfill(response=honest, headers={**honest.headers, header: packed})

    page.route(USES, answer)
