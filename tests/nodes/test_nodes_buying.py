"""Money in, purchase, activation and refund, on both nodes."""

from __future__ import annotations

from dataclasses import replace

from node_yard import CAP, REQUEST, TERMS, House

from ledger import events
from ledger.keys import WalletKey
from ledger.structs import NO_PERMIT
from ledger.typed_data import Permit, sign, signed_permit
from ledger.values import CREDIT, Money, Status, plan_of

PRICE = CAP * TERMS.unit_price + 2 * TERMS.period_price


def test_relayed_order_with_permit_takes_exactly_its_total_and_serves_once(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    _, _, plan = house.offered()
    buyer, session = house.person(100), WalletKey.create()
    order = house.order(buyer, plan, session, periods=2)
    permit = Permit(buyer.address, market.address, order.total, 0, order.deadline)
    allowed = signed_permit(buyer, contracts.credit_domain, permit)
    call = market.buy_for(order, sign(buyer, contracts.market_domain, order), allowed)
    sale = contracts.event_in(house.send(house.stranger, call), events.Subscribed)
    assert (sale.buyer, sale.signer, sale.cap, sale.periods) == (buyer.address, session.address, CAP, 2)
    assert sale.reserved == order.total == PRICE
    assert plan_of(sale.subscription_id) == plan
    assert market.status_of(sale.subscription_id) is Status.PURCHASED
    assert contracts.credit.balance_of(buyer.address) == 100 * CREDIT - PRICE
    assert contracts.credit.allowance(buyer.address, market.address) == 0
    assert house.refusal(house.stranger, call).arguments == {"expected": 1, "given": 0}


def test_order_that_its_buyer_did_not_sign_is_refused(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    _, _, plan = house.offered()
    buyer, session = house.person(), WalletKey.create()
    order = house.order(buyer, plan, session, periods=1)
    signature = sign(buyer, contracts.market_domain, order)
    altered = replace(order, signer=house.stranger.address)
    refusal = house.refusal(house.stranger, market.buy_for(altered, signature))
    assert (refusal.name, refusal.arguments) == ("BadSignature", {"expected": buyer.address})
    cheaper = replace(order, total=Money(order.total - 1))
    signature = sign(buyer, contracts.market_domain, cheaper)
    assert house.refusal(house.stranger, market.buy_for(cheaper, signature)).name == "WrongTotal"
    house.wait_until(order.deadline + 1)
    late = market.buy_for(order, sign(buyer, contracts.market_domain, order), NO_PERMIT)
    assert house.refusal(house.stranger, late).name == "OrderExpired"


def test_direct_purchase_pulls_only_what_the_account_lacks(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    _, _, plan = house.offered()
    buyer, session = house.person(100), WalletKey.create()
    house.send(buyer, contracts.credit.approve(market.address, 100 * CREDIT))
    house.send(buyer, market.deposit(buyer.address, 3 * CREDIT))
    receipt = house.send(buyer, market.buy(plan, session.address, CAP, 2, REQUEST))
    sale = contracts.event_in(receipt, events.Subscribed)
    assert (sale.reserved, sale.requirements_hash) == (PRICE, REQUEST)
    assert sale.deadline == house.time_of(receipt) + TERMS.activation_window
    assert market.activation_deadline_of(sale.subscription_id) == sale.deadline
    assert market.account_of(buyer.address).balance == 0
    assert contracts.credit.balance_of(buyer.address) == 100 * CREDIT - PRICE
    assert contracts.credit.allowance(buyer.address, market.address) == 97 * CREDIT - (PRICE - 3 * CREDIT)


def test_deposit_by_permit_can_be_withdrawn_by_its_owner_alone(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    owner = house.person(5)
    permit = Permit(owner.address, market.address, Money(2 * CREDIT), 0, house.now() + 3_600)
    allowed = signed_permit(owner, contracts.credit_domain, permit)
    house.send(owner, market.deposit_with_permit(owner.address, 2 * CREDIT, allowed))
    assert market.account_of(owner.address).balance == 2 * CREDIT
    assert house.refusal(house.stranger, market.withdraw(CREDIT)).name == "InsufficientBalance"
    house.send(owner, market.withdraw(CREDIT))
    assert market.account_of(owner.address).balance == CREDIT
    assert contracts.credit.balance_of(owner.address) == 4 * CREDIT


def test_service_starts_when_the_session_key_signs_for_it(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    sold = house.bought()
    assert not market.is_entitled(sold.subscription)
    refusal = house.refusal(house.stranger, house.activation(sold.subscription, sold.buyer))
    assert (refusal.name, refusal.arguments) == ("BadSignature", {"expected": sold.session.address})
    receipt = house.send(house.stranger, house.activation(sold.subscription, sold.session))
    started = contracts.event_in(receipt, events.Activated)
    assert started.since == house.time_of(receipt)
    assert started.paid_through == started.since + 2 * TERMS.period
    assert house.facts(sold).status is Status.ACTIVE
    assert market.is_entitled(sold.subscription)
    refusal = house.refusal(house.stranger, house.activation(sold.subscription, sold.session))
    assert (refusal.name, refusal.arguments) == ("WrongStatus", {"expected": "purchased", "actual": "active"})


def test_service_never_handed_over_is_refunded_whole_after_the_deadline(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    sold = house.bought()
    deadline = market.activation_deadline_of(sold.subscription)
    early = house.refusal(house.stranger, market.refund(sold.subscription))
    assert (early.name, early.arguments["opensAt"]) == ("TooEarly", deadline + 1)
    house.wait_until(deadline + 1)
    assert house.facts(sold).status is Status.REFUNDABLE
    late = house.refusal(house.stranger, house.activation(sold.subscription, sold.session))
    assert (late.name, late.arguments["closedAt"]) == ("TooLate", deadline)
    receipt = house.send(house.stranger, market.refund(sold.subscription))
    assert contracts.event_in(receipt, events.Refunded).amount == PRICE
    assert market.account_of(sold.buyer.address).balance == PRICE
    assert house.facts(sold).status is Status.REFUNDED
    assert house.refusal(house.stranger, market.refund(sold.subscription)).name == "WrongStatus"


def test_units_alone_can_be_bought_where_the_plan_sells_no_time(house: House) -> None:
    terms = replace(TERMS, period=0, period_price=Money(0))
    sold = house.active(terms, periods=0)
    assert house.facts(sold).cap == CAP
    house.wait_until(house.now() + TERMS.period)
    assert house.contracts.market.is_entitled(sold.subscription)
    refusal = house.refusal(sold.buyer, house.contracts.market.renew(sold.subscription, 1))
    assert (refusal.name, refusal.arguments) == ("NoPeriods", {"planId": sold.plan})
