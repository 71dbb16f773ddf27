from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import pairwise

import pytest

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.devnet import HOST, Devnet
from ledger.errors import BlockGone, NodeDown, NodeError, WrongChain
from ledger.events import CreditTransferred
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import ZERO_ADDRESS, Money


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def test_node_down_names_the_url_without_its_credentials() -> None:
    port = unused_port()
    with pytest.raises(NodeDown) as caught:
        Chain.connect(f"http://user:secret@{HOST}:{port}/v3/apikey?token=hidden")
    text = f"{caught.value} {caught.value.url}"
    assert f"http://{HOST}:{port}" in text
    for hidden in ("user", "secret", "apikey", "hidden"):
        assert hidden not in text


def test_node_that_goes_down_is_named_at_the_next_question() -> None:
    devnet = Devnet.start()
    chain = Chain.connect(devnet.rpc_url)
    devnet.stop()
    with pytest.raises(NodeDown):
        chain.latest()
    chain.close()


def test_server_that_is_no_node_is_down() -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>not a node</html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer((HOST, 0), Page) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(NodeDown, match="unreadable"):
            Chain.connect(f"http://{HOST}:{server.server_address[1]}")
        thread.join()


def test_wrong_chain_is_refused(devnet: Devnet) -> None:
    with pytest.raises(WrongChain) as caught:
        Chain.connect(devnet.rpc_url, chain_id=1)
    assert (caught.value.expected, caught.value.actual) == (1, 31_337)


def test_unknown_method_is_the_nodes_own_error(chain: Chain) -> None:
    with pytest.raises(NodeError) as caught:
        chain.request("s4m_nothing")
    assert caught.value.number == -32601


def test_blocks_are_chained_by_hash(devnet: Devnet, chain: Chain) -> None:
    devnet.mine(4)
    latest = chain.latest().number
    stamps = chain.blocks(latest - 3, latest)
    assert [stamp.number for stamp in stamps] == list(range(latest - 3, latest + 1))
    assert all(child.parent_hash == parent.hash for parent, child in pairwise(stamps))
    assert chain.block(latest) == stamps[-1] == chain.block_by_hash(stamps[-1].hash)
    with pytest.raises(BlockGone):
        chain.block(latest + 1_000)


def test_blocks_stop_short_where_the_chain_ends(chain: Chain) -> None:
    latest = chain.latest().number
    assert len(chain.blocks(latest - 1, latest + 300)) < 20


def test_reads_are_pinned_to_their_block(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    wallet = funded_wallet(credits=3)
    before = contracts.chain.latest()
    sender_of(wallet).send(contracts.credit.transfer(WalletKey.create().address, 1_000_000))
    assert contracts.credit.balance_of(wallet.address, before) == 3_000_000
    assert contracts.credit.balance_of(wallet.address) == 2_000_000


def test_logs_tell_each_event_once_in_chain_order(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    wallet, receiver = funded_wallet(credits=9), WalletKey.create().address
    first = contracts.chain.latest().number + 1
    receipts = [sender_of(wallet).send(contracts.credit.transfer(receiver, amount)) for amount in (1, 2, 3)]
    found = contracts.logs(first, receipts[-1].block_number)
    ours = [found for found in found if found.tx_hash in {receipt.tx_hash for receipt in receipts}]
    assert [entry.event for entry in ours] == [
        CreditTransferred(wallet.address, receiver, Money(amount)) for amount in (1, 2, 3)
    ]
    assert [entry.tx_hash for entry in ours] == [receipt.tx_hash for receipt in receipts]
    stamp = contracts.chain.block(receipts[0].block_number)
    assert contracts.chain.logs_of(stamp, contracts.addresses)[0] == ours[0]
    assert ours[0].timestamp == stamp.timestamp
    assert (ours[0].contract, ours[0].name) == ("credit", "CreditTransferred")


def test_logs_of_unknown_contracts_are_left_out(contracts: Contracts) -> None:
    assert contracts.chain.logs(0, contracts.chain.latest().number, {"credit": ZERO_ADDRESS}) == []
