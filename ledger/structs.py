"""The contracts' structs as frozen dataclasses, fields in Solidity's order.

Called by contracts, events, typed data and every package that reads the chain. No behaviour lives here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.values import (
    ZERO_HASH,
    Address,
    Kind,
    ModelId,
    Money,
    Status,
    SubscriptionId,
    Units,
)


@dataclass(frozen=True, slots=True)
class Model:
    kind: Kind
    meter_key: Address
    versions: int  # plan versions published so far
    ask_bps: int  # least share in composites, basis points; 10,001 or more: never
    spec_hash: bytes
    uri: str


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """Money in the token's smallest unit, times in seconds, the floor in thousandths of Meta-Immersion."""

    unit_price: Money
    period_price: Money
    period: int
    release_window: int
    activation_window: int
    qoe_floor: int
    terms_hash: bytes


@dataclass(frozen=True, slots=True)
class Share:
    model_id: ModelId
    bps: int


@dataclass(frozen=True, slots=True)
class Plan:
    terms: PlanTerms
    retired: bool


@dataclass(frozen=True, slots=True)
class Account:
    balance: Money
    nonce: int


@dataclass(frozen=True, slots=True)
class Earnings:
    earned: Money
    paid: Money


@dataclass(frozen=True, slots=True)
class Subscription:
    """Times are UTC seconds; `status` is computed by the contract at the block that was read."""

    buyer: Address
    signer: Address
    cap: Units
    used: Units
    since: int
    paid_through: int
    collected_through: int
    status: Status


@dataclass(frozen=True, slots=True)
class Permit:
    """An ERC-2612 permit's values for the market; value 0 means: none."""

    value: Money
    deadline: int
    v: int
    r: bytes
    s: bytes


NO_PERMIT = Permit(Money(0), 0, 0, ZERO_HASH, ZERO_HASH)


@dataclass(frozen=True, slots=True)
class SignedVoucher:
    """A voucher with the session key's compact signature, as settlement takes it; units are cumulative."""

    subscription_id: SubscriptionId
    units: Units
    usage_root: bytes
    r: bytes
    vs: bytes


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """RFC 6962 audit path of a leaf in a log of `size` leaves."""

    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ComponentKey:
    public_key: bytes
    not_before: int
    not_after: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class Asset:
    content_hash: bytes
    creator: Address
    subscription_id: SubscriptionId
    uri: str
