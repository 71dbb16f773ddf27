"""Attacks of callers who are who they say, but may not: other components, other tenants, other paths to the same."""

from typing import Any

from scripts.attacks.case import Attack, Forge, Outcome, outcome
from scripts.attacks.ground import REVOKED_SUBJECT
from trust import tokens
from trust.keys import ComponentIdentity, ProofKey
from trust.policy import Policy

DENIED = ("not_allowed",)
GATEWAY = ("gateway",)


def _other_component(forge: Forge) -> Outcome:
    """A component that the row does not name, with a scope that it gave itself."""
    row = Policy.load().find(forge.target.app, forge.target.method, _template(forge))
    callers = row.callers if row else frozenset()
    other = next(i for name, i in forge.ground.identities.items() if name not in callers)
    token = forge.token(other, scope=[row.scope if row else ""])
    return forge.send(token, forge.proof(token, other.key))


def _template(forge: Forge) -> str:
    path = forge.target.path.removeprefix(f"/{forge.target.app}")
    return "/api/v1/documents/{hash}" if forge.target.app == "marketplace" else path


def _at(method: str, path: str) -> Any:
    """A good token and proof for something that no row names."""

    def play(forge: Forge) -> Outcome:
        prefix = f"/{forge.target.app}" if forge.target.program != forge.target.app else ""
        token = forge.token()
        proof = forge.proof(token, method=method, url=f"{forge.target.url}{prefix}{path}")
        return forge.send(token, proof, method=method, path=prefix + path)

    return play


def _session(subscription: int, path: str, *, method: str = "POST", issuer: str = "gateway", ends_in: int = 600) -> Any:
    """A buyer's token, as the gateway (or another component) would issue it, with the buyer's proof."""

    def play(forge: Forge) -> Outcome:
        key, identity = ProofKey.generate(), forge.ground.identities[issuer]
        return _as_session(forge, identity, key, f"subscription:{subscription}", (method, path), ends_in)

    return play


def _as_session(
    forge: Forge, issuer: ComponentIdentity, key: ProofKey, subject: str, call: tuple[str, str], ends_in: int
) -> Outcome:
    ends = int(forge.now) + ends_in
    options = {"audience": forge.target.app, "now": forge.now, "scope": ("session",)}
    token = tokens.mint(issuer, subject=subject, jkt=key.jkt, ends=ends, **options)  # type: ignore[arg-type]
    method, path = call
    path = path or forge.target.path
    proof = forge.proof(token, key, method=method or forge.target.method, url=forge.target.url + path)
    return forge.send(token, proof, method=method or forge.target.method, path=path)


def _revoked_subject(forge: Forge) -> Outcome:
    number = REVOKED_SUBJECT.partition(":")[2]
    refused: Outcome = _session(int(number), f"/use/{number}")(forge)
    return refused


def _header_override(name: str, value: str) -> Any:
    def play(forge: Forge) -> Outcome:
        method, path = forge.target.closed
        url = forge.target.url + path
        return outcome(forge.ground.client.request(method, url, headers={name: value}))

    return play


STRANGER = ("token_missing", "proof_invalid")

ATTACKS = [
    Attack("another component", "enrolled, with the right scope, but not of the row", DENIED, _other_component),
    Attack("route that no row names", "default deny", DENIED, _at("GET", "/admin")),
    Attack("method that no row names", "DELETE", DENIED, _at("DELETE", "/health")),
    Attack("OPTIONS", "no method is harmless", DENIED, _at("OPTIONS", "/health")),
    Attack("TRACE", "would echo the token", DENIED, _at("TRACE", "/health")),
    Attack("HEAD", "a GET without a body is another row", (*DENIED, "none"), _at("HEAD", "/health")),
    Attack("page of the API's documentation", "/docs", DENIED, _at("GET", "/docs")),
    Attack("path with two slashes", "//health", DENIED, _at("GET", "//health")),
    Attack("path with a slash behind", "/health/", DENIED, _at("GET", "/health/")),
    Attack("path with dots, escaped", "/health/%2e%2e/admin", DENIED, _at("GET", "/health/%2e%2e/admin")),
    Attack("path with an escaped slash", "/health%2fadmin", DENIED, _at("GET", "/health%2fadmin")),
    Attack("path with a NUL", "/health%00", DENIED, _at("GET", "/health%00")),
    Attack("path with a line break", "/health%0d%0aX:1", DENIED, _at("GET", "/health%0d%0aX:1")),
    Attack("path in other letters", "/HEALTH", DENIED, _at("GET", "/HEALTH")),
    Attack("path with a semicolon", "/health;x=1", DENIED, _at("GET", "/health;x=1")),
    Attack("path twice escaped", "/%2568ealth", DENIED, _at("GET", "/%2568ealth")),
    Attack("method override", "X-HTTP-Method-Override: GET", STRANGER, _header_override(
        "X-HTTP-Method-Override", "GET")),
    Attack("address override", "X-Forwarded-For: 127.0.0.1", STRANGER, _header_override(
        "X-Forwarded-For", "127.0.0.1")),
    Attack("path override", "X-Original-URL: /health", STRANGER, _header_override("X-Original-URL", "/health")),
    Attack("prefix override", "X-Forwarded-Prefix: /gateway", STRANGER, _header_override(
        "X-Forwarded-Prefix", "/gateway")),
    Attack("a session where components are asked for", "a buyer's token at a component's route",
        ("token_invalid", "not_allowed"), _session(7, "", method="", issuer="gateway")),
    Attack("another tenant's use", "a session of subscription 7 at /use/8", DENIED, _session(7, "/use/8"), GATEWAY),
    Attack("another tenant's log", "its records", DENIED, _session(7, "/usage/8/log", method="GET"), GATEWAY),
    Attack("another tenant's voucher", "its money", DENIED, _session(7, "/vouchers/8"), GATEWAY),
    Attack("another tenant by a leading zero", "/use/07", DENIED, _session(7, "/use/07"), GATEWAY),
    Attack("another tenant by a sign", "/use/+7", DENIED, _session(7, "/use/+7"), GATEWAY),
    Attack("another tenant behind an escape", "/use/7%2f..%2f8", DENIED, _session(7, "/use/7%2f..%2f8"), GATEWAY),
    Attack("session of no subscription", "a subscription that was never bought", ("not_entitled",),
        _session(7, "/use/7"), GATEWAY),
    Attack("session whose binding has ended", "the buyer's own end", ("not_entitled",),
        _session(7, "/use/7", ends_in=-5), GATEWAY),
    Attack("session from another component", "the marketplace issues one", ("token_invalid",),
        _session(7, "/use/7", issuer="marketplace"), GATEWAY),
    Attack("revoked subject", "all sessions of a subscription", ("token_revoked", "not_entitled"), _revoked_subject,
        GATEWAY),
]  # fmt: skip
