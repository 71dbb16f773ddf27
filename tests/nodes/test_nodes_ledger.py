"""What `ledger` asks of a node that another node answers in its own way, on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from node_yard import CAP, HOUR, TERMS, House, Sold

from ledger import events
from ledger.chain import Chain
from ledger.errors import BlockGone, GasUnfunded, Reverted, TransactionPending, WrongChain
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.typed_data import Permit, sign, signed_permit
from ledger.values import CREDIT, BlockStamp, Money, PlanId, SkipReason

ABSENT = BlockStamp(1, "0x" + "11" * 32, 0)


def test_refusal_is_decoded_by_name_wherever_it_is_met(house: House) -> None:
    call, told = house.contracts.market.release(7), ("WrongStatus", {"expected": "releasing", "actual": "none"})
    askings: list[Callable[[], object]] = [
        lambda: house.chain.call(call),
        lambda: house.chain.call(call, house.chain.latest(), house.stranger.address),
        lambda: house.chain.estimate_gas(call, house.stranger.address),
        lambda: house.send(house.stranger, call),
    ]
    for ask in askings:
        with pytest.raises(Reverted) as caught:
            ask()
        assert (caught.value.name, caught.value.arguments) == told
    with pytest.raises(Reverted, match="No plan has the id 9"):
        house.contracts.market.quote(9, 1, 0)
    with pytest.raises(Reverted, match="There is no token 999"):
        house.contracts.catalog.owner_of(999)


def test_failure_on_the_chain_is_decoded_and_harms_no_other_call(house: House) -> None:
    """Both transfers simulate well, together they cannot succeed."""
    owner, credit = house.person(1), house.contracts.credit
    one, two = (credit.transfer(WalletKey.create().address, 10**6 - more) for more in (1, 2))
    with Sender(house.chain, owner) as sender:
        with house.blocks_held():
            for key, call in (("one", one), ("two", two)):
                with pytest.raises(TransactionPending):
                    sender.send(call, key=key, timeout_s=0.05)
            assert len(sender.recover()) == 2, "sent again, which the node may call known"
        assert sender.send(one, key="one").succeeded
        with pytest.raises(Reverted) as caught:
            sender.send(two, key="two")
    assert caught.value.name == "ERC20InsufficientBalance"
    assert caught.value.arguments == {"sender": owner.address, "balance": 1, "needed": 10**6 - 2}
    assert credit.balance_of(owner.address) == 1


def test_waiting_transaction_is_replaced_by_one_with_higher_fees(house: House, tmp_path: Path) -> None:
    owner, receiver, credit = house.person(1), WalletKey.create(), house.contracts.credit
    call, journal = credit.transfer(receiver.address, 5), tmp_path / "outbox.db"
    with (
        Sender(house.chain, owner, journal) as patient,
        Sender(house.chain, owner, journal, bump_after_s=0.1) as hasty,
    ):
        with house.blocks_held():
            with pytest.raises(TransactionPending) as first:
                patient.send(call, key="slow", timeout_s=0.05)
            with pytest.raises(TransactionPending) as last:
                hasty.send(call, key="slow", timeout_s=0.3)
        receipt = patient.send(call, key="slow")
    assert first.value.tx_hash != last.value.tx_hash == receipt.tx_hash
    assert house.chain.receipt(first.value.tx_hash) is None
    assert credit.balance_of(receiver.address) == 5


def test_account_without_gas_money_is_named_and_leaves_no_gap(house: House) -> None:
    poor = WalletKey.create()
    call = house.contracts.credit.approve(poor.address, 1)
    with Sender(house.chain, poor) as sender:
        with pytest.raises(GasUnfunded, match=poor.address):
            sender.send(call, key="a")
        house.fund(poor)
        assert sender.send(call, key="b").succeeded
    assert house.chain.transaction_count(poor.address) == 1


def test_events_are_the_same_from_receipts_ranges_and_blocks(house: House) -> None:
    contracts, sold = house.contracts, house.active()
    first = house.send(house.stranger, contracts.market.settle([house.voucher(sold, 3)]))
    second = house.send(house.stranger, contracts.market.settle([house.voucher(sold, 7), house.voucher(sold, 7)]))
    expected = [*contracts.events_in(first), *contracts.events_in(second)]
    assert [type(entry.event) for entry in expected] == [events.Settled, events.Settled, events.Skipped]
    found = contracts.logs(first.block_number, second.block_number)
    assert [(e.event, e.tx_hash, e.log_index, e.block_hash) for e in found] == [
        (e.event, e.tx_hash, e.log_index, e.block_hash) for e in expected
    ]
    block = house.chain.block(second.block_number)
    assert [e.event for e in house.chain.logs_of(block, contracts.addresses)] == [e.event for e in expected[1:]]
    with pytest.raises(BlockGone):
        house.chain.logs_of(ABSENT, contracts.addresses)


def test_reads_are_pinned_to_their_block_and_end_with_it(house: House) -> None:
    sold = house.active()
    before = house.chain.latest()
    house.settle(house.voucher(sold, 40))
    market = house.contracts.market
    assert (market.subscription(sold.subscription, before).used, house.facts(sold).used) == (0, 40)
    assert house.chain.finalized().number <= house.chain.latest().number
    with pytest.raises(BlockGone):
        market.subscription(sold.subscription, ABSENT)


def test_node_of_another_chain_is_refused(house: House) -> None:
    with pytest.raises(WrongChain):
        Chain.connect(house.chain.url, chain_id=house.chain.chain_id + 1)
    house.contracts.deployment.check(house.chain)


def test_what_was_signed_for_one_chain_is_nothing_on_the_other(anvil_house: House, hardhat_house: House) -> None:
    """Equal addresses, ids, keys and nonces: the chain's id alone tells the signatures apart."""
    houses = anvil_house, hardhat_house
    here, there = anvil_house.contracts, hardhat_house.contracts
    assert here.addresses == there.addresses
    assert here.chain.chain_id != there.chain.chain_id
    provider, buyer, session = (WalletKey.create() for _ in range(3))
    plan = plan_for_both(houses, provider)
    for house in houses:
        house.fund(buyer)
        house.send(buyer, house.contracts.credit.faucet(buyer.address, 100 * CREDIT))
        house.send(buyer, house.contracts.credit.approve(house.contracts.market.address, 100 * CREDIT))
    until = max(house.now() for house in houses) + HOUR
    order = replace(anvil_house.order(buyer, plan, session, periods=1), deadline=until)
    assert there.market.quote(plan, CAP, 1) == order.total
    foreign, own = (sign(buyer, contracts.market_domain, order) for contracts in (here, there))
    stranger = hardhat_house.stranger
    assert hardhat_house.refusal(stranger, there.market.buy_for(order, foreign)).name == "BadSignature"
    sold = [
        house.contracts.event_in(
            house.send(house.stranger, house.contracts.market.buy_for(order, signature)), events.Subscribed
        ).subscription_id
        for house, signature in ((anvil_house, foreign), (hardhat_house, own))
    ]
    assert sold[0] == sold[1]
    activation = anvil_house.activation(sold[0], session)
    assert hardhat_house.refusal(stranger, activation).name == "BadSignature"
    hardhat_house.send(stranger, hardhat_house.activation(sold[0], session))
    known = Sold(provider, provider, buyer, session, plan, sold[0])
    assert hardhat_house.settle(anvil_house.voucher(known, 5)) == [
        events.Skipped(sold[0], SkipReason.BAD_SIGNATURE),
    ]
    permit = Permit(buyer.address, stranger.address, Money(1), 0, until)
    given = signed_permit(buyer, here.credit_domain, permit)
    refusal = hardhat_house.refusal(stranger, there.credit.permit(buyer.address, stranger.address, given))
    assert refusal.name == "ERC2612InvalidSigner"
    for house in houses:
        owed, held = house.books()
        assert owed == held


def plan_for_both(houses: tuple[House, House], provider: WalletKey) -> PlanId:
    """A plan of one provider with the same id on both chains: models are registered until both have as many."""
    for house in houses:
        house.fund(provider)
    many = max(house.contracts.catalog.model_count() for house in houses) + 1
    plans = set()
    for house in houses:
        for _ in range(house.contracts.catalog.model_count(), many):
            model = house.model(provider, provider)
        plans.add(house.plan(provider, model, TERMS))
    (plan,) = plans
    return plan
