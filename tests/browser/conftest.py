"""One whole house and one Chromium for all browser tests; a fresh context with a funded wallet for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.walker import Walker, walking
from browser.wallet import TestWallet
from browser.yard import Visitor, find_chromium
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import CREDIT, Money
from s4m.supervisor import House

CREDITS = 1_000
"""What a visitor's wallet starts with, whole credits."""


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.start(tmp_path_factory.mktemp("house"), port_base=0) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def new_wallet(house: House) -> Iterator[Callable[[int], WalletKey]]:
    """Makes a key with gas money and so many credits."""
    bank = WalletKey.create()
    house.devnet.fund(bank.address)
    with Sender(house.chain, bank) as sender:

        def make(credits: int = CREDITS) -> WalletKey:
            key = WalletKey.create()
            house.devnet.fund(key.address)
            if credits:
                sender.send(house.contracts.credit.faucet(key.address, credits * CREDIT))
            return key

        yield make


@pytest.fixture
def visitor(house: House, browser: Browser, new_wallet: Callable[..., WalletKey]) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    wallet = TestWallet(new_wallet(), house.urls.chain, house.deployment.chain_id)
    wallet.live_in(context)
    yield Visitor(context.new_page(), house.urls.marketplace, wallet)
    context.close()


@pytest.fixture(scope="package")
def rich_account(house: House, new_wallet: Callable[..., WalletKey]) -> Callable[[], WalletKey]:
    """Makes a key whose account inside the market holds money."""

    def make() -> WalletKey:
        key = new_wallet()
        with Sender(house.chain, key) as sender:
            sender.send(house.contracts.credit.approve(house.deployment.market, Money(CREDIT)))
            sender.send(house.contracts.market.deposit(key.address, Money(CREDIT)))
        return key

    return make


@pytest.fixture(scope="package")
def walker(house: House, browser: Browser, new_wallet: Callable[..., WalletKey]) -> Iterator[Walker]:
    yield from walking(house, browser, new_wallet(), cap=20_000)
