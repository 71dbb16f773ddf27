"""Trust domains, component keys and attestations, pure: each made by who may, nothing revoked that never was.

Finding codes: domain_differs, key_differs, attestation_unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ledger import events as chain_events
from ledger.chain import SentTransaction
from ledger.contracts.identity import domain_id
from ledger.events import ChainEvent
from ledger.values import Address
from marketplace.audit.report import Finding


@dataclass
class _Register:
    """Domains' owners, their keys and who attested what, so far."""

    owners: dict[bytes, str] = field(default_factory=dict)
    keys: dict[tuple[bytes, bytes], str] = field(default_factory=dict)
    revoked: set[tuple[bytes, bytes]] = field(default_factory=set)
    attested: set[tuple[str, str, bytes]] = field(default_factory=set)


def check_identities(
    events: Iterable[ChainEvent], sent: Mapping[str, SentTransaction], registry: Address
) -> Iterator[Finding]:
    """Every event of the registry. `sent`: the transactions, where they are known, for who really signed them."""
    register = _Register()
    for entry in events:
        event, sender = entry.event, _sender(sent.get(entry.tx_hash), registry)
        match event:
            case chain_events.DomainCreated():
                yield from _created(register, event, sender)
            case chain_events.ComponentKeyEnrolled():
                yield from _enrolled(register, event, sender)
            case chain_events.ComponentKeyRevoked():
                yield from _revoked(register, event, sender)
            case chain_events.Attested(issuer=issuer, account=account, claim_type=claim):
                register.attested.add((issuer, account, claim))
                if sender not in (None, issuer):
                    yield Finding("attestation_unknown", None, f"{sender} attested in the name of {issuer}.")
            case chain_events.AttestationRevoked(issuer=issuer, account=account, claim_type=claim):
                if (issuer, account, claim) not in register.attested:
                    yield Finding("attestation_unknown", None, f"{issuer} revoked what it never said of {account}.")


def _sender(transaction: SentTransaction | None, registry: Address) -> str | None:
    """Who signed; None where it is not known, or where another contract stood between."""
    return transaction.sender if transaction is not None and transaction.to == registry else None


def _created(register: _Register, event: chain_events.DomainCreated, sender: str | None) -> Iterator[Finding]:
    if event.domain_id != domain_id(event.owner, event.name) or event.domain_id in register.owners:
        yield Finding("domain_differs", None, f"domain {event.name!r} of {event.owner} does not have its id.")
    if sender not in (None, event.owner):
        yield Finding("domain_differs", None, f"domain {event.name!r} of {event.owner} was made by {sender}.")
    register.owners[event.domain_id] = event.owner


def _enrolled(register: _Register, event: chain_events.ComponentKeyEnrolled, sender: str | None) -> Iterator[Finding]:
    place, owner = (event.domain_id, event.public_key), register.owners.get(event.domain_id)
    if owner is None or sender not in (None, owner):
        yield Finding(
            "key_differs", None, f"a key of {event.component} was enrolled by {sender}, the owner is {owner}."
        )
    if place in register.keys or event.not_before >= event.not_after:
        yield Finding("key_differs", None, f"a key of {event.component} was enrolled twice, or for no time at all.")
    register.keys[place] = event.component


def _revoked(register: _Register, event: chain_events.ComponentKeyRevoked, sender: str | None) -> Iterator[Finding]:
    place, owner = (event.domain_id, event.public_key), register.owners.get(event.domain_id)
    if register.keys.get(place) != event.component or place in register.revoked:
        yield Finding("key_differs", None, f"a key of {event.component} was revoked that was not enrolled.")
    if sender not in (None, owner):
        yield Finding("key_differs", None, f"a key of {event.component} was revoked by {sender}, the owner is {owner}.")
    register.revoked.add(place)
