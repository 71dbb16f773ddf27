"""One subscription from order to payout: the whole way in one walk, and the money adds up to the unit."""

from __future__ import annotations

from house import (
    ACTIVE,
    FUNDS,
    NO_PERMIT,
    PERIOD,
    PERIOD_PRICE,
    RELEASE_WINDOW,
    RELEASED,
    UNIT_PRICE,
    House,
)


def test_subscription_from_order_to_payout_splits_the_money_exactly(house: House) -> None:
    order = house.order(1_000, 1)
    signature = house.buyer.sign_message(order).encode_rsv()
    receipt = house.market.buyFor(tuple(order), signature, NO_PERMIT, sender=house.stranger)
    subscription = receipt.decode_logs(house.market.Subscribed)[0].subscriptionId
    house.activates(subscription)
    assert house.status(subscription) == ACTIVE
    house.settles(house.voucher(subscription, 400))
    house.passes(PERIOD // 4)
    house.market.raiseCap(subscription, 100, sender=house.buyer)
    house.market.renew(subscription, 1, sender=house.buyer)
    house.settles(house.voucher(subscription, 700))
    house.passes(PERIOD // 4)
    time_paid = (
        house.market.requestRelease(subscription, sender=house.buyer)
        .decode_logs(house.market.ReleaseRequested)[0]
        .timePaid
    )
    assert PERIOD_PRICE // 2 <= time_paid < PERIOD_PRICE // 2 + 1_000
    house.passes(RELEASE_WINDOW)
    house.market.release(subscription, sender=house.stranger)
    assert house.status(subscription) == RELEASED
    house.market.payout(house.plan, sender=house.stranger)
    house.market.withdraw(house.balance(house.buyer), sender=house.buyer)
    assert house.credit.balanceOf(house.provider) == 700 * UNIT_PRICE + time_paid
    assert house.credit.balanceOf(house.buyer) == FUNDS - 700 * UNIT_PRICE - time_paid
    assert house.credit.balanceOf(house.market) == 0
