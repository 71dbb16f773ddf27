"""How models are served: a real program on a real Unix socket, with good calls, bad calls and a clean end."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.models.serving import MAX_JSON_BYTES, least_grant
from orchestrator.runtime.unix_http import Reply, ask, ask_json


@dataclass(frozen=True)
class Served:
    path: Path
    process: subprocess.Popen[bytes]

    def post(self, call: str, value: object) -> Reply:
        return ask_json(self.path, f"/{call}", value)


def answers(path: Path) -> bool:
    try:
        return ask(path, "GET", "/health").status == 200
    except OSError:
        return False


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Served]:
    """The data management model with 4 MiB granted."""
    path = tmp_path / "s"
    command = [sys.executable, "-m", "orchestrator.models.data_management", "--socket", str(path)]
    with subprocess.Popen([*command, "--instance", "i-1", "--grant", '{"storage_mib": 4}']) as process:
        deadline = time.monotonic() + 10
        while not answers(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield Served(path, process)
        process.kill()


READING = {"params": {"source": "user", "kind": "k", "values": {"x": 1.5}}, "tenant": "7"}


def test_answer_carries_quantity_cost_and_info(data: Served) -> None:
    assert data.post("ingest", READING).status == 200
    reply = data.post("query", {"tenant": "7"})
    assert reply.json()["estimates"][0]["value"] == 1.5
    assert reply.headers["S4M-Quantity"] == "1"
    assert float(reply.headers["S4M-Cpu-Ms"]) > 0
    info = reply.headers["S4M-Info"]
    assert json.loads(base64.urlsafe_b64decode(info + "=" * (-len(info) % 4))) == {"rows": 1}


def test_one_connection_carries_many_calls(data: Served) -> None:
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as stream:
        connection.connect(str(data.path))
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: model\r\n\r\n")
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = http.client.parse_headers(stream)
            assert json.loads(stream.read(int(headers["Content-Length"])))["instance"] == "i-1"


@pytest.mark.parametrize(
    ("call", "body", "status", "code"),
    [
        ("nothing", b"{}", 404, "not_there"),
        ("query", b"{", 400, "bad_call"),
        ("query", b"[]", 400, "bad_call"),
        ("query", b'{"params": 5}', 400, "bad_call"),
        ("query", b'{"grant": {"storage_mib": -1}}', 400, "bad_call"),
        ("query", b'{"grant": {"storage_mib": true}}', 400, "bad_call"),
        ("query", b'{"tenant": 7}', 400, "bad_call"),
        ("ingest", b'{"params": {"source": "u", "kind": "k", "values": {"x": NaN}}}', 400, "bad_call"),
        ("ingest", b'{"params": {"source": "u", "kind": "k", "values": {"x": 1e400}}}', 400, "bad_call"),
        ("query", b"[" * 100_000, 400, "bad_call"),
        ("query", b" " * (MAX_JSON_BYTES + 1), 413, "too_large"),
        ("configure", b'{"colour": "red"}', 400, "bad_call"),
        ("configure", b'{"grant": "all"}', 400, "bad_call"),
    ],
)
def test_bad_calls_are_problems_with_a_code_and_the_next_call_works(
    data: Served, call: str, body: bytes, status: int, code: str
) -> None:
    reply = ask(data.path, "POST", f"/{call}", body, {"Content-Type": "application/json"})
    assert (reply.status, reply.json()["code"]) == (status, code)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert data.post("query", {}).status == 200


def exchange(path: Path, request: bytes) -> bytes:
    """All that comes back until the model hangs up."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as stream:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(request)
        return stream.read()


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request", b"bad_call"),
        (b"GET /health HTTP/2\r\n\r\n", b"400 Bad Request", b"bad_call"),
        (b"GET /health HTTP/1.1\r\nno colon\r\n\r\n", b"400 Bad Request", b"bad_call"),
        (b"GET /health HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n", b"400 Bad Request", b"bad_call"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"400 Bad Request", b"bad_call"),
        (b"GET /health HTTP/1.1\r\n" + b"A: 1\r\n" * 3 + b"".join(b"A%d: 1\r\n" % n for n in range(101)) + b"\r\n",
         b"400 Bad Request", b"bad_call"),
        (b"PUT /health HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"404 Not Found", b"not_there"),
        (b"POST /query HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400 Bad Request", b"bad_call"),
        (b"POST /query HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", b"400 Bad Request", b"bad_call"),
        (b"GET /health HTTP/1.0\r\n\r\n", b"200 OK", b'"ok":true'),
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", b"200 OK", b'"ok":true'),
    ],
)  # fmt: skip
def test_what_nothing_can_follow_is_answered_and_hung_up_on(
    data: Served, request_bytes: bytes, status: bytes, code: bytes
) -> None:
    answer = exchange(data.path, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert code in answer
    assert answer.count(b"S4M-Quantity") == 1
    assert data.post("query", {}).status == 200


def test_caller_that_expects_a_word_before_its_body_gets_it(data: Served) -> None:
    head = b"POST /query HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\nConnection: close\r\n"
    answer = exchange(data.path, head + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_grant_can_be_changed_while_it_runs(data: Served) -> None:
    assert data.post("configure", {"grant": {"storage_mib": 9}}).json()["grant"] == {"storage_mib": 9}
    assert ask(data.path, "GET", "/health").json()["grant"] == {"storage_mib": 9}


def test_forgotten_tenant_leaves_nothing_and_others_stay(data: Served) -> None:
    data.post("ingest", READING)
    data.post("ingest", {**READING, "tenant": "8"})
    assert data.post("configure", {"forget": "7"}).status == 200
    assert data.post("query", {"tenant": "7"}).json() == {"estimates": []}
    assert len(data.post("query", {"tenant": "8"}).json()["estimates"]) == 1


def test_socket_is_for_its_owner_only(data: Served) -> None:
    assert data.path.stat().st_mode & 0o077 == 0


def test_sigterm_ends_it_cleanly_and_takes_the_socket_away(data: Served) -> None:
    data.process.send_signal(signal.SIGTERM)
    assert data.process.wait(timeout=5) == 0
    assert not data.path.exists()


def test_starting_is_quick_and_pulls_in_nothing_heavy() -> None:
    light = ("edge_cache", "ar_navigation", "cloud_server", "communication_protocol", "digital_twin", "edge_server",
             "knowledge", "network_slice", "storage", "time_frequency_division")  # fmt: skip
    code = f"import sys, {', '.join(f'orchestrator.models.{each}' for each in light)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "dbos", "numpy", "PIL", "pydantic", "httpx", "urllib3", "http.client", "email"} & set(loaded)


def test_least_grant_takes_the_lesser_of_what_both_name() -> None:
    assert least_grant({"a": 5, "b": 1}, {"a": 3, "c": 9}) == {"a": 3, "b": 1, "c": 9}


def test_hung_up_caller_does_not_disturb_the_next(data: Served) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(data.path))
        connection.sendall(b"POST /query HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert data.post("query", {}).status == 200
    assert os.path.exists(f"/proc/{data.process.pid}")
