"""Tokens, proofs of possession, and the links of passes: compact JWS, mutated from outside or by who owns the key."""

import json
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scripts.fuzz.mutate import Mutation, tree
from scripts.fuzz.parsers import Parser
from trust import proofs, replay, tokens
from trust.encoding import b64url, unb64url
from trust.errors import Refusal
from trust.keys import DEFAULT_DOMAIN, ComponentIdentity, ProofKey

NOW = 1_800_000_000.0
AUDIENCE = "mmf"
BODY = b'{"amount":1}'
COMPONENT, GATEWAY = (
    ComponentIdentity(name, DEFAULT_DOMAIN, ProofKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)))
    for number, name in enumerate(("vmof", "gateway"), 1)
)
HOLDERS = (
    ProofKey(Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)),
    ProofKey(ec.derive_private_key(4, ec.SECP256R1())),
)
"""Always the same keys: an input that was found once is found again."""


def parsers() -> tuple[Parser, ...]:
    good = tuple(token.encode() for token in _tokens())
    proven = tuple(proof.encode() for proof in _proofs())
    return (
        Parser("token", 150_000, good, read_token, (Refusal,), _same(good, read_token)),
        Parser("token, signed anew", 100_000, good[:1], read_token, (Refusal,), _is_within, resigned(COMPONENT.key)),
        Parser("proof", 150_000, proven, read_proof, (Refusal,), _same(proven, read_proof)),
        Parser("proof, signed anew", 150_000, proven[:1], read_proof, (Refusal,), _is_for_this, resigned(HOLDERS[0])),
    )


def read_token(given: bytes) -> tuple[tokens.TokenClaims, bytes]:
    """(claims, signing input), as the gate verifies them: the header's bytes are Latin-1."""
    text = given.decode("latin-1")
    claims = tokens.verify(text, audience=AUDIENCE, domain=COMPONENT.domain, key_of=_key_of, now=NOW)
    return claims, text.rpartition(".")[0].encode()


def read_proof(given: bytes) -> tuple[proofs.Proof, bytes]:
    """(proof, signing input) of one call, to the name under which the replay store keeps it."""
    text = given.decode("latin-1")
    proof = proofs.check(text, method="POST", targets=("/offers?a=1",), token="token", now=NOW)  # noqa: S106 — no secret
    if not proofs.is_body(proof, BODY):
        raise Refusal("The body is another.")
    replay.name_of(proof.jkt, proof.jti)
    return proof, text.rpartition(".")[0].encode()


def resigned(key: ProofKey) -> Mutation:
    """Header or claims changed as JSON, and signed by the key itself: what its owner can send."""

    def mutate(random: Random, given: bytes) -> bytes:
        head, body, _ = given.decode().split(".")
        header, claims = json.loads(unb64url(head)), json.loads(unb64url(body))
        if random.random() < 0.3:
            header = tree(random, header)
        else:
            claims = tree(random, claims)
        signing_input = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims)).encode()
        return signing_input + b"." + b64url(key.private.sign(signing_input)).encode()  # type: ignore[call-arg]

    return mutate


def _tokens() -> tuple[str, ...]:
    subject, holder = "subscription:55340232221128654849", HOLDERS[1].jkt
    account = "account:0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    given: dict[str, Any] = {"audience": AUDIENCE, "now": NOW}
    return (
        tokens.mint(COMPONENT, **given, scope=("offers.write", "pool.read")),
        tokens.mint(GATEWAY, **given, scope=("session",), subject=subject, jkt=holder, ends=int(NOW) + 99),
        tokens.mint(GATEWAY, **given, subject=account, jkt=holder, ends=int(NOW) + 99, standing="a-sign-in"),
    )


def _proofs() -> tuple[str, ...]:
    url, token = "http://mmf/offers?a=1", "token"
    return tuple(proofs.prove(key, method="POST", url=url, body=BODY, token=token, now=NOW) for key in HOLDERS)


def _key_of(component: str, jkt: str) -> Ed25519PublicKey:
    for identity in (COMPONENT, GATEWAY):
        if (identity.component, identity.jkt) == (component, jkt):
            key = identity.key.private.public_key()
            assert isinstance(key, Ed25519PublicKey)
            return key
    raise Refusal("The key is not enrolled.")


def _same(rightful: tuple[bytes, ...], read: Any) -> Any:
    meanings = [read(one) for one in rightful]
    return lambda _given, meaning: meaning in meanings


def _is_within(_given: bytes, meaning: tuple[tokens.TokenClaims, bytes]) -> bool:
    """Whatever a component signs: it speaks for itself with its own key, or for a person; here, now, not for long."""
    claims, _ = meaning
    is_own = claims.component == COMPONENT.component and claims.jkt == COMPONENT.jkt
    is_persons = claims.component is None and (claims.subscription is not None or claims.account != "")
    in_time = claims.issued <= NOW + 30 and NOW < claims.expires <= claims.issued + 120
    return (is_own or is_persons) and in_time and claims.issuer == COMPONENT.component


def _is_for_this(_given: bytes, meaning: tuple[proofs.Proof, bytes]) -> bool:
    """Whatever a key's owner signs: it proves that very key, this call, these bytes, at this time."""
    proof, _ = meaning
    return proof.jkt == HOLDERS[0].jkt and proof.body_hash == proofs.digest(BODY) and abs(proof.issued - NOW) <= 30
