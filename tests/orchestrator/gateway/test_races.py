"""Two things at once, late answers and greedy clients: nothing signed is lost, nothing ended comes back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from gateway_house import NEVER, TERMS, GatewayHouse

from ledger.keys import WalletKey
from ledger.typed_data import sign
from ledger.usage_log import UsageRecord
from ledger.values import Status, SubscriptionId, Units, to_hex
from marketplace.wallet.use import UseRefused
from orchestrator.gateway.books import MOST_WAITING, Book
from orchestrator.gateway.errors import NotEntitled, StaleVoucher
from orchestrator.gateway.models import ModelClients
from orchestrator.gateway.shapes import VoucherPost
from orchestrator.gateway.store import UsageStore
from orchestrator.gateway.vouchers import VoucherDesk
from orchestrator.gateway.watch import Watch


def book_of(records: int) -> Book:
    book = Book(7 << 32)
    for seq in range(records):
        total = Units(10 * (seq + 1))
        record = UsageRecord(SubscriptionId(7 << 32), seq, 0, 10, Units(10), total, 1, 2, 0, bytes(32))
        book.grow(record, 10)
    return book


async def test_older_voucher_posted_at_the_same_time_never_replaces_the_newer(
    house: GatewayHouse, tmp_path: Path
) -> None:
    store, session = UsageStore(tmp_path / "usage.db", bytes(32)), WalletKey.create()
    desk, book = VoucherDesk(WalletKey.create(), house.contracts.market_domain, store), book_of(3)

    def post(size: int) -> VoucherPost:
        voucher = book.voucher(size)
        posted: dict[str, Any] = {"units": str(voucher.units), "usageRoot": to_hex(voucher.usage_root), "size": size}
        return VoucherPost(**posted, signature=to_hex(sign(session, desk.domain, voucher)))

    both = [desk.accept(book, post(size), session.address) for size in (3, 1)]
    newest, older = await asyncio.gather(*both, return_exceptions=True)
    assert not isinstance(newest, BaseException)
    assert isinstance(older, StaleVoucher)
    assert [(kept.size, kept.units) for kept in store.vouchers()] == [(3, 30)]
    store.close()


def watch_of(house: GatewayHouse, store: UsageStore) -> Watch:
    return Watch(house.contracts.chain, house.contracts, store, poll_interval_s=0.2, blind_limit_s=60)


async def test_late_answer_of_an_older_block_does_not_undo_a_release(house: GatewayHouse, tmp_path: Path) -> None:
    store, bought = UsageStore(tmp_path / "usage.db", bytes(32)), house.buy()
    watch = watch_of(house, store)
    watch.watch(bought.id)
    await watch.look()
    await watch.open(bought.id)
    before = house.contracts.chain.latest()
    house.sender_of(bought.buyer).send(house.contracts.market.request_release(bought.id))
    await watch.look()
    late = await watch.refresh(bought.id, before)  # asked for before the release, answered after it
    assert late.subscription.status == Status.RELEASING  # else a session opened just then would be granted
    with pytest.raises(NotEntitled, match="releasing"):
        watch.require(bought.id)
    store.close()


async def test_subscription_that_nobody_bought_is_not_followed(house: GatewayHouse, tmp_path: Path) -> None:
    store = UsageStore(tmp_path / "usage.db", bytes(32))
    watch = watch_of(house, store)
    await watch.look()
    for number in range(3):
        with pytest.raises(NotEntitled):
            await watch.open((int(house.plan_id) << 32) + 10**6 + number)
    assert watch.health()["subscriptions"] == 0
    store.close()


async def test_flood_of_uses_is_turned_away_and_what_is_taken_is_billed_once(house: GatewayHouse) -> None:
    bought = await house.served(cap=100_000, terms={**TERMS, "credit_units": "1000000"})
    session = await house.session(bought, habit=NEVER, patience_s=0)
    flood = [session.use("frame", {"budget_k": 10, "objects": [1]}) for _ in range(MOST_WAITING + 60)]
    answers = await asyncio.gather(*flood, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, UseRefused)]
    assert {answer.server_code for answer in refused} == {"too_many_uses"}
    assert len(session.receipts.records) == len(answers) - len(refused)
    await session.close(sign=False)


async def test_connections_to_a_model_that_serves_nobody_are_closed(house: GatewayHouse) -> None:
    models = ModelClients(5.0)
    await models.configure(house.sockets["rendering"], {"forget": "1"})
    assert models.open_sockets == {house.sockets["rendering"]}
    await models.hang_up(house.sockets["rendering"])
    assert models.open_sockets == frozenset()
    await models.close()
    await asyncio.sleep(0)  # the transport closes its socket at the loop's next turn


async def test_cap_raised_on_chain_binds_once_the_route_has_it(house: GatewayHouse) -> None:
    bought = house.buy(cap=40)
    async with house.component("orchestrator") as client:
        await client.put(f"/routes/{bought.id}", json=house.route(bought, cap="40"))
    session = await house.session(bought, habit=NEVER)
    await session.use("frame", {"budget_k": 40})
    house.sender_of(bought.buyer).send(house.contracts.market.raise_cap(bought.id, 100))
    house.devnet.mine(1)
    await asyncio.sleep(1.0)  # the gateway has seen the block, which a reorganisation may still take back
    with pytest.raises(UseRefused, match="cap"):
        await session.use("frame", {"budget_k": 40})
    async with house.component("orchestrator") as client:
        await client.put(f"/routes/{bought.id}", json=house.route(bought, cap="100"))
    assert (await session.use("frame", {"budget_k": 40})).record.total == 80
    await session.close()
