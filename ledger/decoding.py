"""Node logs to ChainEvents, in bulk, with eth-abi.

Called by chain and contracts. Logs of contracts or events that the deployment does not know are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from ledger import abi, events
from ledger.errors import EventMalformed
from ledger.events import ChainEvent, Event
from ledger.structs import PlanTerms, Share
from ledger.values import Address, Kind, SkipReason, address, from_hex

# What the same ERC event means for each contract.
RENAMED = {
    ("catalog", "Transfer"): "ModelTransferred",
    ("assets", "Transfer"): "AssetTransferred",
    ("credit", "Transfer"): "CreditTransferred",
}

_TYPED: dict[tuple[str, int], Callable[[Any], Any]] = {
    ("ModelRegistered", 2): Kind,
    ("Skipped", 1): SkipReason,
    ("PlanPublished", 1): lambda terms: PlanTerms(*terms),
    ("PlanPublished", 2): lambda shares: tuple(Share(*share) for share in shares),
}


@dataclass(frozen=True)
class _Shape:
    """How one event lies in a log: (position, type) of the indexed values and of those in the data."""

    event: type[Event]
    params: tuple[dict[str, Any], ...]
    indexed: tuple[tuple[int, str], ...]
    packed: tuple[int, ...]
    packed_types: tuple[str, ...]

    def read(self, topics: list[str], data: str) -> Event:
        values: list[Any] = [None] * len(self.params)
        for (position, kind), topic in zip(self.indexed, topics[1:], strict=True):
            values[position] = decode([kind], from_hex(topic))[0]
        if self.packed:
            for position, value in zip(self.packed, decode(self.packed_types, from_hex(data)), strict=True):
                values[position] = value
        tidied = abi.tidy_all(self.params, values)
        return self.event(*(_typed(self.event.__name__, place, value) for place, value in enumerate(tidied)))


def _typed(event: str, place: int, value: Any) -> Any:
    convert = _TYPED.get((event, place))
    return convert(value) if convert else value


@cache
def _shapes(contract: str) -> dict[str, _Shape]:
    """Of one contract: topic (0x hexadecimal) → shape."""
    shapes = {}
    for entry in abi.load(abi.CONTRACTS[contract]).events.values():
        event = events.EVENTS.get(RENAMED.get((contract, entry.name), entry.name))
        if event is not None:
            shapes["0x" + entry.hash.hex()] = _shape(event, entry)
    return shapes


def _shape(event: type[Event], entry: abi.Entry) -> _Shape:
    indexed = tuple((i, entry.input_types[i]) for i, param in enumerate(entry.inputs) if param["indexed"])
    packed = tuple(i for i, param in enumerate(entry.inputs) if not param["indexed"])
    return _Shape(event, entry.inputs, indexed, packed, tuple(entry.input_types[i] for i in packed))


def decode_logs(logs: Iterable[Mapping[str, Any]], addresses: Mapping[str, Address]) -> list[ChainEvent]:
    """The known events among `logs`, in their order; `addresses` maps the deployment's words to addresses."""
    contracts = {place: name for name, place in addresses.items()}
    decoded = []
    for log in logs:
        contract = contracts.get(address(log["address"]))
        topics = log["topics"]
        shape = _shapes(contract).get(topics[0]) if contract and topics else None
        if contract and shape:
            decoded.append(_chain_event(contract, shape, log))
    return decoded


def _chain_event(contract: str, shape: _Shape, log: Mapping[str, Any]) -> ChainEvent:
    try:
        event = shape.read(log["topics"], log["data"])
    except (DecodingError, ValueError, OverflowError) as error:
        raise EventMalformed(shape.event.__name__, f"{type(error).__name__}: {error}") from error
    timestamp = log.get("blockTimestamp")
    return ChainEvent(
        contract,
        event,
        int(log["blockNumber"], 16),
        log["blockHash"],
        log["transactionHash"],
        int(log["logIndex"], 16),
        int(timestamp, 16) if timestamp else None,
    )
