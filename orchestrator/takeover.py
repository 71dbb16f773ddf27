"""Finds workers that are dead or stopped and lets their work go on elsewhere.

`app` runs it once a second in every worker on PostgreSQL. A worker's id that nobody holds while workflows are pending
under it, or while its process is still there, is a worker to take over: first its process is ended for good (a stopped
one would wake up and go on), then its workflows are given back to the engine's queues. Whoever dequeues one owns it;
the engine refuses every later step of the former owner, and a transactional step counts once (workflow id, step).
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import structlog
from dbos import DBOS

from orchestrator.runtime.processes import ProcessId, end
from orchestrator.settings import APPLICATION_VERSION
from orchestrator.tenure import SharedTenure

PENDING = "PENDING"

log = structlog.get_logger("takeover")


class Register:
    """Which process is which worker of this home: `run/workers/<executor id>.json`, written by who holds the id."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "run" / "workers"

    def enter(self, executor_id: str) -> None:
        """Write down that this process is it; a former one that still stands is ended."""
        self.end(executor_id)
        self._folder.mkdir(parents=True, exist_ok=True)
        me = ProcessId.of(os.getpid())
        if me is not None:
            draft = self._file(executor_id).with_suffix(".new")
            draft.write_text(json.dumps(asdict(me)), "utf-8")
            draft.replace(self._file(executor_id))

    def known(self) -> set[str]:
        """The ids written down."""
        return {file.name.removesuffix(".json") for file in self._folder.glob("*.json")}

    def end(self, executor_id: str) -> None:
        """End the process that was this worker, if it stands (stopped, or not aware yet). Call it holding the id."""
        try:
            process = ProcessId(**json.loads(self._file(executor_id).read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return
        if process.alive():
            log.warning("worker.ended", executor=executor_id, pid=process.pid, why="it lost its executor id")
            try:
                end(process, grace_s=0.0)
            except PermissionError:
                log.error("worker.not_ended", executor=executor_id, pid=process.pid, remedy="end it: it is not ours")
        self._file(executor_id).unlink(missing_ok=True)

    def _file(self, executor_id: str) -> Path:
        return self._folder / f"{executor_id}.json"


class Takeover:
    """One look: ends what is left of vanished workers, frees their workflows, then leads if nobody does."""

    def __init__(self, tenure: SharedTenure, register: Register) -> None:
        self._tenure = tenure
        self._register = register
        self._may_lead = False

    def look(self) -> int:
        """How many workflows were taken over."""
        self._may_lead = self._tenure.try_to_lead() or self._may_lead
        taken = 0
        for executor_id in sorted(self._others()):
            with self._tenure.vacancy(executor_id) as vacant:
                if vacant:
                    self._register.end(executor_id)
                    taken += self._free(executor_id)
        if self._may_lead and not self._tenure.leads:
            self._tenure.begin_to_lead()
        return taken

    def _others(self) -> set[str]:
        pending = DBOS.list_workflows(
            status=PENDING, app_version=APPLICATION_VERSION, load_input=False, load_output=False
        )
        busy = {one.executor_id for one in pending if one.executor_id}
        return (busy | self._register.known()) - {self._tenure.executor_id}

    @staticmethod
    def _free(executor_id: str) -> int:
        """To the queue it came from, so that its limits hold; a call's own workflow to the engine's, which has none."""
        left = DBOS.list_workflows(
            executor_id=executor_id,
            status=PENDING,
            app_version=APPLICATION_VERSION,
            load_input=False,
            load_output=False,
        )
        for one in left:
            DBOS.resume_workflow(one.workflow_id, queue_name=one.queue_name)
        if left:
            log.warning("worker.taken_over", executor=executor_id, workflows=len(left))
        return len(left)
