"""The three functions on a real engine, a real database and real sandboxes; calls go through their ASGI apps."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource
from fastapi import FastAPI

from orchestrator.calls import FunctionClient
from orchestrator.in_process import AsgiApp
from orchestrator.mmf import Keeper, MmfDeps, Repacking, build_mmf
from orchestrator.mmf.workflows import now_s
from orchestrator.models.manifests import Manifest, manifests, services
from orchestrator.msmf import MsmfDeps, build_msmf
from orchestrator.resources.physical import establish
from orchestrator.resources.topology import ONE_SITE, Topology
from orchestrator.runtime.port import Runtime
from orchestrator.runtime.sandbox import SandboxRuntime
from orchestrator.store import Store, open_store
from orchestrator.vmof import VmofDeps, build_vmof


@dataclass
class House:
    """The three functions, running."""

    store: Store
    runtime: Runtime
    keeper: Keeper
    msmf: FunctionClient
    vmof: FunctionClient
    mmf: FunctionClient
    repacking: Repacking
    deps: MmfDeps
    apps: tuple[FastAPI, ...]
    """callers before those whom they call"""
    vmof_deps: VmofDeps
    tried: dict[str, int] = field(default_factory=dict)

    def requirements(self, subscription: int, service: str = "virtual-beach-travel", **request: Any) -> dict[str, Any]:
        document = {"schema": "s4m/request/1", "service": service, **request}
        spec = (services().get(service) or manifests()[service]).document
        body = {"subscriptionId": str(subscription), "planId": "1", "document": document, "spec": dict(spec)}
        body["isolationSold"] = request.get("isolation", 0)
        answer: dict[str, Any] = self.msmf.post(
            "/service-requirements", body, f"{subscription}:requirements:{hash(str(body))}"
        )
        return answer

    def instantiate(self, subscription: int, service: str = "virtual-beach-travel", **request: Any) -> dict[str, Any]:
        wanted = self.requirements(subscription, service, **request)
        turn = self.tried[str(subscription)] = self.tried.get(str(subscription), 0) + 1
        share: dict[str, Any] = self.vmof.post(
            "/instances", {"requirements": wanted}, f"{subscription}:instance:{turn}"
        )
        return share

    def update(
        self, subscription: int, revision: int, service: str = "virtual-beach-travel", **request: Any
    ) -> dict[str, Any]:
        """Another size for a running share, as the orchestrator asks for it."""
        wanted = self.requirements(subscription, service, **request)
        body = {"requirements": wanted, "revision": revision}
        share: dict[str, Any] = self.vmof.put(f"/shares/{subscription}", body, f"{subscription}:update:{revision}")
        return share

    def release(self, subscription: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.vmof.delete(f"/shares/{subscription}", f"{subscription}:release:0")
        return answer

    def told(self, kind: str, count: int) -> list[dict[str, Any]]:
        """The notices of a kind, once there are so many: they are told after the answer."""
        until = time.monotonic() + 20
        while True:
            found = [one for one in self.msmf.get("/notices")["notices"] if one["kind"] == kind]
            if len(found) >= count:
                return found
            assert time.monotonic() < until, f"{kind}: {found}"
            time.sleep(0.05)

    def keeper_anew(self) -> Keeper:
        """Another keeper, which knows nothing of what the first one told, as after a restart."""
        return Keeper(self.deps, self.apps[1].state.door.teller.tell)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.store.reader.connect() as rows:
            return [dict(row) for row in rows.execute(sa.text(query)).mappings()]


@dataclass
class Loop:
    """An event loop in a thread of its own, as a server has it."""

    loop: asyncio.AbstractEventLoop
    thread: threading.Thread

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def running_loop() -> Iterator[Loop]:
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Loop(loop, thread)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def build(
    home: Path,
    loop: asyncio.AbstractEventLoop,
    models: Mapping[str, Manifest],
    *,
    supplied: bool = True,
    database: str = "",
    topology: Topology = ONE_SITE,
    runtime: Runtime | None = None,
    clock: Callable[[], int] = now_s,
    way_to_msmf: Callable[[AsgiApp], AsgiApp] | None = None,
) -> House:
    """Build the functions on this home and launch the engine; what was under way there is recovered.

    `runtime` fills the port in place of real sandboxes; `way_to_msmf` is the network between MSMF and the other two.
    """
    store = open_store(database or f"sqlite:///{home / 'db' / 'engine.db'}")
    with store.writer.begin() as rows:
        establish(rows, topology)
    DBOS(
        config={
            "name": "s4m-test",
            "system_database_url": store.url,
            "system_database_engine": store.reader,
            "application_version": "1",
            "executor_id": "one",
            "notification_listener_polling_interval_sec": 0.02,
            "enable_otlp": False,
            "log_level": "ERROR",
        }
    )
    datasource = SQLAlchemyDatasource.create(store.url, engine=store.writer)
    runtime = runtime or SandboxRuntime(home)
    msmf_app = build_msmf(MsmfDeps(datasource, reader=store.reader))
    msmf = FunctionClient("msmf", None, loop, app=msmf_app)
    told = msmf if way_to_msmf is None else FunctionClient("msmf", None, loop, app=way_to_msmf(msmf_app))
    deps = MmfDeps(datasource, runtime, models, told, clock, topology, reader=store.reader)
    mmf_app = build_mmf(deps)
    mmf = FunctionClient("mmf", None, loop, app=mmf_app)
    vmof_deps = VmofDeps(datasource, models, mmf, told, reader=store.reader)
    vmof_app = build_vmof(vmof_deps)
    DBOS.launch()
    house = House(
        store,
        runtime,
        Keeper(deps, mmf_app.state.door.teller.tell, mmf_app.state.supplying.end_overdue),
        msmf,
        FunctionClient("vmof", None, loop, app=vmof_app),
        mmf,
        mmf_app.state.repacking,
        deps,
        (vmof_app, mmf_app, msmf_app),
        vmof_deps,
    )
    if supplied:
        house.keeper()
    return house


def tear_down(house: House, loop: Loop, *, keep_instances: bool = False) -> None:
    """Let what is under way end, stop the engine, close what is open, end the models."""
    for app in house.apps:
        app.state.door.close()
    DBOS.destroy()
    for client in (house.msmf, house.vmof, house.mmf):
        loop.run(client.close())
    if not keep_instances:
        for one in house.runtime.observe():
            house.runtime.delete(one.instance_id)
    house.store.close()
