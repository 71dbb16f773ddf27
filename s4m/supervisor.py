"""The whole house in one call: chain, contracts, keys, catalogue, and three programs that are kept alive.

Called by `s4m up`, the demo and tests: `with House.start(home) as house: … house.urls.marketplace`. It restarts a dead
program at once with the same port, writes run/services.json, and on `stop` leaves no process behind. It never serves
anything itself.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment, deploy, deployment_path
from ledger.devnet import Devnet
from ledger.errors import LedgerError, PortTaken
from ledger.sender import Sender
from ledger.values import Address
from orchestrator.runtime import bubblewrap
from s4m import reference
from s4m.accounts import ACCOUNTS, Keys, journal_of
from s4m.errors import HouseRunning
from s4m.processes import Child, Service, Watch, end_leftovers, free_ports, is_free, wait_healthy, write_atomically
from s4m.reference import Listing
from trust.enrol import enrol_components

PORT_BASE = 8700
READY_TIMEOUT_S = 60.0
FINAL_AFTER_BLOCKS = 3
"""Empty blocks after set-up, so that enrolments are final before the first call."""


def nothing(_text: str) -> None:
    """The default listener of progress."""


@dataclass(frozen=True)
class Urls:
    """Where everything answers."""

    chain: str
    marketplace: str
    orchestrator: str
    gateway: str

    def environment(self) -> dict[str, str]:
        return {
            "S4M_RPC_URL": self.chain,
            "S4M_MARKETPLACE_URL": self.marketplace,
            "S4M_ORCHESTRATOR_URL": self.orchestrator,
            "S4M_GATEWAY_URL": self.gateway,
        }


@dataclass
class House:
    """A running house. Build it with `start`; end it with `stop` (a second one does nothing)."""

    home: Path
    urls: Urls
    keys: Keys
    devnet: Devnet
    chain: Chain
    deployment: Deployment
    contracts: Contracts
    children: dict[str, Child]
    listings: list[Listing] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds from the start to each mark, for whoever tunes the start."""
    _lock: IO[str] | None = None
    _watch: Watch | None = None
    _options: Mapping[str, Any] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        port_base: int = PORT_BASE,
        domain: str = "slicing4meta.devnet",
        catalogue: bool = True,
        slots_in_an_epoch: int = 1,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = nothing,
    ) -> House:
        """Everything up and healthy; on an error everything that was started is ended again.

        `port_base` 0 takes free ports, else chain, marketplace, orchestrator and gateway take four in a row. Raises
        HouseRunning, PortTaken, AnvilMissing, SandboxUnavailable, ServiceNotReady, ChainReplaced, each with a remedy.
        """
        home = home.expanduser().absolute()
        begun = time.monotonic()
        with ExitStack() as undo:
            lock = _take_lock(home)
            undo.callback(lock.close)
            end_leftovers(home / "run" / "services.json", home)
            bubblewrap.probe(bubblewrap.find_bubblewrap())
            ports = _ports(port_base)
            devnet = Devnet.start(ports[0], home, slots_in_an_epoch=slots_in_an_epoch)
            undo.callback(devnet.stop)
            house = cls._on_chain(home, domain, devnet, ports, environment or {}, say)
            house._options = {"slots_in_an_epoch": slots_in_an_epoch}
            house._lock = lock
            undo.callback(house.chain.close)
            undo.callback(house._stop_children)
            house._furnish(catalogue, say, begun)
            undo.pop_all()
        return house

    @classmethod
    def _on_chain(
        cls,
        home: Path,
        domain: str,
        devnet: Devnet,
        ports: list[int],
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> House:
        chain = Chain.connect(devnet.rpc_url)
        keys = Keys(home, domain)
        for name in ACCOUNTS:
            devnet.fund(keys.account(name).address)
        deployment = deployed(chain, keys, home)
        say(f"contracts on chain {chain.chain_id}: market {deployment.market}")
        services = [
            Service("marketplace", "marketplace", ports[1], "/api/v1/health"),
            Service("orchestrator", "orchestrator", ports[2], "/health"),
            Service("gateway", "orchestrator.gateway", ports[3], "/health"),
        ]
        urls = Urls(devnet.rpc_url, *(service.url for service in services))
        variables = {**urls.environment(), "S4M_HOME": str(home), "S4M_DOMAIN": domain, **environment}
        children = {service.name: Child(service, home, variables) for service in services}
        return cls(home, urls, keys, devnet, chain, deployment, Contracts(chain, deployment), children)

    def _furnish(self, catalogue: bool, say: Callable[[str], None], begun: float) -> None:
        """Enrols keys, then starts the programs and registers the catalogue side by side, and waits for health."""
        self._mark("deployed", begun)
        meter = self.keys.account("meter")
        with Sender(self.chain, self.keys.account("operator"), journal_of(self.home, "operator")) as sender:
            enrol_components(self.contracts, sender, self.keys.components(), domain=self.keys.domain)
        self._mark("enrolled", begun)
        self.devnet.mine(FINAL_AFTER_BLOCKS)
        for child in self.children.values():
            child.start()
        with ThreadPoolExecutor(1) as pool:
            listed: Future[list[Listing]] | None = None
            if catalogue:
                listed = pool.submit(reference.register, self.contracts, self.keys.account, meter.address, self.home)
            self.listings = listed.result() if listed else []
            self._mark("catalogue", begun)
            wait_healthy(list(self.children.values()), READY_TIMEOUT_S)
        self._mark("healthy", begun)
        if catalogue:
            put_documents(self.urls.marketplace, reference.documents())
            self.devnet.mine(FINAL_AFTER_BLOCKS)
        self._write_services()
        self._watch = Watch(list(self.children.values()), self._restarted, self._check_chain)
        self._watch.begin()
        self._mark("ready", begun)
        say(f"ready after {self.timings['ready']:.1f} s: {self.urls.marketplace}/api/v1 (home {self.home})")

    def _mark(self, name: str, begun: float) -> None:
        self.timings[name] = round(time.monotonic() - begun, 2)

    def __enter__(self) -> House:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        return {"chain": self.devnet.pid or 0, **{name: child.pid for name, child in self.children.items()}}

    def plan_of(self, name: str, isolation: int = 0) -> int:
        """The plan that sells a model or service of the reference catalogue at this degree of isolation."""
        return next(int(listing.plans[isolation]) for listing in self.listings if listing.name == name)

    def stop(self) -> None:
        """Ends the programs, their sandboxes, then the chain; leaves the home as it is."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._stop_children()
        self.chain.close()
        self.devnet.stop()
        (self.home / "run" / "services.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def _stop_children(self) -> None:
        if self._watch is not None:
            self._watch.end()
        with ThreadPoolExecutor(len(self.children)) as pool:
            list(pool.map(Child.stop, self.children.values()))
        clean_sandboxes(self.home)

    def _restarted(self, _child: Child) -> None:
        self._write_services()

    def _check_chain(self) -> None:
        """A dead anvil comes back on its port with the state it last wrote."""
        if self.devnet.running() or self._stopping.is_set():
            return
        port = self.devnet.port
        self.devnet.stop()
        with suppress(LedgerError):  # the port may still be closing: the next look tries again
            self.devnet = Devnet.start(port, self.home, **self._options)
            self._write_services()

    def _write_services(self) -> None:
        urls = {"chain": self.urls.chain, **{name: child.service.url for name, child in self.children.items()}}
        pids = self.pids
        write_atomically(
            self.home / "run" / "services.json", {name: {"url": url, "pid": pids[name]} for name, url in urls.items()}
        )


def deployed(chain: Chain, keys: Keys, home: Path, token: Address | None = None) -> Deployment:
    """The deployment of this chain: the file's, checked, or a fresh one, paid with `token` or one of its own."""
    if deployment_path(home, chain.chain_id).exists():
        deployment = Deployment.load(home, chain.chain_id)
        deployment.check(chain)
        return deployment
    deployment = deploy(chain, keys.account("deployer"), token=token, journal=journal_of(home, "deployer"))
    deployment.save(home)
    return deployment


def put_documents(marketplace_url: str, documents: list[tuple[str, bytes]]) -> None:
    """Stores spec and terms documents at the marketplace; repeating changes nothing."""
    with httpx.Client(base_url=f"{marketplace_url}/api/v1", timeout=30.0) as http, ThreadPoolExecutor(4) as pool:
        put = [pool.submit(http.put, f"/documents/{digest}", content=body) for digest, body in documents]
        for done in put:
            done.result().raise_for_status()


def clean_sandboxes(home: Path) -> None:
    """Ends every sandbox of this home. `python -m orchestrator --clean` does it, in a process that may fail alone."""
    if not (home / "instances").exists():
        return
    command = [sys.executable, "-m", "orchestrator", "--clean", "--home", str(home)]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


def _take_lock(home: Path) -> IO[str]:
    """One house a home: the lock falls with the process, however it ends."""
    path = home / "run" / "house.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise HouseRunning(f"Another `s4m up` runs in {home}.") from error
    os.set_inheritable(lock.fileno(), False)
    return lock


def _ports(base: int) -> list[int]:
    if base == 0:
        return free_ports(4)
    ports = [base + offset for offset in range(4)]
    for port in ports:
        if not is_free(port):
            raise PortTaken("127.0.0.1", port)
    return ports
