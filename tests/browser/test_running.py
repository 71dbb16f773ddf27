"""A running service's page: charts and figures as it is used, and passes for friends and devices."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from browser.commands import command
from browser.walker import Walker
from browser.yard import THEMES, Visitor, accessibility_faults
from ledger.keys import WalletKey
from marketplace.wallet.passes import PassSession
from marketplace.wallet.use import UseRefused
from s4m.supervisor import House
from trust import passes
from trust.keys import ProofKey

PAY_FIRST = "402 (Payment Required)"
"""What a browser writes where the gateway asks for a signature before it lends on: no fault of the page."""


@pytest.fixture(autouse=True)
def straight(walker: Walker) -> Iterator[None]:
    yield
    walker.page.unroute_all()
    walker.complaints.clear()


@pytest.fixture
def used(walker: Walker) -> int:
    """Units after a step and a signature."""
    walker.walk()
    walker.sign()
    return walker.units("used")


def service_page(walker: Walker) -> Page:
    page = walker.open(f"/services/{walker.subscription}")
    expect(page.locator("#now-hint")).to_contain_text("Live")
    return page


# as it runs


def test_page_follows_each_use_as_it_is_recorded(walker: Walker, used: int) -> None:
    page = service_page(walker)
    expect(page.locator("#now-spent")).to_have_text(f"{used * 50 / 10**6:g} MAAS of 1 MAAS")
    expect(page.locator("#immersion-chart canvas")).to_be_visible()
    aside = page.context.new_page()
    aside.goto(f"{walker.url}/services/{walker.subscription}/beach")
    aside.get_by_role("button", name="Start walking").click()
    expect(aside.locator("#saying")).to_contain_text("along the shore", timeout=15_000)
    immersion = aside.locator("#immersion").inner_text()
    aside.close()
    expect(page.locator("#now-spent")).to_have_text(f"{(used + 160) * 50 / 10**6:g} MAAS of 1 MAAS")
    expect(page.locator("#now-immersion")).to_have_text(immersion)
    newest = page.get_by_role("region", name="Last uses").locator("tbody tr").first
    expect(newest).to_contain_text("160")
    expect(newest).to_contain_text(f"{immersion}full")
    expect(page.locator("#now-rate")).to_contain_text("units a minute")
    expect(page.locator("#now-runway")).not_to_have_text("idle")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert accessibility_faults(page) == []
    assert [said for said in walker.complaints if PAY_FIRST not in said] == []


def test_page_follows_what_happens_to_its_service(house: House, walker: Walker, used: int) -> None:
    """A model dies and is started again: the page says so, with the instance, without being asked."""
    page = service_page(walker)
    told = page.locator("#told-live")
    expect(told.locator("li")).not_to_have_count(0)
    expect(page.locator("#told-hint")).to_contain_text("Live")
    restarts = told.locator('li[data-kind="model.restarted"]')
    expect(restarts).to_have_count(0)
    caches = [path for path in (house.home / "instances").glob("*/process.json") if "cache" in path.parent.name]
    process = psutil.Process(json.loads(caches[0].read_text())["pid"])
    process.kill()
    expect(restarts.first).to_contain_text(caches[0].parent.name, timeout=30_000)
    assert accessibility_faults(page) == []


def test_page_tells_what_happened_without_script(house: House, browser: Browser, walker: Walker, used: int) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{walker.url}/services/{walker.subscription}")
    expect(page.locator("#told li").last).to_contain_text(re.compile("instance of the service"))
    assert page.locator('#told li[data-kind="grant.changed"]').count() == 0
    context.close()


def test_use_below_the_promise_is_shown_with_its_discount(walker: Walker, used: int) -> None:
    page = walker.walk()
    page.get_by_label("Size of a picture").fill("20")
    page.get_by_role("button", name="Forward").click()
    expect(page.locator("#promise-words")).to_have_text("Missed: this picture was 20 % cheaper.")
    assert walker.units("used") < used + 160 + 20
    newest = service_page(walker).get_by_role("region", name="Last uses").locator("tbody tr").first
    expect(newest).to_contain_text("20 % off")


def test_figures_read_without_javascript(house: House, browser: Browser, walker: Walker, used: int) -> None:
    command(house, "settle")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{house.urls.marketplace}/services/{walker.subscription}")
    settled = page.get_by_role("region", name="Last settled use")
    expect(settled.locator("tbody tr").first).to_contain_text(f"{used:,}")
    expect(page.get_by_text("0.5 below it 20 % off")).to_be_visible()
    context.close()


def test_browser_without_the_key_says_where_live_figures_are(visitor: Visitor, walker: Walker) -> None:
    page = visitor.open(f"/services/{walker.subscription}")
    expect(page.locator("#now-hint")).to_contain_text("does not hold the session key")
    expect(page.locator("#charts")).to_be_hidden()
    assert visitor.complaints == []


# passes


def granted(page: Page, jkt: str, units: int = 400) -> dict[str, Any]:
    """A pass made by the form."""
    page.get_by_label("Their key").fill(jkt)
    page.get_by_label("Units at most").fill(str(units))
    page.get_by_role("button", name="Make the pass").click()
    expect(page.locator("#lend-done")).to_contain_text("is made")
    return dict(json.loads(page.get_by_label("The pass: give it to them").input_value()))


def test_pass_is_made_used_paid_for_and_taken_back(walker: Walker, house: House, used: int) -> None:
    friend, device = ProofKey.generate(), ProofKey.generate("ES256")
    page = service_page(walker)
    document = granted(page, friend.jkt)
    root = passes.read(document, house.contracts.market_domain).last
    assert (root.operations, root.units) == ({"frame"}, 400)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click()
    assert json.loads(download.value.path().read_text()) == document
    limits = passes.Limits(frozenset({"frame"}), 100, root.expires)
    narrower = passes.narrow(document, house.contracts.market_domain, friend, device.jkt, limits)
    gateway = house.urls.marketplace + "/gateway"
    for key, given in ((friend, document), (device, narrower)):
        with PassSession(gateway, given, key) as session:
            assert session.use("frame", {"budget_k": 60}).record.units == 60
    walker.page.route("**/gateway/passes/*?from=*", _deny_evidence)
    page = walker.arrive()
    expect(page.locator('#trouble [data-code="meter_dispute"]')).to_contain_text("of a pass")
    page.unroute_all()
    walker.walk()
    assert walker.units("used") == used + 60 + 60 + 160
    page = service_page(walker)
    expect(page.get_by_role("region", name="Passes")).to_contain_text("120 of 400 units")
    page.get_by_role("button", name=f"Take back the pass {root.id[:8]}").click()
    expect(page.locator("#lend-done")).to_contain_text("is taken back")
    with PassSession(gateway, document, friend) as session, pytest.raises(UseRefused, match="revoked"):
        session.use("frame", {"budget_k": 60})
    assert accessibility_faults(page) == []


def _deny_evidence(route: Route) -> None:
    """The gateway shows no proof of what it says delegates used."""
    honest = route.fetch()
    route.fulfill(response=honest, json={**honest.json(), "uses": []})


def test_form_that_is_filled_badly_signs_nothing(walker: Walker) -> None:
    page = walker.open(f"/services/{walker.subscription}")
    make, trouble = page.get_by_role("button", name="Make the pass"), page.locator("#lend-trouble")
    good = {"Their key": "k" * 43, "Units at most": "500", "For how many hours": "24"}
    for label, value, complaint in (
        ("Their key", "too-short", "That is no key"),
        ("Units at most", "0", "at least 1"),
        ("For how many hours", "9000", "at most a year"),
    ):
        for name, text in {**good, label: value}.items():
            page.get_by_label(name).fill(text)
        make.click()
        expect(trouble).to_contain_text(complaint)
        expect(trouble).to_contain_text("Nothing was signed")
    for name, text in good.items():
        page.get_by_label(name).fill(text)
    page.get_by_label("frame").uncheck()
    make.click()
    expect(trouble).to_contain_text("at least one thing")
    expect(page.locator("#lend-made")).to_be_hidden()


def test_buyers_wallet_makes_a_pass_where_the_session_key_is_away(
    visitor: Visitor, walker: Walker, house: House, new_wallet: Callable[..., WalletKey]
) -> None:
    stranger, visitor.wallet.key = visitor.wallet.key, walker.wallet.key
    page = visitor.open(f"/services/{walker.subscription}")
    visitor.connect()
    chain = passes.read(granted(page, ProofKey.generate().jkt), house.contracts.market_domain)
    assert chain.signer == walker.wallet.key.address
    visitor.wallet.key = stranger
    page.reload()
    page.get_by_label("Their key").fill("k" * 43)
    page.get_by_role("button", name="Make the pass").click()
    expect(page.locator("#lend-trouble")).to_contain_text("Only the buyer can do this")
    assert len(visitor.wallet.prompts) == 1
