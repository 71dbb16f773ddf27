"""Starting, adopting, reconfiguring, watching and ending instances, also over the death of whoever started them."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from orchestrator.models.manifests import manifests
from orchestrator.runtime import bubblewrap, system_calls, unix_http
from orchestrator.runtime.errors import BadInstanceId, InstanceConflict, InstanceFailed, SandboxUnavailable
from orchestrator.runtime.port import InstanceSpec, Observation, RunState
from orchestrator.runtime.sandbox import SandboxRuntime

STARTER = """
import sys, time
from pathlib import Path
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime
seen = SandboxRuntime(Path(sys.argv[1])).ensure(InstanceSpec("cache-1", "orchestrator.models.edge_cache", {}, 128))
print(seen.pid, flush=True)
time.sleep(60)
"""
CALLS: dict[str, tuple[str, dict[str, object]]] = {
    "rendering-server": ("frame", {"objects": [{"object": 3, "k": 5}]}),
    "monitoring": ("conditions", {"t": 1e9}),
    "data-management": ("ingest", {"source": "user", "kind": "k", "values": {"x": 1}}),
    "human-computer-interaction": ("interpret", {"strokes": [[[0, 0], [9, 1]]]}),
    "ar-navigation": ("navigate", {"x": 5, "y": 5, "to": {"object": 7}}),
    "device": ("capture", {"seed": 3}),
    "infrastructure": ("capacity", {"seconds": 0.01}),
    "platform": ("capacity", {"exchanges": 20}),
    "3d-modelling": ("model", {"parts": [{"shape": "gear"}]}),
    "ai-classifier": ("train", {"name": "n", "samples": [[0, 1], [1, 0]] * 5, "labels": ["a", "b"] * 5}),
    "ai-forecasting": ("forecast", {"history": [1, 2, 3, 4] * 10, "steps": 4, "season": 4}),
    "cloud-server": ("deploy", {"name": "f", "functions": {"main": {"params": [], "body": ["+", 1, 2]}}}),
    "communication-protocol": ("connect", {"client": "pump"}),
    "content-creation": ("texture", {"material": "marble", "size": 64}),
    "digital-twin": ("observe", {"object": "o", "t": [1, 2], "channels": {"x": {"values": [1, 2]}}}),
    "edge-computing": ("run", {"records": [{"x": 1}, {"x": 2}], "reduce": {"mean": ["mean", "x"]}}),
    "edge-server": ("enter", {"room": "pier", "user": "ann"}),
    "fog-computing": ("tile", {"x": 3, "y": 4}),
    "hardware": ("heat", {"size_m": [0.1, 0.1], "cells": 16, "edges": {"left": 20}}),
    "knowledge": ("learn", {"facts": [["pump", "part_of", "hall"]]}),
    "network-slice": ("schedule", {"flows": [{"rate_mbps": 10}]}),
    "sensors": ("read", {"kind": "patient", "t": 1e9}),
    "software": ("run", {"series": [1, 2, 3, 4, 5, 6, 7, 8], "steps": [{"do": "statistics"}]}),
    "storage": ("put", {"key": "k", "data": "aGVsbG8="}),
    "time-frequency-division": ("schedule", {"users": [{"mbps": 10}]}),
}


def cache_spec(instance_id: str = "cache-1", storage_mib: int = 4) -> InstanceSpec:
    return InstanceSpec(instance_id, "orchestrator.models.edge_cache", {"storage_mib": storage_mib}, 128)


def health(seen: Observation) -> dict[str, object]:
    told: dict[str, object] = unix_http.ask(seen.socket, "GET", "/health").json()
    return told


def family(pid: int) -> list[psutil.Process]:
    """The program and the bubblewrap that waits for it."""
    program = psutil.Process(pid)
    return [program, *[parent for parent in program.parents() if "bwrap" in parent.name()]]


def gone(processes: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + 5
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_ensure_starts_a_healthy_instance_and_a_second_time_changes_nothing(runtime: SandboxRuntime) -> None:
    first, second = runtime.ensure(cache_spec()), runtime.ensure(cache_spec())
    assert first.state is RunState.RUNNING
    assert first.pid == second.pid
    assert health(first)["instance"] == "cache-1"
    assert health(first)["grant"] == {"storage_mib": 4}


def test_all_models_start_side_by_side_and_do_their_jobs(runtime: SandboxRuntime) -> None:
    specs = [
        InstanceSpec(f"{m.name}-1", m.program, {"computing_mcores": 100}, m.memory_mib) for m in manifests().values()
    ]
    with ThreadPoolExecutor(10) as threads:
        seen = list(threads.map(runtime.ensure, specs))
    assert len({each.pid for each in seen}) == len(manifests())
    for each in seen:
        name = each.instance_id.removesuffix("-1")
        if name in CALLS:
            call, params = CALLS[name]
            reply = unix_http.ask_json(each.socket, f"/{call}", {"params": params, "tenant": "7"})
            assert reply.status == 200, reply.body
            assert int(reply.headers["S4M-Quantity"]) >= 1
            assert float(reply.headers["S4M-Cpu-Ms"]) > 0


def test_raw_bodies_go_through_cache_and_link(runtime: SandboxRuntime) -> None:
    cache = runtime.ensure(cache_spec())
    link = runtime.ensure(InstanceSpec("link-1", "orchestrator.models.terahertz_link", {"bandwidth_mbps": 1000}, 128))
    raw = {"Content-Type": "application/octet-stream", "S4M-Tenant": "7", "S4M-Params": json.dumps({"key": "a"})}
    assert unix_http.ask(cache.socket, "POST", "/put", b"picture", raw).status == 200
    assert unix_http.ask(cache.socket, "POST", "/get", b"", raw).body == b"picture"
    assert unix_http.ask(cache.socket, "POST", "/get", b"", {**raw, "S4M-Tenant": "8"}).status == 404
    started = time.monotonic()
    down = unix_http.ask(link.socket, "POST", "/downlink", bytes(125_000), raw)
    assert down.body == bytes(125_000)
    assert float(down.headers["S4M-Link-Seconds"]) == pytest.approx(0.1)
    assert time.monotonic() - started >= 0.1


def test_many_threads_ensure_one_instance_once(runtime: SandboxRuntime) -> None:
    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(lambda _: runtime.ensure(cache_spec()), range(8)))
    assert len({each.pid for each in seen}) == 1


def test_another_grant_is_configured_without_a_restart(runtime: SandboxRuntime) -> None:
    before, after = runtime.ensure(cache_spec(storage_mib=4)), runtime.ensure(cache_spec(storage_mib=9))
    assert before.pid == after.pid
    assert health(after)["grant"] == {"storage_mib": 9}
    assert [each.grant for each in runtime.observe()] == [{"storage_mib": 9}]


def test_one_that_runs_is_regranted_without_waiting_for_its_program(runtime: SandboxRuntime) -> None:
    seen = runtime.ensure(cache_spec(storage_mib=4))
    process = psutil.Process(seen.pid)
    process.suspend()  # it cannot take its grant now
    for mib in (7, 9):
        assert runtime.regrant(cache_spec(storage_mib=mib)) == seen.socket
    process.resume()
    until = time.monotonic() + 10
    while health(seen)["grant"] != {"storage_mib": 9}:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_another_program_under_the_same_id_is_a_conflict(runtime: SandboxRuntime) -> None:
    runtime.ensure(cache_spec())
    with pytest.raises(InstanceConflict, match="edge_cache"):
        runtime.ensure(InstanceSpec("cache-1", "orchestrator.models.device", {}, 128))


def test_observe_reports_processor_time_and_memory(runtime: SandboxRuntime) -> None:
    seen = runtime.ensure(InstanceSpec("site-1", "orchestrator.models.infrastructure", {}, 128))
    unix_http.ask_json(seen.socket, "/capacity", {"params": {"seconds": 0.3}})
    (after,) = runtime.observe()
    assert after.cpu_seconds - seen.cpu_seconds >= 0.2
    assert 5 << 20 < after.rss_bytes < 128 << 20


def test_limits_are_in_force_and_memory_beyond_them_is_refused_not_fatal(runtime: SandboxRuntime) -> None:
    seen = runtime.ensure(InstanceSpec("draw-1", "orchestrator.models.rendering_server", {}, 96, nice=7))
    assert seen.pid is not None
    assert resource.prlimit(seen.pid, resource.RLIMIT_DATA) == (96 << 20, 96 << 20)
    assert resource.prlimit(seen.pid, resource.RLIMIT_NOFILE)[1] == 1024
    assert psutil.Process(seen.pid).nice() == 7
    reply = unix_http.ask_json(seen.socket, "/frame", {"params": {"objects": [{"object": 3, "k": 4000}]}})
    assert reply.status == 413
    assert reply.json()["code"] == "too_large"
    small = unix_http.ask_json(seen.socket, "/frame", {"params": {"objects": [{"object": 3, "k": 5}]}})
    assert small.status == 200
    assert runtime.observe()[0].rss_bytes < 130 << 20


def test_dead_instance_is_seen_and_started_again(runtime: SandboxRuntime) -> None:
    seen = runtime.ensure(cache_spec())
    assert seen.pid is not None
    processes = family(seen.pid)
    os.kill(seen.pid, signal.SIGKILL)
    assert gone(processes)
    assert [each.state for each in runtime.observe()] == [RunState.DEAD]
    again = runtime.ensure(cache_spec())
    assert again.pid != seen.pid
    assert health(again)["ok"] is True


def test_delete_leaves_neither_process_nor_file_and_may_be_repeated(runtime: SandboxRuntime, home: Path) -> None:
    seen = runtime.ensure(cache_spec())
    assert seen.pid is not None
    processes = family(seen.pid)
    assert len(processes) == 2
    runtime.delete("cache-1")
    assert gone(processes)
    assert not any(child.name() == "bwrap" for child in psutil.Process().children() if child.pid == processes[1].pid)
    assert list((home / "instances").iterdir()) == []
    runtime.delete("cache-1")
    runtime.delete("never-was")


def test_the_end_of_a_home_leaves_nothing_not_even_a_folder_that_a_crash_left_empty(
    runtime: SandboxRuntime, home: Path
) -> None:
    running = runtime.ensure(cache_spec())
    (home / "instances" / "half-made" / "s").mkdir(parents=True)  # killed before the intent was written
    SandboxRuntime(home).delete_all()
    assert list((home / "instances").iterdir()) == []
    assert running.pid is not None
    assert not psutil.pid_exists(running.pid)


def test_instance_outlives_its_starter_and_is_adopted_and_ended_by_the_next(
    runtime: SandboxRuntime, home: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(home)], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
    processes = family(pid)
    (seen,) = runtime.observe()
    assert (seen.pid, seen.state) == (pid, RunState.RUNNING)
    adopted = runtime.ensure(InstanceSpec("cache-1", "orchestrator.models.edge_cache", {}, 128))
    assert adopted.pid == pid
    assert health(adopted)["ok"] is True
    runtime.delete("cache-1")
    assert gone(processes)


def test_crash_before_the_pid_was_recorded_leaves_no_orphan(runtime: SandboxRuntime, home: Path) -> None:
    seen = runtime.ensure(cache_spec())
    record = home / "instances" / "cache-1" / "process.json"
    record.unlink()
    successor = SandboxRuntime(home)
    assert [each.pid for each in successor.observe()] == [seen.pid]
    assert successor.ensure(cache_spec()).pid == seen.pid
    assert record.exists()


def test_reused_pid_is_never_taken_for_the_instance(runtime: SandboxRuntime, home: Path) -> None:
    seen = runtime.ensure(cache_spec())
    assert seen.pid is not None
    folder = home / "instances" / "cache-1"
    record = json.loads((folder / "process.json").read_text())
    with subprocess.Popen(["sleep", "30"]) as stranger:
        (folder / "process.json").write_text(json.dumps({**record, "pid": stranger.pid}))
        assert [each.state for each in runtime.observe()] == [RunState.DEAD]
        (folder / "process.json").write_text(json.dumps(record))
        runtime.delete("cache-1")
        assert stranger.poll() is None
        stranger.kill()


def test_program_that_ends_at_once_fails_with_its_last_words_and_leaves_nothing(runtime: SandboxRuntime) -> None:
    with pytest.raises(InstanceFailed, match=r"No module named orchestrator\.models\.nothing"):
        runtime.ensure(InstanceSpec("bad-1", "orchestrator.models.nothing", {}, 128))
    assert [each.state for each in runtime.observe()] == [RunState.DEAD]


def test_program_that_stays_silent_is_ended(home: Path) -> None:
    hasty = SandboxRuntime(home, start_timeout_s=0.0)
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(InstanceFailed, match="stayed silent"):
        hasty.ensure(cache_spec("mute-1"))
    assert {child.pid for child in psutil.Process().children()} <= before
    hasty.delete_all()


@pytest.mark.parametrize("instance_id", ["", ".", "../keys", "a/b", "-x", "a\n", "x" * 81])
def test_id_that_cannot_name_a_folder_is_refused(runtime: SandboxRuntime, instance_id: str) -> None:
    with pytest.raises(BadInstanceId):
        runtime.ensure(cache_spec(instance_id))


def test_long_home_moves_the_socket_and_still_finds_it(tmp_path: Path) -> None:
    far = tmp_path / ("deep-" * 20) / "home"
    far.mkdir(parents=True)
    runtime = SandboxRuntime(far)
    seen = runtime.ensure(cache_spec())
    assert len(os.fsencode(seen.socket)) <= 107
    assert seen.socket.parent.stat().st_mode & 0o077 == 0
    assert SandboxRuntime(far).observe()[0].socket == seen.socket
    runtime.delete("cache-1")
    assert not seen.socket.parent.exists()


def test_missing_bubblewrap_is_told_with_its_remedy_and_nothing_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "find_spec", {}.get)
    with pytest.raises(SandboxUnavailable) as caught:
        SandboxRuntime(home, search_path="/nowhere").ensure(cache_spec())
    assert caught.value.cause == "bubblewrap_missing"
    assert "apt install bubblewrap" in caught.value.remedy
    assert not (home / "instances").exists()


def test_forbidden_user_namespaces_are_told_with_their_remedy_and_nothing_starts(home: Path, tmp_path: Path) -> None:
    refusing = tmp_path / "bin" / "bwrap"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace, likely ...' >&2\nexit 1\n")
    refusing.chmod(0o755)
    with pytest.raises(SandboxUnavailable) as caught:
        SandboxRuntime(home, search_path=str(refusing.parent)).ensure(cache_spec())
    assert caught.value.cause == "user_namespaces_forbidden"
    assert "sysctl" in caught.value.remedy
    assert not (home / "instances").exists()


def test_a_bubblewrap_that_knows_no_sizes_makes_way_for_the_wheels(tmp_path: Path) -> None:
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho '    --tmpfs DEST   Mount new tmpfs on DEST'\n")
    old.chmod(0o755)
    assert bubblewrap.find_bubblewrap(str(tmp_path)).parent.name == "_bin"
    old.write_text("#!/bin/sh\necho '    --tmpfs DEST\n    --size BYTES'\n")
    assert bubblewrap.find_bubblewrap(str(tmp_path)) == old


def test_a_machine_whose_system_calls_are_not_known_is_told_so() -> None:
    with pytest.raises(SandboxUnavailable, match="s390x") as caught:
        system_calls.filter_for("s390x")
    assert caught.value.cause == "architecture_unknown"
    assert "aarch64" in caught.value.remedy
    assert len(system_calls.filter_for("aarch64")) % 8 == 0


def test_caller_whose_path_shows_no_programs_has_sandboxes_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    SandboxRuntime(home).check()
