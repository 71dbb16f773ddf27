"""The compiled contracts' ABIs: encode calls, decode answers, find errors and events.

Called by contracts, decoding, reverts and deployment only. Reads ledger/artifacts/<Contract>.json once per contract.
Decoded addresses come checksummed, arrays and structs as tuples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.crypto import keccak

from ledger.errors import ArtifactMissing, ValueOutOfRange
from ledger.values import address

ARTIFACTS = Path(__file__).parent / "artifacts"

# The deployment's word for each contract, and the compiled contract behind it.
CONTRACTS = {
    "catalog": "ModelCatalog",
    "market": "MaaSMarket",
    "assets": "DigitalAssets",
    "identity": "IdentityRegistry",
    "credit": "MaaSCredit",
}


@dataclass(frozen=True)
class Entry:
    """A function, error or event of an ABI."""

    name: str
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...] = ()

    @cached_property
    def input_types(self) -> list[str]:
        return [canonical(param) for param in self.inputs]

    @cached_property
    def output_types(self) -> list[str]:
        return [canonical(param) for param in self.outputs]

    @cached_property
    def hash(self) -> bytes:
        """keccak of the signature: the topic of an event; its first four bytes are the selector."""
        return keccak(f"{self.name}({','.join(self.input_types)})".encode())

    def encode_call(self, *arguments: object) -> bytes:
        """Selector and arguments; raises ValueOutOfRange for what the types cannot hold."""
        try:
            return self.hash[:4] + encode(self.input_types, [plain(value) for value in arguments])
        except EncodingError as error:
            raise ValueOutOfRange(self.name, str(error)) from error

    def decode_output(self, data: bytes) -> tuple[Any, ...]:
        return tidy_all(self.outputs, decode(self.output_types, data))

    def decode_input(self, data: bytes) -> tuple[Any, ...]:
        return tidy_all(self.inputs, decode(self.input_types, data))


@dataclass(frozen=True)
class ContractAbi:
    """One contract's entries; functions and events by name (of overloads, the first), errors by selector."""

    name: str
    functions: dict[str, Entry]
    events: dict[str, Entry]
    errors: dict[bytes, Entry]
    constructor: Entry
    bytecode: bytes

    def call_in(self, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """The function that call data names, and its arguments; None where the ABI has no such function, or the data
        does not fit it."""
        entry = self.functions_by_selector.get(data[:4])
        try:
            return (entry.name, entry.decode_input(data[4:])) if entry else None
        except (DecodingError, ValueError, OverflowError):
            return None

    @cached_property
    def functions_by_selector(self) -> dict[bytes, Entry]:
        return {entry.hash[:4]: entry for entry in self.functions.values()}


@cache
def load(contract: str) -> ContractAbi:
    """The ABI of a compiled contract by its Solidity name; raises ArtifactMissing."""
    path = ARTIFACTS / f"{contract}.json"
    try:
        document = json.loads(path.read_text())
        return _parse(contract, document["abi"], bytes.fromhex(document["bytecode"].removeprefix("0x")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactMissing(contract, path) from error


def _parse(contract: str, entries: Sequence[dict[str, Any]], bytecode: bytes) -> ContractAbi:
    functions: dict[str, Entry] = {}
    events: dict[str, Entry] = {}
    errors: dict[bytes, Entry] = {}
    constructor = Entry("constructor", ())
    for item in entries:
        entry = Entry(item.get("name", ""), tuple(item.get("inputs", ())), tuple(item.get("outputs", ())))
        match item["type"]:
            case "function":
                functions.setdefault(entry.name, entry)
            case "event":
                events.setdefault(entry.name, entry)
            case "error":
                errors[entry.hash[:4]] = entry
            case "constructor":
                constructor = Entry("constructor", entry.inputs)
    return ContractAbi(contract, functions, events, errors, constructor, bytecode)


def canonical(param: dict[str, Any]) -> str:
    """The type as signatures spell it: structs as tuples of their members."""
    kind: str = param["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(canonical(member) for member in param['components'])}){kind[5:]}"


def plain(value: Any) -> Any:
    """A value as eth-abi takes it: dataclasses as tuples of their fields, enums as integers."""
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, IntEnum) else value


def tidy_all(params: Sequence[dict[str, Any]], values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(tidy(param, value) for param, value in zip(params, values, strict=True))


def tidy(param: dict[str, Any], value: Any) -> Any:
    """A decoded value with addresses checksummed and sequences as tuples."""
    kind: str = param["type"]
    if kind.endswith("]"):
        inner = {**param, "type": kind[: kind.rindex("[")]}
        return tuple(tidy(inner, item) for item in value)
    if kind == "tuple":
        return tidy_all(param["components"], value)
    return address(value) if kind == "address" else value
