"""Catalogue, model page and the purchase in one flow, with a wallet that agrees and with wallets that do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.yard import Visitor, accessibility_faults, check_accessible
from ledger.keys import WalletKey
from ledger.typed_data import Order, recover
from ledger.values import Money, PlanId, Status, SubscriptionId, Units, address, from_hex
from s4m.supervisor import House

BEACH = "virtual-beach-travel"
CAP = 20_000


def buy_page(visitor: Visitor, house: House, cap: int = CAP, service: str = BEACH, periods: int = 1) -> Page:
    return visitor.open(f"/buy?planId={house.plan_of(service)}&cap={cap}&periods={periods}")


def see_words(visitor: Visitor) -> None:
    """Connects and has the page show what will be signed."""
    visitor.connect()
    visitor.page.get_by_role("button", name=re.compile("Sign and buy")).wait_for()


def state_of(house: House, buyer: str) -> dict[str, Any]:
    """What a refused purchase must leave as it was."""
    return {
        "account": house.contracts.market.account_of(address(buyer)),
        "tokens": house.contracts.credit.balance_of(address(buyer)),
    }


# finding


def test_catalogue_is_searched_and_filtered_as_one_types(visitor: Visitor) -> None:
    page = visitor.open("/")
    page.get_by_label("Search").fill("beach guide")
    expect(page.get_by_role("heading", name="1 offer")).to_be_visible()
    expect(page.get_by_role("link", name="AR beach guide")).to_be_visible()
    page.get_by_label("Search").fill("")
    page.get_by_label("Service type").select_option("digital_twin")
    expect(page.get_by_role("link", name="AR beach guide")).to_have_count(0)
    expect(page.get_by_role("heading", name=re.compile("^[2-9] offers"))).to_be_visible()
    assert visitor.complaints == []


def test_filters_for_kind_promise_price_and_isolation_work_as_addresses(visitor: Visitor) -> None:
    def found(query: str) -> list[str]:
        visitor.open("/?" + query)
        return visitor.page.locator(".offer h3").all_inner_texts()

    assert "Virtual beach travel" in found("kind=composite&minQoe=0.5")
    assert found("minQoe=99") == []
    assert "Virtual beach travel" not in found("maxUnitPrice=0.000001")
    assert "Virtual beach travel" in found("isolation=2&scenario=virtual_travelling")
    assert found("text=nothing+like+this") == []
    expect(visitor.page.get_by_text("Nothing fits all of that")).to_be_visible()
    visitor.open("/?minQoe=much")
    expect(visitor.page.get_by_role("heading", name="The request is malformed")).to_be_visible()


def test_calculator_shows_the_contracts_price(visitor: Visitor, house: House) -> None:
    plan = house.plan_of(BEACH)
    page = visitor.open(f"/models/{plan >> 32}")
    page.get_by_label("Units at most").fill("1234")
    page.get_by_label(re.compile("^Periods")).fill("2")
    due = 1234 * 50 + 2 * 1_000_000
    expect(page.locator("#price .total dd")).to_have_text(f"{due / 10**6:,g} MAAS")
    page.get_by_label("Isolation").select_option(str(house.plan_of(BEACH, 2)))
    expect(page.locator("#price .total dd")).not_to_have_text(f"{due / 10**6:,g} MAAS")
    page.get_by_role("button", name="Continue to buy").click()
    assert page.url.endswith(f"/buy?planId={house.plan_of(BEACH, 2)}&cap=1234&periods=2")
    assert visitor.complaints == []


def test_buying_pages_are_accessible(visitor: Visitor, house: House) -> None:
    plan = house.plan_of(BEACH)
    check_accessible(visitor, f"/models/{plan >> 32}")
    check_accessible(visitor, f"/buy?planId={plan}&cap=100&periods=1")


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/models/999999", "No such model"),
        ("/buy?planId=7&cap=5", "No such plan"),
        ("/buy?planId={plan}&cap=0", "The request is malformed"),
        ("/buy?planId={plan}&cap=five", "The request is malformed"),
    ],
)
def test_wrong_address_is_a_page_that_says_what_to_do(visitor: Visitor, house: House, path: str, heading: str) -> None:
    page = visitor.open(path.format(plan=house.plan_of(BEACH)))
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_text("What to do:")).to_be_visible()


# buying


def test_words_and_signed_fields_agree_and_the_service_becomes_active(visitor: Visitor, house: House) -> None:
    page = buy_page(visitor, house)
    see_words(visitor)
    shown = {
        section.get_attribute("data-primary-type"): dict(
            code.split(" = ") for code in section.locator("code").all_inner_texts()
        )
        for section in page.locator("#words section").all()
    }
    words = page.locator("#words").inner_text()
    assert "At most 20,000 units can ever be billed" in words
    assert "2 MAAS are reserved now" in words
    assert visitor.wallet.prompts == []
    assert accessibility_faults(page) == []
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    expect(page.get_by_role("link", name="To your service")).to_be_visible(timeout=30_000)
    signed = [json.loads(params[1]) for params in visitor.wallet.prompts]
    assert [document["primaryType"] for document in signed] == ["Permit", "Order"]
    for document in signed:
        due = {**document["message"], "verifyingContract": document["domain"]["verifyingContract"]}
        assert shown[document["primaryType"]] == {name: str(value) for name, value in due.items()}
    for step in ("bought", "stepI", "stepII", "stepIII", "running", "active"):
        expect(page.locator(f'[data-step="{step}"]')).to_have_class("done")
    assert visitor.complaints == []
    subscription = page.get_by_role("link", name="To your service").get_attribute("href") or ""
    found = house.contracts.market.subscription(SubscriptionId(int(subscription.rpartition("/")[2])))
    assert (found.status, found.buyer, found.cap) == (Status.ACTIVE, visitor.wallet.key.address, CAP)
    assert found.signer == signed[1]["message"]["signer"]


def test_account_with_money_signs_once(visitor: Visitor, house: House, rich_account: Callable[[], WalletKey]) -> None:
    visitor.wallet.key = rich_account()
    page = buy_page(visitor, house, cap=100, service="monitoring", periods=0)
    see_words(visitor)
    expect(page.locator("#sign-hint")).to_have_text("Your wallet will ask once.")
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    expect(page.get_by_role("link", name="To your service")).to_be_visible(timeout=30_000)
    (prompt,) = visitor.wallet.prompts
    message = json.loads(prompt[1])["message"]
    order = Order(
        address(message["buyer"]), PlanId(int(message["planId"])), address(message["signer"]),
        Units(int(message["cap"])), int(message["periods"]), from_hex(message["requirementsHash"]),
        Money(int(message["total"])), int(message["nonce"]), int(message["deadline"]),
    )  # fmt: skip
    signature = visitor.wallet.answer("eth_signTypedData_v4", prompt)["result"]
    assert recover(house.contracts.market_domain, order, from_hex(signature)) == visitor.wallet.key.address


def test_wallet_that_takes_batches_asks_once_for_permission_and_purchase(visitor: Visitor, house: House) -> None:
    visitor.wallet.batches = True
    page = buy_page(visitor, house)
    see_words(visitor)
    expect(page.locator("#sign-hint")).to_contain_text("Your wallet will ask once")
    expect(page.locator("#words")).to_contain_text("2 MAAS, which the next call reserves for you")
    assert accessibility_faults(page) == []
    shown = dict(code.split(" = ") for code in page.locator("#words section").nth(1).locator("code").all_inner_texts())
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    link = page.get_by_role("link", name="To your service")
    link.wait_for(timeout=30_000)
    ((batch,),) = visitor.wallet.prompts
    credit, market = house.contracts.credit, house.contracts.market
    assert [address(call["to"]) for call in batch["calls"]] == [credit.address, market.address]
    found = market.subscription(SubscriptionId(int((link.get_attribute("href") or "").rpartition("/")[2])))
    assert (found.status, found.buyer, found.cap) == (Status.ACTIVE, visitor.wallet.key.address, CAP)
    assert (shown["signer"], shown["cap"], shown["periods"]) == (found.signer, str(CAP), "1")
    assert credit.allowance(visitor.wallet.key.address, market.address) == 0
    assert visitor.complaints == []


def test_wallet_that_takes_no_batch_after_all_is_asked_one_by_one(visitor: Visitor, house: House) -> None:
    visitor.wallet.batches = visitor.wallet.refuses_batches_late = True
    before = state_of(house, visitor.wallet.key.address)
    page = buy_page(visitor, house, cap=50, service="monitoring", periods=0)
    see_words(visitor)
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    expect(page.locator("#trouble")).to_contain_text("does not take both calls at once")
    expect(page.locator("#sign-hint")).to_contain_text("Your wallet will ask twice, because")
    assert state_of(house, visitor.wallet.key.address) == before
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    expect(page.get_by_role("link", name="To your service")).to_be_visible(timeout=30_000)


def test_refused_batch_spends_nothing(visitor: Visitor, house: House) -> None:
    visitor.wallet.batches = True
    visitor.wallet.refuses.add("wallet_sendCalls")
    before = state_of(house, visitor.wallet.key.address)
    page = buy_page(visitor, house)
    see_words(visitor)
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    expect(page.locator("#trouble")).to_contain_text("You refused in the wallet. Nothing was signed")
    assert state_of(house, visitor.wallet.key.address) == before


def test_refusal_in_the_wallet_spends_nothing(visitor: Visitor, house: House) -> None:
    visitor.wallet.refuses.add("eth_signTypedData_v4")
    before = state_of(house, visitor.wallet.key.address)
    page = buy_page(visitor, house)
    see_words(visitor)
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    expect(page.locator("#trouble")).to_contain_text("You refused in the wallet. Nothing was signed")
    assert state_of(house, visitor.wallet.key.address) == before
    visitor.wallet.refuses.clear()
    expect(page.get_by_role("button", name=re.compile("Sign and buy"))).to_be_enabled()


def test_wrong_chain_is_switched_or_told(visitor: Visitor, house: House) -> None:
    visitor.wallet.chain_id, visitor.wallet.switches = 1, False
    page = buy_page(visitor, house)
    visitor.connect()
    expect(page.locator("#trouble")).to_contain_text("on another chain than this marketplace (31337)")
    expect(page.get_by_role("button", name=re.compile("Sign and buy"))).to_be_hidden()
    visitor.wallet.switches = True
    page.get_by_role("button", name="Show what I sign").click()
    expect(page.get_by_role("button", name=re.compile("Sign and buy"))).to_be_visible()
    assert visitor.wallet.chain_id == house.deployment.chain_id
    assert visitor.wallet.prompts == []


def test_changed_account_is_told_before_anything_is_signed(
    visitor: Visitor, house: House, new_wallet: Callable[..., WalletKey]
) -> None:
    page = buy_page(visitor, house)
    see_words(visitor)
    visitor.wallet.key = new_wallet()
    page.get_by_role("button", name=re.compile("Sign and buy")).click()
    expect(page.locator("#trouble")).to_contain_text("The wallet has changed its account")
    assert visitor.wallet.prompts == []


def test_too_little_money_is_told_before_anything_is_signed(
    visitor: Visitor, house: House, new_wallet: Callable[..., WalletKey]
) -> None:
    visitor.wallet.key = new_wallet(1)
    page = buy_page(visitor, house)
    visitor.connect()
    expect(page.locator("#trouble [data-code=insufficient_funds]")).to_contain_text("Get 1 MAAS more")
    expect(page.get_by_role("button", name=re.compile("Sign and buy"))).to_be_hidden()
    assert visitor.wallet.prompts == []


def test_figures_that_differ_from_the_chain_are_not_signed(visitor: Visitor, house: House) -> None:
    """A marketplace that lies about the price: only the network between page and server is replaced."""

    def lie(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "total": "1"})

    visitor.page.route("**/api/v1/quotes", lie)
    page = buy_page(visitor, house)
    visitor.connect()
    expect(page.locator("#trouble")).to_contain_text("The marketplace says price 1, the chain says 2000000")
    assert visitor.wallet.prompts == []


def test_purchase_by_keyboard_alone(visitor: Visitor, house: House) -> None:
    page = buy_page(visitor, house, cap=50, service="monitoring", periods=0)
    page.get_by_role("button", name="Connect wallet and show").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#wallets")).to_be_visible()
    page.get_by_role("button", name="Test wallet").focus()
    page.keyboard.press("Enter")
    agree = page.get_by_role("button", name=re.compile("Sign and buy"))
    agree.wait_for()
    agree.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="To your service")).to_be_visible(timeout=30_000)
