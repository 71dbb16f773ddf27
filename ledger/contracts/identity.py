"""IdentityRegistry: the on-chain root of zero trust.

Called by trust's enrolment (component keys) and by wallets (passkeys, attestations).
"""

from __future__ import annotations

from typing import ClassVar

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from ledger.contracts.base import BoundContract
from ledger.structs import ComponentKey
from ledger.values import Address, BlockStamp, Call


def domain_id(owner: Address, name: str) -> bytes:
    """The id of a trust domain, as the contract computes it: keccak(abi.encode(owner, name))."""
    return keccak(encode(["address", "string"], [owner, name]))


class IdentityContract(BoundContract):
    WORD: ClassVar[str] = "identity"

    def create_domain(self, name: str) -> Call:
        """Creates the sender's trust domain of that name."""
        return self.build("createDomain", name)

    def enrol_key(self, domain_id: bytes, component: str, public_key: bytes, not_before: int, not_after: int) -> Call:
        """Enrols a raw 32-byte Ed25519 key of a component; validity in UTC seconds."""
        return self.build("enrolKey", domain_id, component, public_key, not_before, not_after)

    def revoke_key(self, domain_id: bytes, component: str, public_key: bytes) -> Call:
        return self.build("revokeKey", domain_id, component, public_key)

    def domain_id_of(self, owner: Address, name: str, block: BlockStamp | None = None) -> bytes:
        domain_id: bytes = self.read("domainIdOf", owner, name, block=block)
        return domain_id

    def domain_owner(self, domain_id: bytes, block: BlockStamp | None = None) -> Address:
        """The domain's owner; the zero address where it does not exist."""
        owner: Address = self.read("domainOwner", domain_id, block=block)
        return owner

    def keys_of(self, domain_id: bytes, component: str, block: BlockStamp | None = None) -> tuple[ComponentKey, ...]:
        return tuple(ComponentKey(*key) for key in self.read("keysOf", domain_id, component, block=block))

    def is_key_valid(
        self, domain_id: bytes, component: str, public_key: bytes, block: BlockStamp | None = None
    ) -> bool:
        valid: bool = self.read("isKeyValid", domain_id, component, public_key, block=block)
        return valid

    def register_passkey(
        self,
        credential_id_hash: bytes,
        x: bytes,
        y: bytes,
        authenticator_data: bytes,
        client_data_json: str,
        challenge_index: int,
        type_index: int,
        r: bytes,
        s: bytes,
    ) -> Call:
        """Binds a passkey (P-256 point x, y) to the sender by a WebAuthn assertion (r, s)."""
        return self.build(
            "registerPasskey",
            credential_id_hash,
            x,
            y,
            authenticator_data,
            client_data_json,
            challenge_index,
            type_index,
            r,
            s,
        )

    def revoke_passkey(self, credential_id_hash: bytes) -> Call:
        return self.build("revokePasskey", credential_id_hash)

    def passkey(
        self, account: Address, credential_id_hash: bytes, block: BlockStamp | None = None
    ) -> tuple[bytes, bytes]:
        """The passkey's point (x, y); zeros where there is none."""
        x, y = self.read_all("passkey", account, credential_id_hash, block=block)
        return x, y

    def attest(self, account: Address, claim_type: bytes, commitment: bytes, expires: int) -> Call:
        """The sender, as issuer, attests a commitment about an account."""
        return self.build("attest", account, claim_type, commitment, expires)

    def revoke_attestation(self, account: Address, claim_type: bytes) -> Call:
        return self.build("revokeAttestation", account, claim_type)

    def check_disclosure(
        self,
        issuer: Address,
        account: Address,
        claim_type: bytes,
        value: bytes,
        salt: bytes,
        block: BlockStamp | None = None,
    ) -> bool:
        true: bool = self.read("checkDisclosure", issuer, account, claim_type, value, salt, block=block)
        return true
