"""A hostile model in the real sandbox, beside a neighbour: each attempt fails or is bounded, the neighbour answers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.runtime import bubblewrap, unix_http
from orchestrator.runtime.folder import InstanceFolder
from orchestrator.runtime.governor import LOOK_S, MOST_FILES, processor_seconds
from orchestrator.runtime.port import InstanceSpec, Observation, RunState
from orchestrator.runtime.processes import ProcessId
from orchestrator.runtime.sandbox import SandboxRuntime

STARTER = """
import sys, time
from pathlib import Path
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime
runtime = SandboxRuntime(Path(sys.argv[1]), programs=Path(sys.argv[2]), burst_s=0.1)
print(runtime.ensure(InstanceSpec("hostile-1", "hostile", {"computing_mcores": 10}, 96)).pid, flush=True)
time.sleep(60)
"""
PROGRAMS = Path(__file__).parent / "programs"
MEMORY_MIB = 96
REFUSED = "Operation not permitted"
HOSTILE = InstanceSpec("hostile-1", "hostile", {"computing_mcores": 500}, MEMORY_MIB)


@pytest.fixture
def runtime(home: Path) -> Iterator[SandboxRuntime]:
    running = SandboxRuntime(home, programs=PROGRAMS, burst_s=0.2)
    yield running
    running.delete_all()


@pytest.fixture
def neighbour(runtime: SandboxRuntime) -> Iterator[Observation]:
    """Another tenant's instance; it must answer before and after whatever the hostile one did."""
    spec = InstanceSpec("neighbour-1", "orchestrator.models.edge_cache", {"computing_mcores": 500}, 128)
    seen = runtime.ensure(spec)
    assert unix_http.ask(seen.socket, "POST", "/put", b"mine", raw()).status == 200
    yield seen
    assert unix_http.ask(seen.socket, "POST", "/get", b"", raw(), timeout_s=30).body == b"mine"
    assert [one.pid for one in runtime.observe() if one.instance_id == "neighbour-1"] == [seen.pid]


@pytest.fixture
def hostile(runtime: SandboxRuntime, neighbour: Observation) -> Observation:
    return runtime.ensure(HOSTILE)


def raw() -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "S4M-Tenant": "7", "S4M-Params": '{"key": "k"}'}


def attempt(seen: Observation, call: str, **params: object) -> Any:
    """What the hostile program says came of it."""
    reply = unix_http.ask_json(seen.socket, f"/{call}", {"params": params}, timeout_s=60)
    assert reply.status == 200, reply.body
    return reply.json()


def ended(runtime: SandboxRuntime, instance_id: str = "hostile-1") -> Observation:
    """The instance as the runtime sees it, once it is dead."""
    deadline = time.monotonic() + 30
    while True:
        (seen,) = (one for one in runtime.observe() if one.instance_id == instance_id)
        if seen.state is RunState.DEAD:
            return seen
        assert time.monotonic() < deadline, f"{instance_id} is still alive"
        time.sleep(0.02)


def process_of(seen: Observation) -> ProcessId:
    assert seen.pid is not None
    process = ProcessId.of(seen.pid)
    assert process is not None
    return process


@pytest.mark.parametrize("mcores", [100, 500])
def test_processor_time_beyond_the_grant_is_not_given(
    runtime: SandboxRuntime, neighbour: Observation, mcores: int
) -> None:
    seen = runtime.ensure(InstanceSpec("hostile-1", "hostile", {"computing_mcores": mcores}, MEMORY_MIB))
    process = process_of(seen)
    assert attempt(seen, "burn", threads=4) == "burning"
    spent = processor_seconds(process)
    assert spent is not None
    while (used := processor_seconds(process) or 0) - spent < mcores / 1000 * 0.5:
        time.sleep(LOOK_S)  # what was saved up is gone, whatever else the machine does
    begun = time.monotonic()
    time.sleep(4)
    share = ((processor_seconds(process) or 0) - used) / (time.monotonic() - begun)
    assert 0 < share <= mcores / 1000 * 1.2


def test_a_larger_grant_is_given_without_a_restart(runtime: SandboxRuntime, hostile: Observation) -> None:
    attempt(hostile, "burn", threads=4)
    small = runtime.ensure(InstanceSpec("hostile-1", "hostile", {"computing_mcores": 50}, MEMORY_MIB))
    assert small.pid == hostile.pid
    process, begun = process_of(small), time.monotonic()
    used = processor_seconds(process) or 0
    time.sleep(3)
    share = ((processor_seconds(process) or 0) - used) / (time.monotonic() - begun)
    assert share <= 0.5 * 0.2 / 3 + 0.05 * 1.2  # what was saved under the larger grant, and the smaller one


def test_one_that_is_stopped_by_a_dead_watcher_goes_on_with_the_next(home: Path, runtime: SandboxRuntime) -> None:
    seen = runtime.ensure(HOSTILE)
    runtime.let_go()  # its watcher is gone
    process = psutil.Process(seen.pid)
    process.suspend()
    SandboxRuntime(home, programs=PROGRAMS).observe()
    assert process.status() != psutil.STATUS_STOPPED
    assert attempt(seen, "inherited")
    runtime.let_go()
    process.suspend()
    assert SandboxRuntime(home, programs=PROGRAMS).ensure(HOSTILE).pid == seen.pid
    assert attempt(seen, "inherited")


def test_whoever_is_stopped_when_the_house_is_killed_goes_on(home: Path, runtime: SandboxRuntime) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home), str(PROGRAMS)], stdout=subprocess.PIPE, text=True
    ) as house:
        assert house.stdout is not None
        process = psutil.Process(int(house.stdout.readline()))
        (folder,) = (home / "instances").iterdir()
        socket_path = InstanceFolder.of(home / "instances", folder.name).socket
        assert unix_http.ask_json(socket_path, "/burn", {"params": {"threads": 4}}).status == 200
        until(lambda: process.status() == psutil.STATUS_STOPPED)
        house.kill()
    until(lambda: process.status() != psutil.STATUS_STOPPED)
    until(lambda: not any("orchestrator.runtime.reviver" in each.cmdline() for each in psutil.Process().children()))
    assert unix_http.ask_json(socket_path, "/inherited", {}, timeout_s=30).status == 200
    runtime.delete("hostile-1")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_stopped_instance_is_ended_at_once(runtime: SandboxRuntime, hostile: Observation) -> None:
    process = psutil.Process(hostile.pid)
    process.suspend()
    runtime.delete("hostile-1")
    assert not process.is_running()


def test_private_memory_beyond_the_limit_is_refused(hostile: Observation) -> None:
    came = attempt(hostile, "allocate")
    assert came["came"] == "MemoryError"
    assert came["mib"] < MEMORY_MIB


def test_shared_memory_beyond_the_limit_ends_it_and_the_cause_is_kept_over_the_restart(
    runtime: SandboxRuntime, hostile: Observation
) -> None:
    with pytest.raises(OSError, match=r".*"):
        attempt(hostile, "share_memory", mib=1024)
    dead = ended(runtime)
    assert dead.last_death.startswith("memory: held")
    again = runtime.ensure(HOSTILE)
    assert again.pid != hostile.pid
    assert (again.deaths, again.last_death) == (1, dead.last_death)


def test_memory_behind_a_descriptor_is_refused(hostile: Observation) -> None:
    assert attempt(hostile, "memory_file") == REFUSED


def test_no_process_is_born_of_it_so_that_none_can_bomb_or_outlive(
    runtime: SandboxRuntime, hostile: Observation
) -> None:
    assert attempt(hostile, "fork") == [REFUSED, REFUSED]
    assert set(attempt(hostile, "raw_fork")) == {-1}
    assert psutil.Process(hostile.pid).children(recursive=True) == []
    runtime.delete("hostile-1")
    assert not psutil.pid_exists(hostile.pid or 0)


def test_threads_without_end_are_refused_or_end_it(runtime: SandboxRuntime, hostile: Observation) -> None:
    try:
        assert attempt(hostile, "many_threads") == "RuntimeError"  # the kernel's own limit, for all but root
    except OSError:
        assert ended(runtime).last_death.startswith("threads: had")


def test_disk_is_not_filled_and_tmp_only_to_its_size(hostile: Observation) -> None:
    assert attempt(hostile, "fill", place="/tmp")["mib"] <= bubblewrap.TMP_BYTES >> 20  # noqa: S108
    for place in ("/", "/dev", "/dev/shm", "/app", "/usr", "/programs", "/proc"):  # noqa: S108
        assert attempt(hostile, "fill", place=place)["mib"] == 0, place


def test_files_without_size_but_without_end_end_it(runtime: SandboxRuntime, hostile: Observation) -> None:
    with pytest.raises(OSError, match=r".*"):
        attempt(hostile, "many_files")
    dead = ended(runtime)
    assert dead.last_death.startswith("files: kept")
    assert int(dead.last_death.split()[2]) > MOST_FILES


def test_its_log_does_not_fill_the_disk(home: Path, hostile: Observation) -> None:
    assert attempt(hostile, "talk") == "File too large"
    assert (home / "instances" / "hostile-1" / "log").stat().st_size <= 16 << 20


def test_descriptors_are_bounded_and_it_answers_afterwards(hostile: Observation) -> None:
    came = attempt(hostile, "descriptors")
    assert came["came"] == "Too many open files"
    assert came["opened"] <= 1024


def test_nothing_of_the_host_is_open_in_it_but_its_log_and_its_door(home: Path, hostile: Observation) -> None:
    log = str(home / "instances" / "hostile-1" / "log")
    files = {name for name in attempt(hostile, "inherited") if name.startswith("/")}
    assert {name for name in files if not name.startswith("/proc/")} <= {"/dev/null", log}


def test_home_keys_and_other_tenants_folders_cannot_be_read_or_written_even_by_links(
    home: Path, hostile: Observation, neighbour: Observation
) -> None:
    places = [
        home / "keys" / "operator.json",
        neighbour.socket.parent.parent / "intent.json",
        home,
        Path("/etc/passwd"),
    ]
    missing = "No such file or directory"
    for place in places:
        assert attempt(hostile, "touch", path=str(place)) == missing
        assert attempt(hostile, "touch", path=str(place / "x"), mode="w") == missing
        assert attempt(hostile, "link", path=str(place)) == missing
        assert attempt(hostile, "touch", path=f"/proc/1/root{place}") == missing


@pytest.mark.parametrize("place", ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/1/oom_score_adj"])
def test_switches_of_proc_cannot_be_turned_not_even_by_a_house_that_runs_as_root(
    hostile: Observation, place: str
) -> None:
    came = attempt(hostile, "touch", path=place, mode="r+")
    assert came in {"Read-only file system", "Permission denied", "No such file or directory"}


def test_its_own_door_cannot_be_replaced(hostile: Observation) -> None:
    came = attempt(hostile, "replace_door")
    assert came == {"path": str(hostile.socket), "came": "No such file or directory"}
    assert hostile.socket.is_socket()


def test_no_network_and_no_socket_of_another_tenant(hostile: Observation, neighbour: Observation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert attempt(hostile, "connect", port=server.getsockname()[1]) != "done"
    assert attempt(hostile, "connect", path=str(neighbour.socket)) == "No such file or directory"
    unknown = os.strerror(97)
    assert attempt(hostile, "families") == {"vsock": unknown, "crypto": unknown, "packet": unknown}


def test_no_other_process_is_seen_or_signalled(hostile: Observation, neighbour: Observation) -> None:
    assert neighbour.pid is not None
    assert attempt(hostile, "processes", pid=neighbour.pid) == {"seen": [1], "kill": "No such process"}


def test_the_kernels_doors_are_shut(hostile: Observation) -> None:
    assert set(attempt(hostile, "kernel").values()) == {-1}


def test_limits_cannot_be_raised_again(hostile: Observation) -> None:
    came = attempt(hostile, "raise_limits")
    assert "done" not in came.values(), came


def test_one_that_is_deaf_to_its_end_is_ended_all_the_same(runtime: SandboxRuntime, hostile: Observation) -> None:
    assert attempt(hostile, "ignore_the_end") == "deaf"
    process = psutil.Process(hostile.pid)
    runtime.delete("hostile-1")
    assert not process.is_running()


def test_what_is_in_force_is_told(runtime: SandboxRuntime) -> None:
    told = runtime.bounds()
    assert set(told) == {"cpu", "memory", "processes", "disk", "network"}
    assert "governor" in told["cpu"]
    assert "seccomp" in told["processes"]
