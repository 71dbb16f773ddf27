"""What people and programs sign, as eip712 message classes: ape accounts sign them with `sign_message`.

Field names and order are the contracts'; `hash_message` must equal the contracts' own hash views (test_signing.py).
"""

from __future__ import annotations

from typing import Any

from eip712.messages import EIP712Domain, EIP712Message
from eth_pydantic_types import abi

MARKET_NAME = "Slicing4Meta MaaSMarket"
ASSETS_NAME = "Slicing4Meta DigitalAssets"


class Order(EIP712Message):
    buyer: abi.address
    planId: abi.uint64
    signer: abi.address
    cap: abi.uint40
    periods: abi.uint32
    requirementsHash: abi.bytes32
    total: abi.uint256
    nonce: abi.uint64
    deadline: abi.uint64


class Activation(EIP712Message):
    subscriptionId: abi.uint96
    endpointHash: abi.bytes32


class Voucher(EIP712Message):
    subscriptionId: abi.uint96
    units: abi.uint40
    usageRoot: abi.bytes32


class Provenance(EIP712Message):
    contentHash: abi.bytes32
    creator: abi.address
    subscriptionId: abi.uint96
    uri: abi.string


class Permit(EIP712Message):
    owner: abi.address
    spender: abi.address
    value: abi.uint256
    nonce: abi.uint256
    deadline: abi.uint256


def domain(name: str, contract: Any, chain_id: int) -> EIP712Domain:
    return EIP712Domain(name=name, version="1", chainId=chain_id, verifyingContract=contract.address)


def words(signature: Any) -> tuple[bytes, bytes]:
    """(r, s) of an ape signature in full 32 bytes: its own fields drop leading zeros."""
    rsv = bytes(signature.encode_rsv())
    return rsv[:32], rsv[32:64]


def compact(signature: Any) -> tuple[bytes, bytes]:
    """ERC-2098 form (r, vs) of an ape signature."""
    r, s = words(signature)
    vs = int.from_bytes(s, "big") | ((signature.v - 27) << 255)
    return r, vs.to_bytes(32, "big")
