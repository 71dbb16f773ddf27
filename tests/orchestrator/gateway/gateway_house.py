"""What the gateway's tests stand on: home, keys, enrolment, a model on-chain, sandboxes, the gateway as a process."""

import json
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import rfc8785

from ledger.contracts import Contracts
from ledger.devnet import Devnet
from ledger.events import ModelRegistered, PlanPublished, Subscribed
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.structs import PlanTerms
from ledger.typed_data import Activation, sign
from ledger.values import Kind, Money, SubscriptionId, compact
from marketplace.wallet.use import Agreement, SigningHabit, UsageSession
from orchestrator.models.manifests import Plan
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime
from tests.forks import Program
from trust.enrol import enrol_components
from trust.gate import GateAuth
from trust.keys import ComponentIdentity

NEVER = SigningHabit(10**9, 10**9)
OBJECTS = [{"object": number, "attention": 1 + number % 5} for number in range(10)]
TERMS: dict[str, Any] = {
    "schema": "s4m/terms/1",
    "meters": [
        {"name": "frame", "unit": "K", "units_per_1000": 1000},
        {"name": "souvenir", "unit": "piece", "units_per_1000": 25000},
    ],
    "included_units_per_period": "0",
    "qoe": {"floor_milli": 500, "discount_bps": 2000},
    "credit_units": "300",
    "credit_seconds": 60,
}
OPERATIONS: dict[str, Any] = {
    "frame": {"meter": 0, "model": "rendering", "call": "frame", "cache": "cache", "link": "link", "immersion": True},
    "souvenir": {"meter": 1, "model": "rendering", "call": "souvenir", "link": "link", "provenance": True},
}
MODELS = {"rendering": "rendering_server", "cache": "edge_cache", "link": "terahertz_link"}
GRANT = {"rendering_k": 100, "bandwidth_mbps": 1000, "storage_mib": 16}


@dataclass(frozen=True)
class Bought:
    """A bought and activated subscription."""

    id: SubscriptionId
    buyer: WalletKey
    session: WalletKey


class GatewayHouse:
    def __init__(
        self,
        home: Path,
        devnet: Devnet,
        contracts: Contracts,
        sender_of: Callable[[WalletKey], Sender],
        funded_wallet: Callable[..., WalletKey],
        deployer: WalletKey,
    ) -> None:
        self.home = home
        self.devnet = devnet
        self.contracts = contracts
        self.sender_of = sender_of
        self.deployer = deployer
        self.buyer = funded_wallet(1_000)
        self.runtime = SandboxRuntime(home)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Program | None = None
        self.sockets: dict[str, str] = {}
        self.sessions: list[UsageSession] = []

    def start(self) -> None:
        accounts = self.home / "keys" / "accounts"
        self.operator = WalletKey.load_or_create(accounts / "operator.json")
        self.meter_key = WalletKey.load_or_create(accounts / "meter.json")
        self.identities = {
            name: ComponentIdentity.load_or_create(self.home / "keys" / f"{name}.json", name)
            for name in ("orchestrator", "mmf", "operator", "gateway")
        }
        enrol_components(self.contracts, self.sender_of(self.operator), self.identities.values())
        self.contracts.deployment.save(self.home)
        self.plan_id, self.timed_plan_id = self._publish()
        self.sender_of(self.buyer).send(self.contracts.credit.approve(self.contracts.deployment.market, Money(10**9)))
        self.devnet.mine(3)
        for role in MODELS:
            self.ensure(role)
        self.start_gateway()

    def stop(self) -> None:
        self.stop_gateway(signal.SIGTERM)
        self.runtime.delete_all()

    def ensure(self, role: str) -> None:
        """The model of a role runs."""
        spec = InstanceSpec(role, f"orchestrator.models.{MODELS[role]}", GRANT, 512)
        self.sockets[role] = str(self.runtime.ensure(spec).socket)

    def start_gateway(self, **environment: str) -> None:
        arguments = ["--home", str(self.home), "--port", str(self.port), "--rpc-url", self.devnet.rpc_url]
        self.process = Program("orchestrator.gateway", arguments, self.home / "gateway.log", environment)
        give_up = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{self.url}/health", trust_env=False).json()["block"]:
                    return
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError((self.home / "gateway.log").read_text())
            time.sleep(0.02)

    def stop_gateway(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(10)

    def component(self, name: str) -> httpx.AsyncClient:
        auth = GateAuth(self.identities[name], "gateway")
        return httpx.AsyncClient(base_url=self.url, auth=auth, trust_env=False, timeout=20)

    def buy(self, cap: int = 10_000, periods: int = 0, plan_id: int = 0) -> Bought:
        """Bought, activated and final; with `periods` of the plan that has periods of 6 s, unless another is named."""
        plan = plan_id or (self.timed_plan_id if periods else self.plan_id)
        market, sender, session = self.contracts.market, self.sender_of(self.buyer), WalletKey.create()
        receipt = sender.send(market.buy(plan, session.address, cap, periods, sha256(b"{}").digest()))
        bought = self.contracts.event_in(receipt, Subscribed)
        endpoint = sha256(str(bought.subscription_id).encode()).digest()
        word = sign(session, self.contracts.market_domain, Activation(bought.subscription_id, endpoint))
        sender.send(market.activate(bought.subscription_id, endpoint, *compact(word)))
        self.devnet.mine(3)
        return Bought(bought.subscription_id, self.buyer, session)

    def route(self, bought: Bought, **changes: Any) -> dict[str, Any]:
        document = {
            "subscriptionId": str(bought.id),
            "planId": str(self.plan_id),
            "buyer": bought.buyer.address,
            "signer": bought.session.address,
            "cap": "10000",
            "msi": "msi-1",
            "terms": TERMS,
            "service": "virtual-beach-travel",
            "grant": GRANT,
            "operations": OPERATIONS,
            "sockets": self.sockets,
            "objects": OBJECTS,
            "status": "running",
        }
        return {**document, **changes}

    async def served(self, cap: int = 10_000, periods: int = 0, **changes: Any) -> Bought:
        """A subscription whose route the gateway has."""
        bought = self.buy(cap, periods)
        await self.put_route(bought, **changes)
        return bought

    async def put_route(self, bought: Bought, **changes: Any) -> None:
        """The gateway serves it from now on."""
        async with self.component("orchestrator") as client:
            answer = await client.put(f"/routes/{bought.id}", json=self.route(bought, **changes))
        assert answer.status_code == 200, answer.text

    def agreement(self, bought: Bought) -> Agreement:
        return Agreement.read(self.contracts, bought.id, TERMS, operations=OPERATIONS, objects=OBJECTS)

    async def session(self, bought: Bought, **options: Any) -> UsageSession:
        opened = await UsageSession.open(self.url, self.agreement(bought), bought.session, **options)
        self.sessions.append(opened)
        return opened

    def configure_link(self, bought: Bought, **radio: Any) -> None:
        """Change the radio behind the gateway's back."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=self.sockets["link"])) as client:
            content = json.dumps({"tenant": str(bought.id), **radio})
            headers = {"Content-Type": "application/json"}
            client.post("http://model/configure", content=content, headers=headers).raise_for_status()

    def put_into_cache(self, bought: Bought, key: str, body: bytes) -> None:
        """Write a cache entry behind the gateway's back."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=self.sockets["cache"])) as client:
            headers = {
                "Content-Type": "application/octet-stream",
                "S4M-Params": json.dumps({"key": key}),
                "S4M-Tenant": str(bought.id),
            }
            client.post("http://model/put", content=body, headers=headers).raise_for_status()

    def _publish(self) -> tuple[int, int]:
        """A plan without periods, and one with periods of 6 s."""
        sender = self.sender_of(self.deployer)
        spec_hash = sha256(b"a service of the gateway's tests").digest()
        call = self.contracts.catalog.register(Kind.TAAS, spec_hash, "s4m:test", self.meter_key.address, 0)
        self.model_id = self.contracts.event_in(sender.send(call), ModelRegistered).model_id
        return self.publish(Plan(50, 0, 0, 3600, 300, 500), TERMS), self.publish(
            Plan(50, 1000, 6, 3600, 300, 500), TERMS
        )

    def publish(self, plan: Plan, terms: Mapping[str, Any]) -> int:
        """One more plan of the house's model, without periods' price where the plan has none; its id."""
        terms_hash = sha256(rfc8785.dumps(dict(terms))).digest()
        of_chain = PlanTerms(
            Money(plan.unit_price), Money(plan.period_price), plan.period, plan.release_window, plan.activation_window,
            plan.qoe_floor, terms_hash,
        )  # fmt: skip
        receipt = self.sender_of(self.deployer).send(self.contracts.catalog.publish_plan(self.model_id, of_chain))
        return int(self.contracts.event_in(receipt, PlanPublished).plan_id)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
