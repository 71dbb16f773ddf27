"""Attacks on the proof of possession: stolen, replayed, for another request, or of a key that proves nothing."""

import json
from typing import Any

import jwt

from scripts.attacks.case import Attack, Forge, Outcome, fresh_id, outcome
from trust import jws, proofs
from trust.encoding import b64url
from trust.keys import ProofKey

INVALID = ("proof_invalid",)


def _changed(**options: Any) -> Any:
    """A proof that was made for another request."""

    def play(forge: Forge) -> Outcome:
        token = forge.token()
        return forge.send(token, forge.proof(token, **options))

    return play


def _claims(**changed: Any) -> Any:
    def play(forge: Forge) -> Outcome:
        token = forge.token()
        return forge.send(token, forge.forged_proof(token, changed))

    return play


def _header(**changed: Any) -> Any:
    def play(forge: Forge) -> Outcome:
        token = forge.token()
        return forge.send(token, forge.forged_proof(token, header=changed))

    return play


def _without(member: str) -> Any:
    def play(forge: Forge) -> Outcome:
        token = forge.token()
        return forge.send(token, forge.forged_proof(token, drop=member))

    return play


def _damaged(forge: Forge) -> Outcome:
    token = forge.token()
    start, _, signature = forge.proof(token).rpartition(".")
    return forge.send(token, f"{start}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}")


def _replayed(forge: Forge) -> Outcome:
    """The first time it passes the gate, whatever the handler then says."""
    token = forge.token()
    proof = forge.proof(token)
    first = forge.send(token, proof)
    if first.code in ("proof_replayed", "proof_invalid", "token_invalid"):
        return first
    return forge.send(token, proof)


def _replayed_under_another_token(forge: Forge) -> Outcome:
    proof = forge.proof(forge.token())
    return forge.send(forge.token(lifetime_s=90), proof)


def _none(forge: Forge) -> Outcome:
    token = forge.token()
    claims = jws.parse(forge.proof(token), proofs.TYP).claims
    return forge.send(token, jwt.encode(claims, "", "none", headers={"typ": proofs.TYP, "jwk": forge.identity.jwk}))


def _symmetric(forge: Forge) -> Outcome:
    token, secret = forge.token(), b"0123456789abcdef0123456789abcdef"
    claims = jws.parse(forge.proof(token), proofs.TYP).claims
    jwk = {"kty": "oct", "k": b64url(secret)}
    return forge.send(token, jwt.encode(claims, secret, "HS256", headers={"typ": proofs.TYP, "jwk": jwk}))


def _private_inside(forge: Forge) -> Outcome:
    token = forge.token()
    return forge.send(token, forge.forged_proof(token, header={"jwk": {**forge.identity.jwk, "d": "AAAA"}}))


def _two(forge: Forge) -> Outcome:
    token = forge.token()
    return forge.send(token, forge.proof(token), headers={"dpop": forge.proof(token)})


def _body(signed: bytes, sent: bytes) -> Any:
    def play(forge: Forge) -> Outcome:
        token = forge.token()
        return forge.send(token, forge.proof(token, body=signed), body=sent)

    return play


def _query_smuggled(forge: Forge) -> Outcome:
    token = forge.token()
    return forge.send(token, forge.proof(token), path=forge.target.path + "?since=1")


def _query_of_the_proof(forge: Forge) -> Outcome:
    token = forge.token()
    return forge.send(token, forge.proof(token, url=forge.target.url + forge.target.path + "?since=1"))


def _across_apps(forge: Forge) -> Outcome:
    """A whole good request for one app, sent to another."""
    others = [target for target in forge.ground.targets if target.app != forge.target.app]
    other = Forge(forge.ground, next(target for target in others if target.method == "POST"))
    token = other.token()
    credentials = {"Authorization": f"DPoP {token}", "DPoP": other.proof(token)}
    url = forge.target.url + forge.target.path
    return outcome(forge.ground.client.request(forge.target.method, url, headers=credentials))


ATTACKS = [
    Attack("no proof", "a good token alone", INVALID, lambda f: f.send(f.token())),
    Attack("garbage proof", "no JWS", INVALID, lambda f: f.send(f.token(), "garbage")),
    Attack("overlong proof", "beyond 4 KiB", INVALID, lambda f: f.send(f.token(), "a" * 5_000)),
    Attack("stolen proof", "with another token of the same caller", INVALID, _replayed_under_another_token),
    Attack("proof of no token", "ath missing", INVALID, _without("ath")),
    Attack("proof of another method", "PATCH", INVALID, _changed(method="PATCH")),
    Attack("proof of the method in other letters", "methods are case-sensitive", INVALID, _claims(htm="get")),
    Attack("method missing", "htm", INVALID, _without("htm")),
    Attack("proof of another path", "/health", INVALID, _changed(url="http://any/health")),
    Attack("proof of another query", "the proof has one, the request none", INVALID, _query_of_the_proof),
    Attack("query added", "the request has one, the proof none", INVALID, _query_smuggled),
    Attack("target that is no URL", "http://[bad", INVALID, _changed(url="http://[bad")),
    Attack("target of another type", "a list", INVALID, _claims(htu=["http://any/"])),
    Attack("target missing", "htu", INVALID, _without("htu")),
    Attack("request meant for another app", "token and proof of another audience", ("token_invalid",), _across_apps),
    Attack("old proof", "31 s and more behind", INVALID, lambda f: f.send(
        t := f.token(), f.proof(t, now=f.now - 40))),
    Attack("early proof", "31 s and more ahead", INVALID, lambda f: f.send(t := f.token(), f.proof(t, now=f.now + 40))),
    Attack("proof of the year 1970", "iat 0", INVALID, _claims(iat=0)),
    Attack("proof time as text", "now", INVALID, _claims(iat="now")),
    Attack("proof time true", "JSON's true is Python's 1", INVALID, _claims(iat=True)),
    Attack("proof time missing", "iat", INVALID, _without("iat")),
    Attack("proof id missing", "jti", INVALID, _without("jti")),
    Attack("proof id too short", "guessable", INVALID, _claims(jti="1")),
    Attack("proof id too long", "a kilobyte", INVALID, _claims(jti="x" * 1_000)),
    Attack("proof id of another type", "a number", INVALID, _claims(jti=12_345_678)),
    Attack("replay", "the very same request again", ("proof_replayed",), _replayed),
    Attack("proof alg none", "unsigned", INVALID, _none),
    Attack("proof of a shared secret", "HS256 with its own oct key", INVALID, _symmetric),
    Attack("private key in the proof", "d", INVALID, _private_inside),
    Attack("RSA key", "of no allowed kind", INVALID, _header(jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
    Attack("key off the curve", "P-256 coordinates that are no point", INVALID,
        _header(jwk={"kty": "EC", "crv": "P-256", "x": b64url(b"\1" * 32), "y": b64url(b"\1" * 32)})),
    Attack("key of another curve", "secp256k1", INVALID,
        _header(jwk={"kty": "EC", "crv": "secp256k1", "x": b64url(b"\1" * 32), "y": b64url(b"\1" * 32)})),
    Attack("short key", "31 bytes", INVALID, _header(jwk={"kty": "OKP", "crv": "Ed25519", "x": b64url(b"\1" * 31)})),
    Attack("key of small order", "the Ed25519 point zero", INVALID,
        _header(jwk={"kty": "OKP", "crv": "Ed25519", "x": b64url(b"\1" + b"\0" * 31)})),
    Attack("key as text", "of another type", INVALID, _header(jwk="key")),
    Attack("key missing", "jwk", INVALID, _without("jwk")),
    Attack("another's key named", "the victim's jwk over the thief's signature", INVALID, lambda f: f.send(
        t := f.token(), jws.sign({"typ": proofs.TYP, "jwk": f.identity.jwk},
                                 jws.parse(f.proof(t), proofs.TYP).claims, ProofKey.generate()))),
    Attack("proof signature damaged", "one letter", INVALID, _damaged),
    Attack("token as a proof", "typ at+jwt", INVALID, lambda f: f.send(f.token(), f.token())),
    Attack("proof that must be understood", "crit", INVALID, _header(crit=["htu"])),
    Attack("two proofs", "two DPoP headers", INVALID, _two),
    Attack("body changed", "other bytes of the same length", ("body_altered",), _body(b'{"a":1}', b'{"a":2}')),
    Attack("body dropped", "nothing instead of the signed bytes", ("body_altered",), _body(b"x", b"")),
    Attack("body added", "bytes that nobody signed", ("body_altered",), _body(b"", b"x")),
    Attack("body hash missing", "bh", INVALID, _without("bh")),
    Attack("body hash of another type", "a list", INVALID, _claims(bh=[])),
    Attack("body hash with foreign letters", "not ASCII", INVALID, _claims(bh="ü" * 43)),
    Attack("proof with a new id, not signed again", "claims changed after signing", INVALID, lambda f: f.send(
        t := f.token(), _with_new_id(f.proof(t)))),
]  # fmt: skip


def _with_new_id(proof: str) -> str:
    head, _, signature = proof.split(".")
    claims = {**jws.parse(proof, proofs.TYP).claims, "jti": fresh_id()}
    return f"{head}.{b64url(json.dumps(claims).encode())}.{signature}"
