"""Whatever a stranger sends as token, proof or key: a named refusal, never another error, never a pass."""

import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from trust import jws, proofs, tokens
from trust.encoding import b64url
from trust.errors import Refusal
from trust.keys import ComponentIdentity, ProofKey, load_jwk

IDENTITY = ComponentIdentity.generate("vmof")
NOW = 1_800_000_000.0


def key_of(component: str, jkt: str) -> Ed25519PublicKey:
    assert isinstance(component, str)
    assert isinstance(jkt, str)
    key = IDENTITY.key.private.public_key()
    assert isinstance(key, Ed25519PublicKey)
    return key


def verify_token(token: str) -> tokens.TokenClaims:
    return tokens.verify(token, audience="mmf", domain=IDENTITY.domain, key_of=key_of, now=NOW)


def check_proof(proof: str) -> proofs.Proof:
    return proofs.check(proof, method="GET", targets=("/pool",), token=None, now=NOW)


def compact(*parts: object) -> str:
    return ".".join(b64url(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
CLAIMS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("iss", "sub", "aud", "iat", "exp", "scope", "cnf", "jti", "ends"), JSON)
)


@given(st.text(max_size=300) | st.builds(compact, JSON, JSON, st.binary(max_size=70)))
@settings(max_examples=300, deadline=None)
def test_anything_as_token_or_proof_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        verify_token(text)
    with pytest.raises(Refusal):
        check_proof(text)


@given(CLAIMS)
@settings(max_examples=300, deadline=None)
def test_well_signed_token_with_any_claims_is_refused_by_name(claims: dict[str, Any]) -> None:
    """The signature is the enrolled component's own: only the claims decide."""
    raw = json.dumps(claims)
    signed = jws._SIGNER.encode(
        raw.encode(), IDENTITY.key.private, algorithm="EdDSA", headers={"typ": tokens.TYP, "kid": IDENTITY.jkt}
    )
    with pytest.raises(Refusal):
        verify_token(signed)


@given(st.sampled_from(["iss", "sub", "aud", "iat", "exp", "scope", "cnf", "jti"]), JSON)
@settings(max_examples=300, deadline=None)
def test_good_token_with_one_claim_exchanged_never_says_more_than_before(name: str, value: object) -> None:
    good = jws.parse(tokens.mint(IDENTITY, audience="mmf", now=NOW, scope=("pool.read",)), tokens.TYP)
    claims = {**good.claims, name: value}
    try:
        signed = jws.sign({"typ": tokens.TYP, "kid": IDENTITY.jkt}, claims, IDENTITY.key)
    except ValueError:
        return  # not JSON (NaN, infinity)
    try:
        found = verify_token(signed)
    except Refusal:
        return
    assert found.component == "vmof"
    assert found.jkt == IDENTITY.jkt
    assert found.expires - found.issued <= tokens.MAX_LIFETIME_S


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("htm", "htu", "iat", "jti", "bh", "ath"), JSON)), JSON)
@settings(max_examples=300, deadline=None)
def test_well_signed_proof_with_any_claims_or_key_is_refused(claims: dict[str, Any], jwk: object) -> None:
    for header_key in (IDENTITY.key.jwk, jwk):
        try:
            signed = jws.sign({"typ": proofs.TYP, "jwk": header_key}, claims, IDENTITY.key)
        except ValueError:
            return
        with pytest.raises(Refusal):
            check_proof(signed)


@given(st.integers(0, 400), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_proof_with_any_bit_changed_is_refused(position: int, flip: int) -> None:
    proof = proofs.prove(IDENTITY.key, method="GET", url="http://x/pool", body=b"", token=None, now=NOW)
    check_proof(proof)
    place = position % len(proof)
    changed = proof[:place] + chr(ord(proof[place]) ^ flip) + proof[place + 1 :]
    if changed.rstrip("=") != proof:
        with pytest.raises(Refusal):
            check_proof(changed)


SMALL_ORDER = {
    "order 1": "0100000000000000000000000000000000000000000000000000000000000000",
    "order 2": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "order 4": "0000000000000000000000000000000000000000000000000000000000000080",
    "order 8": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "order 8, other sign": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "order 1, y + p": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}


@pytest.mark.parametrize("point", SMALL_ORDER.values(), ids=SMALL_ORDER)
def test_key_for_which_anybody_can_sign_proves_nothing(point: str) -> None:
    with pytest.raises(ValueError, match="small order"):
        load_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64url(bytes.fromhex(point))})


@pytest.mark.parametrize("alg", ["EdDSA", "ES256"])
def test_proof_header_that_names_another_algorithm_is_refused(alg: str) -> None:
    key = ProofKey.generate(alg)  # type: ignore[arg-type]
    proof = proofs.prove(key, method="GET", url="http://x/pool", body=b"", token=None, now=NOW)
    check_proof(proof)
    head, payload, signature = proof.split(".")
    for forged in ("none", "HS256", "ES256" if alg == "EdDSA" else "EdDSA"):
        header = {"typ": proofs.TYP, "alg": forged, "jwk": key.jwk}
        with pytest.raises(Refusal):
            check_proof(f"{b64url(json.dumps(header).encode())}.{payload}.{signature}")
    assert head


def test_critical_extensions_and_detached_payloads_are_refused() -> None:
    for extra in ({"crit": ["exp"]}, {"b64": True}, {"crit": ["b64"], "b64": False}, {"typ": "JWT"}):
        header = {"typ": tokens.TYP, "alg": "EdDSA", "kid": IDENTITY.jkt, **extra}
        with pytest.raises(Refusal):
            verify_token(compact(header, {}, b"\0" * 64))


def test_checking_a_proof_is_fast_enough() -> None:
    """The bar is 4,000 proof-of-possession checks a second per core; half of it here, for crowded machines."""
    proof = proofs.prove(IDENTITY.key, method="GET", url="http://x/pool", body=b"", token=None, now=NOW)
    begun = time.process_time()
    for _ in range(500):
        check_proof(proof)
    assert 500 / (time.process_time() - begun) > 2_000
