from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from ledger.chain import Chain
from ledger.devnet import HOST, Devnet, find_anvil
from ledger.errors import AnvilMissing, BlockGone, DevnetFailed, NodeError, PortTaken
from ledger.keys import WalletKey
from ledger.rpc import Rpc


def await_finality(chain: Chain) -> int:
    """How far the final block is behind, once the chain is long enough to tell."""
    chain_latest = chain.latest().number
    return chain_latest - chain.finalized().number


def test_final_block_is_two_behind_on_a_devnet(devnet: Devnet, chain: Chain) -> None:
    devnet.mine(5)
    assert await_finality(chain) in (2, 3)  # a block may come between the two questions


def test_final_block_is_six_behind_with_three_slots(own_devnet: Devnet, own_chain: Chain) -> None:
    own_devnet.mine(10)
    assert await_finality(own_chain) in (6, 7)


def test_blocks_come_each_second(devnet: Devnet, chain: Chain) -> None:
    start, deadline = chain.latest().number, time.monotonic() + 5
    while chain.latest().number == start and time.monotonic() < deadline:
        time.sleep(0.05)
    assert chain.latest().number > start


def test_taken_port_is_named() -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)) as caught:
            Devnet.start(port=port)
    assert "another port" in caught.value.remedy


def test_missing_anvil_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnvilMissing, match="make setup"):
        find_anvil(tmp_path)
    beside = tmp_path / "here" / find_anvil().relative_to(Path(__file__).parents[2])
    beside.parent.mkdir(parents=True)
    beside.touch()
    assert find_anvil(tmp_path, tmp_path / "here") == beside
    with pytest.raises(AnvilMissing):
        Devnet.start(anvil=tmp_path / "anvil")


def test_program_that_ends_at_once_is_no_devnet() -> None:
    with pytest.raises(DevnetFailed, match="ended with code 1"):
        Devnet.start(anvil=Path("/bin/false"))


def test_stopped_devnet_leaves_no_process() -> None:
    devnet = Devnet.start()
    pid = devnet.pid
    assert pid is not None
    assert devnet.running()
    devnet.stop()
    devnet.stop()
    assert not devnet.running()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_chain_stays_the_same_through_many_restarts(tmp_path: Path) -> None:
    """anvil adds its own genesis block to what it writes, and takes any of them for the first at the next start."""
    genesis = set()
    for _ in range(6):
        with Devnet.start(home=tmp_path) as devnet:
            devnet.mine()
            chain = Chain.connect(devnet.rpc_url)
            genesis.add(chain.genesis_hash)
            assert chain.block(1).parent_hash == chain.genesis_hash
            chain.close()
        time.sleep(1.05)  # two first blocks of one second would be equal
    assert len(genesis) == 1


def test_state_survives_a_kill(tmp_path: Path) -> None:
    first = Devnet.start(home=tmp_path)
    key = WalletKey.create()
    first.fund(key.address, 12_345)
    first.mine()
    chain = Chain.connect(first.rpc_url)
    stamp = chain.latest()
    state = tmp_path / "chain" / "state.json"
    deadline = time.monotonic() + 10
    while not (state.exists() and key.address[2:].lower() in state.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.stop()
    chain.close()
    with Devnet.start(home=tmp_path) as second:
        again = Chain.connect(second.rpc_url)
        assert again.genesis_hash == chain.genesis_hash
        assert again.balance(key.address) == 12_345
        assert again.block(stamp.number) == stamp
        again.close()


def test_attached_devnet_has_the_control_verbs_and_stops_nothing(devnet: Devnet, chain: Chain) -> None:
    attached = Devnet.attach(devnet.rpc_url)
    key = WalletKey.create()
    attached.fund(key.address, 7)
    attached.stop()
    assert attached.pid is None
    assert devnet.running()
    assert chain.balance(key.address) == 7


def test_time_moves_on(own_devnet: Devnet, own_chain: Chain) -> None:
    before = own_chain.latest().timestamp
    own_devnet.increase_time(3_600)
    assert 3_600 <= own_chain.latest().timestamp - before <= 3_610


def test_reorganised_block_is_gone(own_devnet: Devnet, own_chain: Chain) -> None:
    own_devnet.mine(3)
    old = own_chain.latest()
    own_devnet.reorg(2)
    assert own_chain.block(old.number).hash != old.hash
    with pytest.raises(BlockGone):
        own_chain.balance(WalletKey.create().address, old)
    with pytest.raises(BlockGone):
        own_chain.logs_of(old, {})


def test_reorganisation_amid_transactions_leaves_a_whole_chain(own_devnet: Devnet, own_chain: Chain) -> None:
    """anvil by itself leaves numbers without blocks in about one of three."""
    own_devnet.mine(8)
    over = threading.Event()
    senders = [threading.Thread(target=_send_until, args=(over, own_devnet.rpc_url, number)) for number in range(2)]
    for one in senders:
        one.start()
    try:
        for depth in [1, 5, 3, 2, 4] * 8:
            own_devnet.reorg(depth)
    finally:
        over.set()
        for one in senders:
            one.join()
    newest = own_chain.latest().number
    blocks = own_chain.blocks(0, newest)
    assert len(blocks) == newest + 1
    assert all(block.parent_hash == before.hash for before, block in pairwise(blocks))


def _send_until(over: threading.Event, rpc_url: str, number: int) -> None:
    """Transfers between the node's own accounts, each a block."""
    rpc = Rpc(rpc_url, timeout_s=10)
    accounts = rpc.request("eth_accounts")
    transfer = {"from": accounts[number], "to": accounts[number + 1], "value": "0x1"}
    while not over.is_set():
        with suppress(NodeError):  # taken back with its block
            rpc.request("eth_sendTransaction", [transfer])
        over.wait(0.003)
    rpc.close()
