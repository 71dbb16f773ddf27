"""The money path through the typed contracts: register, buy by a signed order, activate, settle, prove, pay out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest

from ledger import events
from ledger.contracts import Contracts
from ledger.errors import EventMissing, Reverted
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.structs import ComponentKey, InclusionProof, PlanTerms, SignedVoucher
from ledger.typed_data import Activation, Order, Permit, Provenance, Voucher, sign, signed_permit
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import (
    CREDIT,
    Kind,
    Money,
    PlanId,
    SkipReason,
    Status,
    SubscriptionId,
    Units,
    compact,
    model_of,
    plan_id,
    plan_of,
)

UNIT_PRICE = Money(1_000)
CAP = Units(5_000)
ENDPOINT = sha256(b"endpoint").digest()
TERMS = PlanTerms(UNIT_PRICE, Money(0), 0, 3_600, 3_600, 0, sha256(b"terms").digest())


@dataclass(frozen=True)
class Sold:
    """A model with a plan, and an active subscription to it."""

    provider: WalletKey
    meter: WalletKey
    buyer: WalletKey
    session: WalletKey
    plan: PlanId
    subscription: SubscriptionId


@pytest.fixture(scope="module")
def sold(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> Sold:
    provider, buyer = funded_wallet(credits=0), funded_wallet(credits=100)
    meter, session, relayer = WalletKey.create(), WalletKey.create(), funded_wallet(credits=0)
    registered = sender_of(provider).send(
        contracts.catalog.register(Kind.TAAS, sha256(b"spec").digest(), "s4m:documents/x", meter.address, 250)
    )
    model = contracts.event_in(registered, events.ModelRegistered).model_id
    published = sender_of(provider).send(contracts.catalog.publish_plan(model, TERMS))
    plan = contracts.event_in(published, events.PlanPublished).plan_id
    total = contracts.market.quote(plan, CAP, 0)
    soon = int(time.time()) + 3_600
    order = Order(buyer.address, plan, session.address, CAP, 0, sha256(b"request").digest(), total, 0, soon)
    permit = Permit(buyer.address, contracts.market.address, total, 0, soon)
    bought = sender_of(relayer).send(
        contracts.market.buy_for(
            order,
            sign(buyer, contracts.market_domain, order),
            signed_permit(buyer, contracts.credit_domain, permit),
        )
    )
    subscription = contracts.event_in(bought, events.Subscribed).subscription_id
    handover = sign(session, contracts.market_domain, Activation(subscription, ENDPOINT))
    sender_of(relayer).send(contracts.market.activate(subscription, ENDPOINT, *compact(handover)))
    return Sold(provider, meter, buyer, session, plan, subscription)


def log_of(sold: Sold, count: int) -> tuple[UsageLog, list[UsageRecord]]:
    records = [
        UsageRecord(sold.subscription, seq, 0, 480, Units(10), Units(10 * seq + 10), seq, seq + 5, 900, bytes(32))
        for seq in range(count)
    ]
    return UsageLog.of(records), records


def voucher_of(contracts: Contracts, sold: Sold, log: UsageLog, units: int) -> tuple[SignedVoucher, bytes]:
    message = Voucher(sold.subscription, Units(units), log.usage_root())
    r, vs = compact(sign(sold.session, contracts.market_domain, message))
    meter_signature = sign(sold.meter, contracts.market_domain, message)
    return SignedVoucher(sold.subscription, Units(units), log.usage_root(), r, vs), meter_signature


def test_bought_subscription_is_active_and_its_id_tells_its_plan(contracts: Contracts, sold: Sold) -> None:
    found = contracts.market.subscription(sold.subscription)
    assert (found.buyer, found.signer, found.cap) == (sold.buyer.address, sold.session.address, CAP)
    assert found.status is contracts.market.status_of(sold.subscription) is Status.ACTIVE
    assert contracts.market.is_entitled(sold.subscription)
    assert plan_of(sold.subscription) == sold.plan == plan_id(model_of(sold.plan), 1)
    assert contracts.market.account_of(sold.buyer.address).nonce == 1


def test_catalogue_tells_what_was_published(contracts: Contracts, sold: Sold) -> None:
    model = contracts.catalog.model(model_of(sold.plan))
    assert (model.kind, model.versions, model.meter_key) == (Kind.TAAS, 1, sold.meter.address)
    assert contracts.catalog.meter_key_of(model_of(sold.plan)) == sold.meter.address
    assert contracts.catalog.owner_of(model_of(sold.plan)) == sold.provider.address
    plan = contracts.catalog.plan(sold.plan)
    assert plan.terms == TERMS
    assert not plan.retired
    assert contracts.catalog.shares(sold.plan) == ()


def test_voucher_settles_once_is_proven_and_paid_out(
    contracts: Contracts, sold: Sold, sender_of: Callable[[WalletKey], Sender], funded_wallet: Callable[..., WalletKey]
) -> None:
    log, records = log_of(sold, 21)
    voucher, meter_signature = voucher_of(contracts, sold, log, 210)
    sender = sender_of(funded_wallet(credits=0))
    forged = replace(voucher, units=Units(211))
    receipt = sender.send(contracts.market.settle([forged, voucher, voucher]))
    told = [entry.event for entry in contracts.events_in(receipt)]
    assert told == [
        events.Skipped(sold.subscription, SkipReason.BAD_SIGNATURE),
        events.Settled(sold.subscription, Units(210), Money(210 * UNIT_PRICE), log.usage_root()),
        events.Skipped(sold.subscription, SkipReason.STALE),
    ]
    for index in (0, 7, 20):
        proof = InclusionProof(log.size, log.inclusion_proof(index))
        assert contracts.market.prove_usage(records[index], proof, voucher, meter_signature)
        lie = replace(records[index], units=Units(11))
        assert not contracts.market.prove_usage(lie, proof, voucher, meter_signature)
    paid = contracts.event_in(sender_of(sold.provider).send(contracts.market.payout(sold.plan)), events.PaidOut)
    assert paid == events.PaidOut(sold.plan, sold.provider.address, Money(210 * UNIT_PRICE))
    assert contracts.credit.balance_of(sold.provider.address) == 210 * UNIT_PRICE
    assert contracts.market.earnings_of(sold.plan).paid == 210 * UNIT_PRICE


def test_souvenir_is_minted_with_provenance_and_no_copy(
    contracts: Contracts, sold: Sold, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    content = sha256(b"souvenir").digest()
    message = Provenance(content, sold.buyer.address, sold.subscription, "s4m:souvenir")
    signature = sign(sold.meter, contracts.assets_domain, message)
    call = contracts.assets.mint(sold.buyer.address, content, sold.subscription, "s4m:souvenir", signature)
    sender = sender_of(funded_wallet(credits=0))
    minted = contracts.event_in(sender.send(call), events.AssetMinted)
    assert contracts.assets.asset_of_content(content) == minted.asset_id
    assert contracts.assets.asset(minted.asset_id).subscription_id == sold.subscription
    assert contracts.assets.owner_of(minted.asset_id) == sold.buyer.address
    with pytest.raises(Reverted, match=f"already exists as asset {minted.asset_id}"):
        sender.send(call)


def test_component_key_is_enrolled_and_revoked(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    owner = funded_wallet(credits=0)
    sender, identity, key = sender_of(owner), contracts.identity, bytes(range(32))
    domain = contracts.event_in(sender.send(identity.create_domain("d")), events.DomainCreated).domain_id
    assert domain == identity.domain_id_of(owner.address, "d")
    assert identity.domain_owner(domain) == owner.address
    start = int(time.time()) - 60
    sender.send(identity.enrol_key(domain, "gateway", key, start, start + 86_400))
    assert identity.keys_of(domain, "gateway") == (ComponentKey(key, start, start + 86_400, revoked=False),)
    assert identity.is_key_valid(domain, "gateway", key)
    sender.send(identity.revoke_key(domain, "gateway", key))
    assert not identity.is_key_valid(domain, "gateway", key)


def test_deposit_and_withdrawal_move_the_money(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    wallet = funded_wallet(credits=5)
    sender, market = sender_of(wallet), contracts.market
    sender.send(contracts.credit.approve(market.address, 2 * CREDIT))
    receipt = sender.send(market.deposit(wallet.address, 2 * CREDIT))
    assert contracts.event_in(receipt, events.Deposited).amount == 2 * CREDIT
    sender.send(market.withdraw(CREDIT))
    assert market.account_of(wallet.address).balance == CREDIT
    assert contracts.credit.balance_of(wallet.address) == 4 * CREDIT


def test_receipt_without_the_event_is_named(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    receipt = sender_of(funded_wallet(credits=0)).send(contracts.credit.approve(contracts.market.address, 1))
    with pytest.raises(EventMissing, match="Subscribed"):
        contracts.event_in(receipt, events.Subscribed)
