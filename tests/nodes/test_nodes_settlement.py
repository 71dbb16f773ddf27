"""Vouchers, payout, shares and the proof of a record, on both nodes."""

from __future__ import annotations

from dataclasses import replace

from node_yard import BY_UNITS, CAP, TERMS, House, log_of

from ledger import events
from ledger.keys import WalletKey
from ledger.structs import InclusionProof, Share
from ledger.values import Kind, Money, SkipReason, SubscriptionId, Units


def test_batch_settles_the_good_and_names_why_each_other_is_left_out(house: House) -> None:
    first, second = house.active(), house.active(BY_UNITS, periods=0)
    idle = house.bought()
    house.settle(house.voucher(first, 100))
    nobody = SubscriptionId(first.subscription + 9)
    good, other = house.voucher(first, 350), house.voucher(second, CAP)
    told = house.settle(
        good,
        house.voucher(first, 100),
        replace(house.voucher(first, 360), units=Units(361)),
        house.voucher(second, CAP + 1),
        other,
        replace(good, subscription_id=nobody),
        house.voucher(idle, 5),
    )
    assert told == [
        events.Settled(first.subscription, Units(350), Money(250 * TERMS.unit_price), good.usage_root),
        events.Skipped(first.subscription, SkipReason.STALE),
        events.Skipped(first.subscription, SkipReason.BAD_SIGNATURE),
        events.Skipped(second.subscription, SkipReason.OVER_CAP),
        events.Settled(second.subscription, CAP, Money(CAP * BY_UNITS.unit_price), other.usage_root),
        events.Skipped(nobody, SkipReason.UNKNOWN),
        events.Skipped(idle.subscription, SkipReason.NOT_ACTIVE),
    ]
    assert (house.facts(first).used, house.facts(second).used) == (350, CAP)
    assert house.contracts.market.earnings_of(first.plan).earned == 350 * TERMS.unit_price
    assert house.contracts.market.earnings_of(second.plan).earned == CAP * BY_UNITS.unit_price


def test_hundred_vouchers_fit_one_transaction(house: House) -> None:
    sold = house.active()
    told = house.settle(*(house.voucher(sold, units) for units in range(1, 101)))
    assert [event.units for event in told if isinstance(event, events.Settled)] == list(range(1, 101))
    assert house.contracts.market.earnings_of(sold.plan).earned == 100 * TERMS.unit_price


def test_payout_pays_each_unit_once_to_the_owner(house: House) -> None:
    contracts, market = house.contracts, house.contracts.market
    sold = house.active(BY_UNITS, periods=0)
    for units, paid in ((10, 10), (25, 15)):
        house.settle(house.voucher(sold, units))
        receipt = house.send(house.stranger, market.payout(sold.plan))
        expected = events.PaidOut(sold.plan, sold.provider.address, Money(paid * BY_UNITS.unit_price))
        assert contracts.event_in(receipt, events.PaidOut) == expected
    assert not contracts.events_in(house.send(house.stranger, market.payout(sold.plan))), "nothing is left"
    assert contracts.credit.balance_of(sold.provider.address) == 25 * BY_UNITS.unit_price


def test_composite_and_its_components_draw_their_shares_and_leave_the_dust(house: House) -> None:
    contracts, market, catalog = house.contracts, house.contracts.market, house.contracts.catalog
    owners, bps = [house.person(), house.person()], [2_500, 1_234]
    components = [house.model(owner, WalletKey.create(), Kind.CAAS) for owner in owners]
    for owner, component, ask in zip(owners, components, bps, strict=True):
        house.send(owner, catalog.set_ask(component, ask))
    provider, meter = house.person(), WalletKey.create()
    composite = house.model(provider, meter, Kind.COMPOSITE)
    shares = [Share(component, part) for component, part in zip(components, bps, strict=True)]
    mean = [replace(shares[0], bps=2_499), shares[1]]
    assert house.refusal(provider, catalog.publish_plan(composite, BY_UNITS, mean)).name == "BelowAsk"
    plan = house.plan(provider, composite, BY_UNITS, shares)
    assert catalog.shares(plan) == tuple(shares)
    sold = house.bought_of(provider, meter, plan, periods=0)
    house.send(house.stranger, house.activation(sold.subscription, sold.session))
    house.settle(house.voucher(sold, 777))
    earned = 777 * BY_UNITS.unit_price
    parts = [earned * part // 10_000 for part in bps]
    assert [market.share_pending(plan, component) for component in components] == parts
    for component in components:
        house.send(house.stranger, market.payout_share(plan, component))
        assert market.share_pending(plan, component) == 0
    house.send(house.stranger, market.payout(plan))
    own = earned - earned * sum(bps) // 10_000
    assert [contracts.credit.balance_of(key.address) for key in (*owners, provider)] == [*parts, own]
    assert earned - market.earnings_of(plan).paid == earned - own - sum(parts) == 1, "rounding leaves one"
    assert house.refusal(house.stranger, market.payout_share(plan, composite)).name == "NotEntitledToShare"


def test_record_is_proven_exactly_when_both_signed_and_the_log_holds_it(house: House) -> None:
    market, sold = house.contracts.market, house.active()
    log, records = log_of(sold, 21)
    voucher = house.voucher(sold, 210, log.usage_root())
    witness = house.meter_signature(sold, voucher)
    proofs = [InclusionProof(log.size, log.inclusion_proof(index)) for index in range(log.size)]
    assert not market.prove_usage(records[0], proofs[0], voucher, witness), "not settled yet"
    house.settle(voucher)
    for record, proof in zip(records, proofs, strict=True):
        assert market.prove_usage(record, proof, voucher, witness)
    record, proof = records[20], proofs[20]
    forger = replace(sold, meter=house.stranger)
    assert not market.prove_usage(replace(record, units=Units(11)), proof, voucher, witness)
    assert not market.prove_usage(record, proofs[19], voucher, witness)
    assert not market.prove_usage(record, replace(proof, size=22), voucher, witness)
    assert not market.prove_usage(record, proof, voucher, house.meter_signature(forger, voucher))
    unsettled = house.voucher(sold, 211, log.usage_root())
    assert not market.prove_usage(record, proof, unsettled, house.meter_signature(sold, unsettled))
    stolen = house.voucher(sold, 210, log.usage_root(), signer=house.stranger)
    assert not market.prove_usage(record, proof, stolen, witness)
