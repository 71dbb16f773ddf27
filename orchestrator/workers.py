"""Background threads of a program: one loop each, woken or timed, that outlives whatever its work raises.

Used by `app`. This is the outermost loop of its work, so it may catch everything; a failure is logged once until it
changes, and the next turn tries again. It knows nothing of what it runs.
"""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger("workers")


class Worker:
    """Runs `work` when woken, and at the latest every `interval_s` seconds."""

    def __init__(self, name: str, work: Callable[[], object], interval_s: float) -> None:
        self._name = name
        self._work = work
        self._interval_s = interval_s
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first turn is at once."""
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Take the next turn now."""
        self._wake.set()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Ask it to end after the present turn and wait a moment for that."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._interval_s)
            self._wake.clear()
            if not self._stop.is_set():
                self._turn()

    def _turn(self) -> None:
        try:
            self._work()
            self._failure = ""
        except Exception as cause:
            failure = f"{type(cause).__name__}: {cause}"
            if failure != self._failure:
                log.error("worker.failed", worker=self._name, error=failure, exc_info=cause)
            self._failure = failure
