"""Composition root of the orchestrator: opens what it stands on, builds its rooms, gives each its neighbours.

Called by `__main__`. One process holds the listener, the pipeline, the three functions behind their own gates and the
loops. It is crash-only: everything that must last is in the store, on the chain or in a sandbox that outlives it, so a
stop is no more than a kill with a little notice, and a start always recovers.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, SQLAlchemyDatasource
from fastapi import FastAPI

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.errors import NodeDown
from ledger.keys import WalletKey
from ledger.sender import Sender
from orchestrator import store as tables
from orchestrator.activation import Activations
from orchestrator.adjuster import Adjuster, AdjusterPeers
from orchestrator.api import Api, build_api
from orchestrator.calls import FunctionClient
from orchestrator.controllers.values import AskMore, Report
from orchestrator.described import serve_document
from orchestrator.documents import Documents
from orchestrator.errors import HomeGone, NoSandbox
from orchestrator.in_process import AsgiApp
from orchestrator.instances import take_turn
from orchestrator.listener import Listener
from orchestrator.mmf import Keeper, MmfDeps, Parting, Repacking, build_mmf
from orchestrator.models.manifests import manifests
from orchestrator.models.programs import InstalledModels, Programs
from orchestrator.msmf import MsmfDeps, build_msmf
from orchestrator.onchain import OnChain
from orchestrator.pipeline import Dispatcher, Peers, Pipeline
from orchestrator.reconcile import Grants, Reconciler, Routes
from orchestrator.resources.physical import establish
from orchestrator.resources.topology import SANDBOX, BadTopology, Topology, load_topology
from orchestrator.runtime.domains import Domains
from orchestrator.runtime.errors import SandboxUnavailable, UnknownDomain
from orchestrator.runtime.sandbox import SandboxRuntime
from orchestrator.settings import APPLICATION_VERSION, Settings
from orchestrator.settlement import Settlement
from orchestrator.store import Store, open_store
from orchestrator.supervise_global import GlobalSupervisor
from orchestrator.supervise_local import LocalSupervisor
from orchestrator.supplier_pay import SupplierPay
from orchestrator.supplying import SupplyDesk
from orchestrator.takeover import Register, Takeover
from orchestrator.tenure import Alone, SharedTenure, Tenure
from orchestrator.updates import Updates
from orchestrator.vmof import Monitor, VmofDeps, build_vmof
from orchestrator.workers import Worker
from trust.anchors import Anchoring
from trust.callee import Callees
from trust.enrolment import Enrolment
from trust.gate import Gate, GateAuth
from trust.journal import Journal
from trust.keys import ComponentIdentity
from trust.policy import Policy
from trust.replay import SeenProofs
from trust.revocations import Revocations
from trust.stores import open_replay, open_revocations

DISPATCH_INTERVAL_S = 0.25
"""Pause between looks for due work where nothing wakes the dispatcher, seconds: retries are due between events."""

DESIGN_LOOK_S = 1.0
"""Longest pause between the global controller's looks whether an epoch is over, seconds."""
PAY_LOOK_S = 5.0
"""Longest pause between looks whether payments of suppliers that were sent are final, seconds."""
QUEUE = "services"
"""The engine's queue from which all workers on one PostgreSQL take instantiations and releases."""
QUEUE_POLLING_S = 0.05
TAKEOVER_INTERVAL_S = 1.0
"""Pause between looks for vanished workers, seconds."""
LEAD_POLL_S = 0.1

log = structlog.get_logger("orchestrator")


def log_json() -> None:
    """JSON lines on standard error, for every log of the program."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def connect(rpc_url: str, pause_s: float = 0.5) -> Chain:
    """The chain; waits for a node that is not up yet, and says so once."""
    said = False
    while True:
        try:
            return Chain.connect(rpc_url)
        except NodeDown as cause:
            if not said:
                log.warning("node.waiting", error=str(cause), remedy="start the node; this program waits for it")
            said = True
            time.sleep(pause_s)


@dataclass(frozen=True)
class Ground:
    """What the rooms stand on."""

    settings: Settings
    chain: Chain
    deployment: Deployment
    contracts: Contracts
    store: Store
    topology: Topology
    sandbox: SandboxRuntime
    runtime: Domains
    sender: Sender
    enrolment: Enrolment
    replay: SeenProofs
    revocations: Revocations
    journal: Journal
    tenure: Tenure

    @classmethod
    def open(cls, settings: Settings) -> "Ground":
        """Open it; raises the named errors of ledger, trust and store."""
        home = settings.home_dir
        chain = connect(settings.rpc_url)
        deployment = Deployment.load(home, chain.chain_id)
        deployment.check(chain)
        contracts = Contracts(chain, deployment)
        store = open_store(settings.database_url)
        tenure = _tenure(settings, store)
        topology = load_topology(settings.topology, settings.access)
        sandbox = SandboxRuntime(home, provided=settings.programs_dir)
        runtime = _runtime_of(topology, sandbox)
        with store.writer.begin() as rows:
            take_turn(rows, "pool")
            establish(rows, topology)
        operator = WalletKey.load(home / "keys" / "accounts" / "operator.json")
        sender = Sender(chain, operator, home / "db" / "operator-sends.db")
        domain_id = contracts.identity.domain_id_of(operator.address, settings.domain)
        enrolment = Enrolment(contracts, domain_id, domain=settings.domain)
        return cls(
            settings, chain, deployment, contracts, store, topology, sandbox, runtime, sender, enrolment,
            replay=open_replay(settings.database, home / "db" / "replay.db"),
            revocations=open_revocations(settings.database, home),
            journal=Journal(settings.journal_file),
            tenure=tenure,
        )  # fmt: skip

    def identity(self, component: str) -> ComponentIdentity:
        """The Ed25519 key of one component."""
        return ComponentIdentity.load_or_create(
            self.settings.home_dir / "keys" / f"{component}.json", component, self.settings.domain
        )

    @property
    def callees(self) -> Callees:
        """By what every call of this program judges who answers it."""
        return Callees(self.enrolment, self.journal)

    def guard(self, name: str, app: FastAPI) -> FastAPI:
        """Let an app serve its OpenAPI document, and put it behind the gate of its name."""
        serve_document(app, name)
        gate = Gate(
            name,
            Policy.load(),
            self.enrolment,
            self.replay,
            self.journal,
            identity=self.identity(name),
            revocations=self.revocations,
        )
        gate.protect(app)
        return app

    def close(self) -> None:
        """Give everything back."""
        gates = (self.enrolment, self.replay, self.revocations, self.journal)
        for part in (*gates, self.sender, self.tenure, self.store, self.chain):
            with contextlib.suppress(Exception):
                part.close()


class Program:
    """The running orchestrator."""

    def __init__(self, ground: Ground, loop: asyncio.AbstractEventLoop) -> None:
        self._ground = ground
        self._loop = loop
        self._clients: list[FunctionClient] = []
        settings = ground.settings
        transactions = SQLAlchemyDatasource.create(ground.store.url, engine=ground.store.writer)
        self._engine = durable_engine(settings, ground.store)
        functions = self._functions(transactions)
        gateway = self._client("orchestrator", "gateway", settings.gateway_url)
        marketplace = self._client("orchestrator", "marketplace", settings.marketplace_url)
        self._vmof = self._client("orchestrator", "vmof", settings.vmof_url, functions["vmof"])
        self._mmf = self._client("orchestrator", "mmf", settings.mmf_url, functions["mmf"])
        self._msmf = self._client("orchestrator", "msmf", settings.msmf_url, functions["msmf"])
        chain = OnChain(ground.chain, ground.contracts, ground.contracts.market_domain, ground.sender)
        self._monitor = Monitor(self._vmof_deps, gateway)
        routes = Routes(ground.store, gateway)
        peers = Peers(
            msmf=self._msmf,
            vmof=self._vmof,
            documents=Documents(marketplace, chain.plan_facts),
            routes=routes,
            submit_activation=chain.submit_activation,
            require_runtime=self._require_runtime,
        )
        pipeline = Pipeline(transactions, peers, settings.gateway_url, settings.document_retry_s)
        adjuster = Adjuster(transactions, AdjusterPeers(self._msmf, self._vmof, peers.documents, routes))
        self._updates = Updates(ground.store, adjuster, chain.updater_of)
        self._listener = self._make_listener()
        queue = QUEUE if ground.store.shared else None
        self._dispatcher = Dispatcher(
            pipeline, ground.store, self._listener.final_timestamp, settings.max_parallel, queue
        )
        self._global = GlobalSupervisor(ground.store, self._mmf, self._models, settings.design_epoch_s)
        self._local = LocalSupervisor(
            ground.store, gateway, self._vmof, lambda: self._workers["reconcile"].wake(), self._hear
        )
        self._settlement = Settlement(ground.store, gateway, chain, settings.settle_batch)
        self._reconciler = Reconciler(routes, Grants(ground.store, self._vmof), self._keeper)
        self._activations = Activations(pipeline, chain.signer_of)
        self._supply = SupplyDesk(chain, self._mmf)
        self._payer: Sender | None = None
        self._stop = threading.Event()
        self._pool_stands = threading.Event()
        self._workers = self._make_workers()
        self.app = self._make_app(functions)

    def start(self) -> None:
        """Recover, then begin to listen and to look. Blocks for a moment: call it in a thread."""
        self._ground.runtime.observe()  # whoever was stopped for its processor time at the last kill goes on
        self._ground.sender.recover()
        DBOS.launch()
        if self._ground.store.shared:
            limit = self._ground.settings.max_parallel
            DBOS.register_queue(QUEUE, worker_concurrency=limit, polling_interval_sec=QUEUE_POLLING_S)
        self._updates.recover()
        self._look_for_sandbox()
        for worker in self._workers.values():
            worker.start()
        self._listening = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._listening.start()
        log.info("orchestrator.started", executor=self._ground.settings.executor_id)

    def stop(self) -> None:
        """Let the present turns end; what is under way is recovered at the next start."""
        self._stop.set()
        for worker in self._workers.values():
            worker.stop()

    def health(self) -> dict[str, Any]:
        """What /health answers."""
        with self._ground.store.reader.connect() as reader:
            states = Counter(row["state"] for row in tables.services(reader))
        halted = self._listener.halted
        return {
            "ok": halted is None and (self._pool_stands.is_set() or not self._ground.tenure.leads),
            "executor": self._ground.settings.executor_id,
            "leads": self._ground.tenure.leads,
            "halted": None if halted is None else halted.problem(),
            "listener": {"lookedMs": self._listener.looked_ms, "trouble": self._listener.trouble},
            "finalTimestamp": self._listener.final_timestamp(),
            "services": dict(states),
            "bounds": dict(self._ground.runtime.bounds()),
        }

    def _look_for_sandbox(self) -> None:
        """Without one no pool will ever stand: purchases are then refused with the cause, not kept waiting."""
        try:
            self._require_runtime()
        except NoSandbox as cause:
            log.critical("sandbox.missing", error=str(cause))
            self._pool_stands.set()

    def _require_runtime(self) -> None:
        try:
            self._ground.sandbox.check()
        except SandboxUnavailable as cause:
            raise NoSandbox(str(cause), cause=cause.cause, remedy=cause.remedy) from cause

    async def close(self) -> None:
        """Close the connections to the neighbours; sandboxes run on, and nobody is left stopped."""
        self._ground.sandbox.let_go()
        if self._payer is not None:
            self._payer.close()
        for client in self._clients:
            await client.close()

    def _functions(self, transactions: SQLAlchemyDatasource) -> dict[str, FastAPI]:
        """MSMF, VMOF and MMF, each behind its own gate, each with its own key towards the others."""
        ground = self._ground
        models = self._models = InstalledModels(manifests(), Programs(ground.settings.programs_dir))
        msmf = ground.guard("msmf", build_msmf(MsmfDeps(transactions, reader=ground.store.reader)))
        deps = MmfDeps(
            transactions,
            ground.runtime,
            models,
            self._client("mmf", "msmf", ground.settings.msmf_url, msmf),
            topology=ground.topology,
            part=Parting(self._client("mmf", "gateway", ground.settings.gateway_url)),
            reader=ground.store.reader,
        )
        mmf = ground.guard("mmf", build_mmf(deps))
        vmof_deps = VmofDeps(
            transactions,
            mmf=self._client("vmof", "mmf", ground.settings.mmf_url, mmf),
            msmf=self._client("vmof", "msmf", ground.settings.msmf_url, msmf),
            models=models,
            reader=ground.store.reader,
        )
        vmof = ground.guard("vmof", build_vmof(vmof_deps))
        self._keeper = Keeper(deps, mmf.state.door.teller.tell, mmf.state.supplying.end_overdue)
        self._vmof_deps = vmof_deps
        self._repacking: Repacking = mmf.state.repacking
        return {"msmf": msmf, "vmof": vmof, "mmf": mmf}

    def _client(self, caller: str, peer: str, base_url: str, app: AsgiApp | None = None) -> FunctionClient:
        ground = self._ground
        auth = GateAuth(ground.identity(caller), peer, callees=ground.callees)
        timeout_s = ground.settings.call_timeout_s
        client = FunctionClient(peer, auth, self._loop, base_url=base_url, app=app, timeout_s=timeout_s)
        self._clients.append(client)
        return client

    def _make_listener(self) -> Listener:
        ground = self._ground
        return Listener(
            ground.chain,
            ground.deployment.market,
            ground.deployment.block_number,
            ground.store,
            lambda: self._workers["dispatch"].wake(),
            poll_interval_s=ground.settings.poll_interval_s,
            span_blocks=ground.settings.log_span_blocks,
        )

    def _make_workers(self) -> dict[str, Worker]:
        settings = self._ground.settings
        workers = {
            "dispatch": Worker("dispatch", self._dispatch, DISPATCH_INTERVAL_S),
            "reconcile": Worker("reconcile", self._reconcile, settings.reconcile_interval_s),
        }
        if isinstance(self._ground.tenure, SharedTenure):
            takeover = Takeover(self._ground.tenure, Register(settings.home_dir))
            workers["takeover"] = Worker("takeover", takeover.look, TAKEOVER_INTERVAL_S)
        if settings.repack_interval_s > 0:
            workers["repack"] = Worker("repack", self._repack, settings.repack_interval_s)
        if settings.settle_interval_s > 0:
            workers["settle"] = Worker("settle", self._settle, settings.settle_interval_s)
        if (paying := self._supplier_pay()) is not None:
            workers["suppliers"] = Worker(
                "suppliers", lambda: self._pay(paying), min(settings.supply_pay_interval_s, PAY_LOOK_S)
            )
        if settings.anchor_interval_s > 0:
            ground, folder = self._ground, settings.journal_file.parent
            anchoring = Anchoring(ground.contracts, ground.sender, folder, settings.anchor_interval_s)
            workers["anchor"] = Worker("anchor", lambda: self._anchor(anchoring), settings.anchor_interval_s)
        if settings.monitor_interval_s > 0:
            workers["monitor"] = Worker("monitor", self._watch, settings.monitor_interval_s)
        if settings.local_interval_s > 0:
            workers["local"] = Worker("local", self._control, settings.local_interval_s)
        if settings.design_epoch_s > 0:
            workers["design"] = Worker("design", self._design, min(settings.design_epoch_s, DESIGN_LOOK_S))
        return workers

    def _supplier_pay(self) -> SupplierPay | None:
        """Whoever pays suppliers without being told to, if anybody does."""
        ground, settings = self._ground, self._ground.settings
        if settings.supply_pay_interval_s == 0:
            return None
        if not settings.supply_payer_key.exists():
            log.info("suppliers.by_command", missing=str(settings.supply_payer_key), command="s4m supply pay")
            return None
        journal = settings.home_dir / "db" / f"{settings.supply_payer}-sends.db"
        payer = self._payer = Sender(ground.chain, WalletKey.load(settings.supply_payer_key), journal)
        return SupplierPay(self._supply, ground.contracts, payer, settings.supply_pay_interval_s)

    def _make_app(self, functions: dict[str, FastAPI]) -> FastAPI:
        ground = self._ground
        api = Api(
            ground.store,
            self._settlement,
            self._activations,
            self._vmof,
            self._mmf,
            self._msmf,
            self._updates,
            self.health,
            self._supply,
        )
        app = build_api(api)
        for name, function in functions.items():
            app.mount(f"/{name}", function)
        return ground.guard("orchestrator", app)

    # the loops' turns: of the leader only; after a changed final block nothing is started, ended or paid any more

    def _listen(self) -> None:
        while not self._ground.tenure.leads:
            if self._stop.wait(LEAD_POLL_S):
                return
        self._listener.run(self._stop)

    def _dispatch(self) -> None:
        if self._acts() and self._pool_stands.is_set():
            self._dispatcher.dispatch()

    def _reconcile(self) -> None:
        """A purchase decided before the pool's own parts run would be refused for want of everything: they go first."""
        self._require_home()
        if not self._ground.tenure.leads:
            return
        if "instances" not in self._reconciler.look() and not self._pool_stands.is_set():
            self._pool_stands.set()
            self._workers["dispatch"].wake()
        if self._acts():
            self._dispatcher.mend()

    def _require_home(self) -> None:
        """Whoever deletes a home has ended its house: on an empty folder every model would be started anew for ever."""
        home = self._ground.settings.home_dir
        if not (home / "keys").exists():
            log.critical("home.gone", home=str(home), remedy="end the house before its home is deleted")
            os.kill(os.getpid(), signal.SIGTERM)
            raise HomeGone(f"{home} was deleted under the running house; the orchestrator ends.")

    def _settle(self) -> None:
        if self._acts():
            self._settlement.settle()

    def _pay(self, paying: SupplierPay) -> None:
        if self._acts() and self._pool_stands.is_set():
            paying.look()

    def _repack(self) -> None:
        if self._acts() and self._pool_stands.is_set():
            self._repacking.look()

    def _design(self) -> None:
        if self._acts() and self._pool_stands.is_set():
            self._global.look()

    def _hear(self, server: str, told: Report | AskMore) -> None:
        """A local controller's word to the global one, where that runs; what is asked for is answered at once."""
        if "design" in self._workers:
            self._global.hear(server, told)
            self._workers["design"].wake()

    def _anchor(self, anchoring: Anchoring) -> None:
        if self._acts():
            anchoring.look()

    def _watch(self) -> None:
        if self._acts() and self._pool_stands.is_set():
            self._monitor()

    def _control(self) -> None:
        if self._acts() and self._pool_stands.is_set():
            self._local.look()

    def _acts(self) -> bool:
        return self._ground.tenure.leads and self._listener.halted is None


def _runtime_of(topology: Topology, sandbox: SandboxRuntime) -> Domains:
    """Which runtime serves which domain: here another domain's orchestrator is added."""
    try:
        return Domains({SANDBOX: sandbox}, topology.domains)
    except UnknownDomain as cause:
        raise BadTopology(f"{topology.name}: {cause}") from cause


def _tenure(settings: Settings, store: Store) -> Tenure:
    """The hold on this worker's id, before anything is touched; it may have to end a former process of the same id."""
    if not store.shared:
        return Alone()
    try:
        tenure = SharedTenure(store.url, settings.executor_id)
    except BaseException:
        store.close()
        raise
    Register(settings.home_dir).enter(settings.executor_id)
    return tenure


def durable_engine(settings: Settings, store: Store) -> DBOS:
    """The durable engine on the store; version and executor are fixed by hand, so a restart finds its own work."""
    config: DBOSConfig = {
        "name": "slicing4meta",
        "system_database_url": store.url,
        "system_database_engine": store.reader,
        "application_version": APPLICATION_VERSION,
        "executor_id": settings.executor_id,
        "log_level": "WARNING",
        "notification_listener_polling_interval_sec": 0.05,
        "enable_otlp": False,
    }
    return DBOS(config=config)
