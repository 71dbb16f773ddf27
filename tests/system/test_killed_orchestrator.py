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

KILLS = 20
LEAST_APART_S, MOST_APART_S = 2.0, 3.0

pytestmark = pytest.mark.system


def test_orchestrator_killed_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice = random.Random(20)
    with TemporaryDirectory(prefix="s4m-kill-") as short, demo(
        tmp_path, "--travellers", "4", "--seconds", "45", "--seed", "11", "--home", short, "--timeout", "240"
    ) as run:  # fmt: skip
        kills = _kill_repeatedly(run, Path(short), dice)
        report = finished(run, tmp_path, 240)
        left = _processes_of(short)
    assert kills == KILLS
    assert report["subscriptions"] == 5
    assert report["failures"] == []
    assert report["audit"]["ok"]
    assert report["vouchers_settled"] >= 5
    assert left == []


def _processes_of(home: str) -> list[int]:
    """Whoever still names this home on its command line."""
    every = psutil.process_iter(["cmdline"])
    return [process.pid for process in every if home in " ".join(process.info["cmdline"] or [])]


def _kill_repeatedly(run: subprocess.Popen[str], home: Path, dice: random.Random) -> int:
    """kill -9 to whatever process is the orchestrator at that moment; how many hit a living one."""
    services = home / "run" / "services.json"
    give_up = time.monotonic() + 60
    while not services.exists() and run.poll() is None and time.monotonic() < give_up:
        time.sleep(0.05)
    kills = 0
    while kills < KILLS and run.poll() is None and services.exists():
        time.sleep(dice.uniform(LEAST_APART_S, MOST_APART_S))
        try:
            os.kill(json.loads(services.read_text())["orchestrator"]["pid"], signal.SIGKILL)
            kills += 1
        except (ProcessLookupError, FileNotFoundError):
            continue
    return kills
