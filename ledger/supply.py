"""What a model's owner signs to give capacity to a house's pool, and to take it back (EIP-712, off-chain).

The provider's command signs these, the orchestrator verifies them against `ModelCatalog.ownerOf`. The domain names the
chain and its catalogue, so that a signature for one chain says nothing on another; the nonce lets it count once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

import rfc8785

from ledger.typed_data import Domain
from ledger.values import Address, ModelId, Money

SUPPLY_NAME = "Slicing4Meta Supply"


def supply_domain(chain_id: int, catalog: Address) -> Domain:
    return Domain(SUPPLY_NAME, chain_id, catalog)


@dataclass(frozen=True, slots=True)
class SupplyOffer:
    """The owner's word: these amounts at this site until then (UTC seconds), at these prices, for at most `pay_cap`."""

    model_id: ModelId
    site: str
    amounts_hash: bytes
    prices_hash: bytes
    pay_cap: Money
    until: int
    nonce: int

    PRIMARY: ClassVar[str] = "SupplyOffer"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("modelId", "uint32"),
        ("site", "string"),
        ("amountsHash", "bytes32"),
        ("pricesHash", "bytes32"),
        ("payCap", "uint256"),
        ("until", "uint64"),
        ("nonce", "uint64"),
    )


@dataclass(frozen=True, slots=True)
class SupplyWithdrawal:
    """The owner's word that an offer (the digest of its SupplyOffer) is to end now."""

    model_id: ModelId
    offer: bytes
    nonce: int

    PRIMARY: ClassVar[str] = "SupplyWithdrawal"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (("modelId", "uint32"), ("offer", "bytes32"), ("nonce", "uint64"))


def hash_of(amounts: Mapping[str, int]) -> bytes:
    """SHA-256 of the RFC 8785 bytes of amounts or prices by resource, numbers as decimal strings."""
    return sha256(rfc8785.dumps({name: str(amount) for name, amount in amounts.items()})).digest()
