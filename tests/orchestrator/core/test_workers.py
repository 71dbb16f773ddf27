"""Two orchestrators on one PostgreSQL: one leads, both work; killed or stopped, its work ends once, at the other."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from core_house import free_port, sandboxes
from core_wait import wait_for
from core_workers import FIRST, IDS, SECOND, Workers

from scripts.private_postgresql import PrivatePostgresql


@pytest.fixture(scope="module")
def workers(postgresql: PrivatePostgresql, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with Workers.running(tmp_path_factory.mktemp("home"), postgresql) as built:
        yield built


def test_one_leads_the_other_stands_by_and_a_third_of_the_same_id_is_refused(workers: Workers) -> None:
    assert [workers.health(name)["leads"] for name in (FIRST, SECOND)] == [True, False]
    wait_for(lambda: workers.health(FIRST)["listener"]["lookedMs"])
    assert workers.health(FIRST)["listener"]["trouble"] is None
    house = workers.house
    command = [sys.executable, "-m", "orchestrator", "--home", str(house.home), "--port", str(free_port())]
    environment = {**os.environ, **house.environment(), "S4M_DATABASE": workers.database}
    twin = subprocess.run(
        command, env={**environment, "S4M_EXECUTOR_ID": IDS[SECOND]}, capture_output=True, text=True, timeout=60
    )
    assert twin.returncode == 1
    assert '"code": "executor_taken"' in twin.stderr
    assert "Give each worker an S4M_EXECUTOR_ID of its own" in twin.stderr
    assert workers.health(SECOND)["ok"]


def test_a_killed_leaders_work_ends_once_at_the_other(workers: Workers) -> None:
    before = workers.buy(0)
    workers.wait_running(before)
    adopted = {one["pid"] for one in sandboxes(workers.house.home)}
    bought = workers.buy_until_works(FIRST)
    workers.house.kill(FIRST)
    workers.wait_running(bought)
    assert workers.health(SECOND)["leads"]
    assert '"event": "worker.taken_over"' in (workers.house.home / f"{SECOND}.log").read_text()
    workers.check(before + bought)
    assert adopted <= {one["pid"] for one in sandboxes(workers.house.home)}, "models outlive the worker"


def test_a_stopped_leaders_work_ends_once_and_it_does_no_harm_when_it_goes_on(workers: Workers) -> None:
    workers.start(FIRST)
    assert [workers.health(name)["leads"] for name in (FIRST, SECOND)] == [False, True]
    bought = workers.buy_until_works(SECOND)
    stopped = workers.house.processes[SECOND]
    stopped.send_signal(signal.SIGSTOP)
    workers.wait_running(bought)
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(15) != 0
    assert workers.health(FIRST)["leads"]
    workers.check(bought)
