"""Each call goes out once: through threads, restarts, kills, lost transactions, reorganisations."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.errors import GasUnfunded, KeyReused, NodeDown, Reverted, TransactionPending
from ledger.events import CreditTransferred
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import Call

KILLS = 3

CHILD = """
import sys
from pathlib import Path
from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.keys import WalletKey
from ledger.sender import Sender

url, home, receiver, count, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
chain = Chain.connect(url)
contracts = Contracts(chain, Deployment.load(home, chain.chain_id))
with Sender(chain, WalletKey.load(home / "key.json"), home / "outbox.db") as sender:
    for number in range(count):
        sender.send(contracts.credit.transfer(receiver, number + 1), key=f"{name}:{number}")
print("done")
"""


@pytest.fixture
def own_contracts(own_devnet: Devnet, own_chain: Chain) -> Contracts:
    deployer = WalletKey.create()
    own_devnet.fund(deployer.address)
    return Contracts(own_chain, deploy(own_chain, deployer))


@pytest.fixture
def rich(own_contracts: Contracts, own_chain: Chain, own_key: WalletKey) -> WalletKey:
    """A key with gas and ten credits on the test's own chain."""
    with Sender(own_chain, own_key) as sender:
        sender.send(own_contracts.credit.faucet(own_key.address, 10_000_000))
    return own_key


@pytest.fixture
def sender(own_chain: Chain, rich: WalletKey, tmp_path: Path) -> Iterator[Sender]:
    with Sender(own_chain, rich, tmp_path / "outbox.db") as opened:
        yield opened


def received(contracts: Contracts, receiver: str) -> list[int]:
    """What the receiver got, transfer by transfer."""
    found = contracts.logs(0, contracts.chain.latest().number)
    events = [entry.event for entry in found if isinstance(entry.event, CreditTransferred)]
    return [event.amount for event in events if event.payee == receiver]


def pay(contracts: Contracts, amount: int = 1) -> tuple[Call, str]:
    receiver = WalletKey.create().address
    return contracts.credit.transfer(receiver, amount), receiver


def test_same_key_sends_once_also_after_a_restart(own_contracts: Contracts, sender: Sender, tmp_path: Path) -> None:
    call, receiver = pay(own_contracts)
    first = sender.send(call, key="order:1")
    assert sender.send(call, key="order:1") == first
    with Sender(own_contracts.chain, sender._key, tmp_path / "outbox.db") as restarted:
        assert restarted.send(call, key="order:1") == first
    assert received(own_contracts, receiver) == [1]


def test_without_a_key_each_send_is_another(own_contracts: Contracts, sender: Sender) -> None:
    call, receiver = pay(own_contracts)
    assert sender.send(call).tx_hash != sender.send(call).tx_hash
    assert received(own_contracts, receiver) == [1, 1]


def test_one_key_for_two_calls_is_refused(own_contracts: Contracts, sender: Sender) -> None:
    call, _ = pay(own_contracts)
    other, receiver = pay(own_contracts)
    sender.send(call, key="k")
    with pytest.raises(KeyReused):
        sender.send(other, key="k")
    assert received(own_contracts, receiver) == []


def test_threads_share_nonces_without_gap_or_clash(own_contracts: Contracts, sender: Sender) -> None:
    call, receiver = pay(own_contracts)
    start = own_contracts.chain.transaction_count(sender.address)
    with ThreadPoolExecutor(8) as pool:
        hashes = list(pool.map(lambda number: sender.send(call, key=f"t{number}").tx_hash, range(24)))
    assert len(set(hashes)) == 24
    assert received(own_contracts, receiver) == [1] * 24
    assert own_contracts.chain.transaction_count(sender.address) == start + 24


def test_threads_with_one_key_send_once(own_contracts: Contracts, sender: Sender) -> None:
    call, receiver = pay(own_contracts, 10_000_000)  # all there is: a second one would be refused
    with ThreadPoolExecutor(8) as pool:
        hashes = {receipt.tx_hash for receipt in pool.map(lambda _: sender.send(call, key="one"), range(8))}
    assert len(hashes) == 1
    assert received(own_contracts, receiver) == [10_000_000]


def test_two_senders_on_one_journal_do_not_double(own_contracts: Contracts, sender: Sender, tmp_path: Path) -> None:
    call, receiver = pay(own_contracts)
    with Sender(own_contracts.chain, sender._key, tmp_path / "outbox.db") as twin, ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: (sender, twin)[n % 2].send(call, key=f"k{n // 2}"), range(24)))
    assert received(own_contracts, receiver) == [1] * 12


def test_two_processes_with_one_key_take_turns(
    own_devnet: Devnet, own_contracts: Contracts, rich: WalletKey, tmp_path: Path
) -> None:
    own_contracts.deployment.save(tmp_path)
    rich.save(tmp_path / "key.json")
    receiver, count, before = WalletKey.create().address, 15, own_contracts.chain.transaction_count(rich.address)
    command = [sys.executable, "-c", CHILD, own_devnet.rpc_url, str(tmp_path), receiver, str(count)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    twins = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        for name in ("one", "two")
    ]
    answers = [twin.communicate(timeout=60) for twin in twins]
    assert answers == [(b"done\n", b"")] * 2
    assert sorted(received(own_contracts, receiver)) == sorted([*range(1, count + 1)] * 2)
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as journal:
        nonces = [row[0] for row in journal.execute("SELECT nonce FROM attempts ORDER BY nonce")]
    assert nonces == list(range(before, before + 2 * count))  # each signed once: no clash, no gap, no second try


def test_nobody_takes_a_nonce_while_another_process_hands_one_over(
    own_devnet: Devnet, own_contracts: Contracts, rich: WalletKey, sender: Sender, tmp_path: Path
) -> None:
    own_contracts.deployment.save(tmp_path)
    rich.save(tmp_path / "key.json")
    receiver = WalletKey.create().address
    command = [sys.executable, "-c", CHILD, own_devnet.rpc_url, str(tmp_path), receiver, "1", "late"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with sender._outbox.exclusive():
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(3)
        assert received(own_contracts, receiver) == []
    assert child.communicate(timeout=30)[0] == b"done\n"
    assert received(own_contracts, receiver) == [1]


def test_killed_process_loses_and_doubles_nothing(
    own_devnet: Devnet, own_contracts: Contracts, rich: WalletKey, tmp_path: Path
) -> None:
    own_contracts.deployment.save(tmp_path)
    rich.save(tmp_path / "key.json")
    receiver, count, chance = WalletKey.create().address, 30, random.Random(7)
    command = [sys.executable, "-c", CHILD, own_devnet.rpc_url, str(tmp_path), receiver, str(count), "transfer"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for _ in range(KILLS):
        before = own_contracts.chain.transaction_count(rich.address)
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        while child.poll() is None and own_contracts.chain.transaction_count(rich.address) == before:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        assert child.communicate(timeout=60)[0] == b""
    finished = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=True)
    assert finished.stdout == b"done\n"
    assert received(own_contracts, receiver) == list(range(1, count + 1))


def test_signed_but_never_sent_goes_out_after_the_restart(
    own_contracts: Contracts, sender: Sender, tmp_path: Path
) -> None:
    """The process ends between writing down and sending: the row alone is left."""
    call, receiver = pay(own_contracts)
    send, _ = sender._enqueue(call, "lost", 100_000)
    later, later_receiver = pay(own_contracts, 2)
    with Sender(own_contracts.chain, sender._key, tmp_path / "outbox.db") as restarted:
        restarted.send(later, key="later")
        assert restarted.send(call, key="lost").tx_hash == send.newest.tx_hash
    assert received(own_contracts, receiver) == [1]
    assert received(own_contracts, later_receiver) == [2]


def test_reorganised_transactions_come_back_unchanged(
    own_devnet: Devnet, own_contracts: Contracts, sender: Sender
) -> None:
    own_devnet.mine(4)
    call, receiver = pay(own_contracts)
    receipts = [sender.send(call, key=f"r{number}") for number in range(2)]
    own_devnet.reorg(own_contracts.chain.latest().number - receipts[0].block_number + 1)
    assert received(own_contracts, receiver) == []
    assert sender.recover() == [receipt.tx_hash for receipt in receipts]
    again = [sender.send(call, key=f"r{number}") for number in range(2)]
    assert [receipt.tx_hash for receipt in again] == [receipt.tx_hash for receipt in receipts]
    assert received(own_contracts, receiver) == [1, 1]


def test_new_send_after_a_reorganisation_brings_the_lost_one_back(
    own_devnet: Devnet, own_contracts: Contracts, sender: Sender
) -> None:
    own_devnet.mine(4)
    (lost, lost_receiver), (new, new_receiver) = pay(own_contracts), pay(own_contracts, 2)
    receipt = sender.send(lost, key="lost")
    own_devnet.reorg(own_contracts.chain.latest().number - receipt.block_number + 1)
    sender.send(new, key="new")
    assert received(own_contracts, lost_receiver) == [1]
    assert received(own_contracts, new_receiver) == [2]


def test_unmined_send_times_out_and_goes_on_with_its_key(
    own_devnet: Devnet, own_contracts: Contracts, sender: Sender
) -> None:
    call, receiver = pay(own_contracts)
    own_devnet.hold_blocks()
    with pytest.raises(TransactionPending) as caught:
        sender.send(call, key="slow", timeout_s=0.2)
    own_devnet.release_blocks()
    assert sender.send(call, key="slow").tx_hash == caught.value.tx_hash
    assert received(own_contracts, receiver) == [1]


def test_slow_transaction_is_replaced_with_higher_fees(
    own_devnet: Devnet, own_contracts: Contracts, rich: WalletKey
) -> None:
    call, receiver = pay(own_contracts)
    own_devnet.hold_blocks()
    with Sender(own_contracts.chain, rich, bump_after_s=0.2) as hasty:
        with pytest.raises(TransactionPending):
            hasty.send(call, key="slow", timeout_s=0.7)
        attempts = hasty._known("slow", call).attempts
        assert len(attempts) >= 3
        assert {attempt.nonce for attempt in attempts} == {attempts[0].nonce}
        assert all(b.max_fee >= a.max_fee * 5 // 4 for a, b in pairwise(attempts))
        own_devnet.release_blocks()
        assert hasty.send(call, key="slow").tx_hash == attempts[-1].tx_hash
    assert received(own_contracts, receiver) == [1]


def test_transaction_that_the_node_dropped_is_sent_again(
    own_devnet: Devnet, own_contracts: Contracts, sender: Sender
) -> None:
    call, receiver = pay(own_contracts)
    own_devnet.hold_blocks()
    with pytest.raises(TransactionPending) as caught:
        sender.send(call, key="dropped", timeout_s=0.1)
    own_contracts.chain.request("anvil_dropTransaction", [caught.value.tx_hash])
    assert not own_contracts.chain.knows(caught.value.tx_hash)
    threading.Timer(1.0, own_devnet.release_blocks).start()
    assert sender.send(call, key="dropped", timeout_s=10).tx_hash == caught.value.tx_hash
    assert received(own_contracts, receiver) == [1]


def test_nonce_that_somebody_else_used_is_replaced(
    own_devnet: Devnet, own_contracts: Contracts, sender: Sender
) -> None:
    (call, receiver), (other, other_receiver) = pay(own_contracts), pay(own_contracts, 2)
    own_devnet.hold_blocks()
    with pytest.raises(TransactionPending) as caught:
        sender.send(call, key="mine", timeout_s=0.1)
    own_contracts.chain.request("anvil_dropTransaction", [caught.value.tx_hash])
    own_devnet.release_blocks()
    with Sender(own_contracts.chain, sender._key) as stranger:
        stranger.send(other)
    assert sender.send(call, key="mine").tx_hash != caught.value.tx_hash
    assert received(own_contracts, receiver) == [1]
    assert received(own_contracts, other_receiver) == [2]


def test_failure_on_the_chain_is_decoded_and_stays_the_keys_answer(
    own_devnet: Devnet, own_contracts: Contracts, sender: Sender
) -> None:
    """Both calls simulate well, together they cannot succeed."""
    (one, one_receiver), (two, two_receiver) = (pay(own_contracts, 10_000_000) for _ in range(2))
    own_devnet.hold_blocks()
    for key, call in (("one", one), ("two", two)):
        with pytest.raises(TransactionPending):
            sender.send(call, key=key, timeout_s=0.05)
    own_devnet.release_blocks()
    sender.send(one, key="one")
    for _ in range(2):
        with pytest.raises(Reverted) as caught:
            sender.send(two, key="two")
        assert caught.value.name == "ERC20InsufficientBalance"
    assert received(own_contracts, one_receiver) == [10_000_000]
    assert received(own_contracts, two_receiver) == []


def test_refusal_found_by_simulation_spends_and_remembers_nothing(own_contracts: Contracts, sender: Sender) -> None:
    spent = own_contracts.chain.transaction_count(sender.address)
    too_much, _ = pay(own_contracts, 10_000_001)
    with pytest.raises(Reverted):
        sender.send(too_much, key="much")
    assert own_contracts.chain.transaction_count(sender.address) == spent
    smaller, receiver = pay(own_contracts, 5)
    sender.send(smaller, key="much")
    assert received(own_contracts, receiver) == [5]


def test_account_without_gas_money_is_named_and_leaves_no_gap(own_devnet: Devnet, own_contracts: Contracts) -> None:
    poor = WalletKey.create()
    call = own_contracts.credit.approve(poor.address, 1)
    with Sender(own_contracts.chain, poor) as sender:
        with pytest.raises(GasUnfunded, match=poor.address):
            sender.send(call, key="a")
        own_devnet.fund(poor.address)
        assert sender.send(call, key="b").succeeded
    assert own_contracts.chain.transaction_count(poor.address) == 1


def test_node_that_goes_down_is_named_and_nothing_is_written(
    own_devnet: Devnet, own_contracts: Contracts, sender: Sender
) -> None:
    call, _ = pay(own_contracts)
    own_devnet.stop()
    with pytest.raises(NodeDown):
        sender.send(call, key="down")
    assert sender._outbox.find("down") is None
