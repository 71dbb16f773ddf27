"""Compact JWS with exactly two algorithms, EdDSA (Ed25519) and ES256 (P-256). Used by tokens and proofs only.

PyJWT holds the algorithms and signs; parsing is done here, because PyJWT's looks at every character in Python and
took a third of a check. The key, never the header, decides which algorithm is right.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm

from trust.encoding import canonical_json, unb64url
from trust.keys import Alg, ProofKey, PublicKey

MAX_LENGTH = 4096
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ALGORITHMS: Mapping[Alg, Algorithm] = {"EdDSA": OKPAlgorithm(), "ES256": ECAlgorithm(ECAlgorithm.SHA256)}
_SIGNER = jwt.PyJWS(algorithms=["EdDSA", "ES256"])


@dataclass(frozen=True, slots=True)
class Jws:
    """A parsed, not yet verified JWS."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes

    def is_signed_by(self, alg: Alg, key: PublicKey) -> bool:
        """True when the header names this algorithm and the signature is this key's."""
        return self.header.get("alg") == alg and _ALGORITHMS[alg].verify(self.signing_input, key, self.signature)


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: ProofKey) -> str:
    return _SIGNER.encode(canonical_json(claims), key.private, algorithm=key.alg, headers=dict(header))


def parse(compact: str, typ: str) -> Jws:
    """ValueError unless it is one compact JWS of this `typ`, with JSON objects inside and no critical extensions."""
    if len(compact) > MAX_LENGTH or not _COMPACT.fullmatch(compact):
        raise ValueError("not a compact JWS")
    signing_input, _, signature = compact.rpartition(".")
    head, _, body = signing_input.partition(".")
    try:
        header, claims = json.loads(unb64url(head)), json.loads(unb64url(body))
    except RecursionError as error:
        raise ValueError("not a JWS") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header or claims are not an object")
    if header.get("typ") != typ or "crit" in header or "b64" in header:
        raise ValueError(f"not a {typ} JWS")
    return Jws(header, claims, signing_input.encode(), unb64url(signature))
