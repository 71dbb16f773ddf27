"""The gateway's routes, behind the gate. Each handler checks its input's shape, calls one part of the house, answers.

`create_app(house)` is what `__main__` serves and tests mount; no route decides anything by itself.
"""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ValidationError

from ledger.errors import LedgerError
from ledger.metering import TermsInvalid
from ledger.values import to_hex
from orchestrator.described import body_of, serve_document
from orchestrator.errors import OrchestratorError
from orchestrator.gateway.errors import (
    AnswerGone,
    BadBinding,
    BadErasure,
    BadVoucher,
    CapReached,
    ChainUnreachable,
    ClaimRequired,
    Draining,
    Erased,
    MalformedUse,
    ModelRefused,
    ModelUnavailable,
    NoRoute,
    NotEntitled,
    RequestIdReused,
    StaleVoucher,
    TooManyUses,
    VoucherRequired,
)
from orchestrator.gateway.house import House
from orchestrator.gateway.logs import log_lines
from orchestrator.gateway.shapes import (
    AuditGrantHeader,
    ErasurePost,
    PassRequest,
    RevocationPost,
    Route,
    Routes,
    SessionRequest,
    UseRequest,
    VoucherPost,
)
from orchestrator.gateway.use import Served
from orchestrator.gateway.vouchers import kept_json
from trust.caller import Caller, CallerKind
from trust.errors import PassRefused, PassSpent, Refusal
from trust.openapi import Answers, problems

S = TypeVar("S", bound=BaseModel)
AUDIT_GRANT_HEADER = "S4M-Audit-Grant"
SubscriptionPath = Annotated[int, Path(ge=0, lt=2**96)]
USE_PROBLEMS = problems(
    MalformedUse, NoRoute, Draining, NotEntitled, ClaimRequired, VoucherRequired, CapReached, PassRefused, PassSpent,
    TooManyUses, RequestIdReused, AnswerGone, Erased, ModelRefused, ModelUnavailable, ChainUnreachable,
)  # fmt: skip
USE = {
    "summary": "Use",
    "description": "One metered use; record, voucher and what was measured come as headers.",
    "parameters": [{"name": "subscriptionId", "in": "path", "required": True, "schema": {"type": "string"}}],
    **body_of(UseRequest),
    "responses": {
        "200": {"description": "The model's answer.", "content": {"*/*": {}}},
        **{str(status): answer for status, answer in USE_PROBLEMS.items()},
    },
}


def create_app(house: House) -> FastAPI:
    """The app, gate installed. It follows the chain while it serves; the caller closes the house."""
    app = FastAPI(title="Slicing4Meta gateway", openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.house = house
    app.add_api_route("/health", health, methods=["GET"])
    _add_routes(app)
    _add_sessions(app)
    _add_uses(app)
    _add_logs(app)
    app.add_exception_handler(OrchestratorError, _problem)
    app.add_exception_handler(LedgerError, _problem)
    app.add_exception_handler(TermsInvalid, _problem)
    app.add_exception_handler(Refusal, _problem)
    app.add_exception_handler(RequestValidationError, _malformed)
    house.gate.protect(serve_document(app, "gateway", {"/use/{subscriptionId}": {"post": USE}}))
    return app


def _add_routes(app: FastAPI) -> None:
    unserved = problems(MalformedUse)
    app.add_api_route("/routes", put_routes, methods=["PUT"], responses=unserved, openapi_extra=body_of(Routes))
    app.add_api_route(
        "/routes/{subscriptionId}", put_route, methods=["PUT"], responses=unserved, openapi_extra=body_of(Route)
    )
    app.add_api_route("/routes/{subscriptionId}", delete_route, methods=["DELETE"])
    app.add_api_route("/sockets", socket_in_use, methods=["GET"])
    app.add_api_route("/vouchers", vouchers_to_settle, methods=["GET"])
    app.add_api_route("/measures", measures, methods=["GET"])
    app.add_api_route("/performance", performance, methods=["GET"])
    app.add_api_route("/quality/{planId}", quality, methods=["GET"])


def _add_sessions(app: FastAPI) -> None:
    opening = problems(MalformedUse, BadBinding, NotEntitled, ClaimRequired, ChainUnreachable)
    passing = problems(MalformedUse, PassRefused, NotEntitled, ChainUnreachable)
    revoking = problems(MalformedUse, PassRefused, ChainUnreachable)
    app.add_api_route(
        "/sessions", open_session, methods=["POST"], responses=opening, openapi_extra=body_of(SessionRequest)
    )
    app.add_api_route(
        "/pass-sessions", open_pass_session, methods=["POST"], responses=passing, openapi_extra=body_of(PassRequest)
    )
    app.add_api_route("/passes/{subscriptionId}", passes, methods=["GET"])
    app.add_api_route(
        "/passes/{subscriptionId}/revocations", revoke_pass, methods=["POST"], responses=revoking,
        openapi_extra=body_of(RevocationPost),
    )  # fmt: skip


def _add_uses(app: FastAPI) -> None:
    signing = problems(MalformedUse, BadVoucher, StaleVoucher, ChainUnreachable)
    app.router.add_route("/use/{subscriptionId}", use, methods=["POST"])  # the busiest: nothing stands between
    app.add_api_route(
        "/vouchers/{subscriptionId}", accept_voucher, methods=["POST"], responses=signing,
        openapi_extra=body_of(VoucherPost),
    )  # fmt: skip


def _add_logs(app: FastAPI) -> None:
    lines: Answers = {200: {"description": "One record a line.", "content": {"application/jsonl": {}}}}
    shown = lines | problems(MalformedUse, NoRoute, ChainUnreachable)
    granted = lines | problems(MalformedUse, NoRoute, ChainUnreachable, BadBinding)
    erasing = problems(MalformedUse, BadErasure, BadBinding, ChainUnreachable)
    app.add_api_route(
        "/usage/{subscriptionId}/log", buyers_log, methods=["GET"], response_class=Response, responses=granted
    )
    app.add_api_route(
        "/usage/{subscriptionId}/voucher", newest_voucher, methods=["GET"], responses=problems(ChainUnreachable)
    )
    app.add_api_route(
        "/usage/{subscriptionId}/erasure", erase_behaviour, methods=["POST"], responses=erasing,
        openapi_extra=body_of(ErasurePost),
    )  # fmt: skip
    app.add_api_route(
        "/logs/{subscriptionId}", operators_log, methods=["GET"], response_class=Response, responses=shown
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    watch = _house(app).watch
    with suppress(LedgerError):  # rights are read before the first request; a node that is down is tried again
        await watch.look()
    tasks = [asyncio.create_task(watch.run()), asyncio.create_task(_house(app).retention.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def health(request: Request) -> dict[str, Any]:
    """Alive, on which chain, and when the latest block was seen."""
    house = _house(request.app)
    known = {"boot": house.boot, "chainId": house.chain.chain_id}
    return {"ok": True, "program": "gateway", **known, **house.watch.health()}


async def put_route(request: Request, subscriptionId: SubscriptionPath) -> dict[str, Any]:
    """Serve a subscription from now on, or replace how it is served."""
    house, route = _house(request.app), _shape(Route, await request.body())
    if route.subscription != subscriptionId:
        raise MalformedUse(f"The route is for subscription {route.subscriptionId}, the path says {subscriptionId}.")
    await _serve(house, [route])
    return {"subscriptionId": str(subscriptionId), "accepted": True}


async def put_routes(request: Request) -> dict[str, Any]:
    """As `put_route`, for several subscriptions; where one route is refused, none is taken."""
    house, wanted = _house(request.app), _shape(Routes, await request.body())
    await _serve(house, wanted.routes)
    return {"accepted": len(wanted.routes)}


async def _serve(house: House, routes: Sequence[Route]) -> None:
    for route in routes:
        route.servable_terms()
    for route in routes:
        house.put_route(route)
    kept = [(route.subscription, route.model_dump_json()) for route in routes]
    await asyncio.to_thread(house.store.put_routes, kept)


async def delete_route(request: Request, subscriptionId: SubscriptionPath) -> dict[str, Any]:
    """Serve it no longer; its log and vouchers stay. While calls are `underWay` it is not `deleted` but takes no new
    ones: ask again. After the gateway's drain limit it is, whatever is under way."""
    house = _house(request.app)
    await asyncio.to_thread(house.store.delete_route, subscriptionId)
    under_way = await house.drop_route(subscriptionId)
    return {"subscriptionId": str(subscriptionId), "deleted": not under_way, "underWay": under_way}


async def socket_in_use(request: Request, path: Annotated[str, Query(max_length=200)]) -> dict[str, Any]:
    """Whether any route leads over a model's socket, and how many calls under way may use it."""
    uses = _house(request.app).uses
    return {"path": path, "routed": uses.serves_by(path), "underWay": uses.calls_by(path)}


async def vouchers_to_settle(request: Request, since: int = Query(default=0, ge=0, lt=2**63)) -> dict[str, Any]:
    """The newest doubly signed voucher of each subscription among those accepted after row `since`."""
    kept = await asyncio.to_thread(_house(request.app).store.vouchers, since)
    return {"vouchers": [kept_json(voucher) for voucher in kept]}


async def measures(request: Request) -> dict[str, Any]:
    """What was measured of who fetched a frame in the last few seconds (orchestrator.measures)."""
    return _house(request.app).measures.recent().to_json()


async def performance(request: Request) -> dict[str, Any]:
    """How models and services answered within the last minute (orchestrator.performance)."""
    return _house(request.app).models.performance.recent().to_json()


async def quality(
    request: Request, planId: Annotated[int, Path(ge=0, lt=2**64)], floor: int = Query(default=0, ge=0, lt=2**32)
) -> dict[str, Any]:
    """What users of a plan got, counted over its records; `under` the floor (thousandths) that the plan promises."""
    found = await asyncio.to_thread(_house(request.app).store.quality, planId, floor)
    mean = found.total // found.measured if found.measured else None
    return {"records": found.records, "measured": found.measured, "under": found.under, "meanImmersion": mean}


async def open_session(request: Request) -> dict[str, Any]:
    """Exchange a signed SessionBinding for a token bound to the proof's key."""
    house, asked = _house(request.app), _shape(SessionRequest, await request.body())
    disclosed = asked.disclosed()
    token, expires = await house.sessions.open(asked, _caller(request).jkt)
    house.claims.show(int(asked.subscriptionId), disclosed)
    await house.uses.require_claims(int(asked.subscriptionId))
    return {"token": token, "expires": expires, "meterKey": house.vouchers.meter_key.address}


async def open_pass_session(request: Request) -> dict[str, Any]:
    """Exchange a pass for a token bound to its holder's key."""
    house, asked = _house(request.app), _shape(PassRequest, await request.body())
    token, expires = await house.passes.open(asked, _caller(request).jkt)
    return {"token": token, "expires": expires}


async def passes(
    request: Request, subscriptionId: SubscriptionPath, since: int = Query(default=0, ge=0, lt=2**63, alias="from")
) -> Any:
    """What the buyer's passes were used for."""
    return await _house(request.app).passes.shown(subscriptionId, since)


async def revoke_pass(request: Request, subscriptionId: SubscriptionPath) -> dict[str, Any]:
    """Take a pass back, on the buyer's or the session key's word."""
    house, posted = _house(request.app), _shape(RevocationPost, await request.body())
    right = await house.watch.known(subscriptionId)
    await house.passes.revoke(subscriptionId, posted, right.subscription)
    return {"subscriptionId": str(subscriptionId), "passId": posted.passId, "revoked": True}


async def use(request: Request) -> Response:
    """One metered use. The gate has let nobody in but the subscription's own session: the path's id is a number."""
    raw, subscription = await request.body(), int(request.path_params["subscriptionId"])
    house = _house(request.app)
    delegate = house.passes.delegate(_caller(request), request.headers.get("DPoP", ""))
    served = await house.uses.use(subscription, _shape(UseRequest, raw), raw, delegate)
    return Response(served.body, media_type=served.kept.content_type, headers=_headers(served))


async def accept_voucher(request: Request, subscriptionId: SubscriptionPath) -> dict[str, Any]:
    """Take the session key's signature under a voucher."""
    house, posted = _house(request.app), _shape(VoucherPost, await request.body())
    right = await house.watch.known(subscriptionId)
    kept = await house.vouchers.accept(house.books.of(subscriptionId), posted, right.subscription.signer)
    return {
        "accepted": True,
        "units": str(kept.units),
        "size": kept.size,
        "meterSignature": to_hex(kept.meter_signature),
    }


async def newest_voucher(request: Request, subscriptionId: SubscriptionPath) -> dict[str, Any]:
    """The newest doubly signed voucher and the one that waits to be signed."""
    house = _house(request.app)
    book, signer = house.books.of(subscriptionId), (await house.watch.known(subscriptionId)).subscription.signer
    signed = book.vouchers.get(signer)
    proposed = await asyncio.to_thread(house.vouchers.propose, book) if book.log.size else None
    return {"signed": kept_json(signed) if signed else None, "proposed": proposed}


async def buyers_log(
    request: Request,
    subscriptionId: SubscriptionPath,
    since: int = Query(default=0, ge=0, lt=2**63, alias="from"),
    follow: bool = False,
) -> StreamingResponse:
    """The usage log for the buyer's session, or for who holds an audit grant signed by the buyer."""
    house = _house(request.app)
    if _caller(request).kind is CallerKind.SIGNED:
        grant = _shape(AuditGrantHeader, _unpacked(request.headers.get(AUDIT_GRANT_HEADER, "")))
        right = await house.watch.known(subscriptionId)
        house.sessions.check_grant(grant, subscriptionId, right.subscription.buyer)
        follow = False
    return await _log(house, subscriptionId, since, follow, with_measured=True)


async def erase_behaviour(request: Request, subscriptionId: SubscriptionPath) -> dict[str, Any]:
    """Forget what is kept of the user's behaviour, on the buyer's or the session key's word."""
    house, demand = _house(request.app), _shape(ErasurePost, await request.body())
    right = await house.watch.known(subscriptionId)
    house.sessions.check_erasure(demand, subscriptionId, right.subscription)
    erased = await house.uses.erase(subscriptionId)
    house.measures.forget(str(subscriptionId))
    served = house.uses.route(subscriptionId) is not None
    return {"subscriptionId": str(subscriptionId), "recordsErased": erased, "requestKept": served}


async def operators_log(
    request: Request,
    subscriptionId: SubscriptionPath,
    since: int = Query(default=0, ge=0, lt=2**63, alias="from"),
    follow: bool = False,
) -> StreamingResponse:
    """The same log for settlement and the audit, without what tells of the user."""
    return await _log(_house(request.app), subscriptionId, since, follow, with_measured=False)


async def _log(house: House, subscription: int, since: int, follow: bool, *, with_measured: bool) -> StreamingResponse:
    book, right = house.books.of(subscription), await house.watch.known(subscription)
    if since > book.log.size:
        raise NoRoute(f"The log of subscription {subscription} has {book.log.size} records, none from {since} on.")
    lines = log_lines(house.store, house.vouchers, book, right.subscription.signer, since, follow, with_measured)
    return StreamingResponse(lines, media_type="application/jsonl")


def _headers(served: Served) -> dict[str, str]:
    headers = {
        "S4M-Record": _packed(served.kept.record.to_json()),
        "S4M-Voucher": _packed(served.voucher),
        "S4M-Info": _packed(served.kept.info),
    }
    if served.kept.provenance:
        headers["S4M-Provenance"] = _packed(json.loads(served.kept.provenance))
    return headers


def _packed(document: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _unpacked(header: str) -> bytes:
    try:
        return urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except ValueError as cause:
        raise MalformedUse(f"The {AUDIT_GRANT_HEADER} header is not base64url JSON.") from cause


def _shape(shape: type[S], raw: bytes) -> S:
    try:
        return shape.model_validate_json(raw)
    except ValidationError as cause:
        errors = cause.errors(include_url=False, include_context=False, include_input=False)
        where = "; ".join(f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}" for error in errors[:5])
        raise MalformedUse(f"The request breaks its shape: {where}. Correct it and send it again.") from cause


def _house(app: FastAPI) -> House:
    house: House = app.state.house
    return house


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    where = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:5])
    return await _problem(
        request, MalformedUse(f"The request breaks its shape: {where}. Correct it and send it again.")
    )


async def _problem(request: Request, error: Exception) -> JSONResponse:
    body: dict[str, Any]
    if isinstance(error, Refusal):
        _house(request.app).gate.record_of_handler(request, error)
    if isinstance(error, OrchestratorError | Refusal):
        body = dict(error.problem())
    else:
        code, status = str(getattr(error, "code", "gateway_error")), 422 if isinstance(error, TermsInvalid) else 503
        body = {"type": f"urn:s4m:problem:{code}", "title": code, "status": status, "code": code, "detail": str(error)}
    return JSONResponse(body, status_code=body["status"], media_type="application/problem+json")
