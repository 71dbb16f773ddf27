"""DPoP proofs (RFC 9449) with a body hash: one signed statement per request, by the key the token is bound to.

Claims: htm, htu, iat, jti, ath (hash of the token, when there is one) and `bh`, base64url SHA-256 of the body bytes.
Of htu only path and query are compared: the audience of the token decides the host, so that the same proof works over
in-process transports and behind a proxy. Replay is `trust.replay`'s business.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from trust import jws
from trust.encoding import b64url
from trust.errors import ProofInvalid
from trust.keys import Alg, ProofKey, PublicKey, load_jwk

TYP = "dpop+jwt"
MAX_SKEW_S = 30

_JTI = re.compile("[!-~]{8,128}")
_SHA256 = re.compile("[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature, method, target, time and token binding are good; body and replay not yet checked."""

    jkt: str
    jti: str
    body_hash: str
    issued: int


def digest(data: bytes) -> str:
    return b64url(sha256(data).digest())


def prove(key: ProofKey, *, method: str, url: str, body: bytes, token: str | None, now: float) -> str:
    """The `DPoP` header for one request. `url` is the full target with its query."""
    claims = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(now), "bh": digest(body)}
    if token is not None:
        claims["ath"] = digest(token.encode())
    return jws.sign({"typ": TYP, "jwk": key.jwk}, claims, key)


def check(header: str, *, method: str, targets: tuple[str, ...], token: str | None, now: float) -> Proof:
    """ProofInvalid unless the proof is signed by its own key for this method, target (path?query), time and token."""
    try:
        parsed = jws.parse(header, TYP)
        alg, key, jkt = load_jwk(parsed.header.get("jwk"))
        proof = _proof(parsed, jkt)
    except (ValueError, KeyError, TypeError) as error:
        raise ProofInvalid(f"The proof cannot be read: {error}.") from error
    _require_binding(parsed.claims, method, targets, token)
    if abs(now - proof.issued) > MAX_SKEW_S:
        raise ProofInvalid(f"The proof's time is {int(now) - proof.issued} s off; {MAX_SKEW_S} s are allowed.")
    _require_signature(parsed, alg, key)
    return proof


def check_past(header: str, *, method: str, targets: tuple[str, ...]) -> Proof:
    """As `check`, of a proof that was accepted once: whatever its time and token. For evidence, never for admission."""
    try:
        parsed = jws.parse(header, TYP)
        alg, key, jkt = load_jwk(parsed.header.get("jwk"))
        proof = _proof(parsed, jkt)
    except (ValueError, KeyError, TypeError) as error:
        raise ProofInvalid(f"The proof cannot be read: {error}.") from error
    _require_binding(parsed.claims, method, targets, None)
    _require_signature(parsed, alg, key)
    return proof


def _proof(parsed: jws.Jws, jkt: str) -> Proof:
    jti, body_hash, issued = parsed.claims["jti"], parsed.claims["bh"], parsed.claims["iat"]
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise ValueError("jti has not 8 to 128 visible ASCII characters")
    if not isinstance(body_hash, str) or not _SHA256.fullmatch(body_hash):
        raise ValueError("bh is no SHA-256 as base64url")
    if not isinstance(issued, int) or isinstance(issued, bool):
        raise ValueError("iat is no whole number")
    return Proof(jkt, jti, body_hash, issued)


def _require_binding(claims: dict[str, object], method: str, targets: tuple[str, ...], token: str | None) -> None:
    if claims.get("htm") != method:
        raise ProofInvalid("The proof is for another method.")
    if _target(claims.get("htu")) not in targets:
        raise ProofInvalid("The proof is for another target.")
    if token is not None and claims.get("ath") != digest(token.encode()):
        raise ProofInvalid("The proof is for another token.")


def _require_signature(parsed: jws.Jws, alg: Alg, key: PublicKey) -> None:
    if not parsed.is_signed_by(alg, key):
        raise ProofInvalid("The proof's signature is not its key's.")


def _target(url: object) -> str:
    if not isinstance(url, str):
        raise ProofInvalid("The proof names no target.")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ProofInvalid("The proof's target is no URL.") from error
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_body(proof: Proof, body: bytes) -> bool:
    return hmac.compare_digest(proof.body_hash.encode(), digest(body).encode())
