"""One model on a socket without a house, in a sandbox as the house runs it or as a plain process.

Called by `s4m models run` and its tests: `with Trial.start(manifest) as trial: trial.ask("call", {…})`. Whatever was
started has ended, and its folder is gone, when the block is left.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.secrecy import passed_on
from orchestrator.models.manifests import Manifest
from orchestrator.models.programs import Programs
from orchestrator.runtime import unix_http
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime
from s4m.errors import ServiceNotReady

INSTANCE = "trial"
START_S = 20.0
CALL_S = 120.0


Running = tuple[Path, int, Mapping[str, str]]
"""A model's socket, pid and bounds."""


@dataclass(frozen=True)
class Told:
    """A model's answer: `quantity` is what its meter would count, `cpu_ms` the thread's own time."""

    status: int
    body: bytes
    content_type: str
    quantity: int
    unit: str
    cpu_ms: float
    info: dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """A running model."""

    manifest: Manifest
    socket: Path
    pid: int
    grant: Mapping[str, int]
    bounds: Mapping[str, str]
    """what holds it to its grant"""

    @classmethod
    @contextmanager
    def start(
        cls,
        manifest: Manifest,
        grant: Mapping[str, int] | None = None,
        *,
        sandbox: bool,
        program: Path | None = None,
        start_s: float = START_S,
    ) -> Iterator[Trial]:
        """Runs it until the block is left; a provider's own, from its folder `program`, in a sandbox only.

        Raises SandboxUnavailable, InstanceFailed, ProgramRefused, ProgramUnfit or ServiceNotReady.
        """
        given = grant if grant is not None else granted(manifest)
        with tempfile.TemporaryDirectory(prefix="s4m-trial-") as folder:
            if manifest.own is not None and program is not None:
                Programs(Path(folder) / "programs").put(manifest, program)
            ways = (
                _sandboxed(manifest, given, Path(folder), start_s) if sandbox else _plain(manifest, given, Path(folder))
            )
            with ways as (socket, pid, bounds):
                yield cls(manifest, socket, pid, given, bounds)

    def ask(self, call: str, params: Mapping[str, Any], tenant: str) -> Told:
        """One call. A refusal is an answer too: its status and problem document."""
        reply = unix_http.ask_json(self.socket, f"/{call}", {"params": params, "tenant": tenant}, CALL_S)
        info = reply.headers.get("S4M-Info", "")
        return Told(
            status=reply.status,
            body=reply.body,
            content_type=reply.headers.get("Content-Type", ""),
            quantity=int(reply.headers.get("S4M-Quantity", "0")),
            unit=self.manifest.calls.get(call, ""),
            cpu_ms=float(reply.headers.get("S4M-Cpu-Ms", "0")),
            info=json.loads(urlsafe_b64decode(info + "=" * (-len(info) % 4))) if info else {},
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: by KeyboardInterrupt, so that whatever runs is ended on the way out."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def granted(manifest: Manifest) -> dict[str, int]:
    """What an instance that serves one share has: its own part of the node, that share's, and what it supplies."""
    held = Counter(manifest.consumes) + Counter(manifest.per_share)
    return {**held, **manifest.supplies}


@contextmanager
def _sandboxed(manifest: Manifest, grant: Mapping[str, int], folder: Path, start_s: float) -> Iterator[Running]:
    runtime = SandboxRuntime(folder, start_timeout_s=start_s)
    try:
        seen = runtime.ensure(InstanceSpec(INSTANCE, manifest.program, grant, manifest.memory_mib, own=manifest.own))
        yield seen.socket, seen.pid or 0, runtime.bounds()
    finally:
        runtime.delete(INSTANCE)


@contextmanager
def _plain(manifest: Manifest, grant: Mapping[str, int], folder: Path) -> Iterator[Running]:
    socket = folder / "model.sock"
    command = [sys.executable, "-m", manifest.program, "--socket", str(socket), "--instance", INSTANCE]
    with subprocess.Popen([*command, "--grant", json.dumps(dict(grant))], env=passed_on()) as process:
        try:
            _until(lambda: _healthy(socket), process, manifest.program)
            yield socket, process.pid, {"all": "nothing (without a sandbox)"}
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5.0)
            process.kill()


def _healthy(socket: Path) -> bool:
    try:
        return unix_http.ask(socket, "GET", "/health").status == 200
    except OSError:
        return False


def _until(there: Callable[[], bool], process: subprocess.Popen[bytes], program: str) -> None:
    deadline = time.monotonic() + START_S
    while not there():
        if process.poll() is not None or time.monotonic() > deadline:
            how = "stayed silent" if process.returncode is None else f"ended with code {process.returncode}"
            raise ServiceNotReady(f"{program} {how} while it was being started.", "Its own words stand above.")
        time.sleep(0.01)
