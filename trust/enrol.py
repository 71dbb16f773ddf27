"""Writes component keys to `IdentityRegistry`. Called by `s4m up` and tests, with the operator's Sender or a rehearsal.

Safe to repeat: what is enrolled stays as it is. Reading the registry for decisions is `trust.enrolment`'s task.
"""

import time
from collections.abc import Iterable

from ledger.contracts import Contracts
from ledger.rehearsal import Sends
from ledger.values import ZERO_ADDRESS, Address, to_hex
from trust.caller import Clock
from trust.errors import EnrolmentRefused
from trust.keys import DEFAULT_DOMAIN, ComponentIdentity

VALIDITY_S = 365 * 86_400
_BACKDATE_S = 60  # tolerates clocks of hosts that run a little behind


def enrol_components(
    contracts: Contracts,
    sender: Sends,
    identities: Iterable[ComponentIdentity],
    *,
    domain: str = DEFAULT_DOMAIN,
    validity_s: int = VALIDITY_S,
    clock: Clock = time.time,
) -> bytes:
    """The id of the sender's domain, in which every identity's key is now enrolled (it counts once it is final).

    Creates the domain when it is missing. Raises EnrolmentRefused for a revoked key, LedgerError from below.
    """
    domain_id = _ensure_domain(contracts, sender, domain)
    latest = int(contracts.chain.latest().timestamp)
    start = min(int(clock()), latest) - _BACKDATE_S  # a devnet's clock may have been moved
    end = max(int(clock()), latest) + validity_s
    for identity in identities:
        if identity.domain != domain:
            raise EnrolmentRefused(f"The key of {identity.component} is for {identity.domain}, not for {domain}.")
        if not _is_enrolled(contracts, domain_id, identity):
            _enrol(contracts, sender, domain_id, identity, (start, end))
    return domain_id


def revoke_component(contracts: Contracts, sender: Sends, domain_id: bytes, identity: ComponentIdentity) -> None:
    """Revokes one key; gates refuse it as soon as they see the block."""
    sender.send(contracts.identity.revoke_key(domain_id, identity.component, identity.public_bytes))


def _ensure_domain(contracts: Contracts, sender: Sends, domain: str) -> bytes:
    owner: Address = sender.address
    domain_id = contracts.identity.domain_id_of(owner, domain)
    if contracts.identity.domain_owner(domain_id) == ZERO_ADDRESS:
        sender.send(contracts.identity.create_domain(domain), key=f"domain:{_place(contracts)}:{to_hex(domain_id)}")
    return domain_id


def _is_enrolled(contracts: Contracts, domain_id: bytes, identity: ComponentIdentity) -> bool:
    for key in contracts.identity.keys_of(domain_id, identity.component):
        if key.public_key == identity.public_bytes:
            if key.revoked:
                raise EnrolmentRefused(f"The key of {identity.component} is revoked; it cannot be enrolled again.")
            return True
    return False


def _enrol(
    contracts: Contracts, sender: Sends, domain_id: bytes, identity: ComponentIdentity, validity: tuple[int, int]
) -> None:
    call = contracts.identity.enrol_key(domain_id, identity.component, identity.public_bytes, *validity)
    sender.send(call, key=f"enrol:{_place(contracts)}:{to_hex(domain_id)}:{identity.component}:{identity.jkt}")


def _place(contracts: Contracts) -> str:
    """Names this very registry, so that a journal kept from another chain answers nothing here."""
    return f"{contracts.deployment.genesis_hash}:{contracts.identity.address}"
