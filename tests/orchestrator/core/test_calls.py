"""Calls between components: the same answers in-process and over HTTP, with errors sorted into final and passing."""

import contextvars
from collections.abc import Iterator

import pytest
from core_server import calling, served
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from orchestrator.calls import FunctionClient
from orchestrator.errors import PeerRefused, PeerUnavailable

MARK: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


def peer() -> FastAPI:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, object]:
        key = request.headers.get("idempotency-key", "")
        return {"body": await request.json(), "key": key, "mark": MARK.get()}

    @app.get("/answer/{status}")
    async def answer(status: int) -> JSONResponse:
        return JSONResponse({"code": "so_it_is", "detail": "because"}, status)

    @app.delete("/gone")
    async def gone() -> JSONResponse:
        return JSONResponse({"code": "unknown"}, 404)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a fault of the peer")

    return app


@pytest.fixture(params=["in-process", "http"])
def client(request: pytest.FixtureRequest) -> Iterator[FunctionClient]:
    if request.param == "in-process":
        with calling("peer", "", peer()) as made:
            yield made
    else:
        with served(peer()) as url, calling("peer", url) as made:
            yield made


def test_a_call_carries_body_and_key(client: FunctionClient) -> None:
    assert client.post("/echo", {"a": 1}, "7:step:0") == {"body": {"a": 1}, "key": "7:step:0", "mark": "none"}


def test_a_handler_does_not_inherit_the_callers_context(client: FunctionClient) -> None:
    MARK.set("inside a durable step")
    assert client.post("/echo", {})["mark"] == "none"


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_refusal_is_final_and_keeps_its_reason(client: FunctionClient, status: int) -> None:
    with pytest.raises(PeerRefused) as caught:
        client.get(f"/answer/{status}")
    assert caught.value.peer_status == status
    assert caught.value.reason == {"code": "so_it_is", "detail": "because"}


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_passing_fault_is_to_be_tried_later(client: FunctionClient, status: int) -> None:
    with pytest.raises(PeerUnavailable, match="because"):
        client.get(f"/answer/{status}")


def test_deleting_what_is_gone_is_no_error(client: FunctionClient) -> None:
    assert client.delete("/gone") is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_peers_own_fault_is_passing(client: FunctionClient) -> None:
    with pytest.raises(PeerUnavailable):
        client.get("/broken")


def test_a_peer_that_does_not_run_is_named() -> None:
    with calling("vmof", "http://127.0.0.1:9") as made, pytest.raises(PeerUnavailable, match="vmof did not answer"):
        made.get("/instances")
