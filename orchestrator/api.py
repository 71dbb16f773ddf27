"""The orchestrator's own HTTP routes: what stands where, activation and settlement on request. Components only.

Built by `app` and put behind the gate there (default deny). Handlers read rows and call one function each; they
decide nothing. Errors leave as problem+json (RFC 9457).
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ledger.errors import LedgerError, NodeDown, Reverted
from orchestrator import store as tables
from orchestrator.activation import Activations
from orchestrator.described import OF_PEERS, MalformedRequest
from orchestrator.errors import (
    ActivationRefused,
    BadActivation,
    NotReady,
    OrchestratorError,
    TryLater,
    UnknownSubscription,
)
from orchestrator.explanation import explanation
from orchestrator.notices import MOST_READERS, Board, Page, events, resume_from
from orchestrator.requirements import FunctionCall
from orchestrator.settlement import Settlement
from orchestrator.store import Row, Store
from orchestrator.supplying import SupplyDesk, add_supply_routes
from orchestrator.top import top
from orchestrator.update_rows import BadUpdate, StaleRevision, Update, UpdateRefused, updates_of
from orchestrator.updates import Updates
from trust.openapi import problems


class TooManyReaders(TryLater):
    """A stream holds a connection for long; there is room for so many."""

    code = "too_many_readers"
    title = "Too many streams of notices"


class ChainDown(TryLater):
    """The node does not answer."""

    code = NodeDown.code
    title = "The chain cannot be asked"


class ChainFailed(OrchestratorError):
    """The node's, or the sender's, own failure."""

    code = "ledger_error"
    status = 502
    title = "The chain failed"


class ChainRefused(OrchestratorError):
    """A contract said no; `code` is its error's."""

    code = Reverted.code
    status = 409
    title = "A contract refused"


OF_CHAIN = (ChainDown, ChainFailed, ChainRefused)
SubscriptionPath = Annotated[str, Path(pattern=r"^[0-9]{1,29}$")]


class ActivationBody(BaseModel):
    """The session key's EIP-712 signature over Activation{subscriptionId, endpointHash}."""

    model_config = ConfigDict(extra="forbid")

    endpointHash: str = Field(pattern=r"^0x[0-9a-fA-F]{64}$")
    signature: str = Field(pattern=r"^0x[0-9a-fA-F]{130}$")


class UpdateBody(BaseModel):
    """A new request document with the session key's signature over RequestUpdate; the hash is the document's own."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any]
    requirementsHash: str = Field(pattern=r"^0x[0-9a-f]{64}$")
    revision: int = Field(ge=1, lt=2**53)
    deadline: int = Field(ge=0, lt=2**53)
    signature: str = Field(pattern=r"^0x[0-9a-fA-F]{130}$")


class Api:
    """What the routes need."""

    def __init__(
        self,
        store: Store,
        settlement: Settlement,
        activations: Activations,
        vmof: FunctionCall,
        mmf: FunctionCall,
        msmf: FunctionCall,
        updates: Updates,
        health: Callable[[], dict[str, Any]],
        supply: SupplyDesk,
    ) -> None:
        self.store = store
        self.settlement = settlement
        self.activations = activations
        self.vmof = vmof
        self.mmf = mmf
        self.msmf = msmf
        self.updates = updates
        self.health = health
        self.supply = supply
        self._board: Board | None = None

    def board(self, page: Page) -> Board:
        """The one board of this program."""
        if self._board is None:
            self._board = Board(page)
        return self._board

    def row(self, subscription_id: str) -> Row:
        """The service's row; UnknownSubscription where the final chain has no such purchase."""
        with self.store.reader.connect() as reader:
            row = tables.service(reader, subscription_id)
        if row is None:
            raise UnknownSubscription(
                f"The final chain has no purchase {subscription_id}. A fresh one is final after about two blocks."
            )
        return row


def build_api(api: Api) -> FastAPI:
    """The app without its gate; handlers are synchronous and run in the thread pool."""
    app = FastAPI(
        title="Slicing4Meta orchestrator",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=problems(MalformedRequest),
    )
    answer_problems(app)

    @app.get(
        "/health",
        responses={
            503: {"description": "As 200, of a program that lacks something.", "content": {"application/json": {}}}
        },
    )
    def health() -> JSONResponse:
        report = api.health()
        return JSONResponse(report, 200 if report["ok"] else 503)

    _add_views(app, api)
    _add_notices(app, api)
    _add_changes(app, api)
    add_supply_routes(app, api.supply)
    return app


def _add_views(app: FastAPI, api: Api) -> None:
    @app.get("/subscriptions")
    def subscriptions() -> dict[str, Any]:
        with api.store.reader.connect() as reader:
            return {"subscriptions": [service_view(row) for row in tables.services(reader)]}

    @app.get("/subscriptions/{subscription}", responses=problems(MalformedRequest, UnknownSubscription))
    def subscription(subscription: SubscriptionPath) -> dict[str, Any]:
        return service_view(api.row(subscription))

    @app.get("/decisions/{subscription}", responses=problems(MalformedRequest, UnknownSubscription, *OF_PEERS))
    def decision(subscription: SubscriptionPath) -> dict[str, Any]:
        of_it = {"subscriptionId": subscription}
        translated = api.msmf.get("/service-requirements", of_it)["requirements"]
        with api.store.reader.connect() as reader:
            updates = updates_of(reader, subscription)
        offers = api.mmf.get("/offers", of_it)["offers"]
        repacks = api.mmf.get("/repacks", of_it)["repacks"]
        moves = api.vmof.get("/moves", of_it)["moves"]
        return explanation(api.row(subscription), translated, offers, updates, repacks, moves)

    @app.get("/instances", responses=problems(*OF_PEERS))
    def instances() -> Any:
        return api.vmof.get("/instances")

    @app.get("/top", responses=problems(*OF_PEERS))
    def show_top() -> dict[str, Any]:
        return top(api.store, api.vmof, api.mmf)

    @app.get("/pool", responses=problems(*OF_PEERS))
    def pool() -> Any:
        return api.mmf.get("/pool")


def _add_notices(app: FastAPI, api: Api) -> None:
    @app.get("/notices", responses=problems(MalformedRequest, TooManyReaders, *OF_PEERS))
    async def notices(
        request: Request,
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        subscription: Annotated[str | None, Query(alias="subscriptionId", pattern=r"^[0-9]{1,29}$")] = None,
        kinds: Annotated[str, Query(pattern=r"^[a-z.,]{0,1000}$", description="only these, comma-separated")] = "",
        newest: Annotated[int | None, Query(ge=1, le=1000, description="only so many; no stream")] = None,
    ) -> Response:
        only = {"kinds": kinds} if kinds else {}

        async def page(after: int, of_subscription: str | None, **few: str) -> list[dict[str, Any]]:
            of_it = {} if of_subscription is None else {"subscriptionId": of_subscription}
            asked = {"since": str(after), **of_it, **few}
            return list((await asyncio.to_thread(api.msmf.get, "/notices", asked))["notices"])

        after = resume_from(request.headers.get("last-event-id"), since)
        if "text/event-stream" not in request.headers.get("accept", ""):
            last = {} if newest is None else {"newest": str(newest)}
            return JSONResponse({"notices": await page(after, subscription, **only, **last)})
        board = api.board(page)
        if board.readers >= MOST_READERS:
            raise TooManyReaders(
                f"{MOST_READERS} streams of notices are open already. Close one, or ask without a stream."
            )
        stream = events(board, page, after, subscription)  # the gate's middleware verifies its reader again and again
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _add_changes(app: FastAPI, api: Api) -> None:
    @app.post(
        "/subscriptions/{subscription}/activation",
        responses=problems(
            MalformedRequest, UnknownSubscription, BadActivation, ActivationRefused, NotReady, *OF_PEERS, *OF_CHAIN
        ),
    )
    def activate(subscription: SubscriptionPath, body: ActivationBody) -> dict[str, Any]:
        tx_hash = api.activations.activate(api.row(subscription), body.endpointHash.lower(), body.signature)
        return {"subscriptionId": subscription, "endpointHash": body.endpointHash.lower(), "txHash": tx_hash}

    @app.put(
        "/subscriptions/{subscription}/request",
        responses=problems(
            MalformedRequest,
            UnknownSubscription,
            BadUpdate,
            StaleRevision,
            UpdateRefused,
            NotReady,
            *OF_PEERS,
            *OF_CHAIN,
        ),
    )
    def update_request(subscription: SubscriptionPath, body: UpdateBody) -> dict[str, Any]:
        update = Update(
            subscription, body.revision, body.document, body.requirementsHash, body.deadline, body.signature.lower()
        )
        return api.updates.put(api.row(subscription), update)

    @app.post("/settlements", responses=problems(*OF_PEERS, *OF_CHAIN))
    def settle() -> dict[str, Any]:
        return api.settlement.settle().to_json()


def service_view(row: Row) -> dict[str, Any]:
    """A service as the routes show it."""
    outcome = row["outcome"]
    shown = ("msi", "reused", "endpoint", "endpointHash", "endpointDocument", "models", "decision", "refusal")
    return {
        "subscriptionId": row["subscription_id"],
        "planId": row["plan_id"],
        "state": row["state"],
        "chainStatus": row["chain_status"],
        **{name: outcome.get(name) for name in shown},
        "waiting": outcome.get("waiting"),
        "endReason": outcome.get("endReason"),
        "times": row["times"],
    }


def answer_problems(app: FastAPI) -> None:
    """Errors of this program and of the ledger as problem+json."""

    @app.exception_handler(OrchestratorError)
    async def own(_request: Request, error: OrchestratorError) -> JSONResponse:
        return _problem(error.problem())

    @app.exception_handler(LedgerError)
    async def of_the_ledger(_request: Request, error: LedgerError) -> JSONResponse:
        kind = (
            ChainDown if isinstance(error, NodeDown) else ChainRefused if isinstance(error, Reverted) else ChainFailed
        )
        return _problem({**kind(str(error)).problem(), "code": error.code})

    @app.exception_handler(HTTPException)
    async def unreadable(_request: Request, error: HTTPException) -> JSONResponse:
        return _problem(MalformedRequest(f"The request cannot be read: {error.detail}. Correct it.").problem())

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        where = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        detail = f"The request is malformed: {where}. Correct it and send it again."
        return _problem(MalformedRequest(detail).problem())


def _problem(document: dict[str, Any]) -> JSONResponse:
    return JSONResponse(document, document["status"], media_type="application/problem+json")
