"""MSMF, VMOF and MMF behind their gates on a home of their own, with the models and the topology that are asked for.

Real keys enrolled on a real devnet, the real engine on SQLite, real sandboxes: what the orchestrator's program builds,
less the listener and the pipeline. Used by scripts/load/admissions.py and scripts/immersion/ahead.py, in one process at
a time.
"""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from dbos import DBOS, SQLAlchemyDatasource

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from orchestrator.__main__ import quicken
from orchestrator.app import Ground, durable_engine
from orchestrator.calls import FunctionClient
from orchestrator.errors import PeerRefused
from orchestrator.mmf import Keeper, MmfDeps, build_mmf
from orchestrator.models.manifests import Manifest
from orchestrator.msmf import MsmfDeps, build_msmf
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import supply
from orchestrator.runtime.port import InstanceSpec, Observation
from orchestrator.runtime.sandbox import SandboxRuntime
from orchestrator.settings import Settings
from orchestrator.vmof import VmofDeps, build_vmof
from scripts.load.demands import Demand
from trust.enrol import enrol_components
from trust.gate import GateAuth
from trust.keys import ComponentIdentity

COMPONENTS = ("orchestrator", "msmf", "vmof", "mmf", "operator")
ROOM = ResourceVector(10_000_000, 10_000_000, 10_000_000, 10_000_000, 100_000_000, 10_000_000)
"""What the one site has, so that no load is refused for want of a machine."""


@dataclass(frozen=True)
class Admission:
    """What was decided over one purchase, the seconds that it took, and those of them that new instances started in."""

    verdict: str
    """reuse, modify, create (what the dearest of its roles needed) or refuse"""
    took_s: float
    starting_s: float

    @property
    def deciding_s(self) -> float:
        """All but the starts."""
        return self.took_s - self.starting_s


class Starts:
    """The runtime, with a note of when somebody waited for an instance that had not run before."""

    def __init__(self, runtime: SandboxRuntime) -> None:
        self._runtime = runtime
        self._known: set[str] = set()
        self._waits: list[tuple[float, float]] = []
        self.observe, self.bounds, self.regrant = runtime.observe, runtime.bounds, runtime.regrant
        self.closed, self.delete = runtime.closed, runtime.delete

    def ensure(self, spec: InstanceSpec) -> Observation:
        """As the runtime does it."""
        is_new, begun = spec.instance_id not in self._known, time.perf_counter()
        seen = self._runtime.ensure(spec)
        if is_new:
            self._known.add(spec.instance_id)
            self._waits.append((begun, time.perf_counter()))
        return seen

    def forget(self) -> None:
        """Forget the waits so far."""
        self._waits.clear()

    def waited_s(self) -> float:
        """Seconds in which at least one start was waited for."""
        return covered_s(self._waits)


def covered_s(spans: Sequence[tuple[float, float]]) -> float:
    """How long at least one of these spans of time lasted, what overlaps counted once."""
    covered, until = 0.0, -math.inf
    for begun, ended in sorted(spans):
        covered += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return covered


@dataclass(frozen=True)
class Functions:
    """The three functions, running, as the orchestrator sees them."""

    msmf: FunctionClient
    vmof: FunctionClient
    mmf: FunctionClient
    models: Mapping[str, Manifest]
    ground: Ground
    keeper: Keeper
    runtime: SandboxRuntime
    starts: Starts

    def admit(self, subscription: int, demand: Demand) -> Admission:
        """Step I to III of one purchase of a service or a single model."""
        spec = demand.spec
        document = {"schema": "s4m/request/2", "service": spec["name"], **demand.request}
        body = {
            "subscriptionId": str(subscription), "planId": "1", "document": document, "spec": dict(spec),
            "isolationSold": document.get("isolation", 0),
        }  # fmt: skip
        self.starts.forget()
        begun = time.perf_counter()
        try:
            wanted = self.msmf.post("/service-requirements", body, f"{subscription}:requirements:0")
            wanted = {**wanted, "access": demand.access}
            share = self.vmof.post("/instances", {"requirements": wanted}, f"{subscription}:instance:0")
            verdict = str(share["decision"]["models"]["verdict"])
        except PeerRefused as refusal:
            if refusal.reason["code"] != "infeasible":
                raise
            verdict = "refuse"
        return Admission(verdict, time.perf_counter() - begun, self.starts.waited_s())


@contextmanager
def functions(home: Path, models: Mapping[str, Manifest], topology: str = "") -> Iterator[Functions]:
    """Everything up on an empty home; all of it has ended when the block is left. Without a topology there is one site
    that has room for everything."""
    with Devnet.start() as devnet, _loop() as loop:
        ground = _ground(home, devnet, topology)
        built = _build(ground, loop, models)
        DBOS.launch()
        try:
            if not topology:
                with ground.store.writer.begin() as rows:
                    supply(rows, "bench", "site-1", ROOM)
            built.keeper()
            quicken()  # as the orchestrator's program does
            yield built
        finally:
            gc.unfreeze()
            DBOS.destroy(workflow_completion_timeout_sec=10)
            for client in (built.msmf, built.vmof, built.mmf):
                asyncio.run_coroutine_threadsafe(client.close(), loop).result(10)
            built.runtime.delete_all()
            ground.close()


def _ground(home: Path, devnet: Devnet, topology: str) -> Ground:
    """Contracts, keys and enrolments, final on the chain."""
    chain = Chain.connect(devnet.rpc_url)
    operator = WalletKey.create()
    devnet.fund(operator.address)
    contracts = Contracts(chain, deploy(chain, operator))
    contracts.deployment.save(home)
    operator.save(home / "keys" / "accounts" / "operator.json")
    keys = [ComponentIdentity.load_or_create(home / "keys" / f"{name}.json", name) for name in COMPONENTS]
    with Sender(chain, operator) as sender:
        enrol_components(contracts, sender, keys)
    devnet.mine(3)
    chain.close()
    return Ground.open(Settings(home=home, rpc_url=devnet.rpc_url, topology=topology))


def _build(ground: Ground, loop: asyncio.AbstractEventLoop, models: Mapping[str, Manifest]) -> Functions:
    url = ground.settings.database_url
    durable_engine(ground.settings, ground.store)
    datasource = SQLAlchemyDatasource.create(url, engine=ground.store.writer)
    runtime = SandboxRuntime(ground.settings.home_dir)

    def client(caller: str, peer: str, app: Any) -> FunctionClient:
        return FunctionClient(peer, GateAuth(ground.identity(caller), peer, callees=ground.callees), loop, app=app)

    reader = ground.store.reader
    msmf = ground.guard("msmf", build_msmf(MsmfDeps(datasource, reader=reader)))
    starts = Starts(runtime)
    deps = MmfDeps(datasource, starts, models, client("mmf", "msmf", msmf), topology=ground.topology, reader=reader)
    mmf = ground.guard("mmf", build_mmf(deps))
    vmof_deps = VmofDeps(datasource, models, client("vmof", "mmf", mmf), client("vmof", "msmf", msmf), reader=reader)
    vmof = ground.guard("vmof", build_vmof(vmof_deps))
    asked = {name: client("orchestrator", name, app) for name, app in (("msmf", msmf), ("vmof", vmof), ("mmf", mmf))}
    keeper = Keeper(deps, mmf.state.door.teller.tell)
    return Functions(**asked, models=models, ground=ground, keeper=keeper, runtime=runtime, starts=starts)


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, as the program's server has it."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
