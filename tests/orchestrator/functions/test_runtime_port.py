"""The runtime port's contract: the same of every adapter there is."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from memory_runtime import MemoryRuntime

from orchestrator.runtime.domains import Domains
from orchestrator.runtime.errors import BadInstanceId, InstanceConflict, RuntimeFault
from orchestrator.runtime.port import InstanceSpec, Observation, RunState, Runtime
from orchestrator.runtime.sandbox import SandboxRuntime

CACHE, DEVICE = "orchestrator.models.edge_cache", "orchestrator.models.device"


@dataclass
class Adapter:
    """A runtime, how one of its instances dies, and how all of it comes to be down, on an empty home."""

    runtime: Runtime
    kill: Callable[[Observation], None]
    down: Runtime


def sandbox(home: Path) -> Adapter:
    forbidden = home / "forbidden" / "bwrap"
    forbidden.parent.mkdir()
    forbidden.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    return Adapter(SandboxRuntime(home), kill_process, SandboxRuntime(home, search_path=str(forbidden.parent)))


def memory(home: Path) -> Adapter:
    runtime, down = MemoryRuntime(home), MemoryRuntime(home)
    down.down = "the host is off; switch it on"
    return Adapter(runtime, lambda seen: runtime.kill(seen.instance_id), down)


def domains(home: Path) -> Adapter:
    one = memory(home)
    sites = {"site-1": "memory", "site-2": "other"}
    both = Domains({"memory": one.runtime, "other": MemoryRuntime(home)}, sites)
    return Adapter(both, one.kill, Domains({"memory": one.down, "other": one.down}, sites))


def kill_process(seen: Observation) -> None:
    assert seen.pid is not None
    os.kill(seen.pid, signal.SIGKILL)


@pytest.fixture(params=[sandbox, memory, domains])
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Adapter]:
    made: Adapter = request.param(tmp_path)
    yield made
    for one in made.runtime.observe():
        made.runtime.delete(one.instance_id)
    assert made.runtime.observe() == ()


def spec(storage_mib: int = 4, program: str = CACHE, instance_id: str = "cache-1") -> InstanceSpec:
    return InstanceSpec(instance_id, program, {"storage_mib": storage_mib}, 128, site="site-1")


def test_ensured_twice_is_one_instance_that_is_observed_as_asked_for(adapter: Adapter) -> None:
    first, second = adapter.runtime.ensure(spec()), adapter.runtime.ensure(spec())
    assert (first.socket, first.pid) == (second.socket, second.pid)
    (seen,) = adapter.runtime.observe()
    assert (seen.instance_id, seen.program, seen.state) == ("cache-1", CACHE, RunState.RUNNING)
    assert (seen.grant, seen.deaths) == ({"storage_mib": 4}, 0)


def test_another_grant_is_given_to_what_runs(adapter: Adapter) -> None:
    before, after = adapter.runtime.ensure(spec()), adapter.runtime.ensure(spec(9))
    assert before.pid == after.pid
    assert [one.grant for one in adapter.runtime.observe()] == [{"storage_mib": 9}]


def test_what_runs_like_that_is_regranted_and_seen_so_in_a_moment(adapter: Adapter) -> None:
    assert adapter.runtime.regrant(spec()) is None
    seen = adapter.runtime.ensure(spec())
    assert adapter.runtime.regrant(spec(program=DEVICE)) is None
    assert adapter.runtime.regrant(spec(7)) == adapter.runtime.regrant(spec(9)) == seen.socket
    until = time.monotonic() + 10
    while [one.grant for one in adapter.runtime.observe()] != [{"storage_mib": 9}]:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert [one.pid for one in adapter.runtime.observe()] == [seen.pid]


def test_what_died_is_seen_dead_and_ensured_again(adapter: Adapter) -> None:
    adapter.kill(adapter.runtime.ensure(spec()))
    until = time.monotonic() + 10
    while (dead := adapter.runtime.observe()[0]).state is not RunState.DEAD:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert dead.pid is None
    assert adapter.runtime.regrant(spec()) is None
    assert adapter.runtime.ensure(spec()).state is RunState.RUNNING
    assert [one.state for one in adapter.runtime.observe()] == [RunState.RUNNING]


def test_deleted_is_gone_and_may_be_deleted_again(adapter: Adapter) -> None:
    adapter.runtime.ensure(spec())
    for _ in range(2):
        adapter.runtime.delete("cache-1")
        assert adapter.runtime.observe() == ()


def test_another_program_of_a_running_id_is_a_conflict_and_changes_nothing(adapter: Adapter) -> None:
    adapter.runtime.ensure(spec())
    with pytest.raises(InstanceConflict, match="cache-1"):
        adapter.runtime.ensure(spec(program=DEVICE))
    assert [one.program for one in adapter.runtime.observe()] == [CACHE]


@pytest.mark.parametrize("instance_id", ["", "../keys", "a/b"])
def test_an_id_that_names_nothing_is_refused(adapter: Adapter, instance_id: str) -> None:
    with pytest.raises(BadInstanceId):
        adapter.runtime.ensure(spec(instance_id=instance_id))


def test_a_runtime_that_is_up_closes_no_site_and_says_what_it_bounds(adapter: Adapter) -> None:
    assert adapter.runtime.closed(["site-1", "site-2"]) == {}
    assert all(adapter.runtime.bounds().values())


def test_a_runtime_that_is_down_closes_its_sites_with_cause_and_remedy_and_starts_nothing(adapter: Adapter) -> None:
    closed = adapter.down.closed(["site-1", "site-2"])
    assert closed.keys() == {"site-1", "site-2"}
    assert all("; " in why for why in closed.values())
    with pytest.raises(RuntimeFault) as fault:
        adapter.down.ensure(spec())
    assert str(fault.value) in closed.values()
    assert adapter.runtime.observe() == ()
