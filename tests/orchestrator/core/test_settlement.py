"""Settlement with vouchers that real session keys signed, on a real chain: batched, once, newest wins."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from core_market import Market
from core_server import calling, served
from fastapi import FastAPI

from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import PlanId, SubscriptionId
from orchestrator import store as tables
from orchestrator.errors import PeerUnavailable
from orchestrator.onchain import OnChain
from orchestrator.settlement import Settlement
from orchestrator.store import Store


class VoucherServer:
    """The outside: hands out the newest voucher of each subscription after a row, as the gateway does."""

    def __init__(self) -> None:
        self.vouchers: dict[str, dict[str, Any]] = {}
        self.app = FastAPI()
        self.app.add_api_route("/vouchers", self._newest, methods=["GET"])

    def put(self, voucher: dict[str, Any]) -> None:
        self.vouchers[voucher["subscriptionId"]] = voucher

    async def _newest(self, since: int = 0) -> dict[str, Any]:
        return {"vouchers": [voucher for voucher in self.vouchers.values() if voucher["rowid"] > since]}


@pytest.fixture
def gateway() -> VoucherServer:
    return VoucherServer()


Build = Callable[[], Settlement]


@pytest.fixture
def settlement(market: Market, store: Store, gateway: VoucherServer, tmp_path: Path) -> Iterator[Build]:
    """A fresh settlement on the same store and the same journal of sends, as after a restart."""
    operator = WalletKey.create()
    market.devnet.fund(operator.address)
    with ExitStack() as stack:
        client = stack.enter_context(calling("gateway", stack.enter_context(served(gateway.app))))

        def build() -> Settlement:
            sender = stack.enter_context(Sender(market.chain, operator, tmp_path / "sends.db"))
            door = OnChain(market.chain, market.contracts, market.contracts.market_domain, sender)
            return Settlement(store, client, door, batch_size=3)

        yield build


@pytest.fixture
def active(market: Market, plan: PlanId) -> list[SubscriptionId]:
    bought = [market.buy(plan) for _ in range(4)]
    for subscription in bought:
        market.activate(subscription)
    return bought


def used(market: Market, subscription: SubscriptionId) -> int:
    return int(market.contracts.market.subscription(subscription).used)


def test_vouchers_are_settled_in_batches(
    market: Market, gateway: VoucherServer, settlement: Build, active: list[SubscriptionId]
) -> None:
    for number, subscription in enumerate(active):
        gateway.put(market.voucher(subscription, 100 + number, rowid=number + 1))
    report = settlement().settle().to_json()
    assert [int(settled["units"]) for settled in report["settled"]] == [100, 101, 102, 103]
    assert len(report["tx"]) == 2  # three and one
    assert int(report["gasUsed"]) > 0
    assert [used(market, subscription) for subscription in active] == [100, 101, 102, 103]


def test_nothing_is_settled_twice_and_the_newest_voucher_wins(
    market: Market, gateway: VoucherServer, settlement: Build, active: list[SubscriptionId]
) -> None:
    desk, subscription = settlement(), active[0]
    gateway.put(market.voucher(subscription, 50, rowid=1))
    assert len(desk.settle().settled) == 1
    assert desk.settle().to_json() == {"settled": [], "skipped": [], "tx": [], "gasUsed": "0"}
    gateway.put(market.voucher(subscription, 80, rowid=2))
    assert desk.settle().settled == [{"subscriptionId": str(subscription), "units": "80"}]
    assert used(market, subscription) == 80


def test_what_the_chain_has_settled_already_is_not_sent(
    market: Market, gateway: VoucherServer, settlement: Build, active: list[SubscriptionId], tmp_path: Path
) -> None:
    voucher = market.voucher(active[0], 60, rowid=1)
    gateway.put(voucher)
    settlement().settle()
    with settlement()._store.writer.begin() as writer:
        writer.execute(sa.update(tables.VOUCHERS).values(result=""))
    report = settlement().settle()
    assert (report.settled, report.tx) == ([], [])
    assert report.skipped == [{"subscriptionId": str(active[0]), "reason": "stale"}]


def test_a_bad_signature_is_skipped_and_harms_no_other(
    market: Market, gateway: VoucherServer, settlement: Build, active: list[SubscriptionId]
) -> None:
    gateway.put(market.voucher(active[0], 10, rowid=1))
    stranger = market.voucher(active[2], 10)
    gateway.put({**market.voucher(active[1], 10, rowid=2), "r": stranger["r"], "vs": stranger["vs"]})
    gateway.put(market.voucher(active[3], 5_000, rowid=3))  # over the cap
    report = settlement().settle()
    assert report.settled == [{"subscriptionId": str(active[0]), "units": "10"}]
    assert {entry["reason"] for entry in report.skipped} == {"bad_signature", "over_cap"}
    assert settlement().settle().tx == []  # not tried again with the same voucher


def test_a_subscription_that_was_never_activated_is_not_sent(
    market: Market, plan: PlanId, gateway: VoucherServer, settlement: Build
) -> None:
    bought = market.buy(plan)
    gateway.put(market.voucher(bought, 10))
    report = settlement().settle()
    assert report.skipped == [{"subscriptionId": str(bought), "reason": "not_active"}]
    assert report.tx == []


def test_a_batch_that_a_crash_interrupted_is_finished_once(
    market: Market, gateway: VoucherServer, settlement: Build, active: list[SubscriptionId], store: Store
) -> None:
    """The crash: sent and mined, but its result never written down."""
    gateway.put(market.voucher(active[0], 70))
    first = settlement().settle()
    with store.writer.begin() as writer:
        writer.execute(sa.update(tables.SETTLEMENTS).values(tx_hash="", result=None))
        writer.execute(sa.update(tables.VOUCHERS).values(result=""))
    again = settlement().settle()
    assert again.tx == first.tx
    assert again.settled == [{"subscriptionId": str(active[0]), "units": "70"}]
    with store.reader.connect() as reader:
        assert reader.execute(sa.select(sa.func.count()).select_from(tables.SETTLEMENTS)).scalar() == 1


def test_a_settlement_that_a_reorganisation_took_back_is_made_again(
    store: Store, gateway: VoucherServer, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        devnet = stack.enter_context(Devnet.start(slots_in_an_epoch=3))  # final = latest - 6
        market = Market.on(devnet)
        stack.callback(market.close)
        bought = market.buy(market.register())
        market.activate(bought)
        devnet.mine(8)
        client = stack.enter_context(calling("gateway", stack.enter_context(served(gateway.app))))
        sender = stack.enter_context(Sender(market.chain, market.sender_key, tmp_path / "sends.db"))
        desk = Settlement(
            store, client, OnChain(market.chain, market.contracts, market.contracts.market_domain, sender)
        )
        gateway.put(market.voucher(bought, 90))
        assert len(desk.settle().settled) == 1
        devnet.reorg(2)
        assert used(market, bought) == 0
        assert desk.settle().settled == [{"subscriptionId": str(bought), "units": "90"}]
        assert used(market, bought) == 90
        devnet.mine(8)
        assert desk.settle().tx == []  # final now, and looked at no more
        with store.reader.connect() as reader:
            assert reader.execute(sa.select(tables.VOUCHERS.c.result)).scalars().all() == ["final"]


def test_a_gateway_that_is_down_is_tried_later(market: Market, store: Store, tmp_path: Path) -> None:
    with calling("gateway", "http://127.0.0.1:9") as client, Sender(market.chain, WalletKey.create()) as sender:
        door = OnChain(market.chain, market.contracts, market.contracts.market_domain, sender)
        with pytest.raises(PeerUnavailable, match="gateway did not answer"):
            Settlement(store, client, door).settle()
