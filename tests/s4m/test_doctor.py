"""Every check of `s4m doctor`, once where all is well and once for each thing that it must find."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from command_runner import Run, runner

from ledger.chain import Chain
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from s4m.checks import files, machine, services
from s4m.checks.findings import State
from s4m.processes import free_ports
from scripts.private_postgresql import PrivatePostgresql

NOWHERE = "http://127.0.0.1:9"
NOBODY = 65_534


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as running:
        yield running


@pytest.mark.parametrize(("version", "state"), [((3, 10), "bad"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "bad")])
def test_python(version: tuple[int, int], state: str) -> None:
    assert machine.python(version).state == state


def _program(folder: Path, name: str, script: str) -> str:
    """A folder for PATH with one program in it."""
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return str(folder)


def test_node_js(tmp_path: Path) -> None:
    assert machine.node_js(_program(tmp_path / "new", "node", "echo v22.1.0")).state is State.OK
    assert machine.node_js(_program(tmp_path / "old", "node", "echo v18.0.0")).state is State.WARN
    assert machine.node_js(_program(tmp_path / "silent", "node", "exit 1")).state is State.WARN
    assert machine.node_js(str(tmp_path)).state is State.WARN


def test_anvil(tmp_path: Path) -> None:
    assert machine.anvil().state is State.OK
    missing = machine.anvil(tmp_path)
    assert (missing.state, bool(missing.remedy)) == (State.BAD, True)
    assert machine.anvil(tmp_path, own_node=True).state is State.WARN


def test_sandbox(tmp_path: Path) -> None:
    assert machine.sandbox().state is State.OK
    refuses = "echo 'bwrap: No permissions to create a new namespace' >&2; exit 1"
    forbidden = machine.sandbox(_program(tmp_path / "bin", "bwrap", refuses))
    assert forbidden.state is State.BAD
    assert "namespaces" in forbidden.remedy


def test_seccomp(tmp_path: Path) -> None:
    assert machine.seccomp().state is State.OK
    assert machine.seccomp(machine="pdp11").state is State.BAD
    status = tmp_path / "status"
    status.write_text("Name:\tx\n")
    assert machine.seccomp(status).state is State.BAD


@pytest.mark.parametrize(("free", "state"), [(100 << 20, "bad"), (1 << 30, "warn"), (5 << 30, "ok")])
def test_disk(tmp_path: Path, free: int, state: str) -> None:
    found = machine.disk(tmp_path / "not" / "there", free)
    assert (found.state, str(tmp_path) in found.what) == (state, True)


def test_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert files.home(tmp_path).state is State.OK
    assert files.home(tmp_path / "later").state is State.OK
    tmp_path.chmod(0o777)
    exposed = files.home(tmp_path)
    assert (exposed.state, exposed.remedy) == (State.BAD, f"chmod go-w {tmp_path}")
    (tmp_path / "file").write_text("")
    assert files.home(tmp_path / "file").state is State.BAD


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write anywhere, so for a while it is nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_home_that_cannot_be_made_or_written() -> None:
    with TemporaryDirectory() as name:  # pytest's own folders are closed to nobody
        Path(name).chmod(0o555)
        with unprivileged():
            assert files.home(Path(name)).state is State.BAD
            assert files.home(Path(name) / "later").state is State.BAD
        Path(name).chmod(0o755)
        assert files.home(Path(name)).state is State.OK


def test_key_files(tmp_path: Path) -> None:
    WalletKey.create().save(tmp_path / "keys" / "accounts" / "operator.json")
    WalletKey.create().save(tmp_path / "wallets" / "sessions" / "5.json")
    assert files.key_files(tmp_path).what.startswith("2 key file(s)")
    (tmp_path / "wallets" / "sessions" / "5.json").chmod(0o640)
    exposed = files.key_files(tmp_path)
    assert exposed.state is State.BAD
    assert exposed.remedy == f"chmod 600 {tmp_path}/wallets/sessions/5.json"


def test_revision(tmp_path: Path) -> None:
    store, known = tmp_path / "market.db", ["0001", "0002"]
    assert files.revision("market", store, known).state is State.OK
    assert not store.exists()
    for stored, state in (("0002", State.OK), ("0001", State.WARN), ("0009", State.BAD)):
        with closing(sqlite3.connect(store)) as rows, rows:
            rows.execute("CREATE TABLE IF NOT EXISTS market_revision (version_num TEXT)")
            rows.execute("DELETE FROM market_revision")
            rows.execute("INSERT INTO market_revision VALUES (?)", (stored,))
        assert files.revision("market", store, known).state is state
    assert files.revision("engine", store, known).state is State.WARN  # of a time before revisions
    store.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    assert files.revision("market", store, known).state is State.BAD


def test_recordings(tmp_path: Path) -> None:
    assert files.recordings(None).state is State.WARN
    assert files.recordings(tmp_path / "none").state is State.BAD
    assert files.recordings(tmp_path).state is State.BAD
    (tmp_path / "radio").mkdir()
    assert "radio" in files.recordings(tmp_path).what


def test_ports() -> None:
    free = free_ports(2)
    assert services.ports(free, running=False).state is State.OK
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = [holder.getsockname()[1]]
        assert services.ports(taken, running=False).state is State.BAD
        assert services.ports(taken, running=True).state is State.OK


def test_node(devnet: Devnet) -> None:
    assert services.node(devnet.rpc_url).state in (State.OK, State.WARN)  # a busy machine may be slow
    assert services.node("").state is State.WARN
    down = services.node(NOWHERE)
    assert (down.state, bool(down.remedy)) == (State.BAD, True)


def test_contracts(devnet: Devnet, tmp_path: Path) -> None:
    assert services.deployed(tmp_path, devnet.rpc_url).state is State.WARN
    assert services.deployed(tmp_path, NOWHERE).state is State.WARN
    key = WalletKey.create()
    devnet.fund(key.address)
    chain = Chain.connect(devnet.rpc_url)
    deploy(chain, key).save(tmp_path)
    chain.close()
    assert services.deployed(tmp_path, devnet.rpc_url).state is State.OK
    with Devnet.start() as other:
        replaced = services.deployed(tmp_path, other.rpc_url)
    assert replaced.state is State.BAD
    assert "genesis" in replaced.what
    (tmp_path / "deployments" / "31337.json").write_text("{}")
    assert services.deployed(tmp_path, devnet.rpc_url).state is State.BAD


def test_clock(devnet: Devnet) -> None:
    chain = Chain.connect(devnet.rpc_url)
    newest = chain.latest().timestamp
    chain.close()
    assert services.clock(devnet.rpc_url, newest + 2).state is State.OK
    assert services.clock(devnet.rpc_url, newest + 3_600).state is State.BAD
    assert services.clock(devnet.rpc_url, newest - 3_600).state is State.BAD
    assert services.clock("").state is services.clock(NOWHERE).state is State.WARN


def test_postgresql_that_answers(postgresql: PrivatePostgresql) -> None:
    assert services.postgresql(postgresql.create(), "S4M_DATABASE").state is State.OK


def test_postgresql_that_is_none() -> None:
    for setting in ("postgresql://nobody@127.0.0.1:9/none", "postgres://"):
        found = services.postgresql(setting, "S4M_DATABASE")
        assert found.state is State.BAD
        assert "S4M_DATABASE" in found.remedy


def test_programs() -> None:
    named = services.programs({"marketplace": "", "orchestrator": NOWHERE, "gateway": "nonsense"})
    assert [one.state for one in named] == [State.WARN, State.BAD, State.BAD]


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, {"ok": True}, State.OK),
        (200, {"ok": True, "listener": {"lookedMs": 7, "trouble": None}}, State.OK),
        (200, {"ok": True, "listener": {"lookedMs": 7, "trouble": "Block 7 is not in the node's chain."}}, State.WARN),
        (200, ["of another program"], State.BAD),
        (503, {"ok": False}, State.BAD),
    ],
)
def test_what_a_program_says_of_itself(status: int, body: object, state: State) -> None:
    with _answering(status, json.dumps(body).encode()) as url:
        (found,) = services.programs({"orchestrator": url})
    assert found.state is state
    assert state is not State.WARN or "hears no purchases: Block 7" in found.what


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    """A program on loopback that gives everyone this answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_an_empty_home_has_warnings_only(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    answer = run("doctor", "--port-base", 0)
    assert answer.code == 0, answer
    assert {line["state"] for line in answer.json} == {"ok", "warn"}
    assert all(bool(line["remedy"]) == (line["state"] != "ok") for line in answer.json)
    assert "sandbox" in run("doctor", "--port-base", 0, as_json=False).text
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_is_told_with_its_remedy_and_exit_code(tmp_path: Path) -> None:
    WalletKey.create().save(tmp_path / "keys" / "accounts" / "operator.json")
    (tmp_path / "keys" / "accounts" / "operator.json").chmod(0o644)
    answer = runner(tmp_path)(
        "doctor", "--port-base", 0, S4M_RPC_URL=NOWHERE, S4M_DATABASE="postgresql://x@127.0.0.1:9/x"
    )
    assert answer.code == 7
    broken = {line["check"] for line in answer.json if line["state"] == "bad"}
    assert broken == {"key files", "node", "database S4M_DATABASE"}
    assert "checks_failed" in answer.errors
