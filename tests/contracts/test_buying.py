"""Accounts, and buying: direct, relayed, with a permit."""

from __future__ import annotations

import ape
from house import ACTIVATION_WINDOW, FUNDS, NO_PERMIT, PURCHASED, REFUNDABLE, REFUNDED, REQUEST, House


def test_deposit_and_withdrawal_move_exactly_what_they_say(house: House) -> None:
    receipt = house.market.deposit(house.stranger, 5_000_000, sender=house.buyer)
    assert receipt.events.filter(house.market.Deposited) == [
        house.market.Deposited(account=house.stranger, payer=house.buyer, amount=5_000_000)
    ]
    assert house.balance(house.stranger) == 5_000_000
    receipt = house.market.withdraw(2_000_000, sender=house.stranger)
    assert receipt.decode_logs(house.market.Withdrawn)[0].amount == 2_000_000
    assert house.credit.balanceOf(house.stranger) == 2_000_000
    with ape.reverts(house.market.InsufficientBalance, needed=3_000_001, available=3_000_000):
        house.market.withdraw(3_000_001, sender=house.stranger)


def test_deposit_by_permit_needs_no_allowance(house: House) -> None:
    house.credit.approve(house.market, 0, sender=house.buyer)
    house.market.depositWithPermit(house.buyer, 7_000_000, house.permit(7_000_000), sender=house.buyer)
    assert house.balance(house.buyer) == 7_000_000
    assert house.credit.allowance(house.buyer, house.market) == 0


def test_direct_purchase_pulls_the_shortfall_only(house: House) -> None:
    total = house.market.quote(house.plan, 100, 2)
    house.market.deposit(house.buyer, 1_000_000, sender=house.buyer)
    receipt = house.market.buy(house.plan, house.session, 100, 2, REQUEST, sender=house.buyer)
    assert receipt.events.filter(house.market.Subscribed) == [
        house.market.Subscribed(
            subscriptionId=house.plan << 32 | 1,
            buyer=house.buyer,
            signer=house.session,
            cap=100,
            periods=2,
            reserved=total,
            requirementsHash=REQUEST,
        )
    ]
    assert receipt.decode_logs(house.market.Deposited)[0].amount == total - 1_000_000
    assert house.credit.balanceOf(house.buyer) == FUNDS - total
    assert house.status(house.plan << 32 | 1) == PURCHASED


def test_relayed_order_costs_the_buyer_its_total_and_the_relayer_nothing(house: House) -> None:
    order = house.order(100, 1)
    signature = house.buyer.sign_message(order).encode_rsv()
    house.market.buyFor(tuple(order), signature, NO_PERMIT, sender=house.stranger)
    assert house.market.subscription(house.plan << 32 | 1).buyer == house.buyer
    assert house.credit.balanceOf(house.buyer) == FUNDS - order.total
    with ape.reverts(house.market.WrongNonce, expected=1, given=0):
        house.market.buyFor(tuple(order), signature, NO_PERMIT, sender=house.stranger)


def test_relayed_order_with_permit_needs_one_transaction(house: House) -> None:
    house.credit.approve(house.market, 0, sender=house.buyer)
    order = house.order(100, 1)
    signature = house.buyer.sign_message(order).encode_rsv()
    house.market.buyFor(tuple(order), signature, house.permit(order.total), sender=house.stranger)
    assert house.credit.balanceOf(house.buyer) == FUNDS - order.total
    assert house.credit.allowance(house.buyer, house.market) == 0


def test_order_that_is_changed_dear_late_or_cancelled_is_refused(house: House) -> None:
    order = house.order(100, 1)
    signature = house.buyer.sign_message(order).encode_rsv()
    changed = house.order(100, 1, signer=house.stranger.address)
    with ape.reverts(house.market.BadSignature, expected=house.buyer):
        house.market.buyFor(tuple(changed), signature, NO_PERMIT, sender=house.stranger)
    dear = house.order(100, 1, total=order.total + 1)
    with ape.reverts(house.market.WrongTotal, expected=order.total, given=order.total + 1):
        house.market.buyFor(tuple(dear), house.buyer.sign_message(dear).encode_rsv(), NO_PERMIT, sender=house.stranger)
    late = house.order(100, 1, deadline=1)
    with ape.reverts(house.market.OrderExpired, deadline=1):
        house.market.buyFor(tuple(late), house.buyer.sign_message(late).encode_rsv(), NO_PERMIT, sender=house.stranger)
    receipt = house.market.cancelOrders(5, sender=house.buyer)
    assert receipt.events == [house.market.OrdersCancelled(buyer=house.buyer, nonce=5)]
    with ape.reverts(house.market.WrongNonce, expected=5, given=0):
        house.market.buyFor(tuple(order), signature, NO_PERMIT, sender=house.stranger)
    assert house.credit.balanceOf(house.buyer) == FUNDS


def test_what_cannot_be_bought_is_refused(house: House) -> None:
    with ape.reverts(house.market.NothingBought):
        house.market.buy(house.unit_plan, house.session, 0, 0, REQUEST, sender=house.buyer)
    with ape.reverts(house.market.NoPeriods, planId=house.unit_plan):
        house.market.buy(house.unit_plan, house.session, 1, 1, REQUEST, sender=house.buyer)
    with ape.reverts(house.market.SignerHasCode, signer=house.credit):
        house.market.buy(house.unit_plan, house.credit, 1, 0, REQUEST, sender=house.buyer)
    house.catalog.retirePlan(house.unit_plan, sender=house.provider)
    with ape.reverts(house.market.PlanIsRetired, planId=house.unit_plan):
        house.market.buy(house.unit_plan, house.session, 1, 0, REQUEST, sender=house.buyer)


def test_subscription_never_handed_over_is_refunded_whole(house: House) -> None:
    subscription = house.buys(house.plan, 100, 2)
    with ape.reverts(house.market.TooEarly):
        house.market.refund(subscription, sender=house.stranger)
    house.passes(ACTIVATION_WINDOW + 1)
    assert house.status(subscription) == REFUNDABLE
    receipt = house.market.refund(subscription, sender=house.stranger)
    total = house.market.quote(house.plan, 100, 2)
    assert receipt.events == [house.market.Refunded(subscriptionId=subscription, buyer=house.buyer, amount=total)]
    assert house.status(subscription) == REFUNDED
    assert house.balance(house.buyer) == total
