"""httpx authentication: puts a fresh token and a fresh proof on every call. Works on sync and async clients.

`GateAuth` is for components and, with `callees`, believes no answer that the callee has not signed; `SessionAuth` is
for buyers' clients of the gateway. Neither retries: the caller decides.
"""

import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable

import httpx

from trust import callee, proofs, tokens
from trust.callee import Call, Callees
from trust.caller import Clock
from trust.enrolment import EnrolmentView
from trust.keys import ComponentIdentity, ProofKey
from trust.policy import Policy

TOKEN_LIFETIME_S = 60
TOKEN_REUSE_S = 45  # renewed well before it ends, so that none dies on the way


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
    """`httpx.AsyncClient(base_url=…, auth=GateAuth(identity, "mmf", callees=…))`.

    `scope` narrows the token; by default it holds what policy.toml grants this component at the audience.
    With `callees` every answer must be signed by the audience's enrolled key, for this request; else AnswerUnproven.
    """

    def __init__(
        self,
        identity: ComponentIdentity,
        audience: str,
        *,
        scope: Iterable[str] | None = None,
        callees: Callees | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(identity.key, clock)
        self._identity = identity
        self._audience = audience
        self._scope = frozenset(Policy.load().scopes(audience, identity.component) if scope is None else scope)
        self._callees = callees
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

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.read()
        call = self._call(request, self._sign(request))
        response = yield request
        if self._callees is not None:
            with self._callees.judging(self._identity, call, self._clock()):
                vouched = self._vouched(call, response, self._callees.enrolment.current_blocking())
                if vouched != callee.STREAMED:
                    callee.require_body(vouched, call, response.read())

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        await request.aread()
        call = self._call(request, self._sign(request))
        response = yield request
        if self._callees is not None:
            with self._callees.judging(self._identity, call, self._clock()):
                vouched = self._vouched(call, response, await self._callees.enrolment.current())
                if vouched != callee.STREAMED:
                    callee.require_body(vouched, call, await response.aread())

    async def require_callee(self, call: Call, status: int, header: str, body: bytes) -> None:
        """For calls that no httpx carries: AnswerUnproven unless the callee signed this answer to this call."""
        if self._callees is not None:
            with self._callees.judging(self._identity, call, self._clock()):
                view = await self._callees.enrolment.current()
                callee.require_body(callee.verify(header, call, status, view, self._clock()), call, body)

    def _call(self, request: httpx.Request, proof: str) -> Call:
        return Call(self._audience, request.method, request.url.path, proof)

    def _vouched(self, call: Call, response: httpx.Response, view: EnrolmentView) -> str:
        header = response.headers.get(callee.HEADER, "")
        return callee.verify(header, call, response.status_code, view, self._clock())


class SessionAuth(_ProvingAuth):
    """For buyers: `token_provider` returns the newest session token, or None for `POST /sessions` itself."""

    def __init__(
        self, token_provider: Callable[[], str | None], proof_key: ProofKey, *, clock: Clock = time.time
    ) -> None:
        super().__init__(proof_key, clock)
        self._provider = token_provider

    def _token(self) -> str | None:
        return self._provider()
