"""The runtime on one machine: each instance is a model's program in a bubblewrap sandbox of its own.

MMF and reconcile call it through `port.Runtime`. Instances outlive this process: the intent is written before the
start, bubblewrap itself writes the child's pid into the instance's folder, so that whoever comes next can adopt it.
Walls are bubblewrap's and a filter of system calls; `governor` holds what runs to its grant.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from orchestrator.models.errors import ProgramRefused
from orchestrator.models.manifests import OwnProgram
from orchestrator.models.programs import Programs, command_fault
from orchestrator.runtime import bubblewrap, byte_code, system_calls, unix_http
from orchestrator.runtime.errors import (
    InstanceConflict,
    InstanceFailed,
    ProgramUnfit,
    RuntimeFault,
    SandboxUnavailable,
)
from orchestrator.runtime.folder import InstanceFolder
from orchestrator.runtime.governor import BURST_S, DEFAULT_MCORES, MOST_FILES, PERIOD_S, Bounds, Governor
from orchestrator.runtime.health import HealthWatch
from orchestrator.runtime.locks import InstanceLocks
from orchestrator.runtime.port import InstanceSpec, Observation, RunState
from orchestrator.runtime.processes import Load, ProcessId, command_of, end, load_of

READY_POLL_S = 0.01
TELL_S = 5.0
TELLERS = 4
"""Programs that are told their grants at the same time; one that is stopped keeps its teller waiting."""

log = structlog.get_logger("runtime")


class SandboxRuntime:
    """Fills `port.Runtime`. `home` is S4M_HOME; its other folders are never shown to a model. `programs` is a folder of
    modules that may be run besides the installed models; `provided` keeps providers' own programs (empty: in the home);
    `burst_s` is how long an instance may save up its grant."""

    def __init__(
        self,
        home: Path,
        *,
        start_timeout_s: float = 20.0,
        stop_grace_s: float = 1.0,
        search_path: str | None = None,
        programs: Path | None = None,
        provided: Path | None = None,
        burst_s: float = BURST_S,
    ) -> None:
        self._home = home.resolve()
        self._instances = self._home / "instances"
        self._start_timeout_s = start_timeout_s
        self._stop_grace_s = stop_grace_s
        self._search_path = search_path
        self._programs = programs
        self._provided = Programs(provided or self._home / "programs")
        self._health = HealthWatch(self._record_death)
        self._governor = Governor(self._record_death, burst_s)
        self._bwrap: Path | None = None
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._locks = InstanceLocks(self._home / "run" / "instances")
        self._untold: dict[str, InstanceSpec] = {}
        self._tellers = ThreadPoolExecutor(TELLERS, thread_name_prefix="grants")
        self._guard = threading.Lock()

    def check(self) -> None:
        """Raises SandboxUnavailable, with cause and remedy, where models cannot be isolated. Cheap after the first."""
        with self._guard:
            if self._bwrap is None:
                found = bubblewrap.find_bubblewrap(self._search_path)
                bubblewrap.probe(found)
                byte_code.compile_ahead()
                self._bwrap = found

    def ensure(self, spec: InstanceSpec) -> Observation:
        """Raises SandboxUnavailable, InstanceFailed, InstanceConflict."""
        self.check()
        folder = self._folder(spec.instance_id)
        with self._locks.holding(spec.instance_id):
            self._newest(spec.instance_id)  # this is newer
            running = self._process(folder)
            if running is None:
                running = self._start(spec, folder)
            else:
                self._govern(spec, running)  # first: it may be stopped since whoever watched it was killed
                self._adopt(spec, folder, running)
            self._govern(spec, running)
            return _observation(folder, spec, running)

    def regrant(self, spec: InstanceSpec) -> Path | None:
        """Holds it to the grant at once; what the program itself makes of it may wait while it is stopped."""
        folder = self._folder(spec.instance_id)
        running, before = self._process(folder), _wanted(folder)
        if running is None or before is None or _of_one_kind(before) != _of_one_kind(spec):
            return None
        self._govern(spec, running)
        with self._guard:
            waiting = spec.instance_id in self._untold
            differs = waiting or dict(before.grant) != dict(spec.grant)
            if differs:
                self._untold[spec.instance_id] = spec
        if differs and not waiting:
            self._tellers.submit(self._tell_grant, folder, spec.instance_id)
        return folder.socket

    def observe(self) -> tuple[Observation, ...]:
        """Reads only; never waits for a program."""
        self._reap()
        names = sorted(path.name for path in self._instances.glob("*/intent.json") for path in [path.parent])
        return tuple(seen for name in names if (seen := self._seen(name)) is not None)

    def delete(self, instance_id: str) -> None:
        folder = self._folder(instance_id)
        with self._locks.holding(instance_id, forget=True):
            self._governor.forget(instance_id)
            self._health.forget(instance_id)
            running = self._process(folder)
            if running is not None:
                end(running, self._stop_grace_s)
            self._wait_for_child(instance_id)
            folder.remove()

    def delete_all(self) -> None:
        """Ends every instance of this home, half-made folders included: for whoever stops the house."""
        for folder in sorted(self._instances.glob("*")):
            self.delete(folder.name)
        for instance_id in list(self._children):  # of those that another runtime ended
            self._wait_for_child(instance_id)

    def closed(self, sites: Collection[str]) -> Mapping[str, str]:
        """All of them where this host cannot isolate models, else none."""
        try:
            self.check()
        except SandboxUnavailable as cause:
            return dict.fromkeys(sites, str(cause))
        return {}

    def bounds(self) -> Mapping[str, str]:
        """What holds an instance to its grant on this host."""
        return {
            "cpu": f"governor: grant held over {PERIOD_S * 1000:.0f} ms, {self._governor.burst_s:g} s saved up at most",
            "memory": "rlimit for private memory, governor for shared memory",
            "processes": f"seccomp filter ({os.uname().machine}): one process, no other's memory, no namespaces",
            "disk": f"nothing of the host; /tmp of {bubblewrap.TMP_BYTES >> 20} MiB and {MOST_FILES} files",
            "network": "none (own network namespace)",
        }

    def let_go(self) -> None:
        """Bound nobody any more and let whoever is stopped go on: for whoever leaves its instances running."""
        self._health.let_go()
        self._governor.let_go()

    def log_of(self, instance_id: str) -> str:
        """The end of what the instance printed."""
        return self._folder(instance_id).log_tail()

    def _seen(self, instance_id: str) -> Observation | None:
        folder = self._folder(instance_id)
        spec, running = _wanted(folder), self._process(folder)
        if spec is None:
            return None
        if running is not None and folder.read("process.json") is not None:
            self._govern(spec, running)
        return _observation(folder, spec, running)

    def _govern(self, spec: InstanceSpec, running: ProcessId) -> None:
        mcores = spec.grant.get("computing_mcores", DEFAULT_MCORES)
        self._governor.watch(spec.instance_id, running, Bounds(mcores, spec.memory_mib))
        if spec.own is not None:
            self._health.watch(spec.instance_id, running, self._folder(spec.instance_id).socket, spec.own.health)

    def _record_death(self, instance_id: str, reason: str, detail: str) -> None:
        folder = self._folder(instance_id)
        before = folder.read("death.json") or {}
        with suppress(OSError):  # its folder was removed meanwhile: whoever did that ends it too
            folder.write("death.json", {"cause": f"{reason}: {detail}", "count": before.get("count", 0) + 1})

    def _start(self, spec: InstanceSpec, folder: InstanceFolder) -> ProcessId:
        programs = self._programs if spec.own is None else self._own_folder(spec.own)
        self._wait_for_child(spec.instance_id)
        death = folder.read("death.json")
        folder.remove()
        folder.make()
        if death is not None:
            folder.write("death.json", death)
        folder.write("intent.json", _intent(spec))
        child = self._spawn(spec, folder, programs)
        with self._guard:
            self._children[spec.instance_id] = child
        running = self._ready(spec, folder, child)
        folder.write("process.json", {**asdict(running), "socket": str(folder.socket)})
        return running

    def _tell_grant(self, folder: InstanceFolder, instance_id: str) -> None:
        """The newest grant that its program has not been told; where that fails the keeper sees the difference."""
        with self._locks.holding(instance_id):
            spec, running = self._newest(instance_id), self._process(folder)
            if spec is None or running is None:
                return
            try:
                self._adopt(spec, folder, running)
            except RuntimeFault as cause:
                log.warning("grant.untold", instance=instance_id, code=cause.code, error=str(cause))

    def _newest(self, instance_id: str) -> InstanceSpec | None:
        with self._guard:
            return self._untold.pop(instance_id, None)

    def _own_folder(self, own: OwnProgram) -> Path:
        """The program as its manifest names it, checked anew at each start."""
        try:
            folder = self._provided.verified(own.sha256)
        except ProgramRefused as cause:
            raise ProgramUnfit(str(cause)) from cause
        fault = command_fault(own.command, folder)
        if fault:
            raise ProgramUnfit(f"program_command: {fault}; name a file of the program's folder")
        return folder

    def _spawn(self, spec: InstanceSpec, folder: InstanceFolder, programs: Path | None) -> subprocess.Popen[bytes]:
        assert self._bwrap is not None  # noqa: S101  (check() has run)
        with (
            (folder.root / "info.json").open("wb") as info,
            (folder.root / "log").open("wb") as log,
            _filter_file() as rules,
            folder.listen() as listener,
        ):
            box = bubblewrap.Box(info.fileno(), rules.fileno(), [self._home], programs)
            return subprocess.Popen(
                bubblewrap.command(self._bwrap, box, _program(spec, listener.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={},
                pass_fds=(info.fileno(), rules.fileno(), listener.fileno()),
                start_new_session=True,
            )

    def _ready(self, spec: InstanceSpec, folder: InstanceFolder, child: subprocess.Popen[bytes]) -> ProcessId:
        deadline = time.monotonic() + self._start_timeout_s
        while child.poll() is None and time.monotonic() < deadline:
            running = self._process(folder)
            if running is not None:
                self._governor.watch(spec.instance_id, running, Bounds(None, spec.memory_mib))
                if _healthy(folder, spec, deadline - time.monotonic()):
                    return running
            time.sleep(READY_POLL_S)
        ended_with = child.poll()
        self._governor.forget(spec.instance_id)
        self._give_up(spec, folder, child)
        raise InstanceFailed(_why_failed(spec, folder, ended_with))

    def _give_up(self, spec: InstanceSpec, folder: InstanceFolder, child: subprocess.Popen[bytes]) -> None:
        running = self._told(folder, child)
        if running is not None:
            end(running, self._stop_grace_s)
        elif child.poll() is None:
            child.kill()
        self._wait_for_child(spec.instance_id)
        if folder.log_tail().startswith("bwrap: "):
            raise bubblewrap.refusal(folder.log_tail())

    def _told(self, folder: InstanceFolder, child: subprocess.Popen[bytes]) -> ProcessId | None:
        """Waits until bubblewrap has told its child's pid: killed before that, it would leave the child behind."""
        deadline = time.monotonic() + TELL_S
        while (running := self._process(folder)) is None and child.poll() is None and time.monotonic() < deadline:
            time.sleep(READY_POLL_S)
        return running

    def _adopt(self, spec: InstanceSpec, folder: InstanceFolder, running: ProcessId) -> None:
        before = _wanted(folder) or spec
        if _of_one_kind(before) != _of_one_kind(spec):
            raise InstanceConflict(
                f"{spec.instance_id} runs {before.program} with {before.memory_mib} MiB, asked is {spec.program} with "
                f"{spec.memory_mib}; delete it first or choose another id"
            )
        if folder.read("process.json") is None:
            folder.write("process.json", {**asdict(running), "socket": str(folder.socket)})
        if dict(before.grant) != dict(spec.grant):
            _configure(folder, spec)
            folder.overwrite("grant.json", dict(spec.grant))
        elif not _wait_until_healthy(folder, spec, self._start_timeout_s):
            raise InstanceFailed(f"{spec.instance_id} runs but does not answer; delete it and ensure it again")

    def _process(self, folder: InstanceFolder) -> ProcessId | None:
        """The instance's live process: as recorded, or else as bubblewrap told and its command line confirms."""
        recorded = folder.read("process.json")
        if recorded is not None:
            known = ProcessId(recorded["pid"], recorded["start_ticks"], recorded["boot"])
            return known if known.alive() else None
        told = folder.read("info.json")
        found = ProcessId.of(int(told["child-pid"])) if told and "child-pid" in told else None
        return found if found is not None and folder.root.name in command_of(found) else None

    def _folder(self, instance_id: str) -> InstanceFolder:
        return InstanceFolder.of(self._instances, instance_id)

    def _wait_for_child(self, instance_id: str) -> None:
        with self._guard:
            child = self._children.pop(instance_id, None)
        if child is not None:
            child.wait(timeout=self._stop_grace_s + 5.0)

    def _reap(self) -> None:
        with self._guard:
            for instance_id in [name for name, child in self._children.items() if child.poll() is not None]:
                del self._children[instance_id]


def _filter_file() -> BinaryIO:
    """The filter of system calls, to be read by bubblewrap from its start."""
    rules = os.fdopen(os.memfd_create("s4m-filter"), "w+b")
    rules.write(system_calls.filter_for())
    rules.seek(0)
    return rules


def _program(spec: InstanceSpec, listener: int) -> list[str]:
    launch = ["-m", "orchestrator.models.launch", "--memory-mib", str(spec.memory_mib), "--nice", str(spec.nice)]
    served = ["--listen-fd", str(listener), "--instance", spec.instance_id, "--grant", json.dumps(dict(spec.grant))]
    if spec.own is not None:
        return [*launch, "--own", bubblewrap.PROGRAM_MOUNT, "--", *spec.own.command, *served]
    return [*launch, spec.program, "--", *served]


def _intent(spec: InstanceSpec) -> dict[str, Any]:
    return {**asdict(replace(spec, grant={})), "grant": dict(spec.grant)}


def _wanted(folder: InstanceFolder) -> InstanceSpec | None:
    """What is to run there, as it was granted last; None where nothing is."""
    intent = folder.read("intent.json")
    if intent is None:
        return None
    return InstanceSpec.of({**intent, "grant": folder.read("grant.json") or intent["grant"]})


def _of_one_kind(spec: InstanceSpec) -> tuple[str, int, OwnProgram | None]:
    """What cannot be changed while it runs."""
    return spec.program, spec.memory_mib, spec.own


def _observation(folder: InstanceFolder, spec: InstanceSpec, running: ProcessId | None) -> Observation:
    load = load_of(running) if running is not None else Load(0.0, 0)
    death = folder.read("death.json") or {}
    return Observation(
        instance_id=spec.instance_id,
        program=spec.program,
        state=RunState.DEAD if running is None else RunState.RUNNING,
        socket=folder.socket,
        pid=None if running is None else running.pid,
        cpu_seconds=load.cpu_seconds,
        rss_bytes=load.rss_bytes,
        grant=dict(spec.grant),
        last_death=death.get("cause", ""),
        deaths=death.get("count", 0),
    )


def _healthy(folder: InstanceFolder, spec: InstanceSpec, timeout_s: float) -> bool:
    """The socket takes connections before the program serves them: the question waits until it does, or has ended."""
    left_s = max(timeout_s, READY_POLL_S)
    try:
        if spec.own is not None:
            return unix_http.status_of(folder.socket, spec.own.health.path, left_s) == 200
        reply = unix_http.ask(folder.socket, "GET", "/health", timeout_s=left_s)
        return reply.status == 200 and bool(reply.json()["instance"] == spec.instance_id)
    except (OSError, ValueError, KeyError):
        return False


def _wait_until_healthy(folder: InstanceFolder, spec: InstanceSpec, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not _healthy(folder, spec, deadline - time.monotonic()):
        if time.monotonic() >= deadline:
            return False
        time.sleep(READY_POLL_S)
    return True


def _configure(folder: InstanceFolder, spec: InstanceSpec) -> None:
    try:
        reply = unix_http.ask_json(folder.socket, "/configure", {"grant": dict(spec.grant)})
    except OSError as cause:
        raise InstanceFailed(
            f"{spec.instance_id} runs but does not answer ({cause}); delete it and ensure it again"
        ) from cause
    if reply.status != 200:
        raise InstanceFailed(f"{spec.instance_id} refused its grant: {reply.body.decode('utf-8', 'replace')}")


def _why_failed(spec: InstanceSpec, folder: InstanceFolder, returncode: int | None) -> str:
    how = "stayed silent" if returncode is None else f"ended with code {returncode}"
    return f"{spec.program} {how} while {spec.instance_id} was being started; it last said: {folder.log_tail()!r}"
