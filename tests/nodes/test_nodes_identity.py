"""Trust domains, component keys, passkeys and attestations, on both nodes."""

from __future__ import annotations

import secrets

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from node_yard import DAY, HOUR, House
from passkeys import Passkey, bad_assertions

from ledger import events
from ledger.structs import ComponentKey

CLAIM = keccak(text="over18")
YES, NO = b"yes".ljust(32, b"\x00"), b"no".ljust(32, b"\x00")
ZERO = bytes(32)


def test_component_key_is_enrolled_rotated_with_overlap_and_revoked(house: House) -> None:
    identity, owner = house.contracts.identity, house.person()
    old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    created = house.send(owner, identity.create_domain("house"))
    domain = house.contracts.event_in(created, events.DomainCreated).domain_id
    assert domain == identity.domain_id_of(owner.address, "house")
    assert identity.domain_owner(domain) == owner.address
    assert house.refusal(owner, identity.create_domain("house")).name == "DomainExists"
    start = house.now()
    end = start + DAY
    house.send(owner, identity.enrol_key(domain, "gateway", old, start, end))
    theft = house.refusal(house.stranger, identity.enrol_key(domain, "gateway", new, start, end))
    assert (theft.name, theft.arguments["owner"]) == ("NotDomainOwner", owner.address)
    house.send(owner, identity.enrol_key(domain, "gateway", new, start + HOUR, end + DAY))
    assert identity.is_key_valid(domain, "gateway", old)
    assert not identity.is_key_valid(domain, "gateway", new), "its time has not come"
    house.wait_until(start + HOUR)
    assert all(identity.is_key_valid(domain, "gateway", key) for key in (old, new))
    assert not identity.is_key_valid(domain, "broker", new)
    receipt = house.send(owner, identity.revoke_key(domain, "gateway", old))
    told = house.contracts.event_in(receipt, events.ComponentKeyRevoked)
    assert told == events.ComponentKeyRevoked(domain, "gateway", old)
    assert identity.keys_of(domain, "gateway") == (
        ComponentKey(old, start, house.time_of(receipt) - 1, revoked=True),
        ComponentKey(new, start + HOUR, end + DAY, revoked=False),
    )
    assert not identity.is_key_valid(domain, "gateway", old)
    assert identity.is_key_valid(domain, "gateway", new)
    house.wait_until(end + DAY + 1)
    assert not identity.is_key_valid(domain, "gateway", new), "its time is over"


def test_passkey_is_bound_to_its_account_and_can_be_revoked(house: House) -> None:
    contracts, identity, account, passkey = house.contracts, house.contracts.identity, house.person(), Passkey()
    assertion = passkey.assertion(contracts, account.address)
    registered = house.send(account, assertion.registration(contracts))
    told = contracts.event_in(registered, events.PasskeyRegistered)
    assert told == events.PasskeyRegistered(account.address, passkey.credential, passkey.x, passkey.y)
    assert identity.passkey(account.address, passkey.credential) == (passkey.x, passkey.y)
    assert house.refusal(account, assertion.registration(contracts)).name == "KeyExists"
    house.send(account, identity.revoke_passkey(passkey.credential))
    assert identity.passkey(account.address, passkey.credential) == (ZERO, ZERO)
    assert house.refusal(account, identity.revoke_passkey(passkey.credential)).name == "KeyUnknown"


def test_assertion_for_anything_else_is_refused(house: House) -> None:
    contracts, account = house.contracts, house.person()
    bad = bad_assertions(contracts, account.address, house.stranger.address)
    told = {what: house.refusal(account, assertion.registration(contracts)).name for what, assertion in bad.items()}
    assert told == dict.fromkeys(bad, "BadAssertion")


def test_attestation_discloses_one_value_until_it_expires_or_is_revoked(house: House) -> None:
    identity, issuer, holder, salt = house.contracts.identity, house.person(), house.person(), secrets.token_bytes(32)

    def commitment(value: bytes) -> bytes:
        kinds = ["address", "address", "bytes32", "bytes32", "bytes32"]
        return keccak(encode(kinds, [issuer.address, holder.address, CLAIM, value, salt]))

    def disclosed(value: bytes = YES, known: bytes = salt) -> bool:
        return identity.check_disclosure(issuer.address, holder.address, CLAIM, value, known)

    until = house.now() + HOUR
    house.send(issuer, identity.attest(holder.address, CLAIM, commitment(YES), until))
    assert disclosed()
    assert not disclosed(NO)
    assert not disclosed(known=ZERO)
    assert not identity.check_disclosure(holder.address, holder.address, CLAIM, YES, salt), "another issuer"
    assert not identity.check_disclosure(issuer.address, issuer.address, CLAIM, YES, salt), "another account"
    house.wait_until(until + 1)
    assert not disclosed()
    house.send(issuer, identity.attest(holder.address, CLAIM, commitment(YES), house.now() + HOUR))
    assert disclosed()
    house.send(issuer, identity.revoke_attestation(holder.address, CLAIM))
    assert not disclosed()
    assert house.refusal(issuer, identity.revoke_attestation(holder.address, CLAIM)).name == "UnknownAttestation"
