"""Whether an account signed a text: by its key (EIP-191), or as a contract by its own word (ERC-1271, ERC-6492).

Called by whoever lets an account sign in. As the market does it: the key is tried first, then the contract at that
address, by a static call, whose answer must be exactly the magic word. A contract answers for its own address only. A
wallet that is not deployed yet wraps its signature with the call that deploys it (ERC-6492): the node plays that call
and asks the wallet, all in one `eth_call` of contracts/CounterfactualSignature.sol, and nothing is deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from ledger import abi
from ledger.errors import NodeError, Reverted, SignatureMalformed
from ledger.keys import recover_digest
from ledger.values import Address, Call

if TYPE_CHECKING:
    from ledger.chain import Chain
    from ledger.values import BlockStamp

MAGIC: Final = bytes.fromhex("1626ba7e")
"""`isValidSignature(bytes32,bytes)`: its selector, and the answer of a contract that signed."""

WRAPPED: Final = bytes.fromhex("6492" * 16)
"""The last 32 bytes of a signature that says how its account is deployed (ERC-6492)."""
VALIDATOR: Final = "CounterfactualSignature"


def text_digest(text: str) -> bytes:
    """What `personal_sign` signs (EIP-191, version 0x45)."""
    body = text.encode()
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(body)).encode() + body)


def signer_of(digest: bytes, signature: bytes) -> Address | None:
    """Whose key signed; None where it is no signature of a key. Wallets write the last byte as 27, 28, 0 or 1."""
    if len(signature) == 65 and signature[64] in (0, 1):
        signature = signature[:64] + bytes([signature[64] + 27])
    try:
        return recover_digest(digest, signature)
    except SignatureMalformed:
        return None


def is_signed_by(
    chain: Chain, account: Address, digest: bytes, signature: bytes, block: BlockStamp | None = None
) -> bool:
    """At the block (latest, if None). NodeDown where the node cannot be asked."""
    if signature.endswith(WRAPPED):
        return _wrapped_says_so(chain, account, digest, signature[: -len(WRAPPED)], block)
    if signer_of(digest, signature) == account:
        return True
    return bool(chain.code(account, block)) and _contract_says_so(chain, account, digest, signature, block)


def _wrapped_says_so(chain: Chain, account: Address, digest: bytes, wrapped: bytes, block: BlockStamp | None) -> bool:
    """ERC-6492. An account that stands is asked itself: whatever the factory would change counts for nothing then."""
    try:
        factory, preparation, signature = decode(["address", "bytes", "bytes"], wrapped)
    except (DecodingError, ValueError, OverflowError):
        return False
    if chain.code(account, block):
        return _contract_says_so(chain, account, digest, signature, block)
    validator = abi.load(VALIDATOR)
    arguments = [account, digest, factory, preparation, signature]
    code = validator.bytecode + encode(validator.constructor.input_types, arguments)
    try:
        return chain.constructed(code, block) == bytes([1]).rjust(32, b"\x00")
    except (Reverted, NodeError):
        return False


def _contract_says_so(
    chain: Chain, account: Address, digest: bytes, signature: bytes, block: BlockStamp | None
) -> bool:
    data = MAGIC + encode(["bytes32", "bytes"], [digest, signature])
    try:
        answer = chain.call(Call(account, data), block)
    except (Reverted, NodeError):  # it refuses, breaks, or never ends
        return False
    return answer == MAGIC.ljust(32, b"\x00")
