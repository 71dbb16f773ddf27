"""Apps in apps: every function behind its own gate with its own audience, in-process and over a real socket alike."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from trust_apps import echo, gateway_app, mmf_app
from trust_yard import Yard, code, session

from trust.exposure import exposures, unguarded_routes, unlisted_routes
from trust.gate import Gate
from trust.keys import ProofKey
from trust.policy import Policy

Clients = Callable[..., httpx.AsyncClient]


def orchestrator_app(yard: Yard) -> tuple[FastAPI, Gate]:
    gate = yard.gate("orchestrator")
    app = FastAPI()
    app.add_api_route("/health", echo, methods=["GET"])
    app.add_api_route("/pool", echo, methods=["GET"])
    app.mount("/mmf", mmf_app(yard.gate("mmf")))
    gate.protect(app)
    return app, gate


async def test_mounted_app_is_reached_through_its_own_gate_only(yard: Yard, client_of: Clients) -> None:
    app, _ = orchestrator_app(yard)
    async with client_of(app, yard.auth("vmof", "mmf"), "http://app/mmf") as client:
        assert (await client.post("/offers", content=b"x")).status_code == 200
        assert code(await client.get("/secret")) == "not_allowed"
    async with client_of(app, yard.auth("operator", "orchestrator")) as client:
        assert (await client.get("/pool")).status_code == 200
        assert code(await client.get("/mmf/pool")) == "token_invalid"  # the parent's audience is not the child's
    assert yard.decisions("mmf") == [("allow", "ok"), ("deny", "not_allowed"), ("deny", "token_invalid")]
    assert yard.decisions("orchestrator") == [("allow", "ok")]


async def test_mounted_app_is_reached_directly_in_process_too(yard: Yard, client_of: Clients) -> None:
    async with client_of(mmf_app(yard.gate("mmf")), yard.auth("vmof", "mmf"), "http://mmf") as client:
        assert (await client.post("/offers")).status_code == 200


async def test_mount_without_a_row_or_without_a_gate_is_denied(yard: Yard, client_of: Clients) -> None:
    gate = yard.gate("orchestrator")
    app = FastAPI()
    app.mount("/vmof", FastAPI())  # a row, but no gate
    app.mount("/elsewhere", mmf_app(yard.gate("mmf")))  # a gate, but no row
    gate.protect(app)
    async with client_of(app) as client:
        assert code(await client.get("/vmof/openapi.json")) == "not_allowed"
        assert code(await client.get("/elsewhere/health")) == "not_allowed"
    assert unguarded_routes(app, gate) == ["orchestrator /vmof"]


async def test_static_folder_opened_by_a_row_takes_reads_only(yard: Yard, client_of: Clients, tmp_path: Path) -> None:
    (tmp_path / "page.css").write_text("body {}")
    gate = yard.gate("marketplace")
    gate.policy = Policy.parse('[marketplace]\n"MOUNT /static" = { access = "public" }')
    app = FastAPI()
    app.mount("/static", StaticFiles(directory=tmp_path))
    gate.protect(app)
    async with client_of(app) as client:
        assert (await client.get("/static/page.css")).text == "body {}"
        assert code(await client.post("/static/page.css")) == "not_allowed"
    assert unguarded_routes(app, gate) == []


def test_walk_names_what_is_unguarded_and_what_is_dead(yard: Yard) -> None:
    app, gate = orchestrator_app(yard)
    assert unguarded_routes(app, gate) == []
    unlisted = unlisted_routes(app, gate)
    assert "mmf GET /secret" in unlisted
    assert "mmf DELETE /pool" in unlisted
    assert "orchestrator GET /docs" in unlisted
    assert "mmf POST /offers" not in unlisted
    app.add_middleware(_Outside)  # somebody put a layer around the gate
    assert "orchestrator /pool" in unguarded_routes(app, gate)


class _Outside:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def test_every_route_of_every_app_refuses_a_stranger(yard: Yard, client_of: Clients) -> None:
    """Whatever the walk finds is really called without credentials: only public and signed rows let it in."""
    app, gate = orchestrator_app(yard)
    answered = 0
    for each in [*exposures(app, gate)]:
        prefix = "/mmf" if each.app == "mmf" else ""
        async with client_of(app) as client:
            answer = await client.request(each.method, prefix + each.path.replace("{", "").replace("}", ""))
        open_row = each.row is not None and each.row.access & {"public", "signed"}
        assert answer.status_code == 200 if open_row else answer.status_code in (401, 403), each
        answered += 1
    assert answered > 15


@pytest.fixture
def served(yard: Yard) -> Iterator[Callable[[FastAPI], str]]:
    """Runs apps on real uvicorn servers; returns their base URLs."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(app: FastAPI) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=10)


def test_over_a_real_socket(yard: Yard, served: Callable[[FastAPI], str]) -> None:
    url = served(orchestrator_app(yard)[0])
    with httpx.Client(base_url=f"{url}/mmf", auth=yard.auth("vmof", "mmf")) as client:
        answer = client.post("/offers?a=%2F%20b", content=b"x" * 200_000)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["body"]) == 200_000
        assert client.post("/offers/a%2Fb/acceptance").status_code in (200, 403)
        assert "S4M-Callee" in answer.headers
        too_large = client.post("/offers", content=(b"x" * 65_536 for _ in range(20)))
        assert too_large.status_code == 413
        assert client.get("/pool").status_code == 200
    assert httpx.get(f"{url}/mmf/pool").status_code == 401
    assert httpx.get(f"{url}/nowhere").status_code == 403


def test_stream_over_a_real_socket_ends_with_the_subscription(yard: Yard, served: Callable[[FastAPI], str]) -> None:
    url = served(gateway_app(yard.gate("gateway", recheck_s=0.1)))
    with httpx.Client(base_url=url, auth=session(yard, ProofKey.generate()), timeout=10) as client:
        with client.stream("GET", "/usage/7/log") as answer:
            assert answer.status_code == 200
            count = 0
            for _ in answer.iter_lines():
                count += 1
                if count == 3:
                    yard.entitled.clear()
        assert 3 <= count < 200
    assert yard.decisions("gateway") == [("allow", "ok"), ("deny", "not_entitled")]
