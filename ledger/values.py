"""Small typed values that all packages share: addresses, ids, money, block stamps, signatures.

Called by everyone; imports no chain library but the hash of address checksums. Ids, money and units are plain integers
here; their JSON form is a decimal string.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NewType

from eth_utils.address import to_checksum_address

from ledger.errors import AddressMalformed, SignatureMalformed

Address = NewType("Address", str)  # EIP-55 checksummed, "0x" and 40 hexadecimal digits
ModelId = NewType("ModelId", int)  # 32 bits
PlanId = NewType("PlanId", int)  # modelId << 32 | version
SubscriptionId = NewType("SubscriptionId", int)  # planId << 32 | sequence, 96 bits
AssetId = NewType("AssetId", int)
Units = NewType("Units", int)  # billable units, cumulative where said so
Money = NewType("Money", int)  # the token's smallest unit (10**-6 credits)

ZERO_ADDRESS = Address("0x" + "00" * 20)
ZERO_HASH = bytes(32)
CREDIT = 1_000_000  # one MaaS Credit in its smallest unit
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # secp256k1

_WORD32 = (1 << 32) - 1


class Kind(IntEnum):
    """What a model is: CaaS supplies resources, TaaS consumes them, a Composite is a service made of both."""

    CAAS = 0
    TAAS = 1
    COMPOSITE = 2


class Status(IntEnum):
    """A subscription's state as the contract computes it."""

    NONE = 0
    PURCHASED = 1
    REFUNDABLE = 2
    ACTIVE = 3
    RELEASING = 4
    RELEASED = 5
    REFUNDED = 6


class SkipReason(IntEnum):
    """Why settlement left a voucher out."""

    UNKNOWN = 0
    NOT_ACTIVE = 1
    STALE = 2
    OVER_CAP = 3
    BAD_SIGNATURE = 4


@dataclass(frozen=True, slots=True)
class BlockStamp:
    """One block that all reads of one decision are pinned to.

    `hash` and `parent_hash` are "0x" hexadecimal, `timestamp` is UTC seconds.
    """

    number: int
    hash: str
    timestamp: int
    parent_hash: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One state-changing call, ready for a Sender. `to` is None for a contract creation; `value` is wei."""

    to: Address | None
    data: bytes
    value: int = 0
    description: str = ""


def plan_id(model: int, version: int) -> PlanId:
    """The plan's id: modelId << 32 | version."""
    return PlanId(model << 32 | version)


def model_of(plan: int) -> ModelId:
    return ModelId(plan >> 32)


def version_of(plan: int) -> int:
    return plan & _WORD32


def plan_of(subscription: int) -> PlanId:
    return PlanId(subscription >> 32)


def sequence_of(subscription: int) -> int:
    return subscription & _WORD32


@lru_cache(maxsize=65_536)
def address(text: str) -> Address:
    """The checksummed form of `text`; raises AddressMalformed where it is no address."""
    try:
        return Address(to_checksum_address(text))
    except (ValueError, TypeError) as error:
        raise AddressMalformed(text) from error


def to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def from_hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def compact(signature: bytes) -> tuple[bytes, bytes]:
    """A 65-byte signature (r, s, v) as ERC-2098's (r, vs)."""
    check_signature(signature)
    s = int.from_bytes(signature[32:64])
    return signature[:32], (s | (signature[64] - 27) << 255).to_bytes(32)


def expand(r: bytes, vs: bytes) -> bytes:
    """ERC-2098's (r, vs) as the 65-byte signature (r, s, v)."""
    if len(r) != 32 or len(vs) != 32:
        raise SignatureMalformed(f"r and vs must have 32 bytes each, not {len(r)} and {len(vs)}")
    word = int.from_bytes(vs)
    s = word & ((1 << 255) - 1)
    signature = r + s.to_bytes(32) + bytes([27 + (word >> 255)])
    check_signature(signature)
    return signature


def check_signature(signature: bytes) -> None:
    """Refuses what the contracts would refuse: another length, v not 27 or 28, a malleable (high) s."""
    if len(signature) != 65:
        raise SignatureMalformed(f"it has {len(signature)} bytes, not 65")
    if signature[64] not in (27, 28):
        raise SignatureMalformed(f"its last byte is {signature[64]}, not 27 or 28")
    if not 0 < int.from_bytes(signature[32:64]) <= CURVE_ORDER // 2:
        raise SignatureMalformed("its s is out of range or malleable (above half the curve's order)")
