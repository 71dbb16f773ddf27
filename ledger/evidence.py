"""Blocks recomputed: is a node's history one that hangs together, down to the logs? Called by the audit, on request.

A block's hash is computed again from its header, the root of its receipts from the receipts, and each block must name
its predecessor. So whoever trusts the newest block's hash (from a source of his own) trusts every log under it, and
knows that none was left out: the header's bloom filter tells which blocks may hold logs of the contracts.
Without such a hash a node can still invent a whole chain; what it cannot do is alter single events of a real one.

Source: Ethereum yellow paper, 4.4 (blocks and receipts); EIP-2718, 4895, 4844, 4788, 7685 (newer fields).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_utils.crypto import keccak
from trie import HexaryTrie

from ledger.chain import BATCH, Chain
from ledger.values import Address, from_hex

_HASHES = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")
_NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
_LATER = (
    "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash",
)  # fmt: skip
"""Fields that forks added, in the order in which the header has them; a chain before a fork lacks what it added."""
_QUANTITIES = {"baseFeePerGas", "blobGasUsed", "excessBlobGas"}


@dataclass(frozen=True)
class Contradiction:
    """What in a node's answers cannot be true; `code` is the audit's finding."""

    code: str
    block_number: int
    detail: str


def block_hash(header: Mapping[str, Any]) -> bytes:
    """The hash of a block, from the header's fields as a node gives them."""
    fields = [from_hex(header[name]) for name in _HASHES]
    fields += [_quantity(header[name]) for name in _NUMBERS]
    fields += [from_hex(header["extraData"]), from_hex(header["mixHash"]), from_hex(header["nonce"])]
    for name in _LATER:
        if header.get(name) is not None:
            fields.append(_quantity(header[name]) if name in _QUANTITIES else from_hex(header[name]))
    return keccak(rlp.encode(fields))


def receipts_root(receipts: Sequence[Mapping[str, Any]]) -> bytes:
    """The root of the trie of a block's receipts, in the order of its transactions."""
    trie = HexaryTrie({})
    for index, receipt in enumerate(receipts):
        trie[rlp.encode(index)] = _receipt(receipt)
    return bytes(trie.root_hash)


def may_hold_logs_of(bloom: bytes, place: Address) -> bool:
    """Whether a block with this 256-byte bloom filter may have logs of the contract; never wrongly no."""
    word, digest = int.from_bytes(bloom), keccak(from_hex(place))
    bits = (int.from_bytes(digest[at : at + 2]) & 2047 for at in (0, 2, 4))
    return all(word >> bit & 1 for bit in bits)


def contradictions(
    chain: Chain,
    first: int,
    last: int,
    places: Sequence[Address],
    logs: Sequence[Mapping[str, Any]],
    head_hash: str | None = None,
) -> Iterator[Contradiction]:
    """Everything in blocks first..last that does not hang together with these raw logs of the contracts.

    `head_hash` is the hash of block `last` from a trusted source. Asks for every header and for the receipts of blocks
    that may hold logs.
    """
    told: dict[int, list[Mapping[str, Any]]] = {}
    for log in logs:
        told.setdefault(int(log["blockNumber"], 16), []).append(log)
    parent = ""
    for header in _headers(chain, first, last):
        number = int(header["number"], 16)
        if "0x" + block_hash(header).hex() != header["hash"]:
            yield Contradiction("block_hash_wrong", number, "its hash is not that of its header")
        if parent and header["parentHash"] != parent:
            yield Contradiction("chain_broken", number, f"it does not follow on {parent}")
        parent = header["hash"]
        yield from _check_logs(chain, header, places, told.get(number, []))
    if head_hash is not None and parent != head_hash:
        yield Contradiction("head_differs", last, f"its hash is {parent}, the trusted one {head_hash}")


def _headers(chain: Chain, first: int, last: int) -> Iterator[Mapping[str, Any]]:
    for start in range(first, last + 1, BATCH):
        asked = [("eth_getBlockByNumber", [hex(at), False]) for at in range(start, min(last + 1, start + BATCH))]
        yield from (header for header in chain.requests(asked) if header)


def _check_logs(
    chain: Chain, header: Mapping[str, Any], places: Sequence[Address], told: Sequence[Mapping[str, Any]]
) -> Iterator[Contradiction]:
    """One block's receipts against its header, and its logs against the receipts."""
    number, bloom = int(header["number"], 16), from_hex(header["logsBloom"])
    if not told and not any(may_hold_logs_of(bloom, place) for place in places):
        return
    receipts = chain.request("eth_getBlockReceipts", [hex(number)]) or []
    if receipts_root(receipts) != from_hex(header["receiptsRoot"]):
        yield Contradiction("receipts_differ", number, "its receipts do not have the root that its header says")
    ours = {place.lower() for place in places}
    due = [_shown(log) for receipt in receipts for log in receipt["logs"] if log["address"].lower() in ours]
    if due != [_shown(log) for log in told]:
        yield Contradiction("logs_differ", number, f"its receipts have {len(due)} logs, not the {len(told)} told of")


def _shown(log: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the receipt vouches for, and where the log says it stands."""
    place = log["transactionHash"], int(log["logIndex"], 16)
    return log["address"].lower(), tuple(log["topics"]), log["data"], *place


def _receipt(receipt: Mapping[str, Any]) -> bytes:
    logs = [
        [from_hex(log["address"]), [from_hex(topic) for topic in log["topics"]], from_hex(log["data"])]
        for log in receipt["logs"]
    ]
    bloom = from_hex(receipt["logsBloom"])
    body = rlp.encode([_quantity(receipt["status"]), _quantity(receipt["cumulativeGasUsed"]), bloom, logs])
    kind = int(receipt.get("type", "0x0"), 16)
    return bytes([kind]) + body if kind else bytes(body)


def _quantity(text: str) -> bytes:
    """A number as RLP has it: big-endian without leading zeros."""
    number = int(text, 16)
    return number.to_bytes((number.bit_length() + 7) // 8)
