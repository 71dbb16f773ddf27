"""httpx authentication: puts a fresh token and a fresh proof on every call. Works on sync and async clients.

`GateAuth` is for components, `SessionAuth` for buyers' clients of the gateway. Neither retries: the caller decides.
"""

import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable

import httpx

from trust import callee, proofs, tokens
from trust.caller import Clock
from trust.enrolment import Enrolment
from trust.errors import CalleeUnproven
from trust.keys import ComponentIdentity, ProofKey
from trust.policy import Policy

TOKEN_LIFETIME_S = 60
TOKEN_REUSE_S = 45  # renewed well before it ends, so that none dies on the way
_GATE_REFUSALS = frozenset({401, 403, 408, 413, 503})  # a refusal is unsigned: it proves nothing and grants nothing


class _ProvingAuth(httpx.Auth):
    """Signs the request as it will go out; the body is read first because the proof covers it."""

    requires_request_body = True

    def __init__(self, key: ProofKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def _token(self) -> str | None:
        raise NotImplementedError

    def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """What proves the caller on this one request, also where no httpx carries it. `url` has no fragment."""
        token = self._token()
        proof = proofs.prove(self._key, method=method, url=url, body=body, token=token, now=self._clock())
        return {"DPoP": proof} if token is None else {"Authorization": f"DPoP {token}", "DPoP": proof}

    def _sign(self, request: httpx.Request) -> str:
        url = str(request.url.copy_with(fragment=None))
        request.headers.update(self.headers(request.method, url, request.content))
        return request.headers["DPoP"]

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self._sign(request)
        yield request


class GateAuth(_ProvingAuth):
    """`httpx.AsyncClient(base_url=…, auth=GateAuth(identity, "mmf"))`.

    `scope` narrows the token; by default it holds what policy.toml grants this component at the audience.
    With `enrolment` (async clients only) the callee must prove itself too, else CalleeUnproven.
    """

    def __init__(
        self,
        identity: ComponentIdentity,
        audience: str,
        *,
        scope: Iterable[str] | None = None,
        enrolment: Enrolment | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(identity.key, clock)
        self._identity = identity
        self._audience = audience
        self._scope = frozenset(Policy.load().scopes(audience, identity.component) if scope is None else scope)
        self._enrolment = enrolment
        self._cached: tuple[str, float] = ("", 0.0)

    def _token(self) -> str:
        token, minted = self._cached
        now = self._clock()
        if not 0 <= now - minted < TOKEN_REUSE_S:
            token = tokens.mint(
                self._identity, audience=self._audience, now=now, scope=self._scope, lifetime_s=TOKEN_LIFETIME_S
            )
            self._cached = (token, now)
        return token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._enrolment is not None:
            raise TypeError("only async clients can check the callee's proof")
        yield from super().auth_flow(request)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        await request.aread()
        proof = self._sign(request)
        response = yield request
        if self._enrolment is not None and response.status_code not in _GATE_REFUSALS:
            view = await self._enrolment.current()
            answer = callee.Answer(proof, request.method, response.status_code)
            try:
                callee.verify(response.headers.get(callee.HEADER, ""), answer, self._audience, view, self._clock())
            except CalleeUnproven:
                await response.aclose()
                raise


class SessionAuth(_ProvingAuth):
    """For buyers: `token_provider` returns the newest session token, or None for `POST /sessions` itself."""

    def __init__(
        self, token_provider: Callable[[], str | None], proof_key: ProofKey, *, clock: Clock = time.time
    ) -> None:
        super().__init__(proof_key, clock)
        self._provider = token_provider

    def _token(self) -> str | None:
        return self._provider()
