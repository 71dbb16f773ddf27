"""A process beside the governor that outlives it for a moment: whoever is stopped when the governor is killed goes on.

    python -m orchestrator.runtime.reviver < lines: "+ pid start_ticks boot" was stopped, "- …" goes on

`governor` starts it when it first stops somebody and tells it each stop before it makes it. Its input ends when the
governor's process does, however that ends; then it lets everybody go on who is still on its list, and ends.
"""

import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.runtime.processes import ProcessId, send

END_S = 5.0


@dataclass
class Reviver:
    """The governor's side."""

    _process: subprocess.Popen[str] | None = None

    def stopping(self, process: ProcessId) -> None:
        self._say("+", process)

    def goes_on(self, process: ProcessId) -> None:
        self._say("-", process)

    def dismiss(self) -> None:
        """Nobody is stopped any more."""
        if self._process is None:
            return
        assert self._process.stdin is not None  # noqa: S101  (it was asked for)
        with suppress(OSError):  # it had gone
            self._process.stdin.close()
        self._process.wait(END_S)
        self._process = None

    def _say(self, sign: str, process: ProcessId) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.runtime.reviver"],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdin is not None  # noqa: S101  (it was asked for)
        try:
            self._process.stdin.write(f"{sign} {process.pid} {process.start_ticks} {process.boot}\n")
            self._process.stdin.flush()
        except OSError:
            self._process.wait(END_S)  # somebody ended it: the next stop starts another
            self._process = None


def left_stopped(lines: Iterable[str]) -> set[ProcessId]:
    """Who had been stopped and not let go on when the input ended."""
    stopped: set[ProcessId] = set()
    for line in lines:
        sign, pid, ticks, boot = line.split()
        process = ProcessId(int(pid), int(ticks), boot)
        stopped = stopped | {process} if sign == "+" else stopped - {process}
    return stopped


def main() -> None:
    for process in left_stopped(sys.stdin):
        send(process, signal.SIGCONT)


if __name__ == "__main__":
    main()
