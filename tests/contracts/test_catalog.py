"""Models and their immutable plans."""

from __future__ import annotations

import ape
from house import COMPOSITE, PERIOD_PRICE, SHARE_BPS, SPEC, TAAS, UNIT_PRICE, House, terms

NEVER = 10_001


def test_registered_model_belongs_to_the_caller(house: House) -> None:
    receipt = house.catalog.register(TAAS, SPEC, "s4m:documents/reef", house.meter, 250, sender=house.stranger)
    assert receipt.events.filter(house.catalog.ModelRegistered) == [
        house.catalog.ModelRegistered(modelId=3, owner=house.stranger, kind=TAAS, royaltyBps=250)
    ]
    assert house.catalog.ownerOf(3) == house.stranger
    assert house.catalog.tokenURI(3) == "s4m:documents/reef"
    assert house.catalog.royaltyInfo(3, 10_000)[1] == 250


def test_new_price_is_a_new_plan_and_the_old_one_stays(house: House) -> None:
    subscription = house.active(house.plan, 10, 1)
    receipt = house.catalog.publishPlan(house.composite, terms(unit_price=1), [], sender=house.provider)
    published = receipt.decode_logs(house.catalog.PlanPublished)[0]
    assert published.planId == house.composite << 32 | 4
    house.settles(house.voucher(subscription, 10))
    assert house.market.earningsOf(house.plan).earned == 10 * UNIT_PRICE
    assert house.market.quote(published.planId, 10, 1) == 10 + PERIOD_PRICE


def test_plan_below_a_components_ask_or_out_of_bounds_is_refused(house: House) -> None:
    with ape.reverts(house.catalog.BelowAsk, modelId=house.component, ask=SHARE_BPS, given=SHARE_BPS - 1):
        house.catalog.publishPlan(house.composite, terms(), [(house.component, SHARE_BPS - 1)], sender=house.provider)
    with ape.reverts(house.catalog.OutOfBounds, limit=3_600, given=3_599):
        house.catalog.publishPlan(house.composite, terms(release_window=3_599), [], sender=house.provider)
    with ape.reverts(house.catalog.NotModelOwner, modelId=house.composite, owner=house.provider, caller=house.stranger):
        house.catalog.publishPlan(house.composite, terms(), [], sender=house.stranger)


def test_transfer_clears_what_the_former_owner_stood_for(house: House) -> None:
    house.catalog.transferFrom(house.component_owner, house.stranger, house.component, sender=house.component_owner)
    assert int(house.catalog.meterKeyOf(house.component), 16) == 0
    assert house.catalog.model(house.component).askBps == NEVER
    with ape.reverts(house.catalog.NeverAvailable, modelId=house.component):
        house.catalog.publishPlan(house.composite, terms(), [(house.component, 10_000)], sender=house.provider)
    receipt = house.catalog.setMeterKey(house.component, house.session, sender=house.stranger)
    assert receipt.events == [house.catalog.MeterKeySet(modelId=house.component, meterKey=house.session)]


def test_kinds_are_what_they_were_registered_as(house: House) -> None:
    assert house.catalog.model(house.component).kind == TAAS
    assert house.catalog.model(house.composite).kind == COMPOSITE
    assert house.catalog.modelCount() == 2
