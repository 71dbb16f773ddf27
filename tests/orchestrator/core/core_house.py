"""The real orchestrator and gateway as processes on a real chain; only the marketplace is a small document server."""

import json
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import rfc8785
from core_market import Market
from core_server import served
from core_wait import wait_for
from fastapi import FastAPI, HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.devnet import Devnet
from ledger.values import Kind, PlanId, SubscriptionId
from orchestrator.gateway.sealing import behaviour_key
from orchestrator.gateway.store import UsageStore
from orchestrator.models.manifests import service_named
from orchestrator.runtime.sandbox import SandboxRuntime
from tests.forks import Program
from trust.callee import Call, Signing
from trust.enrol import enrol_components
from trust.gate import GateAuth
from trust.keys import ComponentIdentity

COMPONENTS = ("marketplace", "orchestrator", "msmf", "vmof", "mmf", "gateway", "operator")
SERVICE = "virtual-beach-travel"
ROOM = dict.fromkeys(
    ("computing_mcores", "bandwidth_mbps", "protocol_stack_sessions", "storage_mib", "spectrum_mhz"), 1_000_000
)
ONE_LARGE_SITE = {"schema": "s4m/topology/1", "name": "one large site", "sites": [{"name": "site-1", "capacity": ROOM}]}
"""A topology with room for everybody: then only what cannot be served may be refused."""
TOPOLOGY = "topology.json"
"""Where a home's topology lies; without it there is one small site."""


class Proving:
    """Proves itself to its callers as the marketplace's gate does, without asking who they are."""

    def __init__(self, app: ASGIApp, identity: ComponentIdentity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        proof = dict(scope["headers"]).get(b"dpop", b"").decode()
        call = Call("marketplace", scope["method"], scope["path"], proof)
        await self._app(scope, receive, Signing(self._identity, call, send).send)


class DocumentServer:
    """The outside: serves JSON documents by their hash, as the marketplace does."""

    def __init__(self, identity: ComponentIdentity) -> None:
        self.documents: dict[str, Any] = {}
        app = FastAPI()
        app.add_api_route("/api/v1/documents/{digest}", self._get, methods=["GET"])
        app.add_middleware(Proving, identity=identity)
        self._stack = ExitStack()
        self.url = self._stack.enter_context(served(app))

    async def _get(self, digest: str, request: Request) -> Any:
        if not request.headers.get("authorization", "").startswith("DPoP "):
            raise HTTPException(401)
        if digest not in self.documents:
            raise HTTPException(404)
        return self.documents[digest]

    def put(self, document: Any) -> bytes:
        """Keep it; answers its hash."""
        digest = sha256(rfc8785.dumps(document)).digest()
        self.documents[digest.hex()] = document
        return digest

    def stop(self) -> None:
        self._stack.close()


@dataclass
class CoreHouse:
    """One home with its processes."""

    home: Path
    market: Market
    documents: DocumentServer
    plan: PlanId
    ports: dict[str, int]
    identities: dict[str, ComponentIdentity]
    processes: dict[str, Program] = field(default_factory=dict)
    database: str = ""
    """where not in the home"""

    @classmethod
    def build(cls, home: Path, market: Market, **plan_options: int) -> "CoreHouse":
        """Keys, enrolments, catalogue and documents; no process yet."""
        market.contracts.deployment.save(home)
        market.sender_key.save(home / "keys" / "accounts" / "operator.json")
        market.meter.save(home / "keys" / "accounts" / "meter.json")
        keys = home / "keys"
        identities = {name: ComponentIdentity.load_or_create(keys / f"{name}.json", name) for name in COMPONENTS}
        enrol_components(market.contracts, market.sender, identities.values())
        documents = DocumentServer(identities["marketplace"])
        spec = service_named(SERVICE)
        hashes = [documents.put(spec.document), documents.put(spec.terms)]
        plan = market.register(hashes[0], hashes[1], Kind.COMPOSITE, **plan_options)
        market.devnet.mine(3)
        ports = {"orchestrator": free_port(), "gateway": free_port()}
        return cls(home, market, documents, plan, ports, identities)

    @classmethod
    @contextmanager
    def running(cls, home: Path, database: str = "", files: Mapping[str, Any] | None = None) -> Iterator["CoreHouse"]:
        """Gateway and orchestrator up on a chain of their own; the orchestrator's log is printed at the end.

        `files` (JSON by name) lie in the home before anything starts.
        """
        with Devnet.start() as devnet:
            market = Market.on(devnet)
            built = cls.build(home, market)
            built.database = database
            for name, document in (files or {}).items():
                (home / name).write_text(json.dumps(document))
            try:
                built.start("gateway")
                built.start("orchestrator")
                yield built
            finally:
                print((built.home / "orchestrator.log").read_text())
                built.close()
                market.close()

    def start(self, name: str = "orchestrator", **environment: str) -> None:
        """Start one process and wait until it is healthy; a name that is no program is a further orchestrator."""
        module = "orchestrator.gateway" if name == "gateway" else "orchestrator"
        self.ports.setdefault(name, free_port())
        arguments = ["--home", str(self.home), "--port", str(self.ports[name])]
        variables = {**self.environment(), **environment}
        self.processes[name] = Program(module, arguments, self.home / f"{name}.log", variables)
        wait_for(lambda: self.healthy(name), 60, self.tail)

    def environment(self) -> dict[str, str]:
        topology = self.home / TOPOLOGY
        return {
            "S4M_RPC_URL": self.market.devnet.rpc_url,
            "S4M_MARKETPLACE_URL": self.documents.url,
            "S4M_ORCHESTRATOR_URL": self.url("orchestrator"),
            "S4M_GATEWAY_URL": self.url("gateway"),
            "S4M_SETTLE_INTERVAL_S": "0",
            **({"S4M_DATABASE": self.database} if self.database else {}),
            **({"S4M_TOPOLOGY": str(topology)} if topology.exists() else {}),
        }

    def route(self, subscription: object) -> dict[str, Any]:
        """The route as the gateway keeps it, sealed."""
        key = behaviour_key(self.home / "keys" / "behaviour.key")
        with closing(UsageStore(self.home / "db" / "usage.db", key)) as kept:
            routes = [json.loads(document) for document in kept.routes()]
        return next(route for route in routes if route["subscriptionId"] == str(subscription))

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def healthy(self, name: str) -> bool:
        process = self.processes[name]
        assert process.poll() is None, (self.home / f"{name}.log").read_text()[-3_000:]
        try:
            return httpx.get(f"{self.url(name)}/health", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self, name: str = "orchestrator", how: signal.Signals = signal.SIGKILL) -> None:
        self.processes[name].send_signal(how)
        self.processes[name].wait(10)

    def client(self, caller: str = "marketplace", peer: str = "orchestrator", at: str = "") -> httpx.Client:
        """The peer's routes (at a further process of it), called as that component."""
        return httpx.Client(base_url=self.url(at or peer), auth=GateAuth(self.identities[caller], peer), timeout=20)

    def service(self, subscription: SubscriptionId) -> dict[str, Any]:
        """What the orchestrator says of a subscription; empty where it knows none."""
        with self.client() as client:
            answer = client.get(f"/subscriptions/{subscription}")
        if answer.status_code == 404:
            return {}
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait_state(self, subscription: SubscriptionId, *states: str, seconds: float = 30) -> dict[str, Any]:
        wait_for(lambda: self.service(subscription).get("state") in states, seconds, lambda: self.tail())
        return self.service(subscription)

    def tail(self) -> str:
        return (self.home / "orchestrator.log").read_text()[-4_000:]

    def request(self, **changes: Any) -> dict[str, Any]:
        """A request document of a traveller."""
        return {
            "schema": "s4m/request/1",
            "scenario": "virtual_travelling",
            "service": SERVICE,
            "users": 1,
            "isolation": 0,
            "qoe": {"immersion_floor": 0, "rate_mbps": 250, "latency_ms": 1.5, "reliability": 0.9},
            "objects": [{"object": 12, "attention": 5}],
            **changes,
        }

    def close(self) -> None:
        """End the processes and every sandbox of this home."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
            process.wait(10)
        SandboxRuntime(self.home).delete_all()
        self.documents.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sandboxes(home: Path) -> list[dict[str, Any]]:
    """The recorded model processes of a home."""
    return [json.loads(path.read_text()) for path in sorted((home / "instances").glob("*/process.json"))]
