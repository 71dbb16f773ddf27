"""What holds on every page: the policy of its content, gzip, errors as pages, reading without JavaScript, wallets."""

from __future__ import annotations

import gzip

import httpx
from playwright.sync_api import Browser, expect

from browser.yard import Visitor, accessibility_faults, check_accessible
from s4m.supervisor import House

HTML = {"accept": "text/html"}
CATALOGUE_LIMIT = 100 * 1024
"""Bytes of the catalogue page with all that it loads, gzipped."""


def test_catalogue_page_with_everything_that_it_loads_is_light(house: House, visitor: Visitor) -> None:
    loaded: list[str] = []
    visitor.page.on("request", lambda request: loaded.append(request.url))
    visitor.open("/")
    visitor.page.wait_for_load_state("networkidle")
    assert len(loaded) > 5
    assert all(url.startswith(house.urls.marketplace) for url in loaded), loaded
    sizes = {url: len(gzip.compress(httpx.get(url, headers=HTML).content)) for url in loaded}
    assert sum(sizes.values()) <= CATALOGUE_LIMIT, sizes


def test_content_policy_lets_nothing_in_from_elsewhere(house: House) -> None:
    answer = httpx.get(house.urls.marketplace + "/", headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


def test_inline_script_does_not_run(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)"
    )
    assert visitor.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in said for said in visitor.complaints)


def test_static_files_are_compressed_and_kept_for_long(house: House) -> None:
    page = httpx.get(house.urls.marketplace + "/", headers=HTML).text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = httpx.get(house.urls.marketplace + address)
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    version = address.split("/")[2]
    stale = httpx.get(house.urls.marketplace + address.replace(version, "older"))
    assert (stale.content, stale.headers["cache-control"]) == (answer.content, "no-cache")
    assert httpx.get(house.urls.marketplace + f"/static/{version}/../app.py").status_code in (403, 404)
    assert httpx.get(house.urls.marketplace + f"/static/{version}/none.css").status_code == 404


def test_catalogue_is_accessible(visitor: Visitor) -> None:
    check_accessible(visitor, "/")


def test_theme_button_turns_the_light_and_is_remembered(visitor: Visitor) -> None:
    page = visitor.open("/")
    ground = "getComputedStyle(document.body).backgroundColor"
    page.get_by_role("button", name="Theme: system").click()
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(ground) != light
    page.reload()
    assert page.get_by_role("button", name="Theme: dark").is_visible()


def test_skip_link_comes_first_for_the_keyboard(visitor: Visitor) -> None:
    page = visitor.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_wallet_is_found_connected_kept_and_let_go(visitor: Visitor) -> None:
    page = visitor.open("/")
    visitor.connect()
    page.reload()
    button = page.get_by_role("button", name="disconnect")
    expect(button).to_contain_text(visitor.wallet.key.address[:6])
    button.click()
    expect(page.get_by_role("button", name="Connect wallet")).to_be_visible()
    assert visitor.complaints == []


def test_wallet_that_refuses_to_connect_is_told(visitor: Visitor) -> None:
    visitor.wallet.refuses.add("eth_requestAccounts")
    page = visitor.open("/")
    page.get_by_role("button", name="Connect wallet").click()
    page.get_by_role("button", name="Test wallet").click()
    expect(page.locator("#say")).to_contain_text("You refused in the wallet")
    assert accessibility_faults(page) == []


def test_address_that_does_not_exist_is_a_page_in_the_sites_layout(visitor: Visitor) -> None:
    page = visitor.open("/no/such/page")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    assert accessibility_faults(page) == []
    page.get_by_role("link", name="To the catalogue").click()
    expect(page.get_by_role("heading", name="Buy a virtual world")).to_be_visible()


def test_page_of_an_account_opens_with_the_wallets_own(visitor: Visitor) -> None:
    page = visitor.open("/services")
    visitor.connect()
    expect(page.get_by_label("Account")).to_have_value(visitor.wallet.key.address)
    expect(page.get_by_text("This account has bought nothing yet.")).to_be_visible()
    assert visitor.complaints == []


def test_page_reads_without_javascript(house: House, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(house.urls.marketplace + "/")
    expect(page.get_by_role("link", name="Virtual beach travel")).to_be_visible()
    context.close()
