"""Attacks on the access token: forged, confused, stolen, of the wrong key, time, audience or kind."""

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scripts.attacks.case import Attack, Forge, Outcome
from scripts.attacks.ground import REVOKED_TOKEN
from trust import jws, tokens
from trust.encoding import b64url
from trust.keys import ComponentIdentity, ProofKey

INVALID = ("token_invalid",)
UNKNOWN = ("key_not_enrolled",)


def _encoded(forge: Forge, algorithm: str, key: Any, **header: Any) -> str:
    claims = jws.parse(forge.token(), tokens.TYP).claims
    head = {"typ": tokens.TYP, "kid": forge.identity.jkt, **header}
    return jwt.encode(claims, key, algorithm, headers=head)


def _none(forge: Forge) -> Outcome:
    return forge.send_token(_encoded(forge, "none", None))


def _none_with_a_signature(forge: Forge) -> Outcome:
    unsigned = _encoded(forge, "none", None).rstrip(".")
    return forge.send_token(f"{unsigned}.{forge.token().rpartition('.')[2]}")


def _hs256_raw(forge: Forge) -> Outcome:
    return forge.send_token(_encoded(forge, "HS256", forge.identity.public_bytes))


def _hs256_pem(forge: Forge) -> Outcome:
    public = forge.identity.key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = {"typ": tokens.TYP, "kid": forge.identity.jkt, "alg": "HS256"}
    text = f"{b64url(json.dumps(head).encode())}.{forge.token().split('.')[1]}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(text.encode(), pem)
    return forge.send_token(f"{text}.{b64url(mac)}")


def _es256(forge: Forge) -> Outcome:
    return forge.send_token(_encoded(forge, "ES256", ec.generate_private_key(ec.SECP256R1())))


def _embedded_key(forge: Forge) -> Outcome:
    thief = ProofKey.generate()
    claims = {**jws.parse(forge.token(), tokens.TYP).claims, "cnf": {"jkt": thief.jkt}}
    token = jws.sign({"typ": tokens.TYP, "kid": thief.jkt, "jwk": thief.jwk}, claims, thief)
    return forge.send_token(token, thief)


def _key_by_address(forge: Forge) -> Outcome:
    thief = ProofKey.generate()
    claims = jws.parse(forge.token(), tokens.TYP).claims
    header = {"typ": tokens.TYP, "kid": forge.identity.jkt, "jku": "https://evil.example/keys"}
    return forge.send_token(jws.sign(header, claims, thief))


def _changed_after_signing(forge: Forge) -> Outcome:
    one, other = forge.token().split("."), forge.token(lifetime_s=90).split(".")
    return forge.send_token(".".join([one[0], other[1], one[2]]))


def _signature_bit(forge: Forge) -> Outcome:
    start, _, signature = forge.token().rpartition(".")
    return forge.send_token(f"{start}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}")


def _stranger(kind: str) -> Any:
    def play(forge: Forge) -> Outcome:
        identity = forge.ground.strangers[kind][forge.target.caller]
        return forge.send_token(forge.token(identity), identity.key)

    return play


def _foreign_domain(forge: Forge) -> Outcome:
    foreign = ComponentIdentity(forge.target.caller, "elsewhere.devnet", forge.identity.key)
    return forge.send_token(forge.token(foreign))


def _poser(forge: Forge) -> Outcome:
    other = forge.ground.identities["operator"]
    poser = ComponentIdentity(forge.target.caller, other.domain, other.key)
    return forge.send_token(forge.token(poser), other.key)


def _session_of_no_gateway(forge: Forge) -> Outcome:
    key = ProofKey.generate()
    return forge.send_token(forge.token(subject="subscription:7", jkt=key.jkt), key)


def _bound_to_the_thief(forge: Forge) -> Outcome:
    thief = ProofKey.generate()
    return forge.send_token(forge.token(jkt=thief.jkt), thief)


def _stolen(forge: Forge) -> Outcome:
    return forge.send_token(forge.token(), ProofKey.generate())


def _two_tokens(forge: Forge) -> Outcome:
    token = forge.token()
    return forge.send(token, forge.proof(token), headers={"authorization": f"DPoP {forge.token()}"})


def _is(token: Any) -> Any:
    return lambda forge: forge.send_token(token(forge))


def _raw(value: str) -> Any:
    return lambda forge: forge.send(headers={"Authorization": value, "DPoP": forge.proof(None)})


def _claims(**changed: Any) -> Any:
    return lambda forge: forge.send_token(forge.forged(changed))


def _header(**changed: Any) -> Any:
    return lambda forge: forge.send_token(forge.forged(header=changed))


def _payload(payload: bytes) -> Any:
    def play(forge: Forge) -> Outcome:
        return forge.send_token(forge.signed({"typ": tokens.TYP, "alg": "EdDSA", "kid": forge.identity.jkt}, payload))

    return play


ATTACKS = [
    Attack("no token", "nothing at all", ("token_missing", "proof_invalid"), lambda f: f.send(
        method=f.target.closed[0], path=f.target.closed[1])),
    Attack("bearer scheme", "a good token as a bearer token", INVALID, lambda f: f.send(
        headers={"Authorization": f"Bearer {f.token()}", "DPoP": f.proof(f.token())})),
    Attack("basic scheme", "user and password", INVALID, _raw("Basic Og==")),
    Attack("empty token", "the scheme alone", INVALID, _raw("DPoP")),
    Attack("garbage token", "no JWS", INVALID, _raw("DPoP garbage")),
    Attack("two segments", "a JWS without its signature part", INVALID, _raw("DPoP eyJhIjoxfQ.eyJhIjoxfQ")),
    Attack("five segments", "a JWE", INVALID, _raw("DPoP a.b.c.d.e")),
    Attack("overlong token", "beyond 4 KiB", INVALID, _raw("DPoP " + "a" * 5_000)),
    Attack("alg none", "an unsigned token", INVALID, _none),
    Attack("alg none with a signature", "alg none over another token's signature", INVALID, _none_with_a_signature),
    Attack("HS256 with the public key", "the raw Ed25519 key as an HMAC secret", INVALID, _hs256_raw),
    Attack("HS256 with the PEM", "the PEM of the public key as an HMAC secret", INVALID, _hs256_pem),
    Attack("ES256 under the victim's kid", "another algorithm and key", INVALID, _es256),
    Attack("alg changed", "EdDSA signature, header says RS256", INVALID, _header(alg="RS256")),
    Attack("alg in other letters", "eddsa", INVALID, _header(alg="eddsa")),
    Attack("alg as a list", "a header of another type", INVALID, _header(alg=["EdDSA"])),
    Attack("kid of another component", "an enrolled key, but not the signer's", ("token_invalid", "key_not_enrolled"),
        lambda f: f.send_token(f.forged({"cnf": {"jkt": f.ground.identities["operator"].jkt}},
                                        {"kid": f.ground.identities["operator"].jkt}))),
    Attack("kid that is a path", "../../keys/operator.json", INVALID, _header(kid="../../keys/operator.json")),
    Attack("kid that is SQL", "' OR 1=1 --", INVALID, _header(kid="' OR 1=1 --")),
    Attack("kid that is a number", "7", INVALID, _header(kid=7)),
    Attack("kid missing", "no key named", INVALID, lambda f: f.send_token(f.forged(drop="kid"))),
    Attack("key embedded in the token", "a thief's own key in the header", UNKNOWN, _embedded_key),
    Attack("jku", "a thief's key set by address, under the victim's kid", INVALID, _key_by_address),
    Attack("crit", "an extension that must be understood", INVALID, _header(crit=["exp"])),
    Attack("b64 false", "an unencoded payload", INVALID, _header(b64=False)),
    Attack("typ JWT", "a token of another kind", INVALID, _header(typ="JWT")),
    Attack("proof as a token", "typ dpop+jwt", INVALID, lambda f: f.send_token(f.proof(None))),
    Attack("claims changed after signing", "another token's claims", INVALID, _changed_after_signing),
    Attack("signature damaged", "one bit", INVALID, _signature_bit),
    Attack("signature of no bytes", "an empty last part", INVALID, lambda f: f.send_token(
        f.token().rpartition(".")[0] + ".")),
    Attack("padding", "base64 with =", INVALID, lambda f: f.send_token(f.token() + "=")),
    Attack("another audience", "a token for another app", INVALID, _is(lambda f: f.token(audience="elsewhere"))),
    Attack("audience as a list", "all apps at once", INVALID, lambda f: f.send_token(
        f.forged({"aud": [f.target.app, "elsewhere"]}))),
    Attack("audience missing", "for anybody", INVALID, lambda f: f.send_token(f.forged(drop="aud"))),
    Attack("foreign trust domain", "the same component elsewhere", INVALID, _foreign_domain),
    Attack("issuer without a domain", "no SPIFFE id", INVALID, _claims(iss="orchestrator", sub="orchestrator")),
    Attack("issuer with a path behind", "spiffe://…/x/../orchestrator", INVALID, lambda f: f.send_token(
        f.forged({"sub": f"{f.identity.spiffe_id}/../operator"}))),
    Attack("another subject", "a component speaks for another", INVALID, lambda f: f.send_token(
        f.forged({"sub": f.ground.identities["operator"].spiffe_id}))),
    Attack("poser", "an enrolled key under another component's name", UNKNOWN, _poser),
    Attack("session token of no gateway", "a component issues a buyer's token", INVALID, _session_of_no_gateway),
    Attack("expired", "61 s after its issue", ("token_expired",), _is(lambda f: f.token(now=f.now - 61))),
    Attack("issued in the future", "40 s ahead", INVALID, _is(lambda f: f.token(now=f.now + 40))),
    Attack("121 s of life", "one more than allowed", INVALID, _is(lambda f: f.token(lifetime_s=121))),
    Attack("ten years of life", "as long-lived keys would", INVALID, _is(lambda f: f.token(lifetime_s=315_360_000))),
    Attack("ends before it begins", "negative life", INVALID, _is(lambda f: f.token(lifetime_s=-1))),
    Attack("exp as text", "never", INVALID, _claims(exp="never")),
    Attack("exp as a fraction", "1e99", INVALID, _claims(exp=1e99)),
    Attack("exp true", "JSON's true is Python's 1", INVALID, _claims(exp=True)),
    Attack("exp beyond all numbers", "10^30", INVALID, _claims(exp=10**30)),
    Attack("iat NaN", "not a number", INVALID, _claims(iat=float("nan"))),
    Attack("exp missing", "no end", INVALID, lambda f: f.send_token(f.forged(drop="exp"))),
    Attack("jti missing", "no id to revoke", INVALID, lambda f: f.send_token(f.forged(drop="jti"))),
    Attack("cnf missing", "bound to no key", INVALID, lambda f: f.send_token(f.forged(drop="cnf"))),
    Attack("cnf as text", "of another type", INVALID, _claims(cnf="jkt")),
    Attack("scope as a list", "of another type", INVALID, _claims(scope=["*"])),
    Attack("scope with a star", "a wildcard that nobody knows", ("not_allowed",), _claims(scope="*")),
    Attack("no scope", "narrower than the call", ("not_allowed",), _claims(scope="")),
    Attack("claims that are a list", "no object", INVALID, _payload(b"[]")),
    Attack("claims that are no UTF-8", "bytes", INVALID, _payload(b'{"iss":"\xff\xfe"}')),
    Attack("claims nested without end", "a thousand brackets", INVALID, _payload(b"[" * 1_000)),
    Attack("bound to the thief's key", "a component's token for another key", INVALID, _bound_to_the_thief),
    Attack("stolen token", "with the thief's own proof", ("proof_invalid",), _stolen),
    Attack("unknown key", "never enrolled", UNKNOWN, _stranger("unknown")),
    Attack("revoked key", "enrolled, then rotated out on-chain", ("key_revoked",), _stranger("revoked")),
    Attack("forged enrolment", "true events of the true registry, of a domain that a stranger owns", UNKNOWN,
        _stranger("of another owner")),
    Attack("foreign chain", "the same owner's enrolment in the same registry, of another chain", UNKNOWN,
        _stranger("of another chain")),
    Attack("revoked token", "a good token whose id was revoked", ("token_revoked",), _claims(jti=REVOKED_TOKEN)),
    Attack("two tokens", "two Authorization headers", INVALID, _two_tokens),
]  # fmt: skip
