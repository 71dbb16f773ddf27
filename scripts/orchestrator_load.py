"""How many instantiations a second the orchestrator decides, and how fast a vanished worker's work goes on.

    .venv/bin/python scripts/orchestrator_load.py                     # all figures, on SQLite and a private PostgreSQL
    .venv/bin/python scripts/orchestrator_load.py --database sqlite --workers 1
    .venv/bin/python scripts/orchestrator_load.py --database postgresql://user@host/empty --workers 2

Real processes run the real pipeline (scripts/load_worker.py). A purchase is an event folded into the store as the
listener does; it counts when its row says `running`, which is committed after MSMF, VMOF and MMF agreed and the models
answered. Throughput is of purchases that reuse running models. Takeover: workers are killed (kill -9) and some stopped
(SIGSTOP) in the midst of work; each workflow that was theirs at that moment is timed until another worker has ended it.
Prints JSON; exit 1 where anything is lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import rfc8785
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from orchestrator import store as tables  # noqa: E402
from orchestrator.instances.tables import INSTANCES, SHARES, USES  # noqa: E402
from orchestrator.listener import fold  # noqa: E402
from orchestrator.models.manifests import service_named  # noqa: E402
from orchestrator.resources.pool import ALLOCATIONS  # noqa: E402
from orchestrator.runtime.port import RunState  # noqa: E402
from orchestrator.runtime.sandbox import SandboxRuntime  # noqa: E402
from orchestrator.store import CURSOR, SERVICES, ServiceState  # noqa: E402
from scripts.load.percentiles import percentile  # noqa: E402
from scripts.load_worker import PLAN  # noqa: E402
from scripts.private_postgresql import PrivatePostgresql, private_postgresql  # noqa: E402
from storage import is_postgresql  # noqa: E402

SERVICE = "virtual-beach-travel"
SEATS = 16
"""shares of one MSI of this service: as many as its rendering server takes"""
PLANS = {0: 1, 2: 2}
"""degree of isolation → the plan that sells it"""
MSIS = 2
BATCH = MSIS * (SEATS - 1)
PURCHASES, TAKEOVER_PURCHASES, KILLS, STOPS = 180, 500, 10, 2
PATIENCE_S = 120.0


class Lost(Exception):
    """Something was lost or doubled."""


@dataclass
class Load:
    """One home, its workers, and the purchases made so far."""

    home: Path
    database: str
    workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    bought: list[str] = field(default_factory=list)
    released: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store = tables.open_store(self.database)
        spec = service_named(SERVICE)
        documents = self.home / "documents"
        documents.mkdir(parents=True)
        terms = {str(plan): _put(documents, {**spec.terms, "isolation": degree}) for degree, plan in PLANS.items()}
        plan = {"spec": _put(documents, spec.document), "terms": terms}
        (documents / PLAN).write_text(json.dumps(plan))
        common = {"schema": "s4m/request/1", "service": SERVICE, "qoe": {"rate_mbps": 100}}
        self.requests = {degree: _put(documents, {**common, "isolation": degree}) for degree in PLANS}
        with self.store.writer.begin() as rows:
            position = {"number": 1, "hash": "0x1", "timestamp": int(time.time())}
            rows.execute(sa.insert(CURSOR).values(id=1, chain_id="1", genesis_hash="0x0", **position))

    def start(self, name: str) -> None:
        """Start a worker and wait until it is up."""
        command = [sys.executable, "-m", "scripts.load_worker", "--home", str(self.home), "--database", self.database]
        with (self.home / f"{name}.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--executor", name], stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )
        self.workers[name] = worker
        assert worker.stdout is not None
        if worker.stdout.readline().strip() != "up":
            raise Lost(f"{name} did not start: {(self.home / f'{name}.log').read_text()[-2_000:]}")

    def buy(self, count: int, dedicated: int = 0) -> list[str]:
        """Fold that many purchases, the last ones with models of their own; all become due at once."""
        first = len(self.bought)
        degrees = [2 if number >= count - dedicated else 0 for number in range(count)]
        names = [str((PLANS[degree] << 32) + first + number) for number, degree in enumerate(degrees)]
        with self.store.writer.begin() as rows:
            for name, degree in zip(names, degrees, strict=True):
                fold(rows, "Subscribed", _subscribed(name, self.requests[degree]), 1, tables.now_ms())
        self.bought += names
        return names

    def release(self, names: Sequence[str]) -> None:
        """End these services and wait until they have ended."""
        with self.store.writer.begin() as rows:
            for name in names:
                fold(rows, "Released", {"subscription_id": name}, 2, tables.now_ms())
        self.released |= set(names)
        self.wait(names, ServiceState.DECOMMISSIONED)

    def wait(self, names: Sequence[str], state: ServiceState) -> None:
        """Until all of these are in the state; Lost where one ends otherwise or nothing happens any more."""
        until = time.monotonic() + PATIENCE_S
        while (left := self._not_in(names, state)) and time.monotonic() < until:
            time.sleep(0.01)
        if left:
            raise Lost(f"{len(left)} purchases did not become {state}: {left[:3]}")

    def _not_in(self, names: Sequence[str], state: ServiceState) -> list[Any]:
        query = sa.select(SERVICES.c.subscription_id, SERVICES.c.state, SERVICES.c.outcome)
        query = query.where(SERVICES.c.subscription_id.in_(names), SERVICES.c.state != state.value)
        with self.store.reader.connect() as rows:
            left = [(row[0], row[1], row[2].get("waiting"), row[2].get("refusal")) for row in rows.execute(query)]
        refused = [row for row in left if row[1] == ServiceState.REFUSED]
        if refused:
            raise Lost(f"refused though there was room: {refused[0]}")
        return left

    def fill(self) -> None:
        """Start the models once: as many MSIs as the batches need, each with one share that stays."""
        for _ in range(MSIS):
            seeds = self.buy(SEATS)
            self.wait(seeds, ServiceState.RUNNING)
        self.release([name for number, name in enumerate(self.bought) if number % SEATS])

    def pending_of(self, executor: str) -> list[str]:
        """The workflows that are under way there, as the engine's table says."""
        query = sa.text("SELECT workflow_uuid FROM dbos.workflow_status WHERE status='PENDING' AND executor_id=:it")
        with self.store.reader.connect() as rows:
            return list(rows.scalars(query, {"it": executor}))

    def unfinished(self, workflows: Sequence[str]) -> set[str]:
        """Those that have not ended yet."""
        query = sa.text("SELECT workflow_uuid FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')")
        with self.store.reader.connect() as rows:
            return set(workflows) & set(rows.scalars(query))

    def check(self) -> None:
        """Each purchase has one share, each kept share each role once, and what runs is what the rows say."""
        kept = {name for name in self.bought if name not in self.released}
        roles = service_named(SERVICE).roles
        with self.store.reader.connect() as rows:
            shares = {row[0]: row[1] for row in rows.execute(sa.select(SHARES.c.subscription_id, SHARES.c.state))}
            uses = sorted((row[0], row[1]) for row in rows.execute(sa.select(USES.c.subscription_id, USES.c.role)))
            holders = set(rows.scalars(sa.select(ALLOCATIONS.c.subscription_id).distinct())) - {""}
            standing = {row[0]: row[1] for row in rows.execute(sa.select(INSTANCES.c.instance_id, INSTANCES.c.state))}
        wanted = {name: "running" if name in kept else "released" for name in self.bought}
        running = {name for name, state in standing.items() if state == "running"}
        seen = {one.instance_id for one in SandboxRuntime(self.home).observe() if one.state is RunState.RUNNING}
        for what, is_so, should in (
            ("shares", shares, wanted),
            ("uses", uses, sorted((name, role) for name in kept for role in roles)),
            ("allocations", holders, kept),
            ("sandboxes", seen, running),
            ("sandboxes started", sandboxes_of(self.home), len(running)),
        ):
            if is_so != should:
                raise Lost(f"{what} are not what was bought: {str(is_so)[:300]} instead of {str(should)[:300]}")

    def close(self) -> None:
        """End workers and models."""
        for worker in self.workers.values():
            worker.kill()
            worker.wait()
            if worker.stdout is not None:
                worker.stdout.close()
        SandboxRuntime(self.home).delete_all()
        self.store.close()


def sandboxes_of(home: Path) -> int:
    """How many sandboxes of this home stand, whoever started them: the outer process of each writes into its folder."""
    found = 0
    for one in psutil.process_iter(["cmdline"]):
        with suppress(OSError):
            outer = (one.info["cmdline"] or [""])[0].endswith("bwrap")
            found += outer and Path(f"/proc/{one.pid}/fd/1").readlink().is_relative_to(home)
    return found


@contextmanager
def loaded(database: str, workers: int) -> Iterator[Load]:
    """A fresh home on this (empty) database with its workers up; `sqlite` means a file in the home."""
    with tempfile.TemporaryDirectory(prefix="s4m-load-") as folder:
        home = Path(folder)
        load = Load(home, database if is_postgresql(database) else f"sqlite:///{home / 'db' / 'engine.db'}")
        try:
            for number in range(workers):
                load.start(f"worker-{number}")
            load.fill()
            yield load
        finally:
            load.close()


def throughput(database: str, workers: int, purchases: int = PURCHASES) -> float:
    """Instantiations a second, decision and rows committed, of purchases that reuse running models."""
    busy_s, done = 0.0, 0
    with loaded(database, workers) as load:
        while done < purchases:
            begun = time.monotonic()
            batch = load.buy(BATCH)
            load.wait(batch, ServiceState.RUNNING)
            busy_s, done = busy_s + time.monotonic() - begun, done + len(batch)
            load.release(batch)
        load.check()
    return done / busy_s


def takeovers(database: str, purchases: int, kills: int, stops: int) -> dict[str, Any]:
    """Kill and stop workers, two at work, while purchases come in; how long their workflows took to end elsewhere."""
    times: dict[str, list[float]] = {"kill": [], "stop": []}
    plan = _strikes(purchases - MSIS * SEATS, kills, stops)
    struck, done = Counter[str](), 0
    with loaded(database, 2) as load:
        left = purchases - len(load.bought)
        for number, how in enumerate(plan):
            batch = load.buy(min(BATCH, left - done), dedicated=1)
            done += len(batch)
            if how:
                times[how] += _strike(load, f"worker-{number % 2}", how)
                struck[how] += 1
            load.wait(batch, ServiceState.RUNNING)
            if how:
                _restart(load, f"worker-{number % 2}")
            load.release(batch)
        load.check()
        bought = len(load.bought)
    if not times["kill"]:
        raise Lost("no workflow was under way at any worker that was killed: nothing was taken over")
    return {
        "purchases": bought,
        "kills": struck["kill"],
        "stops": struck["stop"],
        "workflows_taken_over": sum(len(one) for one in times.values()),
        "takeover_p99_s": percentile(times["kill"] + times["stop"], 0.99),
        "takeover_killed_max_s": max(times["kill"]),
        "takeover_stopped_max_s": max(times["stop"], default=0.0),
    }


def _strikes(purchases: int, kills: int, stops: int) -> list[str]:
    """What happens in each batch; raises ValueError where there are too few of them."""
    batches = -(-purchases // BATCH)
    plan = ["kill"] * kills + ["stop"] * stops
    if len(plan) > batches:
        raise ValueError(f"{purchases} purchases are {batches} batches, too few to end {len(plan)} workers in")
    return plan + [""] * (batches - len(plan))


def _strike(load: Load, name: str, how: str) -> list[float]:
    """End or stop a worker as soon as it has work; seconds until each of its workflows ended elsewhere."""
    until = time.monotonic() + PATIENCE_S
    while not load.pending_of(name) and time.monotonic() < until:
        time.sleep(0.001)
    worker = load.workers[name]
    worker.send_signal(signal.SIGSTOP)  # first, so that the list is of the very moment
    struck = time.monotonic()
    if how == "kill":
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    theirs = load.pending_of(name)
    ended: dict[str, float] = {}
    while len(ended) < len(theirs) and time.monotonic() < until:
        left = load.unfinished(theirs)
        ended |= {one: time.monotonic() - struck for one in theirs if one not in left and one not in ended}
        time.sleep(0.01)
    if len(ended) < len(theirs):
        raise Lost(f"{name}: {set(theirs) - set(ended)} were not taken over")
    return list(ended.values())


def _restart(load: Load, name: str) -> None:
    """A stopped worker goes on first: it must end by itself, or have been ended."""
    worker = load.workers[name]
    if worker.poll() is None:
        worker.send_signal(signal.SIGCONT)
    if worker.wait(30) == 0:
        raise Lost(f"{name} ended as if nothing had happened")
    if worker.stdout is not None:
        worker.stdout.close()
    load.start(name)


def _put(folder: Path, document: Any) -> str:
    content = rfc8785.dumps(document)
    digest = sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return digest


def _subscribed(name: str, request: str) -> dict[str, Any]:
    account = "0x" + "11" * 20
    deadline = int(time.time()) + 86_400
    purchase = {"buyer": account, "signer": account, "cap": "1000", "periods": "0", "deadline": str(deadline)}
    return {"subscription_id": name, "requirements_hash": f"0x{request}", **purchase}


def throughputs(purchases: int, server: PrivatePostgresql | None) -> Iterator[tuple[str, float]]:
    """Of one worker on SQLite and, where there is a PostgreSQL, of one and of two on it; each as it is measured."""
    yield "sqlite", throughput("sqlite", 1, purchases)
    if server is not None:
        for workers in (1, 2):
            yield f"pg{workers}", throughput(server.create(), workers, purchases)


def ratios(rates: Mapping[str, float]) -> dict[str, float]:
    """What PostgreSQL costs, and what a second worker on it brings."""
    return {"pg1_over_sqlite": rates["pg1"] / rates["sqlite"], "pg2_over_pg1": rates["pg2"] / rates["pg1"]}


def measure(purchases: int, takeover_purchases: int, kills: int, stops: int) -> dict[str, Any]:
    """All figures: SQLite, a private PostgreSQL with one and two workers, and the takeovers."""
    with private_postgresql() as server:
        rates = dict(throughputs(purchases, server))
        found = takeovers(server.create(), takeover_purchases, kills, stops)
    return {**{f"instantiations_per_s_{kind}": rate for kind, rate in rates.items()}, **ratios(rates), **found}


def main() -> int:
    """Measure what is asked for, print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="only this: sqlite, or the URL of an empty PostgreSQL database")
    parser.add_argument("--workers", type=int, default=1, help="processes on that database")
    parser.add_argument("--purchases", type=int, default=PURCHASES, help="of one throughput")
    parser.add_argument("--takeover-purchases", type=int, default=TAKEOVER_PURCHASES)
    parser.add_argument("--kills", type=int, default=KILLS, help="workers killed with kill -9; one a batch")
    parser.add_argument("--stops", type=int, default=STOPS, help="workers stopped with SIGSTOP")
    options = parser.parse_args()
    if options.workers > 1 and options.database and not is_postgresql(options.database):
        parser.error("several workers need PostgreSQL: SQLite has one")
    started = os.times()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # workers, models and the server end with us
    try:
        if options.database:
            kind = f"pg{options.workers}" if is_postgresql(options.database) else "sqlite"
            rate = throughput(options.database, options.workers, options.purchases)
            found: dict[str, Any] = {f"instantiations_per_s_{kind}": rate}
        else:
            found = measure(options.purchases, options.takeover_purchases, options.kills, options.stops)
    except ValueError as cause:
        parser.error(str(cause))
    except Lost as cause:
        print(json.dumps({"lost": str(cause)}))
        return 1
    found["seconds"] = os.times().elapsed - started.elapsed
    print(json.dumps({name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
