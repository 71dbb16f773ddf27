"""One frozen dataclass for each event of the contracts, and their JSON form.

Called by the listener, the market's projection and the audit. Fields stand in the event's own order; `ledger.decoding`
turns node logs into these. JSON: ids, money and times as decimal strings, bytes as 0x hexadecimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from ledger.errors import EventMalformed
from ledger.structs import PlanTerms, Share
from ledger.values import (
    Address,
    AssetId,
    Kind,
    ModelId,
    Money,
    PlanId,
    SkipReason,
    SubscriptionId,
    Units,
    from_hex,
    to_hex,
)


@dataclass(frozen=True, slots=True)
class Event:
    """Root of all events."""


# ModelCatalog


@dataclass(frozen=True, slots=True)
class ModelRegistered(Event):
    model_id: ModelId
    owner: Address
    kind: Kind
    spec_hash: bytes
    uri: str
    royalty_bps: int


@dataclass(frozen=True, slots=True)
class MeterKeySet(Event):
    model_id: ModelId
    meter_key: Address


@dataclass(frozen=True, slots=True)
class AskSet(Event):
    model_id: ModelId
    bps: int


@dataclass(frozen=True, slots=True)
class PlanPublished(Event):
    plan_id: PlanId
    terms: PlanTerms
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class PlanRetired(Event):
    plan_id: PlanId


@dataclass(frozen=True, slots=True)
class ModelTransferred(Event):
    """ERC-721 Transfer of the catalogue; `previous_owner` is zero at registration."""

    previous_owner: Address
    owner: Address
    model_id: ModelId


# MaaSMarket


@dataclass(frozen=True, slots=True)
class Deposited(Event):
    account: Address
    payer: Address
    amount: Money


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    account: Address
    amount: Money


@dataclass(frozen=True, slots=True)
class OrdersCancelled(Event):
    buyer: Address
    nonce: int


@dataclass(frozen=True, slots=True)
class Subscribed(Event):
    subscription_id: SubscriptionId
    buyer: Address
    signer: Address
    cap: Units
    periods: int
    reserved: Money
    deadline: int
    requirements_hash: bytes


@dataclass(frozen=True, slots=True)
class Activated(Event):
    subscription_id: SubscriptionId
    endpoint_hash: bytes
    since: int
    paid_through: int


@dataclass(frozen=True, slots=True)
class Refunded(Event):
    subscription_id: SubscriptionId
    buyer: Address
    amount: Money


@dataclass(frozen=True, slots=True)
class CapRaised(Event):
    subscription_id: SubscriptionId
    payer: Address
    cap: Units
    amount: Money


@dataclass(frozen=True, slots=True)
class Renewed(Event):
    subscription_id: SubscriptionId
    payer: Address
    periods: int
    paid_through: int
    amount: Money


@dataclass(frozen=True, slots=True)
class SignerProposed(Event):
    subscription_id: SubscriptionId
    signer: Address
    confirmable_at: int


@dataclass(frozen=True, slots=True)
class SignerConfirmed(Event):
    subscription_id: SubscriptionId
    signer: Address


@dataclass(frozen=True, slots=True)
class ReleaseRequested(Event):
    subscription_id: SubscriptionId
    time_paid: Money
    time_refunded: Money
    releasable_at: int


@dataclass(frozen=True, slots=True)
class Released(Event):
    subscription_id: SubscriptionId
    buyer: Address
    refunded: Money


@dataclass(frozen=True, slots=True)
class Settled(Event):
    """`units` are cumulative after this voucher, `amount` is what this voucher added."""

    subscription_id: SubscriptionId
    units: Units
    amount: Money
    usage_root: bytes


@dataclass(frozen=True, slots=True)
class Skipped(Event):
    subscription_id: SubscriptionId
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class TimeCollected(Event):
    subscription_id: SubscriptionId
    amount: Money
    through: int


@dataclass(frozen=True, slots=True)
class PaidOut(Event):
    plan_id: PlanId
    to: Address
    amount: Money


@dataclass(frozen=True, slots=True)
class SharePaidOut(Event):
    plan_id: PlanId
    model_id: ModelId
    to: Address
    amount: Money


# DigitalAssets


@dataclass(frozen=True, slots=True)
class AssetMinted(Event):
    asset_id: AssetId
    creator: Address
    subscription_id: SubscriptionId
    content_hash: bytes
    uri: str


@dataclass(frozen=True, slots=True)
class AssetBurned(Event):
    asset_id: AssetId


@dataclass(frozen=True, slots=True)
class AssetListed(Event):
    asset_id: AssetId
    seller: Address
    price: Money


@dataclass(frozen=True, slots=True)
class AssetUnlisted(Event):
    asset_id: AssetId


@dataclass(frozen=True, slots=True)
class AssetSold(Event):
    asset_id: AssetId
    seller: Address
    buyer: Address
    price: Money
    royalty: Money


@dataclass(frozen=True, slots=True)
class UpdateUser(Event):
    """ERC-4907: rented to `user` until `expires`."""

    asset_id: AssetId
    user: Address
    expires: int


@dataclass(frozen=True, slots=True)
class AssetTransferred(Event):
    """ERC-721 Transfer of the assets; `previous_owner` is zero at minting, `owner` at burning."""

    previous_owner: Address
    owner: Address
    asset_id: AssetId


# IdentityRegistry


@dataclass(frozen=True, slots=True)
class DomainCreated(Event):
    domain_id: bytes
    owner: Address
    name: str


@dataclass(frozen=True, slots=True)
class ComponentKeyEnrolled(Event):
    domain_id: bytes
    component: str
    public_key: bytes
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class ComponentKeyRevoked(Event):
    domain_id: bytes
    component: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class PasskeyRegistered(Event):
    account: Address
    credential_id_hash: bytes
    x: bytes
    y: bytes


@dataclass(frozen=True, slots=True)
class PasskeyRevoked(Event):
    account: Address
    credential_id_hash: bytes


@dataclass(frozen=True, slots=True)
class Attested(Event):
    issuer: Address
    account: Address
    claim_type: bytes
    commitment: bytes
    expires: int


@dataclass(frozen=True, slots=True)
class AttestationRevoked(Event):
    issuer: Address
    account: Address
    claim_type: bytes


# MaaSCredit


@dataclass(frozen=True, slots=True)
class CreditTransferred(Event):
    """ERC-20 Transfer of the credit."""

    payer: Address
    payee: Address
    amount: Money


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """An event and where it stands in the chain.

    `contract` is the deployment's word for its address: catalog, market, assets, identity or credit. `timestamp` is the
    block's, UTC seconds, where the node tells it with the log.
    """

    contract: str
    event: Event
    block_number: int
    block_hash: str
    tx_hash: str
    log_index: int
    timestamp: int | None = None

    @property
    def name(self) -> str:
        return type(self.event).__name__


EVENTS: dict[str, type[Event]] = {cls.__name__: cls for cls in Event.__subclasses__()}


def to_json(event: Event) -> dict[str, Any]:
    """The event's fields as JSON values, without its name."""
    return {field.name: _plain(getattr(event, field.name)) for field in fields(event)}


def from_json(name: str, document: Mapping[str, Any]) -> Event:
    """The event called `name` from `to_json`'s form; raises EventMalformed."""
    cls = EVENTS.get(name)
    if cls is None:
        raise EventMalformed(name, "no event has this name")
    try:
        event: Event = _build(cls, document)
    except (KeyError, TypeError, ValueError) as error:
        raise EventMalformed(name, f"{type(error).__name__}: {error}") from error
    return event


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _build(cls: type, document: Mapping[str, Any]) -> Any:
    return cls(**{name: _typed(hint, document[name]) for name, hint in _hints(cls).items()})


def _typed(hint: Any, value: Any) -> Any:
    if get_origin(hint) is tuple:
        return tuple(_typed(get_args(hint)[0], item) for item in value)
    base = getattr(hint, "__supertype__", hint)
    if base is bytes:
        return from_hex(value)
    if isinstance(base, type) and issubclass(base, IntEnum):
        return base(int(value))
    if base is int:
        return int(value)
    return _build(base, value) if isinstance(base, type) and is_dataclass(base) else base(value)
