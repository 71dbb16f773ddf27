"""The chain as people browse it: whole blocks, transactions with the call that they make, events about one thing.

Called by the marketplace's explorer. It reads a node and keeps nothing; all decoding is by the set's own ABIs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.exceptions import DecodingError

from ledger import abi
from ledger.chain import LOG_SPAN, Chain
from ledger.decoding import decode_logs
from ledger.errors import BlockGone
from ledger.events import ChainEvent
from ledger.values import Address, BlockStamp, Money, address, from_hex

TOPICS = 3
"""An event has at most so many indexed fields."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block and its transactions' hashes; gas as counted by the chain, `base_fee` in wei for each unit."""

    stamp: BlockStamp
    transactions: tuple[str, ...]
    gas_used: int
    gas_limit: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """What a transaction asks of a contract of the set: `arguments` are (name, type, value), in order."""

    contract: str
    function: str
    arguments: tuple[tuple[str, str, Any], ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as the node has it; `block_number` is None while it waits, `to` where it creates a contract."""

    tx_hash: str
    block_number: int | None
    sender: Address
    to: Address | None
    value: Money
    nonce: int
    data: bytes
    call: DecodedCall | None


def block(chain: Chain, number: int) -> Block:
    """Raises BlockGone where the chain has no block of that number (yet)."""
    found = chain.request("eth_getBlockByNumber", [hex(number), False])
    if found is None:
        raise BlockGone(number, "unknown")
    return _block(found)


def blocks_back(chain: Chain, last: int, count: int) -> list[Block]:
    """At most `count` (up to 100) blocks from `last` back, newest first."""
    numbers = range(last, max(-1, last - count), -1)
    found = chain.requests([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
    return [_block(one) for one in found if one]


def _block(found: Mapping[str, Any]) -> Block:
    return Block(
        BlockStamp(int(found["number"], 16), found["hash"], int(found["timestamp"], 16), found["parentHash"]),
        tuple(found["transactions"]),
        int(found["gasUsed"], 16),
        int(found["gasLimit"], 16),
        int(found.get("baseFeePerGas") or "0x0", 16),
    )


def transaction(chain: Chain, tx_hash: str, addresses: Mapping[str, Address]) -> Transaction | None:
    """None where the node does not know it."""
    found = chain.request("eth_getTransactionByHash", [tx_hash])
    if found is None:
        return None
    to = address(found["to"]) if found.get("to") else None
    data = from_hex(found["input"])
    return Transaction(
        found["hash"],
        int(found["blockNumber"], 16) if found.get("blockNumber") else None,
        address(found["from"]),
        to,
        Money(int(found["value"], 16)),
        int(found["nonce"], 16),
        data,
        decoded_call(to, data, addresses),
    )


def decoded_call(to: Address | None, data: bytes, addresses: Mapping[str, Address]) -> DecodedCall | None:
    """The function and its arguments; None for other contracts and for what their ABI does not have."""
    for word, place in addresses.items():
        if place == to:
            for entry in abi.load(abi.CONTRACTS[word]).functions.values():
                if entry.hash[:4] == data[:4]:
                    return _call(word, entry, data[4:])
    return None


def _call(word: str, entry: abi.Entry, data: bytes) -> DecodedCall | None:
    try:
        values = entry.decode_input(data)
    except (DecodingError, ValueError, OverflowError):
        return None
    names = [str(one["name"]) for one in entry.inputs]
    return DecodedCall(word, entry.name, tuple(zip(names, entry.input_types, values, strict=True)))


def events_back(
    chain: Chain, last: int, first: int, addresses: Mapping[str, Address], about: int | None = None
) -> Iterator[ChainEvent]:
    """Events from block `last` back to block `first`, newest first, read span by span as they are taken.

    `about` keeps those with this word (an id, or an address as a number) in an indexed field.
    """
    for end in range(last, first - 1, -LOG_SPAN):
        span = {"fromBlock": hex(max(first, end - LOG_SPAN + 1)), "toBlock": hex(end)}
        yield from reversed(_events(chain, span, addresses, about))


def _events(
    chain: Chain, span: Mapping[str, str], addresses: Mapping[str, Address], about: int | None
) -> list[ChainEvent]:
    asked = {**span, "address": list(addresses.values())}
    if about is None:
        return decode_logs(chain.request("eth_getLogs", [asked]), addresses)
    word = f"0x{about:064x}"
    wildcards: Sequence[list[Any]] = [[None] * place + [word] for place in range(1, TOPICS + 1)]
    found = [log for topics in wildcards for log in chain.request("eth_getLogs", [{**asked, "topics": topics}])]
    unique = {(int(log["blockNumber"], 16), int(log["logIndex"], 16)): log for log in found}
    return decode_logs([unique[place] for place in sorted(unique)], addresses)
