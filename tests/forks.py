"""Programs of tests as forks of a process that has imported the product and done nothing else.

Importing takes most of a program's start, and tests that kill start many. They are processes like any other: killed,
they leave behind what a killed program leaves. tests/s4m starts the same programs as people do, by `python -m`.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["orchestrator.app", "orchestrator.gateway.app"])


class Program:
    """A running `python -m module arguments`, with these variables besides our own; what it prints goes to the log."""

    def __init__(self, module: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._process = FORKS.Process(target=_run, args=(module, list(arguments), log, {**os.environ, **environment}))
        self._process.start()

    def poll(self) -> int | None:
        """The exit code, the negative number of the signal that ended it, or None while it runs."""
        return self._process.exitcode

    def send_signal(self, how: signal.Signals) -> None:
        if self._process.pid is not None and self.poll() is None:
            os.kill(self._process.pid, how)

    def wait(self, seconds: float) -> int:
        """The exit code; AssertionError where it does not end in time."""
        self._process.join(seconds)
        code = self.poll()
        assert code is not None, f"it still runs after {seconds:g} s"
        return code


def _run(module: str, arguments: list[str], log: Path, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    with log.open("ab") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    status = import_module(f"{module}.__main__").main(arguments)
    sys.stderr.flush()
    os._exit(status)
