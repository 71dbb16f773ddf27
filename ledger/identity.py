"""What IdentityRegistry hashes, computed off the chain: a passkey's binding, a claim's commitment. Pure.

Called by whoever makes what the registry checks; tests hold each against the registry itself.
"""

from __future__ import annotations

from hashlib import sha256

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from ledger.values import Address

WORD = 32


def passkey_challenge(chain_id: int, registry: Address, account: Address, x: bytes, y: bytes) -> bytes:
    """What a passkey of the P-256 point (x, y) signs to be bound to the account: 32 bytes."""
    kinds = ["uint256", "address", "address", "bytes32", "bytes32"]
    return sha256(encode(kinds, [chain_id, registry, account, x, y])).digest()


def claim_type(name: str) -> bytes:
    """The registry's word for a kind of claim: the hash of its name."""
    return keccak(text=name)


def claim_value(text: str) -> bytes:
    """A claim's value as 32 bytes, zeros behind it; ValueError for more than 32 bytes, none, or zeros inside."""
    value = text.encode()
    if not 0 < len(value) <= WORD or b"\x00" in value:
        raise ValueError(f"a claim's value has 1 to {WORD} bytes of text")
    return value.ljust(WORD, b"\x00")


def commitment(issuer: Address, account: Address, claim: bytes, value: bytes, salt: bytes) -> bytes:
    """What an issuer attests: it hides the value as long as the salt (32 random bytes) is not shown."""
    kinds = ["address", "address", "bytes32", "bytes32", "bytes32"]
    return keccak(encode(kinds, [issuer, account, claim, value, salt]))
