"""What was bought: both sides' words, top-up and release by the wallet, receipts; the gallery of assets."""

from __future__ import annotations

import csv
import io
import re

import httpx
import pytest
from playwright.sync_api import Browser, expect

from browser.commands import command
from browser.wallet import TestWallet
from browser.yard import Visitor, accessibility_faults, check_accessible
from ledger.values import Status, SubscriptionId
from s4m.supervisor import House


@pytest.fixture
def bought(visitor: Visitor, house: House) -> str:
    """Bought through the page with the visitor's own wallet."""
    visitor.open(f"/buy?planId={house.plan_of('monitoring')}&cap=100")
    visitor.connect()
    visitor.page.get_by_role("button", name=re.compile("Sign and buy")).click()
    link = visitor.page.get_by_role("link", name="To your service")
    link.wait_for(timeout=30_000)
    return (link.get_attribute("href") or "").rpartition("/")[2]


def test_service_is_shown_topped_up_and_released(visitor: Visitor, house: House, bought: str) -> None:
    page = visitor.open(f"/services/{bought}")
    expect(page.get_by_role("region", name="The chain says")).to_contain_text("active")
    expect(page.get_by_role("region", name="The orchestrator says")).to_contain_text("active")
    page.get_by_label("More units").fill("50")
    page.get_by_role("button", name="Top up").click()
    expect(page.locator("#done")).to_contain_text("Done, transaction 0x")
    found = house.contracts.market.subscription(SubscriptionId(int(bought)))
    assert found.cap == 150
    visitor.wallet.refuses.add("eth_sendTransaction")
    page.get_by_role("button", name="Ask to release").click()
    expect(page.locator("#trouble")).to_contain_text("You refused in the wallet")
    visitor.wallet.refuses.clear()
    page.get_by_role("button", name="Ask to release").click()
    expect(page.locator("#done")).to_contain_text("Done, transaction 0x")
    assert house.contracts.market.subscription(SubscriptionId(int(bought))).status == Status.RELEASING
    visitor.open(f"/services?account={visitor.wallet.key.address}")
    expect(page.get_by_role("link", name="Monitoring")).to_be_visible()
    visitor.open(f"/services/{bought}/beach")
    expect(page.get_by_role("heading", name="The service shows no pictures")).to_be_visible()
    visitor.complaints.clear()  # of the page that is none
    receipt = httpx.get(f"{house.urls.marketplace}/services/{bought}/receipt.csv").text
    rows = list(csv.DictReader(io.StringIO(receipt)))
    assert [(row["event"], row["amount_maas"]) for row in rows[:2]] == [
        ("Subscribed", "0.005"),
        ("CapRaised", "0.0025"),
    ]
    assert all(re.fullmatch("0x[0-9a-f]{64}", row["transaction"]) for row in rows)
    pdf = httpx.get(f"{house.urls.marketplace}/services/{bought}/receipt.pdf")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    for path in (f"/services/{bought}", f"/services/{bought}/receipt", f"/services?account={found.buyer}"):
        check_accessible(visitor, path)


def test_account_that_is_none_and_service_that_is_none_are_told(visitor: Visitor) -> None:
    for path, heading in (
        ("/services?account=0x12", "The request is malformed"),
        ("/assets?account=me", "The request is malformed"),
        ("/services/7", "No such subscription"),
        ("/services/seven/receipt", "The request is malformed"),
        ("/services/7/beach", "No such subscription"),
    ):
        visitor.open(path)
        expect(visitor.page.get_by_role("heading", name=heading)).to_be_visible()


def test_souvenir_is_sold_to_another_and_rented_out(
    visitor: Visitor, house: House, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    command(house, "wallet", "create", "maker")
    command(house, "wallet", "fund", "maker")
    own = str(command(house, "buy", "virtual-beach-travel", "--wallet", "maker", "--yes")["subscriptionId"])
    souvenir = tmp_path_factory.mktemp("made") / "souvenir.png"
    params = '{"object": 12, "seed": 1, "size": 96}'
    made = command(house, "use", own, "souvenir", "--params", params, "--out", str(souvenir), "--mint")
    asset = int(made["asset"]["assetId"])
    from marketplace.wallet.keystore import WalletStore

    maker = WalletStore(house.home).open("maker", "correct horse")
    context = browser.new_context()
    wallet = TestWallet(maker, house.urls.chain, house.deployment.chain_id)
    wallet.live_in(context)
    seller = Visitor(context.new_page(), house.urls.marketplace, wallet)
    seller.open(f"/assets?account={maker.address}")
    seller.connect()
    seller.page.get_by_label("Price in MAAS").fill("2.5")
    seller.page.get_by_role("button", name="Sell").click()
    expect(seller.page.locator("#done")).to_contain_text("Done")
    context.close()
    page = visitor.open(f"/assets?account={visitor.wallet.key.address}")
    visitor.connect()
    expect(page.get_by_role("region", name="For sale")).to_contain_text("2.5 MAAS")
    page.get_by_role("button", name="Buy", exact=True).click()
    expect(page.locator("#done")).to_contain_text("Done")
    assert house.contracts.assets.owner_of(asset) == visitor.wallet.key.address
    page.reload()
    page.get_by_label("Rent to").fill("nobody")
    page.get_by_role("button", name="Rent").click()
    expect(page.locator("#trouble")).to_contain_text("That is no address")
    page.get_by_label("Rent to").fill(maker.address)
    page.get_by_role("button", name="Rent").click()
    expect(page.locator("#done")).to_contain_text("Done")
    page.reload()
    expect(page.get_by_role("region", name="Owned")).to_contain_text("rented")
    assert accessibility_faults(page) == []
