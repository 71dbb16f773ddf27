"""A subscription's life: activation, top-up, renewal, rotation of the session key, release."""

from __future__ import annotations

import ape
import signing
from house import (
    ACTIVATION_WINDOW,
    ACTIVE,
    ENDPOINT,
    PERIOD,
    PERIOD_PRICE,
    RELEASE_WINDOW,
    RELEASED,
    RELEASING,
    UNIT_PRICE,
    House,
)


def test_activation_by_the_session_key_starts_the_time(house: House) -> None:
    subscription = house.buys(house.plan, 10, 2)
    receipt = house.activates(subscription)
    assert receipt.events == [
        house.market.Activated(
            subscriptionId=subscription,
            endpointHash=ENDPOINT,
            since=receipt.timestamp,
            paidThrough=receipt.timestamp + 2 * PERIOD,
        )
    ]
    assert house.status(subscription) == ACTIVE
    assert house.market.isEntitled(subscription)


def test_activation_by_another_key_or_too_late_is_refused(house: House) -> None:
    subscription = house.buys(house.plan, 10, 1)
    message = signing.Activation(subscriptionId=subscription, endpointHash=ENDPOINT, eip712_domain=house.domain)
    r, vs = signing.compact(house.buyer.sign_message(message))
    with ape.reverts(house.market.BadSignature, expected=house.session):
        house.market.activate(subscription, ENDPOINT, r, vs, sender=house.buyer)
    deadline = house.market.activationDeadlineOf(subscription)
    house.passes(ACTIVATION_WINDOW + 1)
    with ape.reverts(house.market.TooLate, closedAt=deadline):
        house.activates(subscription)


def test_top_up_by_anybody_raises_the_cap_and_comes_back_to_the_buyer(house: House) -> None:
    subscription = house.active(house.unit_plan, 10, 0)
    house.market.deposit(house.stranger, 1_000_000, sender=house.buyer)
    receipt = house.market.raiseCap(subscription, 5, sender=house.stranger)
    assert receipt.events == [
        house.market.CapRaised(subscriptionId=subscription, payer=house.stranger, cap=15, amount=5 * UNIT_PRICE)
    ]
    assert house.balance(house.stranger) == 1_000_000 - 5 * UNIT_PRICE
    house.market.requestRelease(subscription, sender=house.buyer)
    house.market.release(subscription, sender=house.provider)
    assert house.balance(house.buyer) == 15 * UNIT_PRICE


def test_renewal_extends_the_time_while_it_has_not_lapsed(house: House) -> None:
    subscription = house.active(house.plan, 0, 1)
    paid_through = house.market.subscription(subscription).paidThrough
    receipt = house.market.renew(subscription, 2, sender=house.buyer)
    assert receipt.events.filter(house.market.Renewed) == [
        house.market.Renewed(
            subscriptionId=subscription,
            payer=house.buyer,
            periods=2,
            paidThrough=paid_through + 2 * PERIOD,
            amount=2 * PERIOD_PRICE,
        )
    ]
    house.passes(3 * PERIOD + 1)
    assert not house.market.isEntitled(subscription)
    with ape.reverts(house.market.Lapsed, paidThrough=paid_through + 2 * PERIOD):
        house.market.renew(subscription, 1, sender=house.buyer)


def test_session_key_rotates_after_the_window(house: House) -> None:
    subscription = house.active(house.unit_plan, 100, 0)
    pending = house.voucher(subscription, 20)
    with ape.reverts(house.market.NotBuyer, expected=house.buyer, caller=house.session):
        house.market.proposeSigner(subscription, house.stranger, sender=house.session)
    receipt = house.market.proposeSigner(subscription, house.stranger, sender=house.buyer)
    proposed = receipt.decode_logs(house.market.SignerProposed)[0]
    assert proposed.confirmableAt == receipt.timestamp + RELEASE_WINDOW
    with ape.reverts(house.market.TooEarly, opensAt=proposed.confirmableAt):
        house.market.confirmSigner(subscription, sender=house.buyer)
    house.settles(house.voucher(subscription, 10))
    house.passes(RELEASE_WINDOW)
    receipt = house.market.confirmSigner(subscription, sender=house.stranger)
    assert receipt.events == [house.market.SignerConfirmed(subscriptionId=subscription, signer=house.stranger)]
    house.settles(pending)
    assert house.market.subscription(subscription).used == 10, "the old key is void"
    house.settles(house.voucher(subscription, 30, signer=house.stranger))
    assert house.market.subscription(subscription).used == 30


def test_release_settles_time_at_once_and_units_after_the_window(house: House) -> None:
    subscription = house.active(house.plan, 100, 2)
    house.passes(PERIOD)
    receipt = house.market.requestRelease(subscription, sender=house.buyer)
    requested = receipt.decode_logs(house.market.ReleaseRequested)[0]
    assert requested.timePaid + requested.timeRefunded == 2 * PERIOD_PRICE
    assert PERIOD_PRICE <= requested.timePaid < PERIOD_PRICE + 1_000
    assert house.status(subscription) == RELEASING
    with ape.reverts(house.market.WrongStatus, expected=ACTIVE, actual=RELEASING):
        house.market.raiseCap(subscription, 1, sender=house.buyer)
    with ape.reverts(house.market.TooEarly, opensAt=requested.releasableAt):
        house.market.release(subscription, sender=house.buyer)
    house.settles(house.voucher(subscription, 60))
    house.passes(RELEASE_WINDOW)
    receipt = house.market.release(subscription, sender=house.stranger)
    assert receipt.events == [
        house.market.Released(subscriptionId=subscription, buyer=house.buyer, refunded=40 * UNIT_PRICE)
    ]
    assert house.status(subscription) == RELEASED
    assert house.balance(house.buyer) == requested.timeRefunded + 40 * UNIT_PRICE
