"""Things made in the virtual world: minted once, sold, lent."""

from __future__ import annotations

from hashlib import sha256

import ape
import pytest
from house import House
from signing import ASSETS_NAME, Provenance, domain

SHELL = sha256(b"shell").digest()
URI = "s4m:souvenir"
PRICE = 1_000_000
ROYALTY = PRICE * 500 // 10_000


def provenance(house: House, subscription: int, content: bytes = SHELL) -> bytes:
    """The meter's word that the buyer made this in the subscription."""
    message = Provenance(
        contentHash=content,
        creator=house.buyer.address,
        subscriptionId=subscription,
        uri=URI,
        eip712_domain=domain(ASSETS_NAME, house.assets, house.chain.chain_id),
    )
    return bytes(house.meter.sign_message(message).encode_rsv())


@pytest.fixture
def shell(house: House) -> House:
    """The house with one souvenir, asset 1, of the buyer's."""
    subscription = house.active(house.unit_plan, 10, 0)
    signed = provenance(house, subscription)
    house.assets.mint(house.buyer, SHELL, subscription, URI, signed, sender=house.stranger)
    return house


def test_souvenir_is_minted_once_by_anybody_to_its_creator(shell: House) -> None:
    subscription = shell.unit_plan << 32 | 1
    assert shell.assets.ownerOf(1) == shell.buyer
    assert shell.assets.tokenURI(1) == URI
    assert shell.assets.asset(1).subscriptionId == subscription
    with ape.reverts(shell.assets.ContentExists, originalAssetId=1):
        shell.assets.mint(shell.buyer, SHELL, subscription, URI, bytes(65), sender=shell.stranger)


def test_souvenir_of_another_creator_is_refused(house: House) -> None:
    subscription = house.active(house.unit_plan, 10, 0)
    signed = provenance(house, subscription)
    with ape.reverts(house.assets.BadProvenance, expectedMeterKey=house.meter):
        house.assets.mint(house.stranger, SHELL, subscription, URI, signed, sender=house.stranger)


def test_sale_pays_seller_and_creator(shell: House) -> None:
    shell.assets.transferFrom(shell.buyer, shell.provider, 1, sender=shell.buyer)
    shell.assets.list(1, PRICE, sender=shell.provider)
    shell.credit.faucet(shell.stranger, PRICE, sender=shell.stranger)
    shell.credit.approve(shell.assets, PRICE, sender=shell.stranger)
    before = shell.credit.balanceOf(shell.buyer)
    with ape.reverts(shell.assets.PriceChanged, expected=PRICE - 1, actual=PRICE):
        shell.assets.buy(1, PRICE - 1, sender=shell.stranger)
    receipt = shell.assets.buy(1, PRICE, sender=shell.stranger)
    assert receipt.events.filter(shell.assets.AssetSold) == [
        shell.assets.AssetSold(assetId=1, seller=shell.provider, buyer=shell.stranger, price=PRICE, royalty=ROYALTY)
    ]
    assert shell.assets.ownerOf(1) == shell.stranger
    assert shell.credit.balanceOf(shell.buyer) - before == ROYALTY
    assert shell.credit.balanceOf(shell.provider) == PRICE - ROYALTY
    assert shell.credit.balanceOf(shell.stranger) == 0


def test_what_is_lent_is_not_listed_and_comes_back_by_itself(shell: House) -> None:
    until = shell.chain.pending_timestamp + 3_600
    receipt = shell.assets.setUser(1, shell.session, until, sender=shell.buyer)
    assert receipt.events == [shell.assets.UpdateUser(tokenId=1, user=shell.session, expires=until)]
    assert shell.assets.userOf(1) == shell.session
    with ape.reverts(shell.assets.RentedUntil, assetId=1, expires=until):
        shell.assets.list(1, PRICE, sender=shell.buyer)
    shell.passes(7_200)
    assert int(shell.assets.userOf(1), 16) == 0
    shell.assets.list(1, PRICE, sender=shell.buyer)
    with ape.reverts(shell.assets.IsListed, assetId=1):
        shell.assets.setUser(1, shell.session, until + 9_000, sender=shell.buyer)


def test_burning_keeps_the_content_taken(shell: House) -> None:
    shell.assets.burn(1, sender=shell.buyer)
    subscription = shell.unit_plan << 32 | 1
    with ape.reverts(shell.assets.ContentExists, originalAssetId=1):
        shell.assets.mint(shell.buyer, SHELL, subscription, URI, bytes(65), sender=shell.buyer)
    assert shell.assets.asset(1).creator == shell.buyer
