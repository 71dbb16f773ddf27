"""Souvenirs: minted once with the meter's word, sold with the creator's part, on both nodes."""

from __future__ import annotations

import secrets
from dataclasses import replace

from node_yard import HOUR, House, Sold

from ledger import events
from ledger.structs import Asset
from ledger.typed_data import Provenance, sign
from ledger.values import CREDIT, Address, AssetId, Call, Money

URI = "s4m:assets/plaża-🐚"


def minting(house: House, sold: Sold, content: bytes, uri: str = URI) -> Call:
    """The call that mints to the buyer; the meter key signed for the content at `URI`."""
    creator = sold.buyer.address
    message = Provenance(content, creator, sold.subscription, URI)
    provenance = sign(sold.meter, house.contracts.assets_domain, message)
    return house.contracts.assets.mint(creator, content, sold.subscription, uri, provenance)


def minted(house: House, sold: Sold) -> AssetId:
    receipt = house.send(house.stranger, minting(house, sold, secrets.token_bytes(32)))
    return house.contracts.event_in(receipt, events.AssetMinted).asset_id


def test_souvenir_keeps_its_provenance_and_a_copy_is_refused_naming_the_original(house: House) -> None:
    assets, sold, content = house.contracts.assets, house.active(), secrets.token_bytes(32)
    call = minting(house, sold, content)
    asset = house.contracts.event_in(house.send(house.stranger, call), events.AssetMinted).asset_id
    assert assets.asset(asset) == Asset(content, sold.buyer.address, sold.subscription, URI)
    assert assets.token_uri(asset) == URI
    assert assets.owner_of(asset) == sold.buyer.address
    assert assets.asset_of_content(content) == asset
    copy = house.refusal(sold.buyer, call)
    assert (copy.name, copy.arguments) == ("ContentExists", {"originalAssetId": asset})
    house.send(sold.buyer, assets.burn(asset))
    assert house.refusal(sold.buyer, call).name == "ContentExists", "burning frees no content"


def test_souvenir_without_the_meters_word_or_a_running_service_is_refused(house: House) -> None:
    sold, content = house.active(), secrets.token_bytes(32)
    expected = ("BadProvenance", {"expectedMeterKey": sold.meter.address})
    forged = house.refusal(sold.buyer, minting(house, replace(sold, meter=sold.session), content))
    assert (forged.name, forged.arguments) == expected
    moved = house.refusal(sold.buyer, minting(house, sold, content, uri="s4m:elsewhere"))
    assert (moved.name, moved.arguments) == expected
    idle = house.bought()
    refusal = house.refusal(idle.buyer, minting(house, idle, content))
    assert (refusal.name, refusal.arguments) == ("SubscriptionNotActive", {"subscriptionId": idle.subscription})


def test_each_sale_pays_the_seller_and_the_creators_part(house: House) -> None:
    contracts, assets = house.contracts, house.contracts.assets
    sold, price = house.active(), Money(10 * CREDIT + 19)
    asset, creator = minted(house, sold), sold.buyer
    collector, fan = house.person(50), house.person(50)
    for customer in (collector, fan):
        house.send(customer, contracts.credit.approve(assets.address, 50 * CREDIT))
    before = balance(house, creator.address)
    house.send(creator, assets.list_for_sale(asset, price))
    dearer = house.refusal(collector, assets.buy(asset, price - 1))
    assert (dearer.name, dearer.arguments) == ("PriceChanged", {"expected": price - 1, "actual": price})
    house.send(collector, assets.buy(asset, price))
    assert assets.owner_of(asset) == collector.address
    assert balance(house, creator.address) == before + price
    house.send(collector, assets.list_for_sale(asset, price))
    sale = contracts.event_in(house.send(fan, assets.buy(asset, price)), events.AssetSold)
    assert sale.royalty == price * 500 // 10_000 == assets.royalty(asset, price)[1]
    assert balance(house, creator.address) == before + price + sale.royalty
    assert balance(house, collector.address) == 50 * CREDIT - sale.royalty
    assert balance(house, fan.address) == 50 * CREDIT - price
    assert balance(house, assets.address) == 0
    assert house.refusal(creator, assets.buy(asset, price)).name == "NotListed"


def test_rented_souvenir_has_its_user_until_the_rent_ends_and_is_not_for_sale(house: House) -> None:
    assets, sold = house.contracts.assets, house.active()
    asset, guest, until = minted(house, sold), house.person(), house.now() + HOUR
    house.send(sold.buyer, assets.set_user(asset, guest.address, until))
    assert (assets.user_of(asset), assets.user_expires(asset)) == (guest.address, until)
    rented = house.refusal(sold.buyer, assets.list_for_sale(asset, 1))
    assert (rented.name, rented.arguments["expires"]) == ("RentedUntil", until)
    house.wait_until(until + 1)
    assert int(assets.user_of(asset), 16) == 0
    house.send(sold.buyer, assets.list_for_sale(asset, 1))


def balance(house: House, account: Address) -> Money:
    return house.contracts.credit.balance_of(account)
