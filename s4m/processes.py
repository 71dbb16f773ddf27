"""Child processes of the house: started with a fixed port and a log file, restarted when they die, stopped together.

Called by `supervisor.py`. It knows processes and health addresses, nothing of chains or models.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil

from ledger.secrecy import passed_on
from s4m.errors import ServiceNotReady

RESTART_PAUSE_S = 0.1
"""How often the watcher looks; a dead child is started again well within a second."""

PROGRAMS = ("marketplace", "orchestrator", "orchestrator.gateway")

REST_S = 0.5
"""Least time between two starts of one service, seconds: a service that cannot live does not eat the machine."""


@dataclass(frozen=True)
class Service:
    """How one program of the house is started: `python -m <module> --home H --port P`."""

    name: str
    module: str
    port: int
    health: str
    """Path that answers 200 when the program can work."""
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Distinct ports that are free at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((host, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@dataclass
class Child:
    """A running service and its log."""

    service: Service
    home: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def log(self) -> Path:
        return self.home / "logs" / f"{self.service.name}.log"

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def start(self) -> None:
        """Own session, so that Ctrl-C reaches the supervisor alone; output is appended to the log."""
        command = [
            sys.executable, "-m", self.service.module, "--home", str(self.home), "--port", str(self.service.port),
        ]  # fmt: skip
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={**passed_on(), **self.environment},
            )  # fmt: skip
        self.starts += 1

    def dead(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self, grace_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after the grace."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self, lines: int = 15) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Watch:
    """Starts children again when they die, until it is told to stop."""

    children: Sequence[Child]
    on_restart: Callable[[Child], None]
    extra: Callable[[], None] = lambda: None
    """Called at every look: the supervisor's own check of the chain."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="house-watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        rests: dict[str, float] = {}
        while not self._stopped.wait(RESTART_PAUSE_S):
            self.extra()
            for child in self.children:
                if child.dead() and time.monotonic() >= rests.get(child.service.name, 0.0):
                    rests[child.service.name] = time.monotonic() + REST_S
                    child.start()
                    self.on_restart(child)


def wait_healthy(children: Sequence[Child], timeout_s: float) -> None:
    """Returns when every child answers its health address; raises `ServiceNotReady` with the end of its log."""
    until = time.monotonic() + timeout_s
    waiting = list(children)
    with httpx.Client(timeout=2.0) as http:
        while waiting:
            waiting = [child for child in waiting if not _healthy(http, child)]
            late = time.monotonic() > until
            for child in waiting:
                if child.dead() or late:
                    how = "has ended" if child.dead() else f"did not answer within {timeout_s:.0f} s"
                    raise ServiceNotReady(f"{child.service.name} {how}. End of {child.log}:\n{child.tail()}")
            time.sleep(0.03 if waiting else 0)


def _healthy(http: httpx.Client, child: Child) -> bool:
    try:
        return http.get(child.service.url + child.service.health).status_code == 200
    except httpx.TransportError:
        return False


def write_atomically(path: Path, document: Mapping[str, Any]) -> None:
    """The file has the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    fresh.write_text(json.dumps(document, indent=2) + "\n")
    fresh.replace(path)


def end_leftovers(services_file: Path, home: Path) -> list[int]:
    """Ends processes that a killed supervisor of this very home left behind; returns their pids.

    Only a process that names this home on its command line is touched: pids are reused. One that was started and not
    yet recorded when the supervisor was killed is known by its exact command line.
    """
    return [pid for pid in sorted(_recorded(services_file) | _started_for(home)) if _end(pid, home)]


def _recorded(services_file: Path) -> set[int]:
    try:
        recorded = json.loads(services_file.read_text())
        return {pid for entry in recorded.values() if (pid := int(entry.get("pid", 0)))}
    except (FileNotFoundError, ValueError, AttributeError):  # none, or damaged: then command lines must do
        return set()


def _started_for(home: Path) -> set[int]:
    """The chain and the programs of exactly this home, of this user."""
    return {
        process.pid
        for process in psutil.process_iter(["cmdline", "uids"])
        if process.info["uids"] and process.info["uids"].real == os.getuid() and _serves(process.info["cmdline"], home)
    }


def _serves(words: Sequence[str] | None, home: Path) -> bool:
    match list(words or ()):
        case [_, "-m", module, "--home", folder, *_] if module in PROGRAMS:
            return folder == str(home)
        case [_, *options]:
            return ("--state", str(home / "chain" / "state.json")) in pairwise(options)
    return False


def _end(pid: int, home: Path) -> bool:
    try:
        process = psutil.Process(pid)
        if not any(str(home) in part for part in process.cmdline()):
            return False
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(3)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.TimeoutExpired):
        return False
    return True
