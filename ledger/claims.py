"""Claims about people: what a plan requires of its user, what a holder discloses, and whether the chain bears it out.

A plan's terms name each requirement (`requires`), so their hash on the chain fixes it. A disclosure is one claim's
value and salt, shown to one verifier; only `IdentityRegistry.checkDisclosure`, at one block, says whether it holds.
Called by the gateway, the marketplace and wallets. Nothing here keeps a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ledger.errors import AddressMalformed
from ledger.identity import claim_type, claim_value
from ledger.values import Address, BlockStamp, address, from_hex, to_hex

if TYPE_CHECKING:
    from ledger.contracts.identity import IdentityContract

SCHEMA = "s4m/disclosure/1"
MOST = 8
"""Requirements of a plan, issuers of a requirement, disclosures shown at once."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A plan's user must have this claim with this value from one of these issuers."""

    claim: str
    value: str
    issuers: tuple[Address, ...]

    @classmethod
    def parse(cls, document: Any) -> Requirement:
        """ValueError for anything else than exactly its three fields, well-formed."""
        _require_fields(document, {"claim", "value", "issuers"})
        issuers = document["issuers"]
        if not isinstance(issuers, list) or not 0 < len(issuers) <= MOST:
            raise ValueError(f"issuers are no list of 1 to {MOST} addresses")
        claim, value = _claim(document)
        return cls(claim, value, tuple(_address(issuer) for issuer in issuers))

    def __str__(self) -> str:
        return f"{self.claim} = {self.value}, attested by {' or '.join(self.issuers)}"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One claim of its holder. The salt opens the commitment: whoever has it can show the claim on."""

    issuer: Address
    claim: str
    value: str
    salt: bytes = field(repr=False)

    @classmethod
    def parse(cls, document: Any) -> Disclosure:
        """ValueError for anything else than exactly its fields, well-formed."""
        _require_fields(document, {"schema", "issuer", "claim", "value", "salt"})
        claim, value = _claim(document)
        salt = document["salt"]
        if document["schema"] != SCHEMA or not isinstance(salt, str) or not re.fullmatch("0x[0-9a-f]{64}", salt):
            raise ValueError(f"it is no disclosure of schema {SCHEMA}")
        return cls(_address(document["issuer"]), claim, value, from_hex(salt))

    def to_json(self) -> dict[str, str]:
        return {
            "schema": SCHEMA,
            "issuer": self.issuer,
            "claim": self.claim,
            "value": self.value,
            "salt": to_hex(self.salt),
        }

    def holds(self, identity: IdentityContract, account: Address, block: BlockStamp | None = None) -> bool:
        """Whether its issuer attests it of the account, neither expired nor revoked, at the block (latest, if None)."""
        value = claim_value(self.value)
        return identity.check_disclosure(self.issuer, account, claim_type(self.claim), value, self.salt, block)


def first_unmet(
    identity: IdentityContract,
    account: Address,
    requirements: Iterable[Requirement],
    disclosures: Iterable[Disclosure],
    block: BlockStamp | None = None,
) -> Requirement | None:
    """The first requirement that no disclosure of the account meets; None where all are met."""
    shown = list(disclosures)
    for each in requirements:
        fitting = (one for one in shown if (one.claim, one.value) == (each.claim, each.value))
        if not any(one.issuer in each.issuers and one.holds(identity, account, block) for one in fitting):
            return each
    return None


def _claim(document: Mapping[str, Any]) -> tuple[str, str]:
    claim, value = document["claim"], document["value"]
    if not isinstance(claim, str) or not _NAME.fullmatch(claim):
        raise ValueError("the claim's name is malformed: lower-case letters, digits, dashes")
    if not isinstance(value, str):
        raise ValueError("the claim's value is not text")
    claim_value(value)
    return claim, value


def _address(text: object) -> Address:
    try:
        return address(str(text))
    except AddressMalformed as error:
        raise ValueError(f"{text!r} is no address") from error


def _require_fields(document: Any, names: set[str]) -> None:
    if not isinstance(document, dict) or document.keys() != names:
        raise ValueError(f"it has not exactly the fields {', '.join(sorted(names))}")
