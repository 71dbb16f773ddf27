"""Our market under load: buying, settling, paying, a subscription's life.

Called by scripts/bench_gas.py. Each scenario names the receipts that the table takes its figures from; "steady" means
that the same was done before, so that storage goes from non-zero to non-zero.
"""

from __future__ import annotations

from hashlib import sha256

from ledger.keys import WalletKey
from ledger.structs import InclusionProof, Share
from ledger.typed_data import Order, Permit, Voucher, sign, signed_permit
from ledger.usage_log import UsageRecord, usage_root
from ledger.values import Call, Kind, PlanId, SubscriptionId, Units
from scripts.gas.yard import ACTIVATION, DIGEST, FAR, WINDOW, NotMeasured, Yard

BATCH = 100
LARGEST = 500
FAUCET = 10**12  # the most that one call gives


def measure_market(yard: Yard) -> list[SubscriptionId]:
    """All of the market's receipts; returns a hundred active subscriptions."""
    _fund(yard)
    _buying(yard)
    alike = _settling(yard)
    _paying(yard)
    _proof(yard, alike[0])
    _life(yard)
    _time(yard, alike[:BATCH])
    _closing(yard)
    return alike[:BATCH]


def _fund(yard: Yard) -> None:
    """Money for every purchase below, in the account and, a third of it, in the wallet."""
    market, credit = yard.contracts.market, yard.contracts.credit
    needed = (LARGEST + 2 * BATCH) * yard.load.reserved
    for _ in range(2 * needed // FAUCET + 2):
        yard.send(yard.buyer, credit.faucet(yard.buyer.address, FAUCET))
    yard.send(yard.buyer, credit.approve(market.address, 2**255))
    for name, amount in (("deposit_first", needed), ("deposit", yard.load.reserved)):
        yard.send(yard.buyer, market.deposit(yard.buyer.address, amount), name)
    yard.send(yard.buyer, market.withdraw(yard.load.reserved), "withdraw")


def _buying(yard: Yard) -> None:
    plan, other = yard.publish(yard.register(Kind.TAAS, "register_model"), 2, name="publish_plan")
    for name in ("buy_funded_first", "", "buy_funded"):
        yard.buy(plan, name)
    yard.buy(other)
    stranger = yard.key("stranger")
    total = yard.contracts.market.quote(other, 1000, 1)
    for _ in range(3 * total // FAUCET + 1):
        yard.send(yard.relayer, yard.contracts.credit.faucet(stranger.address, FAUCET))
    for name in ("buy_relayed_permit_first", "", "buy_relayed_permit"):
        yard.send(yard.relayer, _relayed(yard, stranger, other), name)


def _relayed(yard: Yard, buyer: WalletKey, plan: PlanId) -> Call:
    """An order over exactly its total, with a permit over the same."""
    market, credit, contracts = yard.contracts.market, yard.contracts.credit, yard.contracts
    total = market.quote(plan, 1000, 1)
    order = Order(
        buyer=buyer.address, plan_id=plan, signer=yard.session.address, cap=Units(1000), periods=1,
        requirements_hash=DIGEST, total=total, nonce=market.account_of(buyer.address).nonce, deadline=FAR,
    )  # fmt: skip
    permit = Permit(buyer.address, market.address, total, credit.permit_nonce(buyer.address), FAR)
    word = sign(buyer, contracts.market_domain, order)
    return market.buy_for(order, word, signed_permit(buyer, contracts.credit_domain, permit))


def _settling(yard: Yard) -> list[SubscriptionId]:
    """Batches of one plan and of a hundred plans; the same subscriptions again and again."""
    plans = yard.publish(yard.register(Kind.TAAS), BATCH + 1)
    alike = [yard.activate(yard.buy(plans[0]), "activate" if place == 1 else "") for place in range(LARGEST)]
    apart = [yard.activate(yard.buy(plan)) for plan in plans[1:]]
    for start in range(0, LARGEST, BATCH):
        batch = [yard.voucher(each) for each in alike[start : start + BATCH]]
        yard.settle(batch, "" if start else "settle_100_first")
    yard.settle([yard.voucher(each) for each in apart])
    hundred = [yard.voucher(each) for each in alike[:BATCH]]
    yard.settle(hundred, "settle_100")
    yard.settle(hundred, "stale_100", stale=True)
    yard.settle([yard.voucher(each) for each in apart], "settle_100_plans")
    for count in (1, 10, LARGEST):
        yard.settle([yard.voucher(each) for each in alike[:count]], f"settle_{count}")
    return alike


def _paying(yard: Yard) -> None:
    """Payouts of a plain plan and of a composite's, each for the second time."""
    market, (plan,) = yard.contracts.market, yard.publish(yard.register(Kind.TAAS))
    component = yard.register(Kind.CAAS)
    yard.send(yard.provider, yard.contracts.catalog.set_ask(component, 1000))
    composite = yard.register(Kind.COMPOSITE)
    (shared,) = yard.publish(composite, shares=[Share(component, 2000)], name="publish_plan_of_composite")
    bought, bought_shared = (yard.activate(yard.buy(each)) for each in (plan, shared))
    for named in (False, True):
        yard.settle([yard.voucher(bought), yard.voucher(bought_shared)])
        yard.send(yard.provider, market.payout(plan), "payout" if named else "payout_first")
        yard.send(yard.provider, market.payout_share(shared, component), "payout_share" if named else "")
        yard.send(yard.provider, market.payout(shared), "payout_of_composite" if named else "")
    yard.settle([yard.voucher(bought)])
    yard.send(yard.relayer, market.payout(plan), "payout_by_another")


def _life(yard: Yard) -> None:
    """One subscription from top-up to release, after its plan has seen another."""
    market, (plan,) = yard.contracts.market, yard.publish(yard.register(Kind.TAAS))
    yard.activate(yard.buy(plan))
    bought = yard.activate(yard.buy(plan))
    yard.settle([yard.voucher(bought)])
    yard.send(yard.buyer, market.raise_cap(bought, yard.load.units), "raise_cap")
    yard.send(yard.buyer, market.renew(bought, 1), "renew")
    yard.send(yard.buyer, market.propose_signer(bought, yard.key("next session").address), "propose_signer")
    yard.devnet.increase_time(WINDOW)
    yard.send(yard.buyer, market.confirm_signer(bought), "confirm_signer")
    yard.send(yard.buyer, market.request_release(bought), "request_release")
    yard.devnet.increase_time(WINDOW)
    yard.send(yard.relayer, market.release(bought), "release")


def _time(yard: Yard, subscriptions: list[SubscriptionId]) -> None:
    """Time of a hundred subscriptions, collected for the second time."""
    for name in ("", "collect_100"):
        yard.devnet.increase_time(WINDOW)
        receipt = yard.send(yard.relayer, yard.contracts.market.collect_time(subscriptions), name)
        if len(receipt.logs) != len(subscriptions):
            raise NotMeasured(f"{len(receipt.logs)} of {len(subscriptions)} items answered")
        kinds = {type(each.event).__name__ for each in yard.contracts.events_in(receipt)}
        if kinds != {"TimeCollected"}:
            raise NotMeasured(f"time was not collected of all: {', '.join(sorted(kinds))}")


def _closing(yard: Yard) -> None:
    """The refund of what was never activated."""
    (plan,) = yard.publish(yard.register(Kind.TAAS))
    bought = yard.buy(plan)
    yard.devnet.increase_time(ACTIVATION + 60)
    yard.send(yard.relayer, yard.contracts.market.refund(bought), "refund")


def _proof(yard: Yard, bought: SubscriptionId) -> None:
    """One record in a log of 2^20, made from its audit path upwards; the view, sent as a transaction."""
    market, index = yard.contracts.market, 12_345
    record = UsageRecord(
        subscription_id=bought, seq=index, meter=0, quantity=5000, units=Units(5), total=Units(5), start_millis=1,
        end_millis=2, immersion=900, request_hash=DIGEST,
    )  # fmt: skip
    path = tuple(sha256(bytes([level])).digest() for level in range(20))
    node, place = record.leaf(), index
    for sibling in path:
        node = sha256(b"\x01" + (sibling + node if place & 1 else node + sibling)).digest()
        place >>= 1
    voucher = yard.voucher(bought, usage_root(1 << 20, node))
    yard.settle([voucher])
    signed = Voucher(bought, voucher.units, voucher.usage_root)
    word = sign(yard.meter, yard.contracts.market_domain, signed)
    proof = InclusionProof(1 << 20, path)
    if not market.prove_usage(record, proof, voucher, word):
        raise NotMeasured("the market does not confirm a record that is in the log")
    yard.send(yard.relayer, market.build("proveUsage", record, proof, voucher, word), "prove_record_2_20")
