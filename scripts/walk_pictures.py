"""The pictures of a walk over a running service, for scripts/screenshots.py: bought, walked and lent by the visitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from browser.walker import USES, Walker, overcount
from browser.yard import Visitor
from playwright.sync_api import Page

from s4m.supervisor import House
from trust.keys import ProofKey

CAPTIONS = {
    "beach": "The virtual beach: pictures of the running service, immersion, the bill as it grows, a souvenir",
    "beach-disputed": "The virtual beach: the gateway overcounts, and the page refuses to sign",
    "service-running": "A service as it runs: Meta-Immersion, spend and rate, and a pass for a friend",
}
CAP = 20_000
Walk = Callable[[Visitor], None]


def walks(house: House, wanted: Sequence[str]) -> dict[str, Walk]:
    """Name → walk; the first of a context buys the beach that the others walk over."""
    if not set(wanted) & set(CAPTIONS):
        return {}
    beaches = Beaches(house)
    return {"beach": beaches.walk, "beach-disputed": beaches.dispute, "service-running": beaches.lend}


class Beaches:
    """One beach for each visitor."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._walkers: dict[Page, Walker] = {}

    def walk(self, visitor: Visitor) -> None:
        page = self._walker(visitor).walk()
        for name in ("Forward", "Turn right", "Forward"):
            with page.expect_response(USES):
                page.get_by_role("button", name=name).click()
        page.get_by_role("button", name="sand castle").click()
        page.get_by_role("link", name="Minted on the chain").wait_for()

    def dispute(self, visitor: Visitor) -> None:
        page = self._walker(visitor).walk()
        overcount(page, "s4m-record", "units", 1)
        page.get_by_role("button", name="Forward").click()
        page.get_by_text("metering is disputed").wait_for()
        page.unroute_all()

    def lend(self, visitor: Visitor) -> None:
        walker = self._walker(visitor)
        page = walker.walk()
        for size in ("20", "60", "200"):
            page.get_by_label("Size of a picture").fill(size)
            with page.expect_response(USES):
                page.get_by_role("button", name="Forward").click()
        walker.open(f"/services/{walker.subscription}")
        page.get_by_label("Their key").fill(ProofKey.generate().jkt)
        page.get_by_role("button", name="Make the pass").click()
        page.get_by_role("region", name="Last uses").wait_for()

    def _walker(self, visitor: Visitor) -> Walker:
        if visitor.page not in self._walkers:
            walker = Walker(visitor.page, visitor.url, visitor.wallet)
            walker.buy(self._house, CAP)
            self._walkers[visitor.page] = walker
        return self._walkers[visitor.page]
