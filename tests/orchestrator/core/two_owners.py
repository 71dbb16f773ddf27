"""A worker that counts in durable workflows, and goes on when it has lost its id: what the engine must then refuse.

    python two_owners.py URL HOME EXECUTOR [begin]

Each workflow takes the pool's turn `STEPS` times, each in a transaction step, with a pause in between.
"""

import sys
import time
from pathlib import Path

from dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource

from orchestrator.app import durable_engine
from orchestrator.instances import take_turn
from orchestrator.instances.transact import durable, transact
from orchestrator.settings import Settings
from orchestrator.store import open_store
from orchestrator.takeover import Register, Takeover
from orchestrator.tenure import SharedTenure
from orchestrator.workers import Worker

WORKFLOWS, STEPS, PAUSE_S = 5, 12, 0.4


def main(url: str, home: Path, executor: str, begins: bool) -> None:
    """Work until killed."""
    store = open_store(url)
    tenure = SharedTenure(store.url, executor, on_loss=lambda: None)
    register = Register(home)
    register.enter(executor)
    transactions = SQLAlchemyDatasource.create(store.url, engine=store.writer)
    durable_engine(Settings(home=home, database=url, executor_id=executor), store)

    def count() -> int:
        for _ in range(STEPS):
            transact(transactions, take_turn, "pool")
            time.sleep(PAUSE_S)
        return STEPS

    counting = durable("count", count)
    DBOS.launch()
    if begins:
        for number in range(WORKFLOWS):
            with SetWorkflowID(f"count-{number}"):
                DBOS.start_workflow(counting)
    Worker("takeover", Takeover(tenure, register).look, 0.5).start()
    print("up", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], "begin" in sys.argv)
