"""Speeding up and cancelling what waits: the same nonce, higher fees, and whoever waits is told the truth."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ledger.chain import Chain
from ledger.devnet import Devnet
from ledger.errors import NothingToReplace, TransactionCancelled, TransactionPending
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import Address, Call

SOMEWHERE = Address("0x00000000000000000000000000000000DeaDBeef")
GIFT = Call(SOMEWHERE, b"", 7, "a gift")


def _left_waiting(sender: Sender, key: str) -> None:
    with pytest.raises(TransactionPending):
        sender.send(GIFT, key=key, timeout_s=0.1)


def test_what_is_sped_up_goes_out_again_with_a_quarter_more(
    own_devnet: Devnet, own_chain: Chain, own_key: WalletKey
) -> None:
    own_devnet.hold_blocks()
    with Sender(own_chain, own_key) as sender:
        _left_waiting(sender, "gift")
        (waiting,) = sender.waiting()
        again = sender.speed_up("gift")
        assert again.nonce == waiting.nonce
        assert again.max_fee * 4 > waiting.newest.max_fee * 5
        assert again.tip * 4 > waiting.newest.tip * 5
        own_devnet.release_blocks()
        receipt, cancelled = sender.settled("gift", 10)
        assert (receipt.tx_hash, cancelled) == (again.tx_hash, False)
        assert own_chain.balance(SOMEWHERE) == 7
        assert sender.waiting() == []
        with pytest.raises(NothingToReplace):
            sender.speed_up("gift")


def test_what_is_cancelled_never_happens_and_may_be_wanted_again(
    own_devnet: Devnet, own_chain: Chain, own_key: WalletKey, tmp_path: Path
) -> None:
    journal = tmp_path / "sends.db"
    own_devnet.hold_blocks()
    with Sender(own_chain, own_key, journal) as sender:
        _left_waiting(sender, "gift")
        empty = sender.cancel("gift")
        faster = sender.speed_up("gift")  # of a cancellation: stays one
        assert faster.cancels
        own_devnet.release_blocks()
        receipt, cancelled = sender.settled("gift", 10)
        assert cancelled
        assert receipt.tx_hash in (empty.tx_hash, faster.tx_hash)
        assert own_chain.balance(SOMEWHERE) == 0
        with pytest.raises(NothingToReplace):
            sender.cancel("gift")
    with Sender(own_chain, own_key, journal) as later:
        done = later.send(GIFT, key="gift")
        assert done.succeeded
        assert later.send(GIFT, key="gift") == done
    assert own_chain.balance(SOMEWHERE) == 7
    assert own_chain.transaction_count(own_key.address) == 2


def test_who_waits_for_what_another_process_cancels_is_told(
    own_devnet: Devnet, own_chain: Chain, own_key: WalletKey, tmp_path: Path
) -> None:
    journal = tmp_path / "sends.db"
    told: list[BaseException] = []
    own_devnet.hold_blocks()
    with Sender(own_chain, own_key, journal) as waits, Sender(own_chain, own_key, journal) as other:
        _left_waiting(waits, "gift")

        def wait() -> None:
            try:
                waits.send(GIFT, key="gift", timeout_s=20)
            except TransactionCancelled as error:
                told.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        other.cancel("gift")
        own_devnet.release_blocks()
        thread.join()
    assert [type(error) for error in told] == [TransactionCancelled]
    assert own_chain.balance(SOMEWHERE) == 0


def test_what_was_never_sent_cannot_be_replaced(own_chain: Chain, own_key: WalletKey) -> None:
    with Sender(own_chain, own_key) as sender:
        for replace in (sender.speed_up, sender.cancel):
            with pytest.raises(NothingToReplace):
                replace("nothing")
