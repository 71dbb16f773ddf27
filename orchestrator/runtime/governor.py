"""Holds running instances to what they were granted: processor time and memory, without privileges or control groups.

`sandbox` tells it whom to watch; one thread serves them all. Processor time is an account: the granted part of a core
is credited as time passes, up to BURST_S of it, and what the process used is debited; while the account is empty the
process is stopped (SIGSTOP), from the next credit of a period on it runs again. So over any time t it uses at most
grant × (t + BURST_S), plus what it uses between two looks, which is debited too. Memory that no limit of the process
itself bounds (shared memory), too many threads and too many files in /tmp end the process; why is told to `on_breach`.

It ends with the process that it lives in: after a kill -9 of that, nobody's processor time is bounded (but by niceness)
until the next runtime of the home looks; whoever was stopped goes on at once (`reviver`).

It looks at a process when that could have used up its account at the soonest, and at what it holds when it has used
processor time since: hundreds that wait for a call cost next to nothing.
"""

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.runtime.processes import ProcessId, send
from orchestrator.runtime.reviver import Reviver

LOOK_S = 0.02
PERIOD_S = 0.1
"""What a stopped process must have been credited before it runs again; also the time between looks at memory."""
COUNTING_S = 0.5
"""Time between looks at how many threads and files there are."""
BURST_S = 10.0
"""How long an idle instance saves up its grant: calls come in bursts, and a call is to be answered at once."""
DEFAULT_MCORES = 1000
"""What an instance may use that was granted no computing: one core."""
MOST_THREADS = 300
MOST_FILES = 4096
CORES = os.cpu_count() or 1
"""What all threads of one process together can use of at a time."""

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") >> 10

Breach = Callable[[str, str, str], None]
"""(instance, reason, detail), called just before the process is killed."""


@dataclass(frozen=True)
class Bounds:
    """`mcores` None: not yet bounded, because it is being started."""

    mcores: int | None
    memory_mib: int


@dataclass
class _Account:
    process: ProcessId
    bounds: Bounds
    seconds: float
    """of processor time that it may still use; negative is owed"""
    used: float
    at: float
    stopped: bool = False
    due: float = 0.0
    """when it could owe at the soonest; until then it need not be looked at"""
    checked: dict["Bound", float] = field(default_factory=dict)
    """bound → what it had used when that was looked at last: who used nothing since holds no more than then"""


@dataclass
class Governor:
    """Watches any number of instances; its thread runs while there is one."""

    on_breach: Breach
    burst_s: float = BURST_S
    _reviver: Reviver = field(default_factory=Reviver)
    _accounts: dict[str, _Account] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def watch(self, instance_id: str, process: ProcessId, bounds: Bounds) -> None:
        """Bound this process from now on; a process that is watched already keeps its account."""
        with self._lock:
            known = self._accounts.get(instance_id)
            if known is not None and known.process == process:
                if known.bounds != bounds:
                    known.bounds, known.due, known.checked = bounds, 0.0, {}
                return
            now, used = time.monotonic(), processor_seconds(process)
            if used is None:
                return
            send(process, signal.SIGCONT)  # whoever watched it before may have died while it was stopped
            self._accounts[instance_id] = _Account(process, bounds, self._most(bounds), used, now)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="governor", daemon=True)
                self._thread.start()
                atexit.register(self.let_go)

    def forget(self, instance_id: str) -> None:
        """Bound it no longer; if it is stopped it goes on."""
        with self._lock:
            account = self._accounts.pop(instance_id, None)
            if account is not None and account.stopped:
                self._go_on(account)

    def let_go(self) -> None:
        """Forget all."""
        for instance_id in list(self._accounts):
            self.forget(instance_id)
        with self._lock:
            self._reviver.dismiss()

    def _run(self) -> None:
        measured_at = counted_at = time.monotonic()
        while True:
            time.sleep(LOOK_S)
            now = time.monotonic()
            measures, counts = now - measured_at >= PERIOD_S, now - counted_at >= COUNTING_S
            measured_at, counted_at = now if measures else measured_at, now if counts else counted_at
            bounded = [breach for due, breach in ((measures, too_much_memory), (counts, too_many)) if due]
            with self._lock:
                for instance_id, account in list(self._accounts.items()):
                    if bounded or account.due <= now:
                        self._look(instance_id, account, now, bounded)
                if not self._accounts:
                    self._reviver.dismiss()
                    self._thread = None
                    atexit.unregister(self.let_go)
                    return

    def _look(self, instance_id: str, account: _Account, now: float, bounded: "Sequence[Bound]") -> None:
        used = processor_seconds(account.process)
        if used is None:
            del self._accounts[instance_id]
            return
        busy = [bound for bound in bounded if account.checked.get(bound) != used]
        breach = next((found for bound in busy if (found := bound(account.process, account.bounds))), None)
        if breach is not None:
            del self._accounts[instance_id]
            if account.process.alive():
                self.on_breach(instance_id, *breach)
                send(account.process, signal.SIGKILL)
            return
        account.checked |= dict.fromkeys(busy, used)
        credited = (now - account.at) * _cores(account.bounds)
        account.seconds = min(account.seconds + credited, self._most(account.bounds)) - (used - account.used)
        account.at, account.used = now, used
        self._hold(account)
        account.due = now if account.stopped else now + account.seconds / CORES

    def _hold(self, account: _Account) -> None:
        """Stop it where it owes, let it go on where it has a period's credit again."""
        if account.bounds.mcores is None:
            account.seconds = max(account.seconds, 0.0)  # a start is not charged
        elif account.seconds <= 0 and not account.stopped:
            self._reviver.stopping(account.process)
            account.stopped = send(account.process, signal.SIGSTOP)
        elif account.stopped and account.seconds >= _cores(account.bounds) * PERIOD_S:
            self._go_on(account)

    def _go_on(self, account: _Account) -> None:
        send(account.process, signal.SIGCONT)
        account.stopped = False
        self._reviver.goes_on(account.process)

    def _most(self, bounds: Bounds) -> float:
        return _cores(bounds) * self.burst_s


def _cores(bounds: Bounds) -> float:
    return (DEFAULT_MCORES if bounds.mcores is None else bounds.mcores) / 1000


def processor_seconds(process: ProcessId) -> float | None:
    """What all threads of the process have used, ended ones included, to the nanosecond; None when it is gone.

    The clock's id is how Linux names another process's CPUCLOCK_SCHED (clock_getcpuclockid(3)).
    """
    try:
        return time.clock_gettime((~process.pid << 3) | 2)
    except OSError:
        return None


Bound = Callable[[ProcessId, Bounds], tuple[str, str] | None]
"""(reason, detail) where the process holds more than it may; None where it does not, or is gone. Asked several times a
second of every instance, so it reads as little as tells that nothing is amiss."""


def too_much_memory(process: ProcessId, bounds: Bounds) -> tuple[str, str] | None:
    """Private and shared memory."""
    held_kib = _resident_kib(process.pid)
    if held_kib > bounds.memory_mib << 10 and (held_kib := _own_kib(process.pid)) > bounds.memory_mib << 10:
        return "memory", f"held {held_kib >> 10} MiB of {bounds.memory_mib} MiB"
    return None


def too_many(process: ProcessId, bounds: Bounds) -> tuple[str, str] | None:
    """Threads, and files in /tmp."""
    threads = _threads(process.pid)
    if threads > MOST_THREADS:
        return "threads", f"had {threads} threads where {MOST_THREADS} are the most"
    files = _files_in_tmp(process.pid)
    if files > MOST_FILES and bounds.mcores is not None:  # while it is being started, /tmp may still be the host's
        return "files", f"kept {files} files in /tmp where {MOST_FILES} are the most"
    return None


def _resident_kib(pid: int) -> int:
    """All that is in memory for it, files that it maps included; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE_KIB
    except (OSError, IndexError):
        return 0


def _own_kib(pid: int) -> int:
    """Private and shared memory without files; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem")))


def _threads(pid: int) -> int:
    """The kernel counts each as a link to the folder of tasks."""
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - 2
    except OSError:
        return 0


def _files_in_tmp(pid: int) -> int:
    """Counted by the file system, not walked; 0 where the sandbox cannot be looked into."""
    try:
        seen = os.statvfs(Path("/proc", str(pid), "root", "tmp"))
    except OSError:
        return 0
    return seen.f_files - seen.f_ffree
