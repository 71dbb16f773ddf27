"""The walk over a running service: real pictures, metered, checked and signed in the browser, and what stops it."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from browser.commands import command
from browser.walker import USES, Walker, overcount, said, walking
from browser.yard import THEMES, Visitor, accessibility_faults
from ledger.keys import WalletKey
from s4m.supervisor import House


@pytest.fixture
def poor_walker(house: House, browser: Browser, new_wallet: Callable[..., WalletKey]) -> Iterator[Walker]:
    """With units for one picture and a half."""
    yield from walking(house, browser, new_wallet(), cap=240)


@pytest.fixture(autouse=True)
def straight(walker: Walker) -> Iterator[None]:
    """Nothing stands between page and gateway when a test ends."""
    yield
    walker.page.unroute_all()
    walker.complaints.clear()


# walking


def test_each_step_is_a_picture_checked_and_paid(walker: Walker, house: House) -> None:
    page = walker.open(f"/services/{walker.subscription}")
    page.get_by_role("link", name="Walk through it").click()
    page.get_by_role("button", name="Start walking").click()
    walker.see("At 200 m along the shore")
    with page.expect_response(USES) as answered:
        page.keyboard.press("ArrowUp")  # the focus came to the moves with the first picture
    answer = answered.value
    assert "eth_getLogs" in {method for method, _ in walker.wallet.asked}  # the agreement, through the wallet's node
    expect(page.locator("#read-from")).to_contain_text("your wallet’s node")
    record, info = said(answer.headers["s4m-record"]), said(answer.headers["s4m-info"])
    expect(page.locator("#view")).to_have_js_property("width", max(tile["x"] + tile["w"] for tile in info["tiles"]))
    asked = json.loads(answer.request.post_data or "")
    assert asked["params"]["view"] == {"x": 204, "y": 30, "yaw": 0, "t": 409}
    expect(page.locator("#used")).to_have_text(f"{int(record['total']):,}")
    expect(page.locator("#spent")).to_have_text(f"{int(record['total']) * 50 / 10**6:g} MAAS")
    expect(page.locator("#immersion")).to_have_text(f"{int(record['immersion']) / 1000:.2f}")
    expect(page.locator("#link-rate")).to_have_text(f"{info['rate_bps'] / 1e6:.0f} Mb/s")
    expect(page.locator("#view")).to_have_attribute("aria-label", re.compile("coconut palm"))
    walker.sign()
    expect(page.locator("#signed")).to_have_text(f"{int(record['total']):,} units")
    command(house, "settle")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert accessibility_faults(page) == []
    assert walker.complaints == []


def test_souvenir_is_made_for_the_walker_and_minted(walker: Walker, house: House) -> None:
    page = walker.walk()
    with page.expect_response(lambda answer: "/api/v1/assets" in answer.url) as minted:
        page.get_by_role("button", name="sand castle").click()
    asset = int(minted.value.json()["assetId"])
    bag = page.get_by_role("region", name="Souvenirs of this walk")
    expect(bag.get_by_role("link", name=f"Asset {asset}")).to_be_visible()
    found = house.contracts.assets.asset(asset)
    assert house.contracts.assets.owner_of(asset) == walker.wallet.key.address
    with page.expect_download() as download:
        bag.get_by_role("link", name="Take the file home").click()
    assert sha256(download.value.path().read_bytes()).digest() == found.content_hash
    expect(page.locator("#last")).to_have_text("souvenir: 25 units")
    with page.expect_response(lambda answer: "/api/v1/assets" in answer.url) as minted:
        page.locator("#view").click(position={"x": 30, "y": 30})  # the first thing in the picture
    assert int(minted.value.json()["assetId"]) == asset + 1
    assert walker.complaints == []


def test_log_that_is_taken_home_stands_an_audit(walker: Walker, house: House, tmp_path: Path) -> None:
    page = walker.walk()
    walker.sign()
    with page.expect_download() as download:
        page.get_by_role("button", name="Take the log home").click()
    log = tmp_path / "walk.jsonl"
    download.value.save_as(log)
    audited = command(house, "audit", "--log", str(log))
    assert audited["findings"] == []
    assert f'"total":"{walker.units("used")}"' in log.read_text()


def test_walk_goes_on_over_a_gateway_that_is_killed(walker: Walker, house: House) -> None:
    page = walker.walk()
    before = walker.units("used")
    os.kill(house.pids["gateway"], signal.SIGKILL)
    page.get_by_role("button", name="Forward").click()
    expect(page.locator("#saying")).to_contain_text("Trying again")
    expect(page.locator("#used")).to_have_text(f"{before + 160:,}", timeout=30_000)
    expect(page.locator("#trouble")).to_be_empty()


def test_a_lost_answer_is_asked_again_and_billed_once(walker: Walker) -> None:
    page = walker.walk()
    before, lost = walker.units("used"), []

    def lose_first(route: Route) -> None:
        answer = route.fetch()
        lost.append(answer)
        route.abort() if len(lost) == 1 else route.fulfill(response=answer)

    page.route(USES, lose_first)
    page.get_by_role("button", name="Turn left").click()
    expect(page.locator("#used")).to_have_text(f"{before + 160:,}")
    first, second = (said(answer.headers["s4m-record"]) for answer in lost)
    assert first == second


# what stops it


@pytest.mark.parametrize(
    ("header", "field", "by", "complaint"),
    [
        ("s4m-record", "units", 1, "units"),
        ("s4m-record", "immersion", 5, "immersion"),
        ("s4m-voucher", "units", 1000, "voucher’s units"),
    ],
)
def test_gateway_that_overcounts_gets_no_signature(
    walker: Walker, header: str, field: str, by: int, complaint: str
) -> None:
    page, posted = walker.walk(), []
    page.on("request", lambda request: posted.append(request) if "/gateway/vouchers/" in request.url else None)

    overcount(page, header, field, by)
    page.get_by_role("button", name="Forward").click()
    expect(page.locator('#trouble [data-code="meter_dispute"]')).to_contain_text(complaint)
    expect(page.get_by_role("group", name="Walk")).to_be_hidden()
    expect(page.get_by_role("button", name="sand castle")).to_be_disabled()
    page.locator("#sign").dispatch_event("click")  # it is hidden; even so
    page.evaluate("fetch('/api/v1/health').then((answer) => answer.text())")
    assert posted == []


def test_record_of_a_request_that_nobody_made_here_is_disputed(walker: Walker) -> None:
    def slip_in(route: Route) -> None:
        honest = route.fetch()
        head, *lines = honest.text().splitlines()
        size = json.loads(head)["size"]
        last = {"seq": size, "requestHash": "0x" + "ab" * 32, "units": "0", "quantity": "0"}
        record = {**_any_record(walker), **last}
        route.fulfill(response=honest, body="\n".join([head, *lines, json.dumps({"record": record})]) + "\n")

    walker.walk()
    walker.page.route("**/gateway/usage/*/log?*", slip_in)
    page = walker.arrive()
    expect(page.locator('#trouble [data-code="meter_dispute"]')).to_contain_text("one of ours or of a pass")
    assert accessibility_faults(page) == []


def _any_record(walker: Walker) -> dict[str, Any]:
    read = "id => import(document.querySelector('[src*=\"js/beach/page.js\"]').src.replace('beach/page', 'use/shelf'))"
    text = walker.page.evaluate(f"{read[:-1]}).then(m => new m.Shelf(id).text())", walker.subscription)
    return dict(json.loads(str(text).splitlines()[-2])["record"])


def test_cap_that_is_reached_is_said_and_nothing_is_billed(poor_walker: Walker) -> None:
    page = poor_walker.walk()
    page.get_by_role("button", name="Forward").click()
    expect(page.locator('#trouble [data-code="cap_reached"]')).to_contain_text("Top up")
    assert poor_walker.units("used") == 160
    page.get_by_label("Size of a picture").fill("60")
    page.get_by_role("button", name="Forward").click()
    expect(page.locator("#used")).to_have_text("220")
    expect(page.locator("#trouble")).to_be_empty()


def test_browser_without_the_session_key_says_so(visitor: Visitor, walker: Walker) -> None:
    page = visitor.open(f"/services/{walker.subscription}/beach")
    page.get_by_role("button", name="Start walking").click()
    expect(page.locator("#trouble")).to_contain_text("does not hold the session key")
    expect(page.get_by_role("button", name="Start walking")).to_be_enabled()
    assert visitor.complaints == []
