"""Providers' own programs in real sandboxes: they serve, they are held in, and the sick ones are ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.models.manifests import HealthCheck, Manifest, parse_manifest
from orchestrator.models.programs import Programs, content_hash
from orchestrator.runtime import unix_http
from orchestrator.runtime.errors import InstanceConflict, InstanceFailed, ProgramUnfit
from orchestrator.runtime.port import InstanceSpec, RunState
from orchestrator.runtime.sandbox import SandboxRuntime

EXAMPLES = Path(__file__).parents[3] / "examples"
WORD_COUNT = EXAMPLES / "word-count"


def kept(home: Path, folder: Path, source: Path = WORD_COUNT, **fields: Any) -> Manifest:
    document = {**json.loads((source / "manifest.json").read_text()), "program": content_hash(folder), **fields}
    manifest = parse_manifest(document)
    Programs(home / "programs").put(manifest, folder)
    return manifest


def spec_of(manifest: Manifest, name: str = "own-1") -> InstanceSpec:
    return InstanceSpec(name, manifest.program, {"computing_mcores": 200}, manifest.memory_mib, own=manifest.own)


def until(there: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


@pytest.fixture
def hasty(home: Path) -> Iterator[SandboxRuntime]:
    running = SandboxRuntime(home, start_timeout_s=2.0)
    yield running
    running.delete_all()
    assert running.observe() == ()


@pytest.mark.parametrize(
    ("example", "call", "params", "quantity"),
    [("word-count", "count", {"text": "a b a"}, "3"), ("dice", "roll", {"rolls": 4}, "4")],
)
def test_an_example_serves_and_counts(
    runtime: SandboxRuntime, home: Path, example: str, call: str, params: dict[str, Any], quantity: str
) -> None:
    folder = EXAMPLES / example
    seen = runtime.ensure(spec_of(kept(home, folder / "program", folder)))
    reply = unix_http.ask_json(seen.socket, f"/{call}", {"params": params, "tenant": "7"})
    assert (reply.status, reply.headers["S4M-Quantity"]) == (200, quantity)
    regranted = replace(spec_of(kept(home, folder / "program", folder)), grant={"computing_mcores": 300})
    assert runtime.ensure(regranted).pid == seen.pid


def test_what_hangs_is_ended_and_comes_up_anew(runtime: SandboxRuntime, home: Path) -> None:
    spec = spec_of(kept(home, WORD_COUNT / "program"))
    first = runtime.ensure(spec)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGSTOP)
    until(lambda: runtime.observe()[0].state is RunState.DEAD)
    seen = runtime.observe()[0]
    assert seen.last_death.startswith("health: GET /alive missed 2 times in a row")
    assert seen.deaths == 1
    second = runtime.ensure(spec)
    assert second.pid != first.pid
    assert unix_http.status_of(second.socket, "/alive", 5.0) == 200


def test_another_runtime_of_the_home_goes_on_asking(runtime: SandboxRuntime, home: Path) -> None:
    first = runtime.ensure(spec_of(kept(home, WORD_COUNT / "program")))
    runtime.let_go()
    successor = SandboxRuntime(home)
    assert successor.observe()[0].state is RunState.RUNNING
    assert first.pid is not None
    os.kill(first.pid, signal.SIGSTOP)
    until(lambda: successor.observe()[0].state is RunState.DEAD)
    assert "health" in successor.observe()[0].last_death
    successor.let_go()


@pytest.mark.parametrize(
    "text",
    [
        "import time; time.sleep(60)",
        "raise SystemExit('no')",
        "import os\nopen('/programs/serve.py', 'w')",
        "import os\nos.fork()",
    ],
)
def test_what_never_gets_healthy_is_refused_and_nothing_is_left(
    hasty: SandboxRuntime, home: Path, tmp_path: Path, text: str
) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "serve.py").write_text(text)
    with pytest.raises(InstanceFailed, match="own-1 was being started") as caught:
        hasty.ensure(spec_of(kept(home, folder)))
    assert caught.value.code == "instance_failed"
    assert hasty.observe()[0].state is RunState.DEAD


def test_an_endless_answer_to_the_health_check_is_no_health(hasty: SandboxRuntime, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "serve.py").write_text(
        "import socket, sys\n"
        "listener = socket.socket(fileno=int(sys.argv[2]))\n"
        "while True:\n"
        "    peer = listener.accept()[0]\n"
        "    try:\n"
        "        while True: peer.sendall(b'x' * 65536)\n"
        "    except OSError: pass\n"
    )
    with pytest.raises(InstanceFailed):
        hasty.ensure(spec_of(kept(home, folder)))


def test_a_program_changed_on_its_way_is_not_started(runtime: SandboxRuntime, home: Path) -> None:
    manifest = kept(home, WORD_COUNT / "program")
    assert manifest.own is not None
    (home / "programs" / manifest.own.sha256 / "more").touch()
    with pytest.raises(ProgramUnfit, match="program_hash") as caught:
        runtime.ensure(spec_of(manifest))
    assert caught.value.code == "program_refused"
    with pytest.raises(ProgramUnfit, match="program_missing"):
        runtime.ensure(spec_of(replace(manifest, own=replace(manifest.own, sha256="0" * 64))))
    with pytest.raises(ProgramUnfit, match="program_hash"):
        runtime.ensure(spec_of(replace(manifest, own=replace(manifest.own, sha256="../keys"))))
    assert runtime.observe() == ()


def test_it_sees_its_own_folder_only(hasty: SandboxRuntime, home: Path, tmp_path: Path) -> None:
    kept(home, WORD_COUNT / "program")
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "serve.py").write_text(
        "import os; print(sorted(os.listdir('/programs')),"
        f" os.path.exists({str(home)!r}), os.path.exists('/etc/passwd'))"
    )
    with pytest.raises(InstanceFailed):
        hasty.ensure(spec_of(kept(home, folder)))
    assert "['serve.py'] False False" in hasty.log_of("own-1")


def test_a_running_instance_does_not_become_another_program(runtime: SandboxRuntime, home: Path) -> None:
    manifest = kept(home, WORD_COUNT / "program")
    assert manifest.own is not None
    runtime.ensure(spec_of(manifest))
    with pytest.raises(InstanceConflict):
        runtime.ensure(spec_of(replace(manifest, own=replace(manifest.own, health=HealthCheck()))))
