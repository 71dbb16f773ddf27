"""The play that an honest market goes through, a scene a function; the seed decides who does what.

Called by the tamper suite (one market, all scenes) and by its tests (twenty markets of twenty seeds).
"""

from __future__ import annotations

from hashlib import sha256

from ledger.devnet import Devnet
from ledger.events import AssetMinted, DomainCreated
from ledger.keys import WalletKey
from ledger.structs import Share
from ledger.typed_data import Provenance, asset_uri, sign
from ledger.values import AssetId, Kind, PlanId
from scripts.honest.market import HOUR, HonestMarket, Sold, terms_document

DAY = 24 * HOUR


def play(devnet: Devnet, seed: int) -> HonestMarket:
    """A whole market of this seed; the caller closes it."""
    market = HonestMarket(devnet, seed)
    plans = _offer(market)
    buyers = [market.buyer() for _ in range(market.draw.randint(2, 3))]
    _buy(market, buyers, plans)
    _use(market)
    _extend(market, buyers[-1])
    _make_assets(market, buyers)
    _enrol(market)
    _pay_out(market, plans)
    _change_offers(market, plans)
    _take_back(market, buyers)
    _part(market)
    _pay_out(market, plans)
    return market


def _offer(market: HonestMarket) -> list[PlanId]:
    """A model paid by the piece, one by time with included units, and a composite that shares with both."""
    resources, technology, worlds = market.providers
    first = market.register(resources, Kind.CAAS, "resources")
    second = market.register(technology, Kind.TAAS, "technology")
    whole = market.register(worlds, Kind.COMPOSITE, "worlds")
    floor, discount = market.draw.randint(300, 900), market.draw.randint(500, 5_000)
    plain = terms_document({"call": market.draw.randint(900, 3_000)})
    timed = terms_document({"frame": 1_500, "walk": 700}, included=market.draw.randint(10, 200))
    rich = terms_document({"frame": 2_000, "souvenir": 9_000}, included=20, floor_milli=floor, discount_bps=discount)
    shares = [Share(first, market.draw.randint(500, 2_500)), Share(second, market.draw.randint(500, 2_500))]
    price = market.draw.randint(10, 500)
    return [
        market.publish(resources, first, plain, unit_price=price, period_price=0, period=0),
        market.publish(technology, second, timed, unit_price=price, period_price=70_001, period=DAY),
        market.publish(worlds, whole, rich, unit_price=price, period_price=50_003, period=DAY, shares=shares),
    ]


def _buy(market: HonestMarket, buyers: list[WalletKey], plans: list[PlanId]) -> None:
    """Each plan is bought, one of them twice; one purchase is never handed over and is refunded."""
    for index, plan in enumerate([*plans, plans[2]]):
        periods = 0 if plan == plans[0] else market.draw.randint(1, 3)
        by_order = bool(index % 2) or bool(market.draw.randrange(2))
        market.activate(market.buy(buyers[index % len(buyers)], plan, 20_000, periods, by_order=by_order))
    left = market.buy(buyers[0], plans[0], 50, 0)
    market.sold.remove(left)
    market.wait(HOUR + 5)
    market.send(buyers[0], market.contracts.market.refund(left.subscription_id))


def _use(market: HonestMarket) -> None:
    """Two settlements each; then one of them again, which is skipped, and records nobody has signed yet."""
    for sold in market.sold:
        market.use(sold, market.draw.randint(5, 9))
    market.settle(*market.sold)
    for sold in market.sold:
        market.use(sold, market.draw.randint(3, 6))
    market.settle(*market.sold)
    market.settle(market.sold[0])
    market.use(market.sold[1], 2)
    market.send(market.relayer, market.contracts.market.collect_time([one.subscription_id for one in market.sold[1:]]))


def _extend(market: HonestMarket, payer: WalletKey) -> None:
    """A cap is raised and a subscription renewed, by a payer who need not be the buyer; money goes in and out."""
    desk = market.contracts.market
    market.send(payer, market.contracts.credit.approve(desk.address, 10_000_000))
    market.send(payer, desk.raise_cap(market.sold[0].subscription_id, market.draw.randint(1, 500)))
    market.send(payer, desk.renew(market.sold[2].subscription_id, 1))
    market.send(payer, desk.deposit(payer.address, 5_000))
    market.send(payer, desk.withdraw(market.draw.randint(1, 5_000)))


def _make_assets(market: HonestMarket, buyers: list[WalletKey]) -> None:
    """Three souvenirs: one sold, one given away and rented out, one burned; some more are handed around."""
    assets = market.contracts.assets
    maker, other = market.sold[2].buyer, buyers[0] if market.sold[2].buyer is not buyers[0] else buyers[1]
    sold, given, burned = (_mint(market, market.sold[2]) for _ in range(3))
    price = market.draw.randint(100, 90_000)
    market.send(maker, assets.list_for_sale(sold, price))
    market.send(other, market.contracts.credit.approve(assets.address, price))
    market.send(other, assets.buy(sold, price))
    for _ in range(market.draw.randint(0, 3)):
        _hand_around(market, _mint(market, market.sold[2]), maker, other)
    market.send(maker, assets.set_user(given, other.address, market.now + HOUR))
    market.send(maker, assets.transfer(maker.address, other.address, given))
    market.send(maker, assets.burn(burned))


def _hand_around(market: HonestMarket, asset: AssetId, maker: WalletKey, other: WalletKey) -> None:
    """Offered at one price and then another, or lent out to one user after the other, for drawn times."""
    assets = market.contracts.assets
    if market.draw.randrange(2):
        market.send(maker, assets.list_for_sale(asset, market.draw.randint(1, 500)))
        market.send(maker, assets.unlist(asset))
        market.send(maker, assets.list_for_sale(asset, market.draw.randint(501, 900)))
        return
    for user in market.draw.sample([maker, other], market.draw.randint(1, 2)):
        until = market.now + market.draw.randint(60, HOUR)
        market.send(maker, assets.set_user(asset, user.address, until))
        market.wait(until - market.now + 1)


def _mint(market: HonestMarket, sold: Sold) -> AssetId:
    content = sha256(market.draw.randbytes(8)).digest()
    word = Provenance(content, sold.buyer.address, sold.subscription_id, asset_uri(content))
    signature = sign(market.meter, market.contracts.assets_domain, word)
    call = market.contracts.assets.mint(word.creator, content, word.subscription_id, word.uri, signature)
    return market.contracts.event_in(market.send(market.relayer, call), AssetMinted).asset_id


def _enrol(market: HonestMarket) -> None:
    """A trust domain with two component keys, one revoked, and an attestation."""
    registry, owner = market.contracts.identity, market.relayer
    domain = market.contracts.event_in(market.send(owner, registry.create_domain("house")), DomainCreated).domain_id
    for name in ("gateway", "marketplace"):
        key = market.draw.randbytes(32)
        market.send(owner, registry.enrol_key(domain, name, key, market.now, market.now + DAY))
    market.send(owner, registry.revoke_key(domain, "marketplace", key))
    claim, said = sha256(b"adult").digest(), market.draw.randbytes(32)
    market.send(owner, registry.attest(market.sold[0].buyer.address, claim, said, market.now + DAY))


def _change_offers(market: HonestMarket, plans: list[PlanId]) -> None:
    """Newer plans at other prices, bought and never handed over; old ones retired; asks and keys updated."""
    owner, model, catalog = market.providers[0], market.models[0], market.contracts.catalog
    for _ in range(market.draw.randint(0, 2)):
        document = terms_document({"call": market.draw.randint(900, 3_000)})
        newer = market.publish(owner, model, document, unit_price=market.draw.randint(1, 9), period_price=0, period=0)
        market.sold.remove(market.buy(market.buyer(), newer, market.draw.randint(1, 90), 0))
    if market.draw.randrange(2):
        market.send(owner, catalog.retire_plan(plans[0]))
    if market.draw.randrange(2):
        market.send(owner, catalog.set_meter_key(model, WalletKey.create().address))
    for _ in range(market.draw.randint(0, 2)):
        market.send(owner, catalog.set_ask(model, market.draw.randint(100, 400)))


def _take_back(market: HonestMarket, buyers: list[WalletKey]) -> None:
    """Orders that were signed are cancelled, and an attestation revoked, or not."""
    registry, desk, claim = market.contracts.identity, market.contracts.market, sha256(b"adult").digest()
    for buyer in market.draw.sample(buyers, market.draw.randint(0, len(buyers))):
        nonce = desk.account_of(buyer.address).nonce
        market.send(buyer, desk.cancel_orders(nonce + market.draw.randint(1, 5)))
    if market.draw.randrange(2):
        market.send(market.relayer, registry.revoke_attestation(market.sold[0].buyer.address, claim))


def _pay_out(market: HonestMarket, plans: list[PlanId]) -> None:
    """Shares first, then the owners; anyone may send it."""
    desk = market.contracts.market
    for share in market.contracts.catalog.shares(plans[2]):
        market.send(market.relayer, desk.payout_share(plans[2], share.model_id))
    for plan in plans:
        market.send(market.relayer, desk.payout(plan))


def _part(market: HonestMarket) -> None:
    """A session key changes, a model is sold; two buyers leave, one of them let go at once by the model's owner."""
    desk, catalog = market.contracts.market, market.contracts.catalog
    changed, left, quick = market.sold[3], market.sold[1], market.sold[0]
    session = WalletKey.create()
    market.send(changed.buyer, desk.propose_signer(changed.subscription_id, session.address))
    market.wait(market.draw.randint(60, HOUR))
    market.send(left.buyer, desk.request_release(left.subscription_id))
    market.wait(HOUR + 5)
    market.send(changed.buyer, desk.confirm_signer(changed.subscription_id))
    changed.session = session
    market.use(changed, 3)
    market.settle(left, changed)
    market.send(market.relayer, desk.release(left.subscription_id))
    market.send(quick.buyer, desk.request_release(quick.subscription_id))
    market.send(market.providers[0], desk.release(quick.subscription_id))
    new_owner = market.funded()
    market.send(market.providers[1], catalog.transfer(market.providers[1].address, new_owner.address, market.models[1]))
