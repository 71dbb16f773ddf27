"""A running subscription: top-up, renewal, another session key, time, release, on both nodes."""

from __future__ import annotations

from node_yard import CAP, HOUR, TERMS, House, time_cost

from ledger import events
from ledger.keys import WalletKey
from ledger.values import CREDIT, Money, SkipReason, Status, SubscriptionId, Units

PRICE = CAP * TERMS.unit_price + 2 * TERMS.period_price


def test_anyone_may_top_up_and_renew_but_only_before_the_time_runs_out(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    sold, giver = house.active(periods=1), house.person(50)
    house.send(giver, contracts.credit.approve(market.address, 50 * CREDIT))
    raised = contracts.event_in(house.send(giver, market.raise_cap(sold.subscription, 700)), events.CapRaised)
    assert (raised.payer, raised.cap, raised.amount) == (giver.address, CAP + 700, 700 * TERMS.unit_price)
    before = house.facts(sold).paid_through
    renewed = contracts.event_in(house.send(giver, market.renew(sold.subscription, 3)), events.Renewed)
    assert (renewed.payer, renewed.amount) == (giver.address, 3 * TERMS.period_price)
    assert house.facts(sold).paid_through == renewed.paid_through == before + 3 * TERMS.period
    assert house.facts(sold).cap == CAP + 700
    assert contracts.credit.balance_of(giver.address) == 50 * CREDIT - raised.amount - renewed.amount
    house.wait_until(renewed.paid_through + 1)
    assert not market.is_entitled(sold.subscription)
    lapsed = house.refusal(giver, market.renew(sold.subscription, 1))
    assert (lapsed.name, lapsed.arguments) == ("Lapsed", {"paidThrough": renewed.paid_through})


def test_new_session_key_takes_over_after_the_window_and_the_old_one_signs_nothing_more(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    sold, successor = house.active(), WalletKey.create()
    assert house.refusal(house.stranger, market.propose_signer(sold.subscription, successor.address)).name == "NotBuyer"
    proposal = house.send(sold.buyer, market.propose_signer(sold.subscription, successor.address))
    opens_at = contracts.event_in(proposal, events.SignerProposed).confirmable_at
    assert opens_at == house.time_of(proposal) + TERMS.release_window
    early = house.refusal(house.stranger, market.confirm_signer(sold.subscription))
    assert (early.name, early.arguments["opensAt"]) == ("TooEarly", opens_at)
    assert house.settle(house.voucher(sold, 10, signer=successor)) == [
        events.Skipped(sold.subscription, SkipReason.BAD_SIGNATURE)
    ]
    house.wait_until(opens_at)
    house.send(house.stranger, market.confirm_signer(sold.subscription))
    assert house.facts(sold).signer == successor.address
    old, new = house.voucher(sold, 20), house.voucher(sold, 20, signer=successor)
    assert house.settle(old, new) == [
        events.Skipped(sold.subscription, SkipReason.BAD_SIGNATURE),
        events.Settled(sold.subscription, Units(20), Money(20 * TERMS.unit_price), new.usage_root),
    ]


def test_time_is_collected_in_pieces_that_add_up_to_what_was_prepaid(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    sold = house.active(periods=2)
    facts, collected = house.facts(sold), 0
    for step in (1, HOUR + 7, 3 * TERMS.period):
        house.wait_until(house.now() + step)
        receipt = house.send(house.stranger, market.collect_time([sold.subscription]))
        piece = contracts.event_in(receipt, events.TimeCollected)
        collected += piece.amount
        assert piece.through == min(house.time_of(receipt), facts.paid_through)
        assert collected == time_cost(TERMS, piece.through - facts.since)
    assert collected == 2 * TERMS.period_price == market.earnings_of(sold.plan).earned
    nobody = SubscriptionId(sold.subscription + 1)
    again = house.send(house.stranger, market.collect_time([sold.subscription, nobody]))
    assert [entry.event for entry in contracts.events_in(again)] == [
        events.Skipped(sold.subscription, SkipReason.STALE),
        events.Skipped(nobody, SkipReason.UNKNOWN),
    ]


def test_release_after_the_window_splits_the_money_exactly(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    sold = house.active(periods=2)
    since = house.facts(sold).since
    left = contracts.credit.balance_of(sold.buyer.address)
    house.settle(house.voucher(sold, 1_234))
    house.wait_until(since + TERMS.period // 2)
    receipt = house.send(sold.buyer, market.request_release(sold.subscription))
    request = contracts.event_in(receipt, events.ReleaseRequested)
    assert request.time_paid == time_cost(TERMS, house.time_of(receipt) - since)
    assert request.time_paid + request.time_refunded == 2 * TERMS.period_price
    assert house.refusal(sold.buyer, market.raise_cap(sold.subscription, 1)).name == "WrongStatus"
    house.settle(house.voucher(sold, 1_300))
    early = house.refusal(house.stranger, market.release(sold.subscription))
    assert (early.name, early.arguments["opensAt"]) == ("TooEarly", request.releasable_at)
    house.wait_until(market.releasable_at(sold.subscription))
    released = contracts.event_in(house.send(house.stranger, market.release(sold.subscription)), events.Released)
    assert released.refunded == (CAP - 1_300) * TERMS.unit_price
    assert house.facts(sold).status is Status.RELEASED
    house.send(house.stranger, market.payout(sold.plan))
    returned = market.account_of(sold.buyer.address).balance
    paid = contracts.credit.balance_of(sold.provider.address)
    assert returned == request.time_refunded + released.refunded
    assert paid == request.time_paid + 1_300 * TERMS.unit_price
    assert returned + paid == 100 * CREDIT - left == CAP * TERMS.unit_price + 2 * TERMS.period_price
    after = house.settle(house.voucher(sold, 1_400))
    assert after == [events.Skipped(sold.subscription, SkipReason.NOT_ACTIVE)]


def test_owner_may_release_at_once_after_the_request_and_never_before(house: House) -> None:
    market, sold = house.contracts.market, house.active()
    assert house.refusal(sold.provider, market.release(sold.subscription)).name == "WrongStatus"
    assert house.refusal(sold.provider, market.request_release(sold.subscription)).name == "NotBuyer"
    house.send(sold.buyer, market.request_release(sold.subscription))
    house.send(sold.provider, market.release(sold.subscription))
    assert house.facts(sold).status is Status.RELEASED


def test_money_adds_up_over_subscriptions_in_every_state(house: House) -> None:
    market, stranger = house.contracts.market, house.stranger
    owed_before, held_before = house.books()
    refunded = house.bought()
    house.wait_until(market.activation_deadline_of(refunded.subscription) + 1)
    house.send(stranger, market.refund(refunded.subscription))
    active, releasing, released, purchased = house.active(), house.active(), house.active(), house.bought()
    house.wait_until(house.now() + 2 * HOUR + 1)
    late = house.bought()
    for sold, units in ((active, 3), (releasing, 5), (released, 7)):
        house.settle(house.voucher(sold, units))
    house.send(stranger, market.collect_time([active.subscription]))
    for sold in (releasing, released):
        house.send(sold.buyer, market.request_release(sold.subscription))
    house.send(released.provider, market.release(released.subscription))
    house.send(stranger, market.payout(released.plan))
    states = [house.facts(sold).status for sold in (late, purchased, refunded, active, releasing, released)]
    assert states == [
        Status.PURCHASED, Status.REFUNDABLE, Status.REFUNDED, Status.ACTIVE, Status.RELEASING, Status.RELEASED,
    ]  # fmt: skip
    owed, held = house.books()
    paid = market.earnings_of(released.plan).paid
    assert owed - owed_before == held - held_before == 6 * PRICE - paid
    assert paid > 7 * TERMS.unit_price
