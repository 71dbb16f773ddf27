"""MSMF, VMOF and MMF behind their gates on a home of their own, with as many models as are asked for.

Real keys enrolled on a real devnet, the real engine on SQLite, real sandboxes: what the orchestrator's program builds,
less the listener and the pipeline. Used by bench_orchestrator.py, in one process at a time.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
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
from orchestrator.__main__ import SWITCH_INTERVAL_S
from orchestrator.app import Ground, durable_engine
from orchestrator.calls import FunctionClient
from orchestrator.mmf import Keeper, MmfDeps, build_mmf
from orchestrator.models.manifests import Manifest, manifests, parse_manifest
from orchestrator.msmf import MsmfDeps, build_msmf
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import supply
from orchestrator.runtime.sandbox import SandboxRuntime
from orchestrator.settings import Settings
from orchestrator.vmof import VmofDeps, build_vmof
from trust.enrol import enrol_components
from trust.gate import GateAuth
from trust.keys import ComponentIdentity

COMPONENTS = ("orchestrator", "msmf", "vmof", "mmf", "operator")
ROOM = ResourceVector(10_000_000, 10_000_000, 10_000_000, 10_000_000, 100_000_000, 10_000_000)
"""What the one site has, so that no load is refused for want of a machine."""


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

    def admit(self, subscription: int, model: str, **request: Any) -> tuple[dict[str, Any], float]:
        """Step I to III of one purchase of a single model: the share, and the seconds that it took."""
        document = {"schema": "s4m/request/1", "service": model, **request}
        spec = dict(self.models[model].document)
        body = {
            "subscriptionId": str(subscription), "planId": "1", "document": document, "spec": spec,
            "isolationSold": request.get("isolation", 0),
        }  # fmt: skip
        begun = time.perf_counter()
        wanted = self.msmf.post("/service-requirements", body, f"{subscription}:requirements:0")
        share = self.vmof.post("/instances", {"requirements": wanted}, f"{subscription}:instance:0")
        return share, time.perf_counter() - begun


def variants(count: int) -> dict[str, Manifest]:
    """`count` models: the installed ones that are no part of the pool, over and over under further names."""
    every = manifests().values()
    parts = {one.name: one for one in every if one.kind == "CaaS" and one.supplies and not one.consumes}
    rest = [one for one in every if one.name not in parts]
    named = (
        {**one.document, "name": f"{one.name}-{number // len(rest)}"}
        for number, one in enumerate(islice(cycle(rest), count - len(parts)))
    )
    return {**parts, **{document["name"]: parse_manifest(document) for document in named}}


@contextmanager
def functions(home: Path, models: Mapping[str, Manifest]) -> Iterator[Functions]:
    """Everything up on an empty home; all of it has ended when the block is left."""
    with Devnet.start() as devnet, _loop() as loop:
        ground = _ground(home, devnet)
        built = _build(ground, loop, models)
        DBOS.launch()
        try:
            with ground.store.writer.begin() as rows:
                supply(rows, "bench", "site-1", ROOM)
            built.keeper()
            sys.setswitchinterval(SWITCH_INTERVAL_S)  # both as the orchestrator's program does
            gc.freeze()
            yield built
        finally:
            gc.unfreeze()
            DBOS.destroy(workflow_completion_timeout_sec=10)
            for client in (built.msmf, built.vmof, built.mmf):
                asyncio.run_coroutine_threadsafe(client.close(), loop).result(10)
            built.runtime.delete_all()
            ground.close()


def _ground(home: Path, devnet: Devnet) -> Ground:
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
    return Ground.open(Settings(home=home, rpc_url=devnet.rpc_url))


def _build(ground: Ground, loop: asyncio.AbstractEventLoop, models: Mapping[str, Manifest]) -> Functions:
    url = ground.settings.database_url
    durable_engine(ground.settings, ground.store)
    datasource = SQLAlchemyDatasource.create(url, engine=ground.store.writer)
    runtime = SandboxRuntime(ground.settings.home_dir)

    def client(caller: str, peer: str, app: Any) -> FunctionClient:
        return FunctionClient(peer, GateAuth(ground.identity(caller), peer, callees=ground.callees), loop, app=app)

    reader = ground.store.reader
    msmf = ground.guard("msmf", build_msmf(MsmfDeps(datasource, reader=reader)))
    deps = MmfDeps(datasource, runtime, models, client("mmf", "msmf", msmf), reader=reader)
    mmf = ground.guard("mmf", build_mmf(deps))
    vmof_deps = VmofDeps(datasource, models, client("vmof", "mmf", mmf), client("vmof", "msmf", msmf), reader=reader)
    vmof = ground.guard("vmof", build_vmof(vmof_deps))
    asked = {name: client("orchestrator", name, app) for name, app in (("msmf", msmf), ("vmof", vmof), ("mmf", mmf))}
    return Functions(**asked, models=models, ground=ground, keeper=Keeper(deps), runtime=runtime)


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
