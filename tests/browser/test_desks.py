"""Explorer, provider desk, operator desk, faucet and burner wallet, as their visitors use them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.commands import buy, command, use
from browser.yard import Visitor, accessibility_faults, check_accessible
from ledger.keys import WalletKey
from ledger.typed_data import OperatorPass, recover, typed_data
from ledger.values import from_hex
from marketplace.desks import operator_pass
from orchestrator.models.manifests import services
from s4m.reference import PROVIDERS
from s4m.supervisor import House

OPERATOR = ("/operator", "/operator/decisions/1")


@pytest.fixture(scope="module")
def bought(house: House) -> str:
    """A subscription that was bought, used once and settled."""
    subscription = buy(house, "desk")
    use(house, subscription)
    return subscription


@pytest.fixture(scope="module")
def reader(browser: Browser, house: House) -> Iterator[Page]:
    """A page without JavaScript."""
    context = browser.new_context(java_script_enabled=False, base_url=house.urls.marketplace)
    yield context.new_page()
    context.close()


# explorer


def test_explorer_tells_a_subscriptions_life_without_javascript(reader: Page, bought: str) -> None:
    reader.goto("/explorer")
    expect(reader.get_by_role("heading", name="Explorer")).to_be_visible()
    reader.get_by_role("searchbox").or_(reader.locator("#q")).first.fill(bought)
    reader.get_by_role("button", name="Find").click()
    assert reader.url.endswith(f"/explorer/subscriptions/{bought}")
    told = reader.get_by_role("region", name="What happened")
    for event in ("Subscribed", "Activated", "Settled"):
        expect(told.get_by_text(event, exact=True).first).to_be_visible()
    told.locator("tbody tr").first.get_by_role("link").last.click()
    expect(reader.get_by_role("heading", name="market.buyFor")).to_be_visible()
    expect(reader.get_by_role("region", name="Events that it caused")).to_contain_text("Subscribed")


def test_explorer_leads_from_block_to_block_and_page_to_page(reader: Page, house: House) -> None:
    reader.goto("/explorer/events")
    newest = reader.locator("tbody tr").all_inner_texts()
    reader.get_by_role("link", name="Older").click()
    older = reader.locator("tbody tr").all_inner_texts()
    assert len(newest) == 25
    assert not set(newest) & set(older)
    reader.goto("/explorer/blocks/0")
    expect(reader.get_by_text(house.deployment.genesis_hash)).to_be_visible()
    reader.goto(f"/explorer/search?q={house.deployment.genesis_hash}")
    expect(reader.get_by_role("heading", name="Block 0")).to_be_visible()


def test_explorer_shows_what_an_address_has_and_did(reader: Page, house: House, bought: str) -> None:
    buyer = house.contracts.market.subscription(int(bought)).buyer
    reader.goto(f"/explorer/addresses/{buyer}")
    expect(reader.get_by_role("region", name="Events that name it")).to_contain_text("Subscribed")
    reader.goto(f"/explorer/addresses/{house.deployment.market}")
    expect(reader.get_by_role("heading", name="Contract market")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/explorer/blocks/999999999", 404, "The chain knows nothing of this"),
        ("/explorer/blocks/minus-one", 400, "is no block number"),
        ("/explorer/transactions/0x" + "ab" * 32, 404, "knows no transaction"),
        ("/explorer/search?q=hello", 400, "neither a number, an address nor a hash"),
        ("/explorer/addresses/0x12", 400, "0x12"),
        ("/explorer/subscriptions/99999999999999999999999999", 404, "No such subscription"),
        ("/explorer/events?before=x.y", 400, "is no block number"),
    ],
)
def test_what_the_explorer_cannot_find_is_told(reader: Page, path: str, status: int, words: str) -> None:
    answer = reader.goto(path)
    assert answer is not None
    assert answer.status == status
    expect(reader.locator("main")).to_contain_text(words)


# provider desk


@pytest.fixture
def provider(visitor: Visitor, house: House) -> Visitor:
    """A visitor whose wallet is the account that owns the virtual beach."""
    model = house.plan_of("virtual-beach-travel") >> 32
    owner = house.contracts.catalog.owner_of(model)
    keys = [house.keys.account(name) for name in PROVIDERS.values()]
    visitor.wallet.key = next(key for key in keys if key.address == owner)
    return visitor


def desk_of(provider: Visitor) -> Page:
    page = provider.open("/provider")
    provider.connect()
    page.get_by_role("button", name="My wallet's").click()
    page.wait_for_url("**/provider?account=*")
    page.get_by_role("button", name="disconnect").wait_for()
    return page


def act(page: Page, words: str) -> None:
    """Reads what is about to be signed, and goes on."""
    expect(page.locator("#confirm-words")).to_contain_text(words)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#outcome")).to_contain_text(re.compile(f"Done: .*{re.escape(words)}"))


def test_provider_publishes_a_plan_and_retires_it_by_the_wallet(provider: Visitor, house: House) -> None:
    title = services()["virtual-beach-travel"].title
    model = house.plan_of("virtual-beach-travel") >> 32
    before = house.contracts.catalog.model(model).versions
    page = desk_of(provider)
    card = page.get_by_role("region", name=title, exact=True)
    card.get_by_text("Publish a new plan").click()
    card.get_by_label("Price of a unit (MAAS)").fill("0.000123")
    card.get_by_label("Promised immersion").fill("700")
    card.get_by_role("button", name="Publish").click()
    act(page, "0.000123 MAAS a unit")
    plan = model << 32 | before + 1
    published = house.contracts.catalog.plan(plan)
    assert (published.terms.unit_price, published.terms.qoe_floor) == (123, 700)
    terms = page.request.get(f"{provider.url}/api/v1/documents/0x{published.terms.terms_hash.hex()}").json()
    assert int(terms["qoe"]["floor_milli"]) == 700
    page.locator(f'[data-act="retire"][data-plan="{plan}"]').click()
    act(page, f"Retire plan {plan}")
    assert house.contracts.catalog.plan(plan).retired
    assert provider.complaints == []


def test_provider_is_paid_out_what_was_earned(provider: Visitor, house: House, bought: str) -> None:
    plan = int(bought) >> 32
    owner = provider.wallet.key.address
    due, had = house.contracts.market.payout_due(plan, owner), house.contracts.credit.balance_of(owner)
    assert due > 0
    page = desk_of(provider)
    row = page.locator(f'tr[data-plan="{plan}"]')
    expect(row).to_contain_text("MAAS a unit")
    row.get_by_role("button", name="Pay out").click()
    act(page, f"of plan {plan}")
    assert house.contracts.credit.balance_of(owner) == had + due
    assert house.contracts.market.payout_due(plan, owner) == 0


def test_nothing_happens_where_the_provider_leaves_it_or_the_wallet_refuses(provider: Visitor, house: House) -> None:
    versions = house.contracts.catalog.model(house.plan_of("virtual-beach-travel") >> 32).versions
    page = desk_of(provider)
    page.locator('[data-act="retire"]').first.click()
    page.get_by_role("button", name="Leave it").click()
    assert provider.wallet.prompts == []
    provider.wallet.refuses.add("eth_sendTransaction")
    page.locator('[data-act="retire"]').first.click()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#outcome")).to_contain_text("You refused in the wallet")
    assert house.contracts.catalog.model(house.plan_of("virtual-beach-travel") >> 32).versions == versions


def test_provider_desk_reads_without_javascript(reader: Page, house: House, bought: str) -> None:
    owner = house.contracts.catalog.owner_of(int(bought) >> 64)
    reader.goto(f"/provider?account={owner}")
    expect(reader.locator(f'tr[data-plan="{int(bought) >> 32}"]')).to_contain_text("MAAS")
    expect(reader.get_by_role("button", name="Retire")).to_have_count(0)


def test_quality_kept_is_counted_from_the_records(house: House, bought: str, reader: Page) -> None:
    owner = house.contracts.catalog.owner_of(int(bought) >> 64)
    reader.goto(f"/provider?account={owner}")
    expect(reader.locator(f'tr[data-plan="{int(bought) >> 32}"]')).to_contain_text(re.compile(r"mean of \d"))


# operator desk


@pytest.mark.parametrize("path", OPERATOR)
def test_strangers_never_see_the_operator_desk(reader: Page, path: str) -> None:
    answer = reader.goto(path)
    assert answer is not None
    assert answer.status == 403
    expect(reader.locator("main")).to_contain_text(re.compile("nobody is signed in", re.IGNORECASE))
    assert "Pool" not in reader.locator("main").inner_text() or "Operator pass" in reader.locator("main").inner_text()


def test_passes_of_others_and_of_other_times_open_nothing(house: House, reader: Page) -> None:
    market, domain = house.contracts.market_domain, house.keys.domain
    owner, now = house.keys.account("operator"), int(time.time())
    passes = {
        "not signed by the owner": operator_pass.issue(WalletKey.create(), market, domain, now + 600),
        "has ended": operator_pass.issue(owner, market, domain, now - 1),
        "more than 12 hours": operator_pass.issue(owner, market, domain, now + 13 * 3_600),
        "not signed by the owner of": operator_pass.issue(owner, replace(market, chain_id=1), domain, now + 600),
        "cannot be read": "AAAA",
    }
    passes["is not signed"] = operator_pass.issue(owner, market, "another.domain", now + 600)
    for why, text in passes.items():
        reader.goto("/operator")
        reader.get_by_label("Operator pass").fill(text)
        reader.get_by_role("button", name="Open the desk").click()
        expect(reader.locator(".note")).to_contain_text(why)
        answer = reader.goto("/operator")
        assert answer is not None
        assert answer.status == 403


def test_operator_signs_in_by_a_pass_and_sees_decisions_without_javascript(
    house: House, browser: Browser, bought: str
) -> None:
    text = command(house, "trust", "pass")["pass"]
    context = browser.new_context(java_script_enabled=False, base_url=house.urls.marketplace)
    page = context.new_page()
    page.goto("/operator")
    page.get_by_label("Operator pass").fill(str(text))
    page.get_by_role("button", name="Open the desk").click()
    for part in ("Pool", "Clusters", "Metaverse service instances", "Running models", "Decisions"):
        expect(page.get_by_role("region", name=part)).to_be_visible()
    page.get_by_role("link", name=f"Explain {bought}").click()
    for part in ("Step I", "Step II", "Step III", "Objective", "Bound", "Gap"):
        expect(page.locator("main")).to_contain_text(part)
    cookie = next(each for each in context.cookies() if each["name"] == operator_pass.COOKIE)
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/operator")
    page.get_by_role("link", name="Operator desk").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Operator pass")).to_be_visible()
    context.close()


def test_operator_signs_in_by_the_wallet(visitor: Visitor, house: House, bought: str) -> None:
    visitor.wallet.key = house.keys.account("operator")
    page = visitor.open("/operator")
    visitor.connect()
    page.get_by_role("button", name="Sign with the owner's wallet").click()
    expect(page.get_by_role("region", name="Pool")).to_be_visible()
    assert accessibility_faults(page) == []
    page.get_by_role("link", name=f"Explain {bought}").click()
    assert accessibility_faults(page) == []


# faucet and burner wallet


@pytest.fixture
def fresh(browser: Browser, house: House) -> Iterator[Page]:
    """A browser without any wallet of its own."""
    context = browser.new_context(base_url=house.urls.marketplace, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def burner_of(page: Page) -> str:
    page.goto("/faucet")
    page.get_by_role("button", name="Make a burner wallet").click()
    expect(page.locator("#burner-state")).to_contain_text("burner: ")
    return str(page.locator("#burner-state code").get_attribute("title"))


def test_burner_wallet_is_made_funded_and_connected_like_any_wallet(fresh: Page, house: House) -> None:
    account = burner_of(fresh)
    fresh.get_by_role("button", name="Give").click()
    expect(fresh.locator("#given")).to_contain_text("1,000 MAAS")
    assert house.contracts.credit.balance_of(account) == 1_000_000_000
    fresh.get_by_role("button", name="Connect wallet").click()
    fresh.get_by_role("button", name="Burner wallet (devnet)").click()
    expect(fresh.get_by_role("button", name="disconnect")).to_contain_text(account[:6])
    fresh.reload()
    expect(fresh.get_by_role("button", name="disconnect")).to_contain_text(account[:6])


ASKED = """async ([method, params]) => {
  const provider = await new Promise((found) => {
    addEventListener('eip6963:announceProvider', (event) => {
      if (event.detail.info.rdns === 'devnet.slicing4meta.burner') found(event.detail.provider);
    });
    dispatchEvent(new Event('eip6963:requestProvider'));
  });
  window.answer = provider.request({ method, params }).then(
    (result) => ({ result }), ({ code, message }) => ({ code, message }));
}"""


def test_burner_signs_what_its_owner_confirms_and_nothing_else(fresh: Page, house: House) -> None:
    account, domain = burner_of(fresh), house.contracts.market_domain
    message = OperatorPass("slicing4meta.devnet", 2**63)
    document = json.dumps(typed_data(domain, message))
    for answer, expected in (("Refuse", 4001), ("Confirm", None)):
        fresh.evaluate(ASKED, ["eth_signTypedData_v4", [account, document]])
        dialog = fresh.get_by_role("dialog")
        expect(dialog).to_contain_text("Sign this OperatorPass?")
        expect(dialog).to_contain_text(str(2**63))
        assert accessibility_faults(fresh) == []
        dialog.get_by_role("button", name=answer).click()
        got = fresh.evaluate("window.answer")
        assert got.get("code") == expected
    assert recover(domain, message, from_hex(got["result"])) == account


def test_burner_sends_a_transaction(fresh: Page, house: House) -> None:
    account = burner_of(fresh)
    fresh.get_by_role("button", name="Give").click()
    expect(fresh.locator("#given")).to_contain_text("1,000 MAAS")
    somebody = WalletKey.create().address
    call = house.contracts.credit.transfer(somebody, 7)
    fresh.evaluate(ASKED, ["eth_sendTransaction", [{"from": account, "to": call.to, "data": "0x" + call.data.hex()}]])
    fresh.get_by_role("button", name="Confirm").click()
    sent = fresh.evaluate("window.answer")
    house.devnet.mine()
    receipt = house.chain.receipt(sent["result"])
    assert receipt is not None
    assert receipt.succeeded
    assert house.contracts.credit.balance_of(somebody) == 7


def test_burner_buys_a_service_with_one_question_and_without_any_extension(fresh: Page, house: House) -> None:
    account = burner_of(fresh)
    fresh.get_by_role("button", name="Give").click()
    expect(fresh.locator("#given")).to_contain_text("1,000 MAAS")
    fresh.goto(f"/buy?planId={house.plan_of('virtual-beach-travel')}&cap=20000&periods=1")
    fresh.get_by_role("button", name="Connect wallet").first.click()
    fresh.get_by_role("button", name="Burner wallet (devnet)").click()
    fresh.get_by_role("button", name=re.compile("Sign and buy")).click()
    dialog = fresh.get_by_role("dialog")
    expect(dialog).to_contain_text("Send these 2 transactions?")
    assert accessibility_faults(fresh) == []
    dialog.get_by_role("button", name="Confirm").click()
    expect(fresh.get_by_role("link", name="To your service")).to_be_visible(timeout=30_000)
    assert house.contracts.market.account_of(account).nonce == 1


def test_burners_key_cannot_be_taken_out_and_burns(fresh: Page) -> None:
    burner_of(fresh)
    kept = fresh.evaluate(
        """() => new Promise((told) => {
          indexedDB.open('s4m-burner').onsuccess = ({ target }) => {
            const asked = target.result.transaction('wallet').objectStore('wallet').get('key');
            asked.onsuccess = async () => {
              const { seal, sealed } = asked.result;
              const taken = await crypto.subtle.exportKey('raw', seal).then(() => 'exported', (error) => error.name);
              told({ taken, extractable: seal.extractable, bytes: sealed.byteLength });
            };
          };
        })"""
    )
    assert kept == {"taken": "InvalidAccessError", "extractable": False, "bytes": 48}
    fresh.get_by_role("button", name="Burn it").click()
    fresh.get_by_role("button", name="Confirm").click()
    expect(fresh.locator("#burner-state")).to_contain_text("There is none")


# every page


@pytest.mark.parametrize("path", ["/explorer", "/explorer/events", "/explorer/blocks/3", "/provider", "/faucet"])
def test_page_is_accessible(visitor: Visitor, path: str) -> None:
    check_accessible(visitor, path)


def test_pages_with_figures_are_accessible(visitor: Visitor, house: House, bought: str) -> None:
    owner = house.contracts.catalog.owner_of(int(bought) >> 64)
    buyer = house.contracts.market.subscription(int(bought)).buyer
    for path in (f"/provider?account={owner}", f"/explorer/subscriptions/{bought}", f"/explorer/addresses/{buyer}"):
        check_accessible(visitor, path)


def test_auditor_is_used_by_keyboard_alone(fresh: Page) -> None:
    fresh.goto("/auditor")
    fresh.get_by_label("Usage log (JSONL)").focus()
    fresh.keyboard.type("not json")
    for _ in range(2):
        fresh.keyboard.press("Tab")
    expect(fresh.get_by_role("button", name="Audit", exact=True)).to_be_focused()
    fresh.keyboard.press("Enter")
    expect(fresh.locator("#report")).to_contain_text("Line 1")
