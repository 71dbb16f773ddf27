"""The gate: default-deny on every route of an app, each call verified for itself.

`Gate(…).protect(app)` goes last when an app is built. For each request the gate finds the route, its policy row, checks
token, proof, right, body and replay, journals the decision, and only then lets it through with a `Caller` in
`request.state.caller`. What it does not do: verify EIP-712 signatures (rows of access "signed" are the handlers' task).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Scope

from trust import proofs, revocations, tokens
from trust.auth import GateAuth, SessionAuth
from trust.caller import Caller, CallerKind, Clock
from trust.enrolment import Enrolment, EnrolmentView
from trust.errors import (
    BodyAltered,
    NotAllowed,
    NotEntitled,
    ProofInvalid,
    ProofReplayed,
    Refusal,
    SignedOut,
    TokenInvalid,
    TokenMissing,
    TooManyRequests,
)
from trust.inbound import Inbound
from trust.journal import Decision, Journal
from trust.keys import ComponentIdentity
from trust.limits import Limiter, Limits, place_of
from trust.middleware import GateMiddleware
from trust.policy import TOKENED, Policy, Row
from trust.replay import SeenProofs
from trust.revocations import Kind, Revocation, Revocations
from trust.risk import RiskBoard
from trust.routes import RouteMatch, RouteTable

__all__ = ["Gate", "GateAuth", "SessionAuth", "StillEntitled"]

SESSION_ISSUER = "gateway"
ACCOUNT_ISSUER = "marketplace"
RECHECK_S = 3.0  # what is revoked counts within 5 s, also where an answer is still being sent
BODY_TIMEOUT_S = 15.0  # a body of 1 MiB at half a megabit a second
_TOKEN_CACHE = 2048

StillEntitled = Callable[[int], bool]
"""Whether a subscription may still be used; quick and synchronous, asked on every session call."""

RefusalPage = Callable[[Scope, Refusal, bool], ASGIApp | None]
"""What a person gets in place of problem+json, None where a program asks; the flag: the path has a route."""

StillStanding = Callable[[str], bool]
"""Whether a sign-in, or a pass, still stands; quick and synchronous, asked on every call that hangs on one."""


class Gate:
    """One per app. `app_name` is the audience that tokens must name and the app of the policy's rows.

    `identity` lets the gate sign its answers (S4M-Callee); `prefixes` are paths under which a proxy shows this app.
    `recheck_s`: how often the caller of a stream is verified anew, seconds.
    """

    def __init__(
        self,
        app_name: str,
        policy: Policy,
        enrolment: Enrolment,
        replay: SeenProofs,
        journal: Journal,
        clock: Clock = time.time,
        *,
        identity: ComponentIdentity | None = None,
        still_entitled: StillEntitled | None = None,
        still_standing: StillStanding | None = None,
        prefixes: tuple[str, ...] = (),
        body_timeout_s: float = BODY_TIMEOUT_S,
        recheck_s: float = RECHECK_S,
        revocations: Revocations | None = None,
        limits: Limits | None = None,
        refusal_page: RefusalPage | None = None,
    ) -> None:
        self.app_name = app_name
        self.policy = policy
        self.enrolment = enrolment
        self.identity = identity
        self.body_timeout_s = body_timeout_s
        self.recheck_s = recheck_s
        self.refusal_page = refusal_page
        self._replay = replay
        self._journal = journal
        self._clock = clock
        self._still_entitled = still_entitled
        self._still_standing = still_standing
        self._prefixes = ("", *prefixes)
        self._revocations = revocations
        self._limiter = Limiter(limits or Limits())
        self._risk = RiskBoard()
        self._verified: dict[str, tokens.TokenClaims] = {}

    def protect(self, app: Starlette) -> None:
        """Installs the gate outermost. Call it once, after all other middleware."""
        if getattr(app.state, "gate", None) is not None:
            raise ValueError(f"{self.app_name} already has a gate")
        RouteTable(app)  # a kind of route that cannot be guarded stops the program here, not at its first request
        app.state.gate = self
        app.add_middleware(GateMiddleware, gate=self, guarded=app)

    def row_for(self, method: str, match: RouteMatch) -> Row:
        """The policy row of a matched route; NotAllowed when there is none."""
        row = self.policy.find(self.app_name, method if match.mounted is None else "MOUNT", match.template)
        if row is None:
            raise NotAllowed(f"No row of the policy allows {method} on this path of {self.app_name}.")
        return row

    def knock(self, inbound: Inbound) -> None:
        """Before anything else: TooManyRequests when this address has asked too much."""
        self._limiter.knock(inbound.address)

    async def admit(self, inbound: Inbound, row: Row, match: RouteMatch) -> Caller:
        """Everything before the body, cheap refusals first: token, right, proof. The proof is left in `inbound`."""
        token = self._token(inbound, row)
        if token is None:
            return self._admit_anonymous(inbound, row)
        caller = _caller(self._claims(token, await self.enrolment.current()))
        await self._require_unrevoked(caller)
        is_person = caller.kind is not CallerKind.COMPONENT
        if caller.kind is CallerKind.ACCOUNT:
            self._require_account(caller, row)
        elif is_person:
            self._require_session(caller, row, match)
        else:
            self._require_component(caller, row)
        try:
            self._limiter.require_room(caller.subject, session=is_person)
            self._require_possession(inbound, token, caller)
        except (TooManyRequests, ProofInvalid) as refusal:
            await self._suspect(caller, refusal)
            raise
        self._limiter.proven(inbound.address, caller.subject, session=is_person)
        if is_person:
            await self._watch(inbound, caller)
        return caller

    async def accept_body(self, inbound: Inbound, body: bytes) -> None:
        """After the body has arrived: BodyAltered, ProofReplayed, or nothing."""
        proof = inbound.proof
        if proof is None:
            return
        if not proofs.is_body(proof, body):
            raise BodyAltered("The SHA-256 of the body is not the proof's.")
        if not await self._is_first(proof):
            raise ProofReplayed("This proof was already presented.")

    async def reverify(self, caller: Caller) -> None:
        """Raises a Refusal when the caller would not pass any more: key revoked, session over, no longer entitled.

        The token's own end does not matter here: it opened the stream, the key and the subscription keep it open.
        """
        if caller.is_anonymous:
            return
        now = self._clock()
        (await self.enrolment.current()).key(caller.issuer, caller.issuer_jkt, now)
        await self._require_unrevoked(caller)
        if caller.kind is CallerKind.SESSION:
            self._require_entitled(caller)
        if caller.standing:
            self._require_standing(caller)

    def record(self, inbound: Inbound, route: str, caller: Caller | None, refusal: Refusal | None) -> None:
        """One journal row for one decision; polls and refusals for speed are counted (trust.journal.tally)."""
        if refusal is not None:
            self._limiter.refused(inbound.address)
        decision = self._decision(inbound, route, caller, refusal)
        time_ms = int(self._clock() * 1000)
        if isinstance(refusal, TooManyRequests):
            self._journal.tally(replace(decision, method="", path="", route="", reason="", jkt=""), time_ms)
        elif refusal is None and inbound.method == "GET" and (caller is None or caller.kind is not CallerKind.SESSION):
            self._journal.tally(decision, time_ms)
        else:
            self._journal.append(decision, time_ms)

    def record_of_handler(self, request: HTTPConnection, refusal: Refusal) -> None:
        """What a handler refused after the gate had let it in: a pass, a signature, a sign-in."""
        route, caller = request.scope.get("route"), request.state.caller
        decision = self._decision(Inbound.of(request.scope), getattr(route, "path", ""), caller, refusal)
        self._limiter.refused(request.client.host if request.client else "")
        self._journal.append(replace(decision, jkt=caller.jkt), int(self._clock() * 1000))

    def _decision(self, inbound: Inbound, route: str, caller: Caller | None, refusal: Refusal | None) -> Decision:
        return Decision(
            app=self.app_name,
            method=inbound.method,
            path=inbound.path,
            route=route,
            outcome="allow" if refusal is None else "deny",
            code="ok" if refusal is None else refusal.code,
            reason="" if refusal is None else str(refusal),
            caller="" if caller is None else caller.subject or caller.kind.value,
            jkt=inbound.proof.jkt if inbound.proof else "",
        )

    def record_at_door(self, code: str, address: str) -> None:
        """What was refused before there was a request (`trust.door`); counted, as it comes in floods or not at all."""
        self._limiter.refused(address)
        decision = Decision(self.app_name, method="", path="", route="", outcome="deny", code=code)
        self._journal.tally(decision, int(self._clock() * 1000))

    def _token(self, inbound: Inbound, row: Row) -> str | None:
        """The token to verify, or None where the row lets the request in without one."""
        header = inbound.single("authorization", TokenInvalid) if row.callers or row.access & TOKENED else None
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "dpop" or not token:
                raise TokenInvalid("The Authorization header is not `DPoP <token>`.")
            return token
        signed = "signed" in row.access and (not row.signed_header or inbound.has(row.signed_header))
        if "public" in row.access or signed:
            return None
        raise TokenMissing("This route needs a token.")

    def _admit_anonymous(self, inbound: Inbound, row: Row) -> Caller:
        kind = CallerKind.PUBLIC if "public" in row.access else CallerKind.SIGNED
        return Caller(kind, jkt=self._proof(inbound, None).jkt) if row.proof else Caller(kind)

    def _claims(self, token: str, view: EnrolmentView) -> tokens.TokenClaims:
        """Verified claims; the signature is checked once a token, its time and its key's standing on every call."""
        now = self._clock()
        claims = self._verified.get(token)
        if claims is None:
            claims = tokens.verify(
                token,
                audience=self.app_name,
                domain=view.domain,
                key_of=lambda component, jkt: view.key(component, jkt, now),
                now=now,
            )
            self._remember(token, claims)
        tokens.check_time(claims, now)
        view.key(claims.issuer, claims.issuer_jkt, now)
        if claims.subscription is not None and claims.issuer != SESSION_ISSUER:
            raise TokenInvalid(f"Session tokens come from {SESSION_ISSUER}, not from {claims.issuer}.")
        if claims.account and claims.issuer != ACCOUNT_ISSUER:
            raise TokenInvalid(f"Tokens of accounts come from {ACCOUNT_ISSUER}, not from {claims.issuer}.")
        return claims

    def _remember(self, token: str, claims: tokens.TokenClaims) -> None:
        if len(self._verified) >= _TOKEN_CACHE:
            self._verified.clear()
        self._verified[token] = claims

    def _proof(self, inbound: Inbound, token: str | None) -> proofs.Proof:
        header = inbound.single("dpop", ProofInvalid)
        if header is None:
            raise ProofInvalid("The DPoP proof is missing.")
        targets = tuple(prefix + inbound.target for prefix in self._prefixes)
        inbound.proof = proofs.check(header, method=inbound.method, targets=targets, token=token, now=self._clock())
        return inbound.proof

    def _require_component(self, caller: Caller, row: Row) -> None:
        if caller.component not in row.callers:
            raise NotAllowed(f"{caller.component} may not call {row.method} {row.path} of {self.app_name}.")
        if row.scope not in caller.scope:
            raise NotAllowed(f"The token lacks the scope {row.scope}.")

    def _require_account(self, caller: Caller, row: Row) -> None:
        if "account" not in row.access:
            raise NotAllowed(f"A person who signed in may not call {row.method} {row.path} of {self.app_name}.")
        self._require_standing(caller)

    def _require_session(self, caller: Caller, row: Row, match: RouteMatch) -> None:
        way = "delegate" if caller.standing else "session"
        if way not in row.access or row.subscription_at is None:
            raise NotAllowed(f"A {way} may not call {row.method} {row.path} of {self.app_name}.")
        if match.values[row.subscription_at] != str(caller.subscription):
            raise NotAllowed("The session is for another subscription.")
        self._require_entitled(caller)
        if caller.standing:
            self._require_standing(caller)

    def _require_standing(self, caller: Caller) -> None:
        if caller.ends and caller.ends <= self._clock():
            raise SignedOut("Its time is over.")
        if self._still_standing is None or not self._still_standing(caller.standing):
            raise SignedOut("It was ended, revoked, or is not known here.")

    def _require_entitled(self, caller: Caller) -> None:
        if caller.ends and caller.ends <= self._clock():
            raise NotEntitled("The session binding that the buyer signed has ended.")
        if self._still_entitled is None or caller.subscription is None:
            raise NotAllowed(f"{self.app_name} takes no sessions.")
        if not self._still_entitled(caller.subscription):
            raise NotEntitled(f"Subscription {caller.subscription} is not active.")

    async def _require_unrevoked(self, caller: Caller) -> None:
        if self._revocations is not None:
            revocations.check(await self._revocations.current(), caller)

    def _require_possession(self, inbound: Inbound, token: str, caller: Caller) -> None:
        proof = self._proof(inbound, token)
        if proof.jkt != caller.jkt:
            raise ProofInvalid("The proof was signed by another key than the token is bound to.")

    async def _is_first(self, proof: proofs.Proof) -> bool:
        """The store of a house on several hosts answers over the network: no event loop waits for that."""
        now = self._clock()
        if self._replay.is_remote:
            return await asyncio.to_thread(self._replay.is_first, proof.jkt, proof.jti, now)
        return self._replay.is_first(proof.jkt, proof.jti, now)

    async def _watch(self, inbound: Inbound, caller: Caller) -> None:
        """A good call of a session is a sign too: of where its key is, and of whose clock it goes by."""
        now = self._clock()
        issued = inbound.proof.issued if inbound.proof else int(now)
        await self._lower(caller, self._risk.used(caller.jkt, place_of(inbound.address), issued, now))

    async def _suspect(self, caller: Caller, refusal: Refusal) -> None:
        if caller.kind is not CallerKind.COMPONENT:
            seen = self._risk.went_too_fast if isinstance(refusal, TooManyRequests) else self._risk.proof_failed
            await self._lower(caller, seen(caller.jkt, self._clock()))

    async def _lower(self, caller: Caller, reason: str) -> None:
        """ReauthenticationRequired from this very call on, for every token that this key holds by now."""
        if not reason or self._revocations is None:
            return
        now = self._clock()
        lowered = Revocation(Kind.KEY, caller.jkt, reason, int(now) + 1)
        await asyncio.to_thread(self._revocations.add, lowered, now)
        revocations.check({(Kind.KEY.value, caller.jkt): lowered}, caller)


def _kind(claims: tokens.TokenClaims) -> CallerKind:
    if claims.component is not None:
        return CallerKind.COMPONENT
    return CallerKind.ACCOUNT if claims.account else CallerKind.SESSION


def _caller(claims: tokens.TokenClaims) -> Caller:
    return Caller(
        kind=_kind(claims),
        subject=claims.subject,
        component=claims.component,
        subscription=claims.subscription,
        account=claims.account,
        standing=claims.standing,
        scope=claims.scope,
        jkt=claims.jkt,
        issuer=claims.issuer,
        issuer_jkt=claims.issuer_jkt,
        token_id=claims.token_id,
        issued=claims.issued,
        expires=claims.expires,
        ends=claims.ends,
    )
