"""What an attack is, and the good request that most of them spoil in one place.

An attack gets a `Forge` for one app, sends what it likes and returns the answer. It counts as refused when status and
code are what the table expects.
"""

import json
import secrets
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from scripts.attacks.ground import Ground, Target
from trust import jws, proofs, tokens
from trust.auth import SessionAuth
from trust.encoding import b64url
from trust.keys import ComponentIdentity, ProofKey
from trust.policy import Policy

EVERY_APP = ("marketplace", "orchestrator", "msmf", "vmof", "mmf", "gateway")
PROGRAMS = ("marketplace", "orchestrator", "gateway")


@dataclass(frozen=True)
class Outcome:
    """What came back. `code` is the problem's, or what the door journals for this status."""

    status: int
    code: str


@dataclass(frozen=True)
class Attack:
    """One row of the table: `name` is unique; `codes` are the only right answers, with one of `statuses`.

    `journalled` is what the journal must say where that is not the answer's own code.
    """

    name: str
    what: str
    codes: tuple[str, ...]
    play: "Callable[[Forge], Outcome]"
    apps: tuple[str, ...] = EVERY_APP
    statuses: Container[int] = range(400, 500)
    journalled: str = ""


class Forge:
    """Makes good and bad requests to one app."""

    def __init__(self, ground: Ground, target: Target) -> None:
        self.ground = ground
        self.target = target
        self.identity = ground.identities[target.caller]
        self.now = time.time()

    def token(self, identity: ComponentIdentity | None = None, **options: Any) -> str:
        """A good token of the caller; `options` as of tokens.mint."""
        identity = identity or self.identity
        scope = Policy.load().scopes(self.target.app, identity.component)
        given = {"audience": self.target.app, "now": self.now, "scope": scope, **options}
        return tokens.mint(identity, **given)

    def forged(
        self, claims: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None, drop: str = ""
    ) -> str:
        """A token with these claims and header members changed (or one dropped), rightly signed by the caller."""
        good = jws.parse(self.token(), tokens.TYP)
        body = {**good.claims, **(claims or {})}
        head = {**good.header, **(header or {})}
        body.pop(drop, None)
        head.pop(drop, None)
        return self.signed(head, json.dumps(body).encode())

    def signed(self, header: Mapping[str, Any], payload: bytes) -> str:
        """Any header over any bytes, signed by the caller's key."""
        signing_input = f"{b64url(json.dumps(header).encode())}.{b64url(payload)}"
        signature: bytes = self.identity.key.private.sign(signing_input.encode())  # type: ignore[call-arg]
        return f"{signing_input}.{b64url(signature)}"

    def proof(self, token: str | None, key: ProofKey | None = None, **options: Any) -> str:
        """A good proof for the target's request."""
        url = self.target.url + self.target.path
        given = {"method": self.target.method, "url": url, "body": b"", "now": self.now, "token": token, **options}
        return proofs.prove(key or self.identity.key, **given)

    def forged_proof(
        self,
        token: str,
        claims: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        drop: str = "",
    ) -> str:
        """A proof with these members changed or dropped, rightly signed."""
        good = jws.parse(self.proof(token), proofs.TYP)
        body, head = {**good.claims, **(claims or {})}, {**good.header, **(header or {})}
        body.pop(drop, None)
        head.pop(drop, None)
        return self.signed(head, json.dumps(body).encode())

    def send(
        self,
        token: str | None = None,
        proof: str | None = None,
        *,
        body: bytes = b"",
        headers: Any = None,
        **where: str,
    ) -> Outcome:
        """The target's request (or another method, path) with these credentials."""
        given = list((headers or {}).items())
        if token is not None:
            given.append(("Authorization", f"DPoP {token}"))
        if proof is not None:
            given.append(("DPoP", proof))
        url = self.target.url + where.get("path", self.target.path)
        return outcome(
            self.ground.client.request(where.get("method", self.target.method), url, headers=given, content=body)
        )

    def post(self, path: str, content: Any, key: ProofKey | None = None, token: str | None = None) -> httpx.Response:
        """JSON to another path of the target, proven by this key; without a key nothing is proven."""
        body, url = json.dumps(content).encode(), self.target.url + path
        headers = {} if key is None else SessionAuth(lambda: token, key).headers("POST", url, body)
        return self.ground.client.post(url, content=body, headers=headers)

    def send_token(self, token: str, key: ProofKey | None = None) -> Outcome:
        """This token with a proof that fits it."""
        return self.send(token, self.proof(token, key))


def outcome(answer: httpx.Response) -> Outcome:
    """Status and code; an answer without a problem has the code `none`."""
    try:
        code = str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        code = "none"
    return Outcome(answer.status_code, code)


def fresh_id() -> str:
    return secrets.token_urlsafe(16)
