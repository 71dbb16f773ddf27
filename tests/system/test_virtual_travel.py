"""The main job, whole: the demo in small, and the demo in small with the orchestrator killed at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
LEAST_APART_S, MOST_APART_S = 2.0, 4.0
REPORTED = {
    "inputs", "subscriptions", "msis", "msis_reused", "usage_records", "vouchers_settled", "settle_gas_per_voucher",
    "paid", "refunded", "assets_minted", "meta_immersion", "latency_ms", "audit", "duration_s",
}  # fmt: skip

pytestmark = pytest.mark.system


@contextmanager
def demo(out: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as a process of its own group, so that nothing of it is left if the test fails."""
    command = [sys.executable, str(ROOT / "scripts/virtual_travel.py"), "--out", str(out), *arguments]
    with (out / "log").open("w") as log:
        run = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True)
        try:
            yield run
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGINT)
                run.wait(60)


def finished(run: subprocess.Popen[str], out: Path, timeout_s: float) -> dict[str, Any]:
    """The report of a run that ended well; else the run's own words."""
    code = run.wait(timeout_s)
    words = (out / "log").read_text()
    assert code == 0, words[-3000:]
    return dict(json.loads((out / "report.json").read_text()))


def test_demo_in_small_ends_with_everything_paid_proven_and_reported(tmp_path: Path) -> None:
    with demo(tmp_path, "--travellers", "4", "--seconds", "6", "--seed", "3") as run:
        report = finished(run, tmp_path, 200)
    assert set(report) >= REPORTED
    assert report["inputs"]["kind"] == ("recorded" if os.environ.get("S4M_DATA") else "generated")
    assert report["subscriptions"] == 5
    assert report["msis_reused"] >= 2
    assert report["audit"]["ok"]
    assert report["audit"]["findings"] == []
    assert report["audit"]["records_checked"] == report["usage_records"] > 30
    assert report["audit"]["proofs_checked_on_chain"] == report["usage_records"]
    assert int(report["paid"]) == sum(int(each) for each in report["paid_out"].values()) > 0
    assert int(report["refunded"]) > 0
    assert report["assets_minted"] == sum(len(each["assets"]) for each in report["travellers"]) > 0
    assert report["meta_immersion"]["mean"] > 0
    assert (tmp_path / "virtual_travel.png").stat().st_size > 10_000


def test_orchestrator_killed_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice = random.Random(20)
    with TemporaryDirectory(prefix="s4m-kill-") as short, demo(
        tmp_path, "--travellers", "4", "--seconds", "60", "--seed", "11", "--home", short, "--timeout", "240"
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
