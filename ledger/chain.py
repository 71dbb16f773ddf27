"""One node of one chain: blocks, logs, calls, receipts. The only place that asks a node for anything.

Called by everyone who reads the chain, mostly through contracts and the sender. Retries nothing: a node that does not
answer is NodeDown, and the caller decides. Reads of one decision pass one BlockStamp; it is pinned by the block's hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ledger.decoding import decode_logs
from ledger.errors import BlockGone, ChainReplaced, NodeError, WrongChain, without_credentials
from ledger.events import ChainEvent
from ledger.reverts import reverted
from ledger.rpc import Rpc
from ledger.values import ZERO_ADDRESS, Address, BlockStamp, Call, Money, address, from_hex, to_hex

LOG_SPAN = 2_000  # blocks asked for at once: what the public nodes with the tightest limits allow

BATCH = 100  # requests in one round trip: anvil stalls on thousands


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees in wei for each unit of gas."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction's receipt as the node has it; `logs` are raw, `Contracts.events_in` decodes them."""

    tx_hash: str
    succeeded: bool
    block_number: int
    block_hash: str
    gas_used: int
    gas_price: int
    created: Address | None
    logs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """What was sent to the chain: by whom, to which contract (None: a creation), with which call data."""

    tx_hash: str
    sender: Address
    to: Address | None
    data: bytes


class Chain:
    """A connection to a node. Thread-safe."""

    def __init__(self, rpc: Rpc, chain_id: int, genesis_hash: str) -> None:
        self._rpc = rpc
        self.chain_id = chain_id
        self.genesis_hash = genesis_hash

    @classmethod
    def connect(cls, rpc_url: str, timeout_s: float = 10.0, chain_id: int | None = None) -> Chain:
        """Asks the node who it is; raises NodeDown, and WrongChain where `chain_id` is given and differs."""
        rpc = Rpc(rpc_url, timeout_s)
        actual = int(rpc.request("eth_chainId"), 16)
        if chain_id is not None and chain_id != actual:
            raise WrongChain(chain_id, actual)
        genesis = rpc.request("eth_getBlockByNumber", ["0x0", False])
        return cls(rpc, actual, genesis["hash"])

    @property
    def url(self) -> str:
        """The node's address without credentials, fit for logs."""
        return without_credentials(self._rpc.url)

    def close(self) -> None:
        self._rpc.close()

    def check(self, chain_id: int, genesis_hash: str) -> None:
        """Asks again who the node is; raises WrongChain or ChainReplaced."""
        number, genesis = self._rpc.batch([("eth_chainId", []), ("eth_getBlockByNumber", ["0x0", False])])
        if int(number, 16) != chain_id:
            raise WrongChain(chain_id, int(number, 16))
        if genesis["hash"] != genesis_hash:
            raise ChainReplaced(chain_id, genesis_hash, genesis["hash"])

    def request(self, method: str, params: Sequence[object] = ()) -> Any:
        """Any JSON-RPC request, raw: for the sender and for tests' control verbs."""
        return self._rpc.request(method, params)

    def requests(self, asked: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """At most `BATCH` raw requests in one round trip; their results in order."""
        return self._rpc.batch(asked)

    # blocks

    def latest(self) -> BlockStamp:
        return self._tagged("latest")

    def finalized(self) -> BlockStamp:
        """The newest block that the node calls final."""
        return self._tagged("finalized")

    def block(self, number: int) -> BlockStamp:
        """The block of that number in the node's chain; raises BlockGone where there is none (yet)."""
        found = self._rpc.request("eth_getBlockByNumber", [hex(number), False])
        if found is None:
            raise BlockGone(number, "unknown")
        return _stamp(found)

    def block_by_hash(self, block_hash: str) -> BlockStamp | None:
        found = self._rpc.request("eth_getBlockByHash", [block_hash, False])
        return _stamp(found) if found else None

    def blocks(self, first: int, last: int) -> list[BlockStamp]:
        """Blocks first..last, both included; stops short where the chain ends."""
        found: list[BlockStamp] = []
        for start in range(first, last + 1, BATCH):
            numbers = range(start, min(last + 1, start + BATCH))
            asked = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
            found += [_stamp(block) for block in takewhile(bool, self._rpc.batch(asked))]
            if len(found) < numbers.stop - first:
                break
        return found

    def _tagged(self, tag: str) -> BlockStamp:
        return _stamp(self._rpc.request("eth_getBlockByNumber", [tag, False]))

    # logs

    def logs(self, first: int, last: int, addresses: Mapping[str, Address]) -> list[ChainEvent]:
        """The contracts' events in blocks first..last, both included, in chain order."""
        return decode_logs(self.raw_logs(first, last, addresses), addresses)

    def logs_of(self, block: BlockStamp, addresses: Mapping[str, Address]) -> list[ChainEvent]:
        """The contracts' events in exactly this block; raises BlockGone where it is no longer known."""
        try:
            return self._logs({"blockHash": block.hash}, addresses)
        except NodeError as error:
            raise BlockGone(block.number, block.hash) from error

    def raw_logs(self, first: int, last: int, addresses: Mapping[str, Address]) -> list[Mapping[str, Any]]:
        """As `logs`, as the node gives them: for who checks the node itself."""
        found: list[Mapping[str, Any]] = []
        for start in range(first, last + 1, LOG_SPAN):
            end = min(last, start + LOG_SPAN - 1)
            where = {"fromBlock": hex(start), "toBlock": hex(end), "address": list(addresses.values())}
            found += self._rpc.request("eth_getLogs", [where])
        return found

    def logs_with(
        self, first: int, last: int, addresses: Mapping[str, Address], topics: Sequence[str | None]
    ) -> list[ChainEvent]:
        """As `logs`, of those alone that have these topics (None: any)."""
        found: list[ChainEvent] = []
        for start in range(first, last + 1, LOG_SPAN):
            end = min(last, start + LOG_SPAN - 1)
            found += self._logs({"fromBlock": hex(start), "toBlock": hex(end), "topics": list(topics)}, addresses)
        return found

    def _logs(self, where: Mapping[str, object], addresses: Mapping[str, Address]) -> list[ChainEvent]:
        raw = self._rpc.request("eth_getLogs", [{**where, "address": list(addresses.values())}])
        return decode_logs(raw, addresses)

    # accounts and calls

    def balance(self, account: Address, block: BlockStamp | None = None) -> Money:
        """Wei of an account (gas money, not credits)."""
        return Money(int(self._pinned("eth_getBalance", [account], block), 16))

    def code(self, account: Address, block: BlockStamp | None = None) -> bytes:
        return from_hex(self._pinned("eth_getCode", [account], block))

    def call(self, call: Call, block: BlockStamp | None = None, sender: Address = ZERO_ADDRESS) -> bytes:
        """What the call would return, nothing changed; raises Reverted, decoded."""
        try:
            return from_hex(self._pinned("eth_call", [_request(call, sender)], block))
        except NodeError as error:
            raise reverted(error) or error from error

    def constructed(self, code: bytes, block: BlockStamp | None = None) -> bytes:
        """What this creation code would return, nothing deployed; raises NodeError where it does not end well."""
        return from_hex(self._pinned("eth_call", [{"data": to_hex(code)}], block))

    def call_many(self, calls: Sequence[Call], block: BlockStamp) -> list[bytes]:
        """What each call would return at the block, a hundred in one round trip; raises NodeError on a revert."""
        pinned = {"blockHash": block.hash, "requireCanonical": True}
        answers: list[bytes] = []
        for start in range(0, len(calls), BATCH):
            asked = [("eth_call", [_request(one, ZERO_ADDRESS), pinned]) for one in calls[start : start + BATCH]]
            answers += map(from_hex, self._rpc.batch(asked))
        return answers

    def estimate_gas(self, call: Call, sender: Address) -> int:
        """Gas that the call needs after the newest block; raises Reverted where it would fail."""
        try:
            return int(self._rpc.request("eth_estimateGas", [_request(call, sender), "latest"]), 16)
        except NodeError as error:
            raise reverted(error) or error from error

    def _pinned(self, method: str, params: list[object], block: BlockStamp | None) -> Any:
        if block is None:
            return self._rpc.request(method, [*params, "latest"])
        try:
            return self._rpc.request(method, [*params, {"blockHash": block.hash, "requireCanonical": True}])
        except NodeError as error:
            if reverted(error) is None and self.block_by_hash(block.hash) is None:
                raise BlockGone(block.number, block.hash) from error
            raise

    # sending (for the sender)

    def transaction_count(self, account: Address, *, pending: bool = False) -> int:
        """The next nonce after the account's mined (or also its waiting) transactions."""
        tag = "pending" if pending else "latest"
        return int(self._rpc.request("eth_getTransactionCount", [account, tag]), 16)

    def fees(self) -> Fees:
        """Twice the newest base fee plus the node's advised tip."""
        block, tip = self._rpc.batch([("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])])
        advised = int(tip, 16)
        return Fees(2 * int(block["baseFeePerGas"], 16) + advised, advised)

    def broadcast(self, raw: bytes) -> str:
        """Hands a signed transaction to the node; returns its hash."""
        return str(self._rpc.request("eth_sendRawTransaction", [to_hex(raw)]))

    def knows(self, tx_hash: str) -> bool:
        """True when the node has the transaction, waiting or mined."""
        return self._rpc.request("eth_getTransactionByHash", [tx_hash]) is not None

    def transactions(self, hashes: Sequence[str]) -> dict[str, SentTransaction]:
        """The transactions that the node has, by hash; a hundred in one round trip."""
        found: dict[str, SentTransaction] = {}
        for start in range(0, len(hashes), BATCH):
            asked = [("eth_getTransactionByHash", [one]) for one in hashes[start : start + BATCH]]
            found |= {each["hash"]: _sent(each) for each in self._rpc.batch(asked) if each}
        return found

    def receipt(self, tx_hash: str) -> MinedTransaction | None:
        found = self._rpc.request("eth_getTransactionReceipt", [tx_hash])
        return _mined(found) if found and found.get("blockHash") else None


def _stamp(block: Mapping[str, Any]) -> BlockStamp:
    return BlockStamp(int(block["number"], 16), block["hash"], int(block["timestamp"], 16), block["parentHash"])


def _request(call: Call, sender: Address) -> dict[str, str]:
    request = {"from": sender, "data": to_hex(call.data), "value": hex(call.value)}
    return {**request, "to": call.to} if call.to else request


def _sent(transaction: Mapping[str, Any]) -> SentTransaction:
    to = transaction.get("to")
    return SentTransaction(
        transaction["hash"],
        address(transaction["from"]),
        address(to) if to else None,
        from_hex(transaction["input"]),
    )


def _mined(receipt: Mapping[str, Any]) -> MinedTransaction:
    created = receipt.get("contractAddress")
    return MinedTransaction(
        receipt["transactionHash"],
        int(receipt["status"], 16) == 1,
        int(receipt["blockNumber"], 16),
        receipt["blockHash"],
        int(receipt["gasUsed"], 16),
        int(receipt["effectiveGasPrice"], 16),
        Address(created) if created else None,
        tuple(receipt["logs"]),
    )
