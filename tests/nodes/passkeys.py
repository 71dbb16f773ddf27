"""A passkey in software: what an authenticator signs when an account registers it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from eth_abi.abi import encode

from ledger.contracts import Contracts
from ledger.values import Address, Call

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PRESENT, VERIFIED = 0x01, 0x04  # flags of the authenticator data


@dataclass(frozen=True)
class Assertion:
    """A WebAuthn assertion and the key it was made with, as the registry takes them."""

    credential: bytes
    x: bytes
    y: bytes
    authenticator_data: bytes
    client_data: str
    r: int
    s: int

    @property
    def digest(self) -> bytes:
        """What the authenticator signed."""
        return sha256(self.authenticator_data + sha256(self.client_data.encode()).digest()).digest()

    def registration(self, contracts: Contracts) -> Call:
        places = (self.client_data.index('"challenge"'), self.client_data.index('"type"'))
        words = self.r.to_bytes(32), self.s.to_bytes(32)
        return contracts.identity.register_passkey(
            self.credential, self.x, self.y, self.authenticator_data, self.client_data, *places, *words
        )


class Passkey:
    """A P-256 key in an authenticator."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self.x, self.y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
        self.credential = sha256(self.x + self.y).digest()

    def assertion(
        self,
        contracts: Contracts,
        account: Address,
        site: str = "localhost",
        flags: int = PRESENT | VERIFIED,
        chain_id: int | None = None,
    ) -> Assertion:
        """Binds the passkey to the account at the registry of this chain, unless another is given; s is low."""
        kinds = ["uint256", "address", "address", "bytes32", "bytes32"]
        registry, chain = contracts.deployment.identity, chain_id or contracts.deployment.chain_id
        challenge = sha256(encode(kinds, [chain, registry, account, self.x, self.y])).digest()
        told = urlsafe_b64encode(challenge).rstrip(b"=").decode()
        client_data = json.dumps(
            {"type": "webauthn.get", "challenge": told, "origin": f"https://{site}"}, separators=(",", ":")
        )
        data = sha256(site.encode()).digest() + bytes([flags]) + (1).to_bytes(4)
        signature = self._key.sign(data + sha256(client_data.encode()).digest(), ec.ECDSA(SHA256()))
        r, s = decode_dss_signature(signature)
        return Assertion(self.credential, self.x, self.y, data, client_data, r, min(s, P256_ORDER - s))


def bad_assertions(contracts: Contracts, account: Address, stranger: Address) -> dict[str, Assertion]:
    """What the registry must refuse from the account, and why."""
    passkey, another = Passkey(), Passkey()
    good = passkey.assertion(contracts, account)
    return {
        "another site": passkey.assertion(contracts, account, site="evil.example"),
        "user not verified": passkey.assertion(contracts, account, flags=PRESENT),
        "another chain": passkey.assertion(contracts, account, chain_id=contracts.deployment.chain_id + 1),
        "another account's": passkey.assertion(contracts, stranger),
        "another key": replace(good, x=another.x, y=another.y),
        "no point of the curve": replace(good, y=(int.from_bytes(good.y) ^ 1).to_bytes(32)),
        "another authenticator's count": replace(good, authenticator_data=good.authenticator_data[:-1] + b"\x02"),
        "signature altered": replace(good, r=good.r ^ 1),
        "malleable": replace(good, s=P256_ORDER - good.s),
        "zero signature": replace(good, r=0, s=0),
    }
