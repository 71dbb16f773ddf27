"""Two orchestrators on one PostgreSQL: one leads, both work; killed or stopped, its work ends once, at the other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from core_house import SERVICE, CoreHouse, free_port, sandboxes
from core_market import Market
from core_wait import wait_for
from sandbox_processes import sandboxes_of

from ledger.devnet import Devnet
from ledger.values import Kind, PlanId, SubscriptionId
from orchestrator.models.manifests import service_named
from orchestrator.runtime.port import RunState
from orchestrator.runtime.sandbox import SandboxRuntime
from scripts.private_postgresql import PrivatePostgresql

ROLES = service_named(SERVICE).roles
FIRST, SECOND = "orchestrator", "standby"
IDS = {FIRST: "orchestrator-0", SECOND: "orchestrator-1"}


@dataclass
class Workers:
    """A house with two orchestrators."""

    house: CoreHouse
    database: str
    plans: list[PlanId]
    """one for each degree of isolation"""
    rows: psycopg.Connection[Any]

    def start(self, name: str) -> None:
        """One instantiation at a time each, so that both have work as soon as two are due."""
        self.house.start(name, S4M_DATABASE=self.database, S4M_EXECUTOR_ID=IDS[name], S4M_MAX_PARALLEL="1")

    def health(self, name: str) -> dict[str, Any]:
        with self.house.client(at=name) as client:
            answer: dict[str, Any] = client.get("/health").json()
        return answer

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.rows.execute(sql).fetchall()  # type: ignore[arg-type]  # the test's own text

    def buy(self, *isolation: int) -> list[SubscriptionId]:
        """Purchases at once, one for each degree."""
        digests = [self.house.documents.put(self.house.request(isolation=degree)) for degree in isolation]
        bought = zip(isolation, digests, strict=True)
        return [self.house.market.buy(self.plans[degree], digest) for degree, digest in bought]

    def buy_until_works(self, name: str) -> list[SubscriptionId]:
        """Purchases of all degrees, until workflows are under way at this worker."""
        bought = self.buy(0, 2, 1, 0)
        until = time.monotonic() + 40
        while not self.works(name):
            assert time.monotonic() < until, self.log()
            if not self.query("SELECT 1 FROM services WHERE state IN ('requested', 'preparing', 'planning')"):
                bought += self.buy(0, 0)
            time.sleep(0.01)
        return bought

    def works(self, name: str) -> bool:
        return (IDS[name],) in self.query("SELECT executor_id FROM dbos.workflow_status WHERE status = 'PENDING'")

    def wait_running(self, bought: list[SubscriptionId]) -> None:
        names = {str(one) for one in bought}
        running = "SELECT subscription_id FROM services WHERE state = 'running'"
        wait_for(lambda: names <= {name for (name,) in self.query(running)}, 60, self.log)

    def log(self) -> str:
        logs = [(self.house.home / f"{name}.log") for name in IDS]
        services = self.query("SELECT subscription_id, state, attempt, outcome FROM services")
        work = self.query("SELECT workflow_uuid, status, queue_name, executor_id FROM dbos.workflow_status")
        return "\n".join([*(log.read_text()[-3_000:] for log in logs if log.exists()), str(services), str(work)])

    def check(self, bought: list[SubscriptionId]) -> None:
        """Each purchase has one share and each role once; what runs is what the rows say, nothing twice."""
        mine = {str(one) for one in bought}
        shares = self.query("SELECT subscription_id, state FROM shares")
        assert {(one, "running") for one in mine} <= set(shares)
        assert len({one for one, _ in shares}) == len(shares)
        uses = sorted((one, role) for one, role in self.query("SELECT subscription_id, role FROM uses") if one in mine)
        assert uses == sorted((one, role) for one in mine for role in ROLES)
        assert not self.query("SELECT 1 FROM model_instances WHERE state IN ('planned', 'stopping')")
        standing = {name for (name,) in self.query("SELECT instance_id FROM model_instances WHERE state = 'running'")}
        seen = SandboxRuntime(self.house.home).observe()
        assert {one.instance_id for one in seen} == standing
        assert {one.state for one in seen} == {RunState.RUNNING}
        assert sandboxes_of(self.house.home) == dict.fromkeys(standing, 1)
        attempts = self.query("SELECT subscription_id FROM services WHERE attempt > 0")
        assert not attempts, "a takeover is no new attempt"


@pytest.fixture(scope="module")
def workers(postgresql: PrivatePostgresql, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    database = postgresql.create()
    with Devnet.start() as devnet, postgresql.connect(database) as rows:
        market = Market.on(devnet)
        house = CoreHouse.build(tmp_path_factory.mktemp("home"), market)
        spec = service_named(SERVICE)
        terms = [house.documents.put({**spec.terms, "isolation": degree}) for degree in range(3)]
        plans = [market.register(spec.spec_hash, one, Kind.COMPOSITE) for one in terms]
        built = Workers(house, database, plans, rows)
        try:
            house.start("gateway")
            built.start(FIRST)
            wait_for(lambda: built.health(FIRST)["leads"], 20)
            built.start(SECOND)
            yield built
        finally:
            print(built.log())
            for process in house.processes.values():
                process.send_signal(signal.SIGCONT)
            house.close()
            market.close()


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
