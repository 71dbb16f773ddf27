"""A supervisor that is killed, at whatever moment, leaves a home that the next one takes over."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from orchestrator.models import manifests
from s4m.processes import is_free
from s4m.supervisor import House
from tests.sandbox_processes import sandboxes_of


def _of(home: Path) -> dict[int, list[str]]:
    """The processes that name this home, by pid; the supervisor's own left out."""
    found: dict[int, list[str]] = {}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "s4m.main" not in words and any(str(home) in word for word in words):
            found[process.pid] = words
    return found


@pytest.mark.parametrize("stage", ["starting", "serving"])
def test_a_killed_supervisor_is_followed_by_another_on_the_same_ports(tmp_path: Path, stage: str) -> None:
    base = _four_in_a_row()
    command = [sys.executable, "-m", "s4m.main", "up", "--port-base", str(base), "--home", str(tmp_path)]
    said = tmp_path.with_suffix(".log")
    with said.open("wb") as log:
        killed = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        services = tmp_path / "run" / "services.json"
        _await(lambda: len(_of(tmp_path)) >= 2 and (stage == "starting" or services.exists()), killed, said)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    left = {pid: words for pid, words in _of(tmp_path).items() if not words[0].endswith("bwrap")}  # those are adopted
    assert len(left) == (4 if stage == "serving" else len(left)) > 0
    with House.start(tmp_path, port_base=base) as house:
        assert [line for pid, line in left.items() if _of(tmp_path).get(pid) == line] == []
        assert httpx.get(f"{house.urls.marketplace}/api/v1/health").status_code == 200
        assert len(house.listings) == len(manifests.manifests()) + len(manifests.services())
    assert _of(tmp_path) == {}
    assert not sandboxes_of(tmp_path)


def _four_in_a_row() -> int:
    """Below the ports that the system gives to anyone's outgoing connections, so that nobody takes one in between."""
    while True:
        base = random.randrange(20_000, 32_000)
        if all(is_free(base + offset) for offset in range(4)):
            return base


def _await(condition: Callable[[], bool], process: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < until, said.read_text()
        time.sleep(0.05)
