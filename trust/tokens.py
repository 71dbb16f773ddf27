"""Access tokens: `at+jwt` (RFC 9068), EdDSA, at most 120 s, one audience, bound to a proof key by `cnf.jkt`.

A component signs its own with its enrolled key; the gateway signs buyers' session tokens. Minted by `trust.auth` and
`trust.sessions`, verified by `trust.gate`. Who may call what is not decided here.
"""

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from trust import jws
from trust.errors import TokenExpired, TokenInvalid
from trust.keys import ComponentIdentity, spiffe_id

TYP = "at+jwt"
MAX_LIFETIME_S = 120
MAX_SKEW_S = 30

KeyOf = Callable[[str, str], Ed25519PublicKey]
"""(component, thumbprint) → its key; raises KeyNotEnrolled or KeyRevoked."""

_SUBSCRIPTION = re.compile(r"subscription:(0|[1-9][0-9]{0,28})")
_ACCOUNT = re.compile(r"account:(0x[0-9a-fA-F]{40})")


@dataclass(frozen=True, slots=True)
class TokenClaims:
    token_id: str
    issuer: str
    issuer_jkt: str
    subject: str
    component: str | None
    subscription: int | None
    account: str
    standing: str
    scope: frozenset[str]
    jkt: str
    issued: int
    expires: int
    ends: int


def mint(
    identity: ComponentIdentity,
    *,
    audience: str,
    now: float,
    scope: Iterable[str] = (),
    lifetime_s: int = 60,
    subject: str | None = None,
    jkt: str | None = None,
    ends: int | None = None,
    standing: str = "",
) -> str:
    """A token signed by `identity`: for itself, or with `subject` and `jkt` for the holder of another key."""
    claims: dict[str, Any] = {
        "iss": identity.spiffe_id,
        "sub": subject or identity.spiffe_id,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + lifetime_s,
        "jti": secrets.token_urlsafe(16),
        "scope": " ".join(sorted(scope)),
        "cnf": {"jkt": jkt or identity.jkt},
    }
    if ends is not None:
        claims["ends"] = ends
    if standing:
        claims["standing"] = standing
    return jws.sign({"typ": TYP, "kid": identity.jkt}, claims, identity.key)


def verify(token: str, *, audience: str, domain: str, key_of: KeyOf, now: float) -> TokenClaims:
    """The claims of a good token; else TokenInvalid, TokenExpired, or what `key_of` raises."""
    try:
        parsed = jws.parse(token, TYP)
        claims = _claims(parsed, domain)
    except (ValueError, KeyError, TypeError) as error:
        raise TokenInvalid(f"The token cannot be read: {error}.") from error
    if not parsed.is_signed_by("EdDSA", key_of(claims.issuer, claims.issuer_jkt)):
        raise TokenInvalid("The token's signature is not the issuer's.")
    if parsed.claims["aud"] != audience:
        raise TokenInvalid(f"The token is for another audience than {audience}.")
    check_time(claims, now)
    return claims


def check_time(claims: TokenClaims, now: float) -> None:
    """TokenInvalid for a lifetime over 120 s or an issue date in the future, TokenExpired when past."""
    if not 0 < claims.expires - claims.issued <= MAX_LIFETIME_S:
        raise TokenInvalid(f"The token lives {claims.expires - claims.issued} s, more than {MAX_LIFETIME_S} s.")
    if claims.issued > now + MAX_SKEW_S:
        raise TokenInvalid("The token was issued in the future.")
    if claims.expires <= now:
        raise TokenExpired(f"The token expired {int(now) - claims.expires} s ago.")


def _claims(parsed: jws.Jws, domain: str) -> TokenClaims:
    raw = parsed.claims
    issuer = _component(_text(raw["iss"]), domain)
    subject = _text(raw["sub"])
    own = subject == raw["iss"]
    subscription, account = _SUBSCRIPTION.fullmatch(subject), _ACCOUNT.fullmatch(subject)
    if not (own or subscription or account):
        raise ValueError("the subject is neither the issuer, nor a subscription, nor an account")
    jkt, kid = _text(raw["cnf"]["jkt"]), _text(parsed.header["kid"])
    if own and jkt != kid:
        raise ValueError("a component's token is bound to its own key")
    _text(raw["aud"])
    return TokenClaims(
        token_id=_text(raw["jti"]),
        issuer=issuer,
        issuer_jkt=kid,
        subject=subject,
        component=issuer if own else None,
        subscription=int(subscription[1]) if subscription else None,
        account=account[1] if account else "",
        standing=_text(raw.get("standing", ""), empty=True),
        scope=frozenset(_text(raw["scope"], empty=True).split()),
        jkt=jkt,
        issued=_seconds(raw["iat"]),
        expires=_seconds(raw["exp"]),
        ends=_seconds(raw.get("ends", 0)),
    )


def _component(issuer: str, domain: str) -> str:
    prefix = spiffe_id(domain, "")
    if not issuer.startswith(prefix) or not issuer[len(prefix) :]:
        raise ValueError(f"the issuer is not of the trust domain {domain}")
    return issuer[len(prefix) :]


def _text(value: object, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty) or not (value.isascii() and value.isprintable()):
        raise ValueError("a claim is not printable ASCII text")
    return value


def _seconds(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise ValueError("a time is not whole UTC seconds")
    return value
