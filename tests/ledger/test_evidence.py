"""Blocks of a real node are recomputed from header to logs; whatever is altered or left out contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.evidence import block_hash, contradictions, may_hold_logs_of, receipts_root
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import from_hex

Raw = list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(chain: Chain, contracts: Contracts, sender_of: Callable[[WalletKey], Sender]) -> tuple[int, int, Raw]:
    """First and last of some blocks, and the credit's logs in them."""
    sender = sender_of(WalletKey.create())
    first = chain.latest().number + 1
    for amount in (1, 2, 3):
        sender.send(contracts.credit.faucet(sender.address, amount))
    last = chain.latest().number
    return first, last, list(chain.raw_logs(first, last, {"credit": contracts.credit.address}))  # type: ignore[arg-type]


def _codes(chain: Chain, contracts: Contracts, first: int, last: int, logs: Raw, head: str | None = None) -> set[str]:
    places = [contracts.credit.address]
    return {found.code for found in contradictions(chain, first, last, places, logs, head)}


def test_a_true_history_contradicts_nothing(chain: Chain, contracts: Contracts, told: tuple[int, int, Raw]) -> None:
    first, last, logs = told
    assert len(logs) == 3
    assert _codes(chain, contracts, first, last, logs, chain.block(last).hash) == set()


def test_a_log_altered_or_left_out_contradicts_the_receipts(
    chain: Chain, contracts: Contracts, told: tuple[int, int, Raw]
) -> None:
    first, last, logs = told
    altered = [{**logs[0], "data": "0x" + f"{77:064x}"}, *logs[1:]]
    assert _codes(chain, contracts, first, last, altered) == {"logs_differ"}
    assert _codes(chain, contracts, first, last, logs[1:]) == {"logs_differ"}


def test_another_head_than_the_trusted_one_is_told(
    chain: Chain, contracts: Contracts, told: tuple[int, int, Raw]
) -> None:
    first, last, logs = told
    assert _codes(chain, contracts, first, last, logs, "0x" + "11" * 32) == {"head_differs"}


def test_hash_and_receipts_root_are_the_nodes(chain: Chain, told: tuple[int, int, Raw]) -> None:
    header = chain.request("eth_getBlockByNumber", [hex(told[1]), False])
    assert block_hash(header) == from_hex(header["hash"])
    assert receipts_root(chain.request("eth_getBlockReceipts", [hex(told[1])])) == from_hex(header["receiptsRoot"])
    assert block_hash({**header, "gasUsed": "0x1"}) != from_hex(header["hash"])


def test_the_bloom_filter_never_hides_a_contract(
    chain: Chain, contracts: Contracts, told: tuple[int, int, Raw]
) -> None:
    header = chain.request("eth_getBlockByNumber", [told[2][0]["blockNumber"], False])
    assert may_hold_logs_of(from_hex(header["logsBloom"]), contracts.credit.address)
    assert not may_hold_logs_of(bytes(256), contracts.credit.address)
