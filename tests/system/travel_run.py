"""Runs `scripts/virtual_travel.py` as a process, as `make demo` does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


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
