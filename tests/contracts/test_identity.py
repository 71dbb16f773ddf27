"""Components' keys, attestations, passkeys."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import ape
import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from eth_abi import encode
from eth_utils import keccak
from house import House

KEY, NEXT_KEY = sha256(b"ed25519").digest(), sha256(b"ed25519 too").digest()
CREDENTIAL = sha256(b"credential").digest()
OVER_18, YES, NO, SALT = (keccak(text=text) for text in ("over 18", "yes", "no", "salt"))
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FOREVER = 2**64 - 1


@pytest.fixture
def domain(house: House) -> bytes:
    receipt = house.identity.createDomain("slicing4meta.devnet", sender=house.provider)
    return bytes(receipt.decode_logs(house.identity.DomainCreated)[0].domainId)


def test_domain_is_its_owners_own(house: House, domain: bytes) -> None:
    assert domain == keccak(encode(["address", "string"], [house.provider.address, "slicing4meta.devnet"]))
    with ape.reverts(house.identity.DomainExists, domainId=domain):
        house.identity.createDomain("slicing4meta.devnet", sender=house.provider)
    with ape.reverts(house.identity.NotDomainOwner, owner=house.provider, caller=house.stranger):
        house.identity.enrolKey(domain, "msmf", KEY, 0, FOREVER, sender=house.stranger)


def test_component_key_is_valid_from_enrolment_to_revocation(house: House, domain: bytes) -> None:
    identity = house.identity
    receipt = identity.enrolKey(domain, "msmf", KEY, 0, FOREVER, sender=house.provider)
    assert receipt.events == [
        identity.ComponentKeyEnrolled(domainId=domain, component="msmf", publicKey=KEY, notBefore=0, notAfter=FOREVER)
    ]
    identity.enrolKey(domain, "msmf", NEXT_KEY, 0, FOREVER, sender=house.provider)
    assert identity.isKeyValid(domain, "msmf", KEY)
    assert not identity.isKeyValid(domain, "vmof", KEY), "another component's"
    receipt = identity.revokeKey(domain, "msmf", KEY, sender=house.provider)
    assert receipt.events == [identity.ComponentKeyRevoked(domainId=domain, component="msmf", publicKey=KEY)]
    assert not identity.isKeyValid(domain, "msmf", KEY)
    assert identity.isKeyValid(domain, "msmf", NEXT_KEY), "rotation leaves no gap"
    assert [key.revoked for key in identity.keysOf(domain, "msmf")] == [True, False]


def test_key_expires(house: House, domain: bytes) -> None:
    soon = house.chain.pending_timestamp + 600
    house.identity.enrolKey(domain, "gateway", KEY, 0, soon, sender=house.provider)
    assert house.identity.isKeyValid(domain, "gateway", KEY)
    house.passes(1_200)
    assert not house.identity.isKeyValid(domain, "gateway", KEY)


def test_attestation_discloses_one_value_until_it_ends(house: House) -> None:
    issuer, holder = house.provider, house.buyer
    types = ["address", "address", "bytes32", "bytes32", "bytes32"]
    commitment = keccak(encode(types, [issuer.address, holder.address, OVER_18, YES, SALT]))
    until = house.chain.pending_timestamp + 3_600
    receipt = house.identity.attest(holder, OVER_18, commitment, until, sender=issuer)
    assert receipt.events == [
        house.identity.Attested(issuer=issuer, account=holder, claimType=OVER_18, commitment=commitment, expires=until)
    ]
    check = house.identity.checkDisclosure
    assert check(issuer, holder, OVER_18, YES, SALT)
    assert not check(issuer, holder, OVER_18, NO, SALT)
    assert not check(issuer, house.stranger, OVER_18, YES, SALT)
    house.identity.revokeAttestation(holder, OVER_18, sender=issuer)
    assert not check(issuer, holder, OVER_18, YES, SALT)
    house.identity.attest(holder, OVER_18, commitment, until, sender=issuer)
    house.passes(7_200)
    assert not check(issuer, holder, OVER_18, YES, SALT), "expired"


def assertion(house: House, key: ECC.EccKey) -> tuple[Any, ...]:
    """What an authenticator signs so that the buyer may bind `key`: the arguments after the credential."""
    x, y = (int(part).to_bytes(32, "big") for part in (key.pointQ.x, key.pointQ.y))
    types = ["uint256", "address", "address", "bytes32", "bytes32"]
    bound = encode(types, [house.chain.chain_id, house.identity.address, house.buyer.address, x, y])
    challenge = urlsafe_b64encode(sha256(bound).digest()).rstrip(b"=").decode()
    client = f'{{"type":"webauthn.get","challenge":"{challenge}","origin":"https://localhost"}}'
    data = sha256(b"localhost").digest() + b"\x05" + (1).to_bytes(4, "big")
    message = SHA256.new(data + sha256(client.encode()).digest())
    signature = DSS.new(key, "deterministic-rfc6979").sign(message)
    s = int.from_bytes(signature[32:], "big")
    low = min(s, P256_ORDER - s).to_bytes(32, "big")
    return (x, y, data, client, client.index('"challenge"'), client.index('"type"'), signature[:32], low)


def test_passkey_is_bound_to_the_account_that_submits_it(house: House) -> None:
    key = ECC.construct(curve="P-256", d=0xB0B)
    made = assertion(house, key)
    with ape.reverts(house.identity.BadAssertion):
        house.identity.registerPasskey(CREDENTIAL, *made, sender=house.stranger)
    receipt = house.identity.registerPasskey(CREDENTIAL, *made, sender=house.buyer)
    assert receipt.events == [
        house.identity.PasskeyRegistered(account=house.buyer, credentialIdHash=CREDENTIAL, x=made[0], y=made[1])
    ]
    assert tuple(house.identity.passkey(house.buyer, CREDENTIAL)) == made[:2]
    house.identity.revokePasskey(CREDENTIAL, sender=house.buyer)
    assert house.identity.passkey(house.buyer, CREDENTIAL).x == bytes(32)
