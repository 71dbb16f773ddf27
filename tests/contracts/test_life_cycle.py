"""One subscription from order to payout, played in Python through ape."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import ape
from conftest import PERIOD_PRICE, RELEASE_WINDOW, UNIT_PRICE, ZERO_PERMIT, House, compact

CAP = 1_000
RECORD_WIDTHS = (12, 8, 4, 8, 8, 8, 8, 8, 4, 32)
ACTIVE, RELEASED = 3, 5


def bought(house: House) -> int:
    """A relayed, signed order; returns the subscription's id."""
    total = house.market.quote(house.plan_id, CAP, 1)
    order = (house.buyer, house.plan_id, house.session, CAP, 1, bytes(32), total, 0, 2**40)
    signature = house.buyer.sign_raw_msghash(house.market.hashOrder(order))
    house.market.buyFor(order, signature.encode_rsv(), ZERO_PERMIT, sender=house.provider)
    return house.plan_id << 32 | 1


def activated(house: House) -> int:
    subscription = bought(house)
    endpoint = sha256(b"endpoint").digest()
    r, vs = compact(house.session.sign_raw_msghash(house.market.hashActivation(subscription, endpoint)))
    house.market.activate(subscription, endpoint, r, vs, sender=house.provider)
    return subscription


def signed_voucher(house: House, subscription: int, units: int, root: bytes) -> tuple[Any, ...]:
    digest = house.market.hashVoucher(subscription, units, root)
    return (subscription, units, root, *compact(house.session.sign_raw_msghash(digest)))


def leaf_hash(record: tuple[Any, ...]) -> bytes:
    """RFC 6962 leaf: SHA-256(0x00 || fixed-width big-endian fields)."""
    parts = zip(record, RECORD_WIDTHS, strict=True)
    packed = [value if isinstance(value, bytes) else value.to_bytes(width, "big") for value, width in parts]
    return sha256(b"\x00" + b"".join(packed)).digest()


def test_subscription_from_order_to_payout_splits_the_money_exactly(house: House, chain: Any) -> None:
    subscription = activated(house)
    assert house.market.statusOf(subscription) == ACTIVE
    house.market.settle([signed_voucher(house, subscription, 400, bytes(32))], sender=house.session)
    house.market.requestRelease(subscription, sender=house.buyer)
    chain.pending_timestamp += RELEASE_WINDOW
    house.market.release(subscription, sender=house.meter)
    assert house.market.statusOf(subscription) == RELEASED
    house.market.payout(house.plan_id, sender=house.meter)
    refunded = house.market.accountOf(house.buyer).balance
    paid = house.credit.balanceOf(house.provider)
    assert refunded + paid == CAP * UNIT_PRICE + PERIOD_PRICE
    assert 400 * UNIT_PRICE <= paid < 400 * UNIT_PRICE + PERIOD_PRICE // 100


def test_record_of_a_signed_voucher_is_proven_on_chain(house: House) -> None:
    subscription = activated(house)
    record = (subscription, 0, 0, 5_000, 5, 5, 1_000, 2_000, 900, sha256(b"request").digest())
    leaf = leaf_hash(record)
    root = sha256(b"\x02" + (1).to_bytes(8, "big") + leaf).digest()
    voucher = signed_voucher(house, subscription, 5, root)
    meter = house.meter.sign_raw_msghash(house.market.hashVoucher(subscription, 5, root)).encode_rsv()
    assert not house.market.proveUsage(record, (1, []), voucher, meter), "not settled yet"
    house.market.settle([voucher], sender=house.buyer)
    assert house.market.proveUsage(record, (1, []), voucher, meter)
    forged = (*record[:3], 5_001, *record[4:])
    assert not house.market.proveUsage(forged, (1, []), voucher, meter)


def test_souvenir_minted_once_with_the_meters_signature(house: House) -> None:
    subscription = activated(house)
    content = sha256(b"shell").digest()
    digest = house.assets.hashProvenance(content, house.buyer, subscription, "s4m:souvenir")
    provenance = house.meter.sign_raw_msghash(digest).encode_rsv()
    house.assets.mint(house.buyer, content, subscription, "s4m:souvenir", provenance, sender=house.session)
    assert house.assets.ownerOf(1) == house.buyer
    with ape.reverts(house.assets.ContentExists):
        house.assets.mint(house.session, content, subscription, "s4m:souvenir", provenance, sender=house.session)
