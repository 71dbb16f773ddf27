"""Who holds an executor id and the lead: one at a time, as long as its process lives and answers."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from core_wait import wait_for

from orchestrator.errors import ExecutorTaken, StoreUnusable
from orchestrator.settings import Settings
from orchestrator.takeover import Register
from orchestrator.tenure import SharedTenure
from scripts.private_postgresql import PrivatePostgresql
from storage import database_url

HOLDER = """
import sys, time
from orchestrator.tenure import SharedTenure
tenure = SharedTenure(sys.argv[1], "one")
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def url(postgresql: PrivatePostgresql) -> str:
    return database_url(postgresql.create())


Hold = Callable[[str], SharedTenure]


@pytest.fixture
def hold(url: str) -> Iterator[Hold]:
    """Takes an id for this process; all are given back at the end."""
    held: list[SharedTenure] = []

    def take(executor_id: str) -> SharedTenure:
        held.append(SharedTenure(url, executor_id))
        return held[-1]

    yield take
    for tenure in held:
        tenure.close()


@pytest.fixture
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the id `one`."""
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_worker_with_the_same_id_is_refused_with_the_remedy(hold: Hold) -> None:
    first = hold("one")
    with pytest.raises(ExecutorTaken, match=r"holds the executor id one\. Give each worker an S4M_EXECUTOR_ID"):
        hold("one")
    first.close()
    hold("one")


def test_one_leads_and_the_next_only_when_it_has_gone(hold: Hold) -> None:
    first, second = hold("one"), hold("two")
    assert [first.try_to_lead(), second.try_to_lead(), first.leads] == [True, False, False]
    first.begin_to_lead()
    assert first.leads
    assert not first.try_to_lead()
    first.close()
    wait_for(second.try_to_lead)


def test_a_vacancy_is_nobodys_and_cannot_be_taken_meanwhile(hold: Hold) -> None:
    first, second = hold("one"), hold("two")
    with first.vacancy("two") as free:
        assert not free
    second.close()
    wait_for(lambda: vacant(first, "two"))
    with first.vacancy("two") as free:
        assert free
        with pytest.raises(ExecutorTaken):
            hold("two")
    hold("two")


def test_a_session_that_the_server_ended_is_a_loss(url: str, postgresql: PrivatePostgresql) -> None:
    lost = threading.Event()
    tenure = SharedTenure(url, "one", on_loss=lost.set)
    with postgresql.connect() as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 's4m one'")
    assert lost.wait(10)
    tenure.close()


def test_a_killed_process_holds_nothing(hold: Hold, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    hold("one")


def test_a_stopped_process_loses_its_id_and_ends_when_it_wakes_up(hold: Hold, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGSTOP)
    watcher = hold("two")
    wait_for(lambda: vacant(watcher, "one"), 20)
    hold("one")
    holder.send_signal(signal.SIGCONT)
    assert holder.wait(10) == 1
    assert holder.stdout is not None
    assert "tenure.lost" in holder.stdout.read()


def vacant(watcher: SharedTenure, executor_id: str) -> bool:
    with watcher.vacancy(executor_id) as free:
        return free


def test_a_former_process_of_an_id_is_ended_before_the_id_is_used(tmp_path: Path) -> None:
    enters = "import sys, time; from pathlib import Path; from orchestrator.takeover import Register\n"
    enters += "Register(Path(sys.argv[1])).enter('one'); print('in', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", enters, str(tmp_path)], stdout=subprocess.PIPE, text=True) as former:
        assert former.stdout is not None
        assert former.stdout.readline() == "in\n"
        former.send_signal(signal.SIGSTOP)
        register = Register(tmp_path)
        assert register.known() == {"one"}
        register.enter("one")
        assert former.wait(10) in (-signal.SIGKILL, -signal.SIGTERM)
    assert str(os.getpid()) in (tmp_path / "run" / "workers" / "one.json").read_text()
    (tmp_path / "run" / "workers" / "torn.json").write_text('{"pid"')
    register.end("torn")


def test_a_server_that_does_not_answer_is_a_store_that_cannot_be_used() -> None:
    with pytest.raises(StoreUnusable, match="does not answer"):
        SharedTenure("postgresql+psycopg://ada@127.0.0.1:1/none", "one")


@pytest.mark.parametrize("executor", ["", "../x", "a b", "x" * 65])
def test_an_id_that_cannot_name_a_file_is_refused(executor: str) -> None:
    with pytest.raises(ValueError, match="executor_id"):
        Settings(executor_id=executor)
