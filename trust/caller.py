"""Who stands behind a request that passed the gate: handlers read it as `request.state.caller`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

Clock = Callable[[], float]
"""UTC seconds; `time.time` unless a test replaces it."""


class CallerKind(StrEnum):
    COMPONENT = "component"
    SESSION = "session"
    ACCOUNT = "account"  # a person who signed in
    SIGNED = "signed"  # the body or a named header carries a signature that the handler verifies
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Caller:
    """`subject` is a SPIFFE id, `subscription:<id>`, `account:<address>` or empty; `jkt` the RFC 7638 thumbprint of the
    proof's key. `standing` names what the token hangs on beside its subject: a sign-in, or a delegate's pass."""

    kind: CallerKind
    subject: str = ""
    component: str | None = None
    subscription: int | None = None
    account: str = ""
    standing: str = ""
    scope: frozenset[str] = frozenset()
    jkt: str = ""
    issuer: str = ""  # component whose enrolled key signed the token
    issuer_jkt: str = ""
    token_id: str = ""
    issued: int = 0  # the token, UTC seconds
    expires: int = 0  # of the token, UTC seconds
    ends: int = 0  # of the session binding, UTC seconds; 0 = no end of its own

    @property
    def is_anonymous(self) -> bool:
        """True when the request carried no token at all."""
        return self.kind in (CallerKind.PUBLIC, CallerKind.SIGNED)


PUBLIC = Caller(kind=CallerKind.PUBLIC)
