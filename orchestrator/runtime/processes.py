"""Which process is an instance's, safely against reused pids: pid, start time and boot, as Linux tells them.

`sandbox` uses it to adopt, watch and end instances. It never signals a process that it has not just identified.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_S = 0.005
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessId:
    """`start_ticks` is field 22 of /proc/<pid>/stat; with the boot's id it names one process for all time."""

    pid: int
    start_ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """The process that has this pid now; None where there is none or only a zombie."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), BOOT_ID.read_text().strip())

    def alive(self) -> bool:
        return ProcessId.of(self.pid) == self


@dataclass(frozen=True)
class Load:
    cpu_seconds: float
    rss_bytes: int


def load_of(process: ProcessId) -> Load:
    """What the process has used; zeros when it has just ended."""
    try:
        seen = psutil.Process(process.pid)
        times = seen.cpu_times()
        return Load(times.user + times.system, seen.memory_info().rss)
    except psutil.NoSuchProcess:
        return Load(0.0, 0)


def command_of(process: ProcessId) -> list[str]:
    try:
        return psutil.Process(process.pid).cmdline()
    except psutil.NoSuchProcess:
        return []


def end(process: ProcessId, grace_s: float) -> None:
    """SIGTERM, then after `grace_s` SIGKILL; returns when the process is gone."""
    if not send(process, signal.SIGTERM) or _gone_within(process, grace_s):
        return
    send(process, signal.SIGKILL)
    _gone_within(process, 5.0)


def send(process: ProcessId, number: signal.Signals) -> bool:
    """Signals this very process; False when it is gone. A pidfd pins it: no other can take its pid meanwhile."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not process.alive():
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _gone_within(process: ProcessId, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.alive():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True
