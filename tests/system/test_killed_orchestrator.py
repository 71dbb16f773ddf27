"""The demo in small with the orchestrator killed at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from travel_run import demo, finished

from tests.sandbox_processes import sandboxes_of

KILLS = 20
LEAST_APART_S, MOST_APART_S = 2.0, 3.0

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    ("travellers", "seconds", "kills", "subscriptions"),
    [(4, 45, KILLS, 5), pytest.param(10, 280, 100, 14, marks=pytest.mark.soak)],
)
def test_orchestrator_killed_at_random_moments_loses_and_doubles_nothing(
    tmp_path: Path, travellers: int, seconds: int, kills: int, subscriptions: int
) -> None:
    size = ("--travellers", str(travellers), "--seconds", str(seconds), "--seed", "11", "--timeout", "600")
    with TemporaryDirectory(prefix="s4m-kill-") as short, demo(tmp_path, *size, "--home", short) as run:
        killed = _kill_repeatedly(run, Path(short), kills, random.Random(20))
        report = finished(run, tmp_path, 600)
        left = [*_processes_of(short), *sandboxes_of(Path(short))]
    assert killed == kills
    assert report["subscriptions"] == subscriptions
    assert report["failures"] == []
    assert report["audit"]["ok"]
    assert report["vouchers_settled"] >= subscriptions
    assert left == []


def _processes_of(home: str) -> list[int]:
    """Whoever still names this home on its command line."""
    every = psutil.process_iter(["cmdline"])
    return [process.pid for process in every if home in " ".join(process.info["cmdline"] or [])]


def _kill_repeatedly(run: subprocess.Popen[str], home: Path, most: int, dice: random.Random) -> int:
    """kill -9 to whatever process is the orchestrator at that moment; how many hit a living one."""
    services = home / "run" / "services.json"
    give_up = time.monotonic() + 60
    while not services.exists() and run.poll() is None and time.monotonic() < give_up:
        time.sleep(0.05)
    kills = 0
    while kills < most and run.poll() is None and services.exists():
        time.sleep(dice.uniform(LEAST_APART_S, MOST_APART_S))
        try:
            os.kill(json.loads(services.read_text())["orchestrator"]["pid"], signal.SIGKILL)
            kills += 1
        except (ProcessLookupError, FileNotFoundError):
            continue
    return kills
