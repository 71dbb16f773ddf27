"""Vouchers, batches, time, payout, shares, and the proof of one use."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import ape
from house import (
    BAD_SIGNATURE,
    NOT_ACTIVE,
    OVER_CAP,
    PERIOD,
    PERIOD_PRICE,
    REQUEST,
    SHARE_BPS,
    STALE,
    UNIT_PRICE,
    UNKNOWN,
    House,
)

RECORD_WIDTHS = (12, 8, 4, 8, 8, 8, 8, 8, 4, 32)


def leaf_hash(record: tuple[Any, ...]) -> bytes:
    """RFC 6962 leaf: SHA-256(0x00 || fixed-width big-endian fields)."""
    parts = zip(record, RECORD_WIDTHS, strict=True)
    packed = [value if isinstance(value, bytes) else value.to_bytes(width, "big") for value, width in parts]
    return sha256(b"\x00" + b"".join(packed)).digest()


def test_batch_applies_what_is_good_and_names_what_is_not(house: House) -> None:
    good = house.active(house.unit_plan, 100, 0)
    timed = house.active(house.plan, 100, 1)
    asleep = house.buys(house.unit_plan, 100, 0)
    receipt = house.settles(
        house.voucher(good, 10),
        house.voucher(asleep + 7, 10),
        house.voucher(asleep, 10),
        house.voucher(good, 10),
        house.voucher(good, 101),
        house.voucher(timed, 20, signer=house.stranger),
        house.voucher(timed, 20),
        house.voucher(good, 30),
    )
    market = house.market
    assert receipt.events == [
        market.Settled(subscriptionId=good, units=10, amount=10 * UNIT_PRICE),
        market.Skipped(subscriptionId=asleep + 7, reason=UNKNOWN),
        market.Skipped(subscriptionId=asleep, reason=NOT_ACTIVE),
        market.Skipped(subscriptionId=good, reason=STALE),
        market.Skipped(subscriptionId=good, reason=OVER_CAP),
        market.Skipped(subscriptionId=timed, reason=BAD_SIGNATURE),
        market.Settled(subscriptionId=timed, units=20, amount=20 * UNIT_PRICE),
        market.Settled(subscriptionId=good, units=30, amount=20 * UNIT_PRICE),
    ]
    assert market.earningsOf(house.unit_plan).earned == 30 * UNIT_PRICE
    assert market.earningsOf(house.plan).earned == 20 * UNIT_PRICE


def test_settled_twice_counts_once(house: House) -> None:
    subscription = house.active(house.unit_plan, 100, 0)
    voucher = house.voucher(subscription, 40)
    house.settles(voucher)
    house.settles(voucher, voucher)
    assert house.market.earningsOf(house.unit_plan).earned == 40 * UNIT_PRICE


def test_prepaid_time_is_collected_to_the_second(house: House) -> None:
    subscription = house.active(house.plan, 0, 1)
    since = house.market.subscription(subscription).since
    house.passes(PERIOD // 2)
    receipt = house.market.collectTime([subscription, subscription + 1], sender=house.stranger)
    collected = receipt.decode_logs(house.market.TimeCollected)[0]
    assert collected.through == receipt.timestamp
    assert collected.amount == (receipt.timestamp - since) * PERIOD_PRICE // PERIOD
    assert receipt.decode_logs(house.market.Skipped)[0].reason == UNKNOWN
    house.passes(PERIOD)
    house.market.collectTime([subscription], sender=house.stranger)
    assert house.market.earningsOf(house.plan).earned == PERIOD_PRICE, "a whole period, its whole price"


def test_payout_goes_to_the_models_owner_of_that_moment(house: House) -> None:
    house.settles(house.voucher(house.active(house.unit_plan, 100, 0), 40))
    house.catalog.transferFrom(house.provider, house.stranger, house.composite, sender=house.provider)
    receipt = house.market.payout(house.unit_plan, sender=house.buyer)
    assert receipt.events.filter(house.market.PaidOut) == [
        house.market.PaidOut(planId=house.unit_plan, to=house.stranger, amount=40 * UNIT_PRICE)
    ]
    assert house.credit.balanceOf(house.stranger) == 40 * UNIT_PRICE
    assert house.market.payout(house.unit_plan, sender=house.buyer).return_value == 0


def test_composite_shares_its_earnings_with_its_component(house: House) -> None:
    house.settles(house.voucher(house.active(house.shared_plan, 100, 0), 100))
    share = 100 * UNIT_PRICE * SHARE_BPS // 10_000
    assert house.market.sharePending(house.shared_plan, house.component) == share
    receipt = house.market.payoutShare(house.shared_plan, house.component, sender=house.stranger)
    assert receipt.events.filter(house.market.SharePaidOut) == [
        house.market.SharePaidOut(
            planId=house.shared_plan, modelId=house.component, to=house.component_owner, amount=share
        )
    ]
    house.market.payout(house.shared_plan, sender=house.stranger)
    assert house.credit.balanceOf(house.component_owner) == share
    assert house.credit.balanceOf(house.provider) == 100 * UNIT_PRICE - share
    with ape.reverts(house.market.NotEntitledToShare, planId=house.unit_plan, modelId=house.component):
        house.market.payoutShare(house.unit_plan, house.component, sender=house.component_owner)


def test_record_of_a_signed_voucher_is_proven(house: House) -> None:
    subscription = house.active(house.unit_plan, 100, 0)
    record = (subscription, 0, 0, 5_000, 5, 5, 1_000, 2_000, 900, REQUEST)
    root = sha256(b"\x02" + (1).to_bytes(8, "big") + leaf_hash(record)).digest()
    voucher = house.voucher(subscription, 5, root)
    meter = house.meter.sign_raw_msghash(house.market.hashVoucher(subscription, 5, root)).encode_rsv()
    assert not house.market.proveUsage(record, (1, []), voucher, meter), "not settled yet"
    house.settles(voucher)
    assert house.market.proveUsage(record, (1, []), voucher, meter)
    forged = (*record[:3], 5_001, *record[4:])
    assert not house.market.proveUsage(forged, (1, []), voucher, meter)
