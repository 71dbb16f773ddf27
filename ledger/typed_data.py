"""EIP-712: what is signed, its digest, signing, recovering, and the JSON that wallets show.

Called by the buyer's client (order, permit, voucher, activation, session binding, audit grant, demand to erase), by the
gateway (voucher, provenance) and by whoever verifies. Mirrors the contracts' hashing; tests/ledger holds both together.
It never talks to a chain. One set of functions serves every message:

    digest(domain, message)                 sign(key, domain, message)
    recover(domain, message, signature)     typed_data(domain, message)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Protocol

from eth_utils.crypto import keccak

from ledger import structs
from ledger.keys import recover_digest
from ledger.signer import Signer
from ledger.values import Address, Money, PlanId, SubscriptionId, Units, from_hex, to_hex

MARKET_NAME = "Slicing4Meta MaaSMarket"
ASSETS_NAME = "Slicing4Meta DigitalAssets"
CREDIT_NAME = "MaaS Credit"
_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True, slots=True)
class Domain:
    """Which contract on which chain a signature is for."""

    name: str
    chain_id: int
    verifying_contract: Address
    version: str = "1"


def market_domain(chain_id: int, market: Address) -> Domain:
    return Domain(MARKET_NAME, chain_id, market)


def assets_domain(chain_id: int, assets: Address) -> Domain:
    return Domain(ASSETS_NAME, chain_id, assets)


def credit_domain(chain_id: int, credit: Address) -> Domain:
    return Domain(CREDIT_NAME, chain_id, credit)


class Message(Protocol):
    """A dataclass whose fields, in order, are those of `PRIMARY`'s EIP-712 type `FIELDS`."""

    PRIMARY: ClassVar[str]
    FIELDS: ClassVar[tuple[tuple[str, str], ...]]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Order:
    """What a buyer signs (market domain): `total` is exactly cap × unitPrice + periods × periodPrice."""

    buyer: Address
    plan_id: PlanId
    signer: Address
    cap: Units
    periods: int
    requirements_hash: bytes
    total: Money
    nonce: int
    deadline: int

    PRIMARY: ClassVar[str] = "Order"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("buyer", "address"),
        ("planId", "uint64"),
        ("signer", "address"),
        ("cap", "uint40"),
        ("periods", "uint32"),
        ("requirementsHash", "bytes32"),
        ("total", "uint256"),
        ("nonce", "uint64"),
        ("deadline", "uint64"),
    )


@dataclass(frozen=True, slots=True)
class Voucher:
    """Cumulative billable units over a usage log's root (market domain); the gateway and the session key sign it."""

    subscription_id: SubscriptionId
    units: Units
    usage_root: bytes

    PRIMARY: ClassVar[str] = "Voucher"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("subscriptionId", "uint96"),
        ("units", "uint40"),
        ("usageRoot", "bytes32"),
    )


@dataclass(frozen=True, slots=True)
class Activation:
    """The session key's word that it was handed the service (market domain)."""

    subscription_id: SubscriptionId
    endpoint_hash: bytes

    PRIMARY: ClassVar[str] = "Activation"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (("subscriptionId", "uint96"), ("endpointHash", "bytes32"))


@dataclass(frozen=True, slots=True)
class Provenance:
    """The meter key's word that content, to be found at `uri`, was made in a subscription (assets domain)."""

    content_hash: bytes
    creator: Address
    subscription_id: SubscriptionId
    uri: str

    PRIMARY: ClassVar[str] = "Provenance"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("contentHash", "bytes32"),
        ("creator", "address"),
        ("subscriptionId", "uint96"),
        ("uri", "string"),
    )


@dataclass(frozen=True, slots=True)
class SessionBinding:
    """The session key binds a DPoP key (its RFC 7638 thumbprint) until `expires` (market domain, off-chain)."""

    subscription_id: SubscriptionId
    jkt: str
    expires: int

    PRIMARY: ClassVar[str] = "SessionBinding"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("subscriptionId", "uint96"),
        ("jkt", "string"),
        ("expires", "uint64"),
    )


@dataclass(frozen=True, slots=True)
class AuditGrant:
    """The buyer lets `grantee` read a subscription's log until `expires` (market domain, off-chain)."""

    subscription_id: SubscriptionId
    grantee: Address
    expires: int

    PRIMARY: ClassVar[str] = "AuditGrant"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("subscriptionId", "uint96"),
        ("grantee", "address"),
        ("expires", "uint64"),
    )


@dataclass(frozen=True, slots=True)
class ErasureDemand:
    """Buyer or session key has the gateway forget a subscription's behaviour; good until `expires` (market domain).

    Off-chain. Said twice it does no harm: what is forgotten stays forgotten.
    """

    subscription_id: SubscriptionId
    expires: int

    PRIMARY: ClassVar[str] = "ErasureDemand"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (("subscriptionId", "uint96"), ("expires", "uint64"))


@dataclass(frozen=True, slots=True)
class RequestUpdate:
    """The session key changes a running request until `deadline`; revisions only grow (market domain, off-chain).

    The purchase's own `requirementsHash` stays on the chain as it is.
    """

    subscription_id: SubscriptionId
    requirements_hash: bytes
    revision: int
    deadline: int

    PRIMARY: ClassVar[str] = "RequestUpdate"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("subscriptionId", "uint96"),
        ("requirementsHash", "bytes32"),
        ("revision", "uint64"),
        ("deadline", "uint64"),
    )


@dataclass(frozen=True, slots=True)
class Permit:
    """ERC-2612 (credit domain): `spender` may draw `value` from `owner`; `nonce` is the token's for the owner."""

    owner: Address
    spender: Address
    value: Money
    nonce: int
    deadline: int

    PRIMARY: ClassVar[str] = "Permit"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("owner", "address"),
        ("spender", "address"),
        ("value", "uint256"),
        ("nonce", "uint256"),
        ("deadline", "uint256"),
    )


def asset_uri(content_hash: bytes) -> str:
    """The address that a gateway signs into the provenance of what it made, and that the asset keeps."""
    return f"s4m:assets/{content_hash.hex()}"


def digest(domain: Domain, message: Message) -> bytes:
    """The 32 bytes that are signed: keccak(0x1901 ‖ domain separator ‖ struct hash)."""
    return keccak(b"\x19\x01" + _separator(domain) + _struct_hash(message))


def sign(key: Signer, domain: Domain, message: Message) -> bytes:
    """The key's 65-byte signature (r, s, v) over the message; `values.compact` gives (r, vs)."""
    return key.sign_typed(digest(domain, message), lambda: typed_data(domain, message))


def recover(domain: Domain, message: Message, signature: bytes) -> Address:
    """Who signed; raises SignatureMalformed. A signature over something else gives some other address."""
    return recover_digest(digest(domain, message), signature)


def typed_data(domain: Domain, message: Message) -> dict[str, Any]:
    """The document of eth_signTypedData_v4; integers as decimal strings, bytes as 0x hexadecimal."""
    values = zip(message.FIELDS, _values(message), strict=True)
    return {
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.verifying_contract,
        },
        "primaryType": message.PRIMARY,
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            message.PRIMARY: [{"name": name, "type": kind} for name, kind in message.FIELDS],
        },
        "message": {name: _json(value) for (name, _), value in values},
    }


def signed_permit(key: Signer, domain: Domain, permit: Permit) -> structs.Permit:
    """The permit as the market takes it."""
    signature = sign(key, domain, permit)
    return structs.Permit(permit.value, permit.deadline, signature[64], signature[:32], signature[32:64])


@lru_cache(maxsize=64)
def _separator(domain: Domain) -> bytes:
    words = [
        keccak(_DOMAIN_TYPE.encode()),
        keccak(domain.name.encode()),
        keccak(domain.version.encode()),
        domain.chain_id.to_bytes(32),
        _address_word(domain.verifying_contract),
    ]
    return keccak(b"".join(words))


@lru_cache(maxsize=32)
def _type_hash(primary: str, members: tuple[tuple[str, str], ...]) -> bytes:
    return keccak(f"{primary}({','.join(f'{kind} {name}' for name, kind in members)})".encode())


def _struct_hash(message: Message) -> bytes:
    words = [_type_hash(message.PRIMARY, message.FIELDS)]
    for (_, kind), value in zip(message.FIELDS, _values(message), strict=True):
        words.append(_ENCODE.get(kind, _integer_word)(value))
    return keccak(b"".join(words))


def _values(message: Message) -> list[Any]:
    return [getattr(message, field.name) for field in fields(message)]


def _integer_word(value: int) -> bytes:
    return int(value).to_bytes(32)


def _address_word(value: str) -> bytes:
    return from_hex(value).rjust(32, b"\x00")


def _hash_word(value: bytes) -> bytes:
    if len(value) != 32:
        raise ValueError(f"a bytes32 has 32 bytes, not {len(value)}")
    return value


_ENCODE: dict[str, Callable[[Any], bytes]] = {
    "address": _address_word,
    "bytes32": _hash_word,
    "string": lambda text: keccak(text.encode()),
}


def _json(value: Any) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
