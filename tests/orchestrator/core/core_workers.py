"""A house with two orchestrators on one PostgreSQL."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from core_house import ONE_LARGE_SITE, SERVICE, TOPOLOGY, CoreHouse
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

    @classmethod
    @contextmanager
    def running(cls, home: Path, postgresql: PrivatePostgresql) -> Iterator["Workers"]:
        """Both up, the first one leads; their logs are printed at the end."""
        database = postgresql.create()
        with Devnet.start() as devnet, postgresql.connect(database) as rows:
            market = Market.on(devnet)
            house = CoreHouse.build(home, market)
            (home / TOPOLOGY).write_text(json.dumps(ONE_LARGE_SITE))
            spec = service_named(SERVICE)
            terms = [house.documents.put({**spec.terms, "isolation": degree}) for degree in range(3)]
            plans = [market.register(spec.spec_hash, one, Kind.COMPOSITE) for one in terms]
            built = cls(house, database, plans, rows)
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
        return bool(self.pending(name))

    def pending(self, name: str) -> list[str]:
        """The workflows that are under way at this worker."""
        mine = "SELECT workflow_uuid FROM dbos.workflow_status WHERE status = 'PENDING' AND executor_id = %s"
        return [one for (one,) in self.rows.execute(mine, [IDS[name]]).fetchall()]

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
