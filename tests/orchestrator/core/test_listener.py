"""The listener on a real chain: exactly once across restarts, final only, halted by a changed final block."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from core_market import Market
from core_wait import wait_for

from ledger.chain import Chain
from ledger.devnet import Devnet
from ledger.errors import NodeDown
from ledger.events import Subscribed
from ledger.values import PlanId
from orchestrator import store as tables
from orchestrator.errors import FinalityViolated, StoreUnusable
from orchestrator.listener import Listener
from orchestrator.store import ChainStatus, ServiceState, Store, open_store


def listener_of(market: Market, store: Store, span_blocks: int = 500) -> Listener:
    deployment = market.contracts.deployment
    return Listener(
        market.chain, deployment.market, deployment.block_number, store, poll_interval_s=0.02, span_blocks=span_blocks
    )


def ids_of(store: Store) -> list[str]:
    with store.reader.connect() as reader:
        return [row["subscription_id"] for row in tables.services(reader)]


def test_a_purchase_is_seen_when_final_and_not_before(market: Market, plan: PlanId, store: Store) -> None:
    listener = listener_of(market, store)
    listener.look()
    before = tables.now_ms()
    bought = market.buy(plan, bytes.fromhex("ab" * 32), cap=7)
    listener.look()
    assert str(bought) not in ids_of(store)
    market.devnet.mine(3)
    assert listener.look() >= 1
    with store.reader.connect() as reader:
        row = tables.service(reader, str(bought))
    assert row is not None
    assert (row["cap"], row["requirements_hash"]) == ("7", "0x" + "ab" * 32)
    assert row["signer"] == market.sessions[bought].address
    assert (row["state"], row["chain_status"]) == (ServiceState.REQUESTED, ChainStatus.PURCHASED)
    assert before <= row["times"]["final"] <= tables.now_ms()


def test_events_are_folded_once_however_often_the_listener_restarts(
    market: Market, plan: PlanId, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'engine.db'}"
    bought = []
    for round_number in range(5):
        bought.append(str(market.buy(plan)))
        market.devnet.mine(3)
        store = open_store(url)
        listener_of(market, store, span_blocks=1 + round_number).look()
        store.close()
    store = open_store(url)
    assert listener_of(market, store).look() == 0
    with store.reader.connect() as reader:
        counted = reader.execute(
            sa.select(tables.EVENTS.c.subscription_id, sa.func.count())
            .where(tables.EVENTS.c.name == "Subscribed")
            .group_by(tables.EVENTS.c.subscription_id)
        ).all()
    assert set(bought) <= {subscription for subscription, _ in counted}
    assert {count for _, count in counted} == {1}
    store.close()


def test_two_listeners_on_one_store_fold_each_event_once(market: Market, plan: PlanId, store: Store) -> None:
    bought = [str(market.buy(plan)) for _ in range(3)]
    market.devnet.mine(3)
    twins = [listener_of(market, store, span_blocks=2) for _ in range(2)]
    twins[0].look()
    stop = threading.Event()
    threads = [threading.Thread(target=twin.run, args=(stop,)) for twin in twins]
    for thread in threads:
        thread.start()
    bought.append(str(market.buy(plan)))
    market.devnet.mine(3)
    wait_for(lambda: set(bought) <= set(ids_of(store)))
    stop.set()
    for thread in threads:
        thread.join()
    with store.reader.connect() as reader:
        cursor = reader.execute(sa.select(tables.CURSOR.c.number)).scalar_one()
        events = reader.execute(sa.select(tables.EVENTS)).all()
    assert len({(event.block_number, event.log_index) for event in events}) == len(events)
    assert cursor >= max(event.block_number for event in events)


def test_a_subscriptions_life_ends_up_in_its_row(market: Market, plan: PlanId, store: Store) -> None:
    bought = market.buy(plan)
    market.activate(bought)
    market.sender.send(market.contracts.market.raise_cap(bought, 500))
    market.devnet.mine(3)
    listener = listener_of(market, store)
    listener.look()
    with store.reader.connect() as reader:
        row = tables.service(reader, str(bought))
    assert row is not None
    assert (row["chain_status"], row["cap"]) == (ChainStatus.ACTIVE, "1500")
    market.sender.send(market.contracts.market.request_release(bought))
    market.devnet.mine(3)
    listener.look()
    with store.reader.connect() as reader:
        row = tables.service(reader, str(bought))
    assert row is not None
    assert row["chain_status"] == ChainStatus.RELEASING


def test_a_store_of_another_chain_is_refused(market: Market, store: Store) -> None:
    listener_of(market, store).look()
    with store.writer.begin() as writer:
        writer.execute(sa.update(tables.CURSOR).values(genesis_hash="0x" + "00" * 32))
    with pytest.raises(StoreUnusable, match="another S4M_HOME"):
        listener_of(market, store).look()


def test_a_changed_final_block_halts_for_good(market: Market, store: Store) -> None:
    listener = listener_of(market, store)
    listener.look()
    with store.writer.begin() as writer:
        writer.execute(sa.update(tables.CURSOR).values(hash="0x" + "11" * 32))
    market.devnet.mine(3)
    listener.run(threading.Event())  # comes back by itself
    assert isinstance(listener.halted, FinalityViolated)
    assert "S4M_HOME" in str(listener.halted)
    with pytest.raises(FinalityViolated):
        listener_of(market, store).look()


@pytest.fixture
def reorg_market() -> Iterator[Market]:
    with Devnet.start(slots_in_an_epoch=3) as devnet:
        made = Market.on(devnet)
        yield made
        made.close()


def test_reorganisations_never_start_a_vanished_purchase_nor_lose_a_final_one(
    reorg_market: Market, store: Store
) -> None:
    market, dice = reorg_market, random.Random(20261123)
    plan = market.register()
    market.devnet.mine(8)
    listener = listener_of(market, store)
    stop = threading.Event()
    thread = threading.Thread(target=listener.run, args=(stop,))
    thread.start()
    for _ in range(12):
        market.buy(plan)
        if dice.random() < 0.7:
            market.devnet.mine(dice.randint(0, 3))
        market.devnet.reorg(dice.randint(1, 5))
        time.sleep(dice.random() * 0.05)
    market.devnet.mine(8)
    final = market.chain.finalized()
    wait_for(lambda: (stored := listener.final()) is not None and stored.number >= final.number)
    stop.set()
    thread.join()
    assert listener.halted is None
    read_to = listener.final()
    assert read_to is not None
    assert set(ids_of(store)) == purchases_on(market.chain, market, read_to.number)


def test_a_reorganisation_below_the_final_block_is_a_violation(reorg_market: Market, store: Store) -> None:
    market = reorg_market
    market.devnet.mine(12)
    listener = listener_of(market, store)
    listener.look()
    market.devnet.reorg(9)
    market.devnet.mine(4)
    with pytest.raises(FinalityViolated):
        listener.look()


def test_a_database_that_fails_for_a_while_does_not_end_the_listener(
    market: Market, plan: PlanId, store: Store
) -> None:
    listener, stop = listener_of(market, store), threading.Event()
    with store.writer.begin() as writer:
        writer.exec_driver_sql("ALTER TABLE chain_events RENAME TO away")
    thread = threading.Thread(target=listener.run, args=(stop,))
    thread.start()
    bought = market.buy(plan)
    market.devnet.mine(3)
    time.sleep(0.5)
    assert thread.is_alive()
    with store.writer.begin() as writer:
        writer.exec_driver_sql("ALTER TABLE away RENAME TO chain_events")
    wait_for(lambda: str(bought) in ids_of(store))
    stop.set()
    thread.join()


def test_a_node_that_goes_away_is_waited_for(market: Market, plan: PlanId, store: Store, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Devnet.start(home=home) as first:
        other = Market.on(first)
        other_plan = other.register()
        listener = listener_of(other, store)
        other.devnet.mine(3)
        listener.look()
        port = first.port
        stop = threading.Event()
        bought = other.buy(other_plan)
        other.devnet.mine(3)
        time.sleep(1.1)  # the state is written each second
    with pytest.raises(NodeDown):
        listener.look()
    thread = threading.Thread(target=listener.run, args=(stop,))
    thread.start()
    wait_for(lambda: listener.trouble is not None)
    assert "does not answer" in str(listener.trouble)
    with Devnet.start(port=port, home=home):
        wait_for(lambda: str(bought) in ids_of(store))
        wait_for(lambda: listener.trouble is None)
        assert listener.looked_ms is not None
        stop.set()
        thread.join()
    other.close()


def purchases_on(chain: Chain, market: Market, final: int) -> set[str]:
    """What the chain itself holds, read anew."""
    events = chain.logs(0, final, {"market": market.contracts.deployment.market})
    return {str(found.event.subscription_id) for found in events if isinstance(found.event, Subscribed)}
