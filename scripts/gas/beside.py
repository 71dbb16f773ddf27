"""Our contracts beside the market: assets and identity.

Called by scripts/bench_gas.py after the market's scenarios, with one of their active subscriptions.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from eth_abi.abi import encode

from ledger.typed_data import Provenance, asset_uri, sign
from ledger.values import Address, Call, SubscriptionId
from scripts.gas.yard import FAR, Yard

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PRICE = 50_000_000


def measure_assets(yard: Yard, subscription: SubscriptionId) -> None:
    """Minting, listing and the sale of the second asset: its creator and its buyer have had one before."""
    assets, credit, creator = yard.contracts.assets, yard.contracts.credit, yard.key("creator")
    yard.send(yard.buyer, credit.approve(assets.address, 2**255))
    for number, suffix in enumerate(("_first", "")):
        content = sha256(f"asset {number}".encode()).digest()
        uri = asset_uri(content)
        made = Provenance(content, creator.address, subscription, uri)
        word = sign(yard.meter, yard.contracts.assets_domain, made)
        yard.send(yard.relayer, assets.mint(creator.address, content, subscription, uri, word), f"mint_asset{suffix}")
        asset = assets.asset_of_content(content)
        yard.send(creator, assets.list_for_sale(asset, PRICE), "" if suffix else "list_asset")
        yard.send(yard.buyer, assets.buy(asset, PRICE), "" if suffix else "sell_asset")


def measure_identity(yard: Yard) -> None:
    """A trust domain, two keys of one component, an attestation."""
    identity, owner = yard.contracts.identity, yard.provider
    yard.send(owner, identity.create_domain("bench"), "create_domain")
    domain = identity.domain_id_of(owner.address, "bench")
    for name in ("enrol_key_first", "enrol_key"):
        public_key = sha256(name.encode()).digest()
        yard.send(owner, identity.enrol_key(domain, "gateway", public_key, 1, FAR), name)
    claim, commitment = sha256(b"type").digest(), sha256(b"commitment").digest()
    yard.send(owner, identity.attest(yard.buyer.address, claim, commitment, FAR), "attest")


def measure_passkey(yard: Yard, name: str) -> None:
    """A passkey of the buyer's account: by the precompile or in Solidity, as the yard's hardfork has it."""
    key = ec.derive_private_key(int.from_bytes(yard.key("passkey").secret) % P256_ORDER, ec.SECP256R1())
    yard.send(yard.buyer, passkey_call(yard, key, yard.buyer.address), name)


def passkey_call(yard: Yard, key: ec.EllipticCurvePrivateKey, account: Address) -> Call:
    """The registration as a browser's authenticator would make it for https://localhost, the signature by RFC 6979."""
    identity, point = yard.contracts.identity, key.public_key().public_numbers()
    x, y = point.x.to_bytes(32), point.y.to_bytes(32)
    words = encode(
        ["uint256", "address", "address", "bytes32", "bytes32"], [yard.chain.chain_id, identity.address, account, x, y]
    )
    challenge = urlsafe_b64encode(sha256(words).digest()).rstrip(b"=").decode()
    client = json.dumps(
        {"type": "webauthn.get", "challenge": challenge, "origin": "https://localhost", "crossOrigin": False},
        separators=(",", ":"),
    )
    data = sha256(b"localhost").digest() + bytes([0x05]) + (1).to_bytes(4)  # user present and verified, one use
    signature = key.sign(data + sha256(client.encode()).digest(), ec.ECDSA(SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(signature)
    s = min(s, P256_ORDER - s)
    return identity.register_passkey(
        sha256(b"credential").digest(), x, y, data, client, client.index('"challenge"'), client.index('"type"'),
        r.to_bytes(32), s.to_bytes(32),
    )  # fmt: skip
