"""One worker of the load in scripts/orchestrator_load.py: the real pipeline, functions, engine and sandboxes.

    python -m scripts.load_worker --home HOME --database URL --executor ID

Only what lies outside the orchestrator is left out: there is no chain (the load folds events into the store itself),
documents come from a folder instead of the marketplace, and routes go to no gateway. Prints `up`, then works until it
is killed.
"""

import argparse
import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvloop
from dbos import DBOS, SQLAlchemyDatasource

from orchestrator.app import QUEUE, QUEUE_POLLING_S, TAKEOVER_INTERVAL_S, durable_engine, log_json
from orchestrator.calls import FunctionClient
from orchestrator.documents import Documents, PlanFacts
from orchestrator.instances import take_turn
from orchestrator.mmf import Keeper, MmfDeps, build_mmf
from orchestrator.models.manifests import manifests
from orchestrator.msmf import MsmfDeps, build_msmf
from orchestrator.pipeline import Dispatcher, Peers, Pipeline
from orchestrator.reconcile import Routes
from orchestrator.requirements import FunctionCall
from orchestrator.resources.physical import establish
from orchestrator.resources.topology import load_topology
from orchestrator.runtime.sandbox import SandboxRuntime
from orchestrator.settings import Settings
from orchestrator.store import CURSOR, open_store
from orchestrator.takeover import Register, Takeover
from orchestrator.tenure import Alone, SharedTenure, Tenure
from orchestrator.vmof import VmofDeps, build_vmof
from orchestrator.workers import Worker

DISPATCH_S = 0.02
PLAN = "plan.json"


class Folder:
    """The marketplace's documents, one file each, named by their hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ARG002
        """The document."""
        return json.loads((self._folder / path.rpartition("/")[2]).read_text("utf-8"))

    def post(self, path: str, json: Any, idempotency_key: str = "") -> Any:
        """Nobody posts to it."""
        raise NotImplementedError(path)

    put = post

    def delete(self, path: str, idempotency_key: str = "") -> Any:
        """Nobody deletes of it."""
        raise NotImplementedError(path)


class NoGateway:
    """Takes every route."""

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ARG002
        """Nothing to tell."""
        return {"boot": "none"}

    def put(self, path: str, json: Any, idempotency_key: str = "") -> Any:
        """Taken."""

    def delete(self, path: str, idempotency_key: str = "") -> Any:
        """Gone."""


class LoadWorker:
    """What `orchestrator.app.Program` is, without chain, marketplace and gateway."""

    def __init__(self, home: Path, database: str, executor_id: str) -> None:
        self._settings = Settings(home=home, database=database, executor_id=executor_id)
        self._store = open_store(self._settings.database_url)
        self._tenure: Tenure = Alone()
        if self._store.shared:
            self._tenure = SharedTenure(self._store.url, executor_id)
            Register(home).enter(executor_id)
        self._topology = load_topology(self._settings.topology, self._settings.access)
        with self._store.writer.begin() as rows:
            take_turn(rows, "pool")
            establish(rows, self._topology)
        transactions = SQLAlchemyDatasource.create(self._store.url, engine=self._store.writer)
        durable_engine(self._settings, self._store)
        self._runtime = SandboxRuntime(home)
        msmf, vmof, self._keeper = self._functions(transactions)
        plan = json.loads((home / "documents" / PLAN).read_text("utf-8"))
        peers = Peers(
            msmf=msmf,
            vmof=vmof,
            documents=Documents(
                Folder(home / "documents"), lambda number: PlanFacts(plan["spec"], plan["terms"][str(number)], 0)
            ),
            routes=Routes(self._store, NoGateway()),
            submit_activation=lambda *_: "",
            require_runtime=self._runtime.check,
        )
        pipeline = Pipeline(transactions, peers, "http://127.0.0.1:1")
        queue = QUEUE if self._store.shared else None
        self._dispatcher = Dispatcher(pipeline, self._store, self._final, self._settings.max_parallel, queue)

    def run(self) -> None:
        """Work until the process is ended."""
        DBOS.launch()
        turns = {"dispatch": (self._dispatch, DISPATCH_S), "keep": (self._keep, 1.0)}
        if isinstance(self._tenure, SharedTenure):
            limit = self._settings.max_parallel
            DBOS.register_queue(QUEUE, worker_concurrency=limit, polling_interval_sec=QUEUE_POLLING_S)
            takeover = Takeover(self._tenure, Register(self._settings.home_dir))
            Worker("takeover", takeover.look, TAKEOVER_INTERVAL_S).start()
        for name, (work, interval_s) in turns.items():
            Worker(name, work, interval_s).start()
        print("up", flush=True)
        while True:
            time.sleep(3_600)

    def _functions(self, transactions: SQLAlchemyDatasource) -> tuple[FunctionCall, FunctionCall, Keeper]:
        loop = uvloop.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        models, reader = manifests(), self._store.reader
        msmf = FunctionClient("msmf", None, loop, app=build_msmf(MsmfDeps(transactions, reader=reader)))
        deps = MmfDeps(transactions, self._runtime, models, msmf, topology=self._topology, reader=reader)
        app = build_mmf(deps)
        mmf = FunctionClient("mmf", None, loop, app=app)
        vmof = build_vmof(VmofDeps(transactions, models, mmf, msmf, reader=reader))
        keeper = Keeper(deps, app.state.door.teller.tell, app.state.supplying.end_overdue)
        return msmf, FunctionClient("vmof", None, loop, app=vmof), keeper

    def _final(self) -> int:
        with self._store.reader.connect() as rows:
            return int(rows.scalar(sa.select(CURSOR.c.timestamp)) or 0)

    def _dispatch(self) -> None:
        if self._tenure.leads:
            self._dispatcher.dispatch()

    def _keep(self) -> None:
        if self._tenure.leads:
            self._keeper()
            self._dispatcher.mend()


def main() -> None:
    """Parse, then work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--executor", required=True)
    options = parser.parse_args()
    log_json()  # to standard error: standard output is a pipe that nobody reads any more once it said `up`
    LoadWorker(options.home, options.database, options.executor).run()


if __name__ == "__main__":
    main()
