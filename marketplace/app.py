"""The composition root of the marketplace: puts the parts together, mounts every feature under /api/v1, shuts the gate.

Called by `python -m marketplace` and by tests, which hand in their own settings and clock. Nothing else builds parts.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.errors import LedgerError
from ledger.keys import WalletKey, keystore_address
from ledger.sender import Sender
from ledger.values import Address, address
from marketplace import activity, decisions, documents, faucet, node, notices, openapi, passage, request_words, updates
from marketplace.answers import Health
from marketplace.assets import endpoints as assets
from marketplace.audit import endpoints as audit
from marketplace.catalog import endpoints as catalog
from marketplace.database import open_database
from marketplace.desks import endpoints as desks
from marketplace.devnets import is_devnet
from marketplace.documents import Documents
from marketplace.errors import MalformedInput, MarketplaceError, problem_of
from marketplace.explorer import endpoints as explorer
from marketplace.idempotency import IdempotencyMiddleware, KeptAnswers
from marketplace.identity import endpoints as identity_feature
from marketplace.identity.passkeys import Passkeys
from marketplace.identity.sign_ins import SignIns
from marketplace.orders import endpoints as orders
from marketplace.parts import Parts
from marketplace.projection import Projection
from marketplace.settings import MarketplaceSettings
from marketplace.subscriptions import endpoints as subscriptions
from marketplace.subscriptions import events
from marketplace.usage import endpoints as usage
from marketplace.web import site
from marketplace.web.failures import failure_page, refusal_page, wants_page
from marketplace.webhooks import endpoints as webhooks
from marketplace.webhooks.courier import Courier
from marketplace.webhooks.door import Door
from marketplace.webhooks.secrets import SecretKeeper
from trust.callee import Callees
from trust.enrolment import Enrolment
from trust.errors import Refusal
from trust.gate import Gate, GateAuth
from trust.journal import Journal
from trust.keys import ComponentIdentity
from trust.policy import Policy
from trust.sessions import SessionIssuer
from trust.stores import open_replay, open_revocations

API = "/api/v1"
FEATURES = (
    activity, catalog, orders, subscriptions, events, decisions, updates, notices, usage, assets, webhooks, audit,
    documents, request_words,
)  # fmt: skip
CHANGES_NOTHING = frozenset({("POST", f"{API}/audit"), ("POST", f"{API}/request-documents")})
HOLDS_TOKENS = frozenset(
    ("POST", f"{API}/{path}") for path in ("sign-ins", "sign-ins/nonces", "passkey-sign-ins", "sign-in-tokens")
)
INTERNAL = {
    "type": "urn:slicing4meta:problem:internal_error",
    "title": "The marketplace failed",
    "status": 500,
    "code": "internal_error",
    "detail": "Nobody foresaw this; the marketplace's log holds the trace.",
    "remedy": "Report it with the time and the request.",
}


def build_parts(settings: MarketplaceSettings, clock: Callable[[], float] = time.time) -> Parts:
    """Connects to the node, checks that the deployment is of this very chain, opens tables and keys."""
    chain = Chain.connect(settings.rpc_url)
    deployment = Deployment.load(settings.home, chain.chain_id)
    deployment.check(chain)
    keys = settings.home / "keys"
    identity = ComponentIdentity.load_or_create(keys / "marketplace.json", "marketplace", settings.domain)
    relayer_key = WalletKey.load_or_create(keys / "accounts" / "relayer.json")
    engine = open_database(settings.database)
    contracts = Contracts(chain, deployment)
    domain_id = contracts.identity.domain_id_of(domain_owner(settings), settings.domain)
    enrolment = Enrolment(contracts, domain_id, domain=settings.domain)
    journal = Journal(settings.home / "journal" / "marketplace.jsonl")

    def peer(name: str, url: str, timeout_s: float) -> httpx.Client:
        auth = GateAuth(identity, name, callees=Callees(enrolment, journal))
        return httpx.Client(base_url=url, auth=auth, timeout=timeout_s)

    return Parts(
        settings=settings,
        chain=chain,
        deployment=deployment,
        contracts=contracts,
        engine=engine,
        projection=Projection(engine, chain, deployment, settings.refresh_ms),
        documents=Documents(engine, settings.document_bytes),
        relayer=Sender(chain, relayer_key, settings.home / "db" / "relayer.db"),
        orchestrator=peer("orchestrator", settings.orchestrator_url, 30.0),
        gateway=peer("gateway", settings.gateway_url, 5.0),
        msmf=peer("msmf", settings.msmf_url or f"{settings.orchestrator_url}/msmf", 30.0),
        clock=clock,
        identity=identity,
        enrolment=enrolment,
        journal=journal,
        door=Door(settings.webhook_loopback),
        secrets=SecretKeeper(keys / "webhooks.key"),
    )


def create_app(settings: MarketplaceSettings, clock: Callable[[], float] = time.time) -> FastAPI:
    """The whole program as one ASGI app. Blocking: call it before the event loop runs."""
    parts = build_parts(settings, clock)
    stack = _closing(parts)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan(parts, stack))
    app.state.parts = parts
    add_features(app, parts)
    app.include_router(node.router(parts), prefix=API)
    app.state.on_devnet = on_devnet = is_devnet(parts)
    if on_devnet:
        app.include_router(faucet.router(parts), prefix=API)
    app.include_router(explorer.router(parts))
    app.include_router(passage.router(settings.gateway_url))
    app.include_router(desks.router(parts, on_devnet=on_devnet))
    app.include_router(desks.operator_router(parts, domain_owner(settings)))
    sign_ins = _add_identity(app, parts)
    add_health(app, parts)
    _add_problems(app)
    site.furnish(app, parts)
    _add_openapi(app)
    app.add_middleware(
        IdempotencyMiddleware, kept=KeptAnswers(parts.engine, parts.clock), exempt=CHANGES_NOTHING | HOLDS_TOKENS
    )
    _gate(parts, app, stack, sign_ins)
    return app


def add_features(app: FastAPI, parts: Parts) -> None:
    """Every feature's routes. They look at their parts when they are called, not before."""
    for feature in FEATURES:
        app.include_router(feature.router(parts), prefix=API)


def _add_openapi(app: FastAPI) -> None:
    """The document is made once: routes do not change while the program runs."""
    body = json.dumps(openapi.document(app, API), separators=(",", ":")).encode()

    @app.get(f"{API}/openapi.json", include_in_schema=False)
    async def get_openapi() -> Response:
        return Response(body, media_type="application/json")


def _add_identity(app: FastAPI, parts: Parts) -> SignIns:
    passkeys = Passkeys(parts)
    sign_ins = SignIns(parts, SessionIssuer(parts.identity, clock=parts.clock), passkeys)
    app.include_router(identity_feature.router(sign_ins, passkeys), prefix=API)
    return sign_ins


def _lifespan(parts: Parts, stack: ExitStack) -> Callable[[FastAPI], Any]:
    """Closes what was opened, in reverse order, when the program ends."""

    @asynccontextmanager
    async def run(_app: FastAPI) -> AsyncIterator[None]:
        with stack:
            await asyncio.to_thread(parts.projection.refresh, True)
            courier = Courier(parts)
            loops = [threading.Thread(target=loop) for loop in (parts.projection.follow, courier.run)]
            for loop in loops:
                loop.start()
            try:
                yield
            finally:
                parts.projection.stop()
                courier.stop()
                for loop in loops:
                    await asyncio.to_thread(loop.join)

    return run


def _closing(parts: Parts) -> ExitStack:
    stack = ExitStack()
    for close in (
        parts.chain.close,
        parts.engine.dispose,
        parts.relayer.close,
        parts.orchestrator.close,
        parts.gateway.close,
        parts.door.close,
        parts.msmf.close,
    ):
        stack.callback(close)
    return stack


def _gate(parts: Parts, app: FastAPI, stack: ExitStack, sign_ins: SignIns) -> None:
    """Goes on last: default deny on every route."""
    settings = parts.settings
    replay = open_replay(settings.shared_database, settings.home / "db" / "replay-marketplace.db")
    revocations = open_revocations(settings.shared_database, settings.home)
    for each in (parts.enrolment, replay, revocations, parts.journal):
        stack.callback(each.close)
    gate = Gate(
        "marketplace",
        Policy.load(),
        parts.enrolment,
        replay,
        parts.journal,
        parts.clock,
        identity=parts.identity,
        still_standing=sign_ins.stands,
        revocations=revocations,
        refusal_page=refusal_page,
    )
    gate.protect(app)


def domain_owner(settings: MarketplaceSettings) -> Address:
    """The account that owns the trust domain: set, or the operator of this home."""
    if settings.domain_owner:
        return address(settings.domain_owner)
    return keystore_address(settings.home / "keys" / "accounts" / "operator.json")


def add_health(app: FastAPI, parts: Parts) -> None:
    @app.get(f"{API}/health", tags=["market"])
    def health() -> Health:
        """Whether the marketplace is alive and its node answers."""
        head = parts.chain.latest()
        return {"status": "ok", "chainId": str(parts.deployment.chain_id), "block": str(head.number)}


def _add_problems(app: FastAPI) -> None:
    """Every named error becomes problem+json, or a page where a person asked for one; what is unknown is a 500 that
    tells nothing of the inside."""

    def answer(request: Request, status: int, body: dict[str, Any]) -> Response:
        if wants_page(request):
            return failure_page(request, status, body)
        return JSONResponse(body, status, media_type="application/problem+json")

    async def named(request: Request, error: Exception) -> Response:
        if isinstance(error, Refusal):
            request.app.state.gate.record_of_handler(request, error)
        return answer(request, *problem_of(error))

    async def invalid(request: Request, error: Exception) -> Response:
        return await named(request, MalformedInput(_first(error), remedy="Correct the field and send it again."))

    async def unreadable(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 — registered for nothing else
        if error.status_code != 400:
            return await http_exception_handler(request, error)
        return await named(request, MalformedInput(f"{error.detail}.", remedy="Send what the document describes."))

    async def unforeseen(request: Request, _error: Exception) -> Response:
        return answer(request, 500, INTERNAL)

    handlers: list[tuple[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]] = [
        (MarketplaceError, named), (LedgerError, named), (Refusal, named), (RequestValidationError, invalid),
        (HTTPException, unreadable),
        (Exception, unforeseen),
    ]  # fmt: skip
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def _first(error: Exception) -> str:
    assert isinstance(error, RequestValidationError)  # noqa: S101 — registered for nothing else
    found = error.errors()[0]
    return f"{'.'.join(str(step) for step in found['loc'])}: {found['msg']}."
