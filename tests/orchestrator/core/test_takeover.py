"""The engine's fence: a worker that was stopped, and that nobody could end, wakes up beside whoever took its work."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core_wait import wait_for
from two_owners import STEPS, WORKFLOWS

from scripts.private_postgresql import PrivatePostgresql

FOLDER = Path(__file__).parent


def worker(stack: ExitStack, url: str, home: Path, *arguments: str) -> subprocess.Popen[str]:
    """A counting worker; each has a home of its own here, so that they cannot end each other."""
    home.mkdir()
    environment = {**os.environ, "PYTHONPATH": f"{FOLDER}{os.pathsep}{FOLDER.parents[2]}"}
    command = [sys.executable, str(FOLDER / "two_owners.py"), url, str(home), *arguments]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    stack.callback(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_two_owners_at_once_count_each_step_once(tmp_path: Path, postgresql: PrivatePostgresql) -> None:
    url = postgresql.create()
    with ExitStack() as stack:
        rows = stack.enter_context(postgresql.connect(url))

        def status() -> list[tuple[Any, ...]]:
            return rows.execute("SELECT status, executor_id FROM dbos.workflow_status ORDER BY 1").fetchall()

        second = worker(stack, url, tmp_path / "b", "two")
        first = worker(stack, url, tmp_path / "a", "one", "begin")
        wait_for(lambda: turns(rows) >= WORKFLOWS, 20)
        first.send_signal(signal.SIGSTOP)
        assert turns(rows) < WORKFLOWS * STEPS
        wait_for(lambda: ("PENDING", "two") in status(), 30)
        first.send_signal(signal.SIGCONT)
        wait_for(lambda: status() == [("SUCCESS", "two")] * WORKFLOWS, 40, lambda: str(status()))
        assert first.poll() is second.poll() is None, "both went on"
        assert turns(rows) == WORKFLOWS * STEPS


def turns(rows: Any) -> int:
    return int(rows.execute("SELECT turn FROM turns WHERE name = 'pool'").fetchone()[0])
