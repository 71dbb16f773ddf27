"""What attacks are played on: a chain, a home with enrolled keys, the real apps served, and what a thief may hold.

`with open_ground(home) as ground:` starts a devnet and the apps of `serve`, and ends both.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.typed_data import Domain
from ledger.values import Kind as ModelKind
from scripts.attacks.impostor import Impostor, impostor
from scripts.honest.market import HonestMarket, Sold, terms_document
from trust.auth import GateAuth
from trust.enrol import enrol_components, revoke_component
from trust.keys import COMPONENTS, ComponentIdentity
from trust.revocations import Kind, Revocation
from trust.stores import open_revocations

ROOT = Path(__file__).resolve().parents[2]
REVOKED_SUBJECT = "subscription:666"
MODEL_SOCKET = "model.sock"
REVOKED_TOKEN = "a-token-that-was-revoked"  # noqa: S105 — its id


@dataclass(frozen=True)
class Target:
    """One app: where it answers, a call of a component that it takes, and one that nobody may make without a token."""

    app: str
    url: str
    method: str
    path: str
    caller: str
    closed: tuple[str, str]
    journal: Path
    program: str


@dataclass
class Ground:
    """Everything that the attacks use."""

    identities: dict[str, ComponentIdentity]
    strangers: dict[str, dict[str, ComponentIdentity]]
    """What is wrong with a key → component → its identity with such a key."""
    targets: list[Target]
    client: httpx.Client
    sold: list[Sold]
    """Two subscriptions of one buyer, active and served."""
    domain: Domain
    """Of what is signed for this market on this chain."""
    impostor: Impostor
    """Who answers where the programs look for their components."""
    _offsets: dict[Path, int] = field(default_factory=dict)
    _seen: set[tuple[str, str, str]] = field(default_factory=set)

    def new_rows(self, journal: Path) -> list[dict[str, Any]]:
        """What was journalled since the last look."""
        with journal.open("rb") as file:
            file.seek(self._offsets.get(journal, 0))
            lines = file.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._offsets[journal] = self._offsets.get(journal, 0) + len(whole)
        rows = [json.loads(line) for line in whole.splitlines()]
        self._seen.update((row["app"], row["outcome"], row["code"]) for row in rows)
        return rows

    def was_journalled(self, target: Target, code: str) -> bool:
        """Whether this refusal is on record: a row of its own, or one that is counted on.

        What never reached a mounted app was decided, and journalled, by the program's own gate.
        """
        fresh = {(row["app"], row["outcome"], row["code"]) for row in self.new_rows(target.journal)}
        known = self._seen if code in COUNTED else fresh
        return any((app, "deny", code) in known for app in (target.app, target.program))

    def was_let_in(self, target: Target) -> bool:
        """Whether the gate of this app ever let somebody in."""
        self.new_rows(target.journal)
        return (target.app, "allow", "ok") in self._seen


COUNTED = {
    "too_many_requests", "head_too_slow", "head_too_large", "body_too_slow", "malformed_http", "answer_not_taken",
    "callee_unproven",
}  # fmt: skip
CALLS = {
    "marketplace": ("GET", f"/api/v1/documents/{'ab' * 32}", "orchestrator", ("GET", "/api/v1/decisions/7")),
    "orchestrator": ("POST", "/settlements", "marketplace", ("POST", "/settlements")),
    "msmf": ("POST", "/service-requirements", "orchestrator", ("POST", "/service-requirements")),
    "vmof": ("PUT", "/grants", "orchestrator", ("PUT", "/grants")),
    "mmf": ("POST", "/offers", "vmof", ("POST", "/offers")),
    "gateway": ("PUT", "/routes", "orchestrator", ("PUT", "/routes")),
}


@contextmanager
def open_ground(home: Path) -> Iterator[Ground]:
    """The apps of a fresh home on a fresh chain; everything is ended afterwards."""
    with ExitStack() as stack:
        devnet = stack.enter_context(Devnet.start(slots_in_an_epoch=1))
        market = stack.enter_context(HonestMarket(devnet))
        operator, contracts = market.relayer, market.contracts
        for name, key in {"operator": operator, "meter": market.meter, "relayer": WalletKey.create()}.items():
            key.save(home / "keys" / "accounts" / f"{name}.json")
        market.deployment.save(home)
        identities = {n: ComponentIdentity.load_or_create(home / "keys" / f"{n}.json", n) for n in COMPONENTS}
        strangers = _strangers()
        with Sender(market.chain, operator) as sender:
            domain_id = enrol_components(contracts, sender, identities.values())
            enrol_components(contracts, sender, strangers["revoked"].values())
            for identity in strangers["revoked"].values():
                revoke_component(contracts, sender, domain_id, identity)
        _enrol_elsewhere(devnet, contracts, strangers["of another owner"])
        _enrol_on_another_chain(operator, strangers["of another chain"])
        sold = _sold(market)
        devnet.mine(4)
        with closing(open_revocations("", home)) as store:
            store.add(Revocation(Kind.SUBJECT, REVOKED_SUBJECT, "for the suite"), time.time())
            store.add(Revocation(Kind.TOKEN, REVOKED_TOKEN, "for the suite"), time.time())
        lying = stack.enter_context(impostor())
        ports = stack.enter_context(_served(home, devnet.rpc_url, lying.url))
        client = stack.enter_context(httpx.Client(timeout=20, trust_env=False))
        targets = [_target(app, ports, home) for app in CALLS]
        _put_routes(market, sold, home, ports["gateway"], identities["orchestrator"])
        yield Ground(identities, strangers, targets, client, sold, contracts.market_domain, lying)


def _sold(market: HonestMarket) -> list[Sold]:
    document = terms_document({"call": 1_000}) | {"credit_units": 10**6, "credit_seconds": 86_400}
    model = market.register(market.providers[0], ModelKind.TAAS, "call")
    plan = market.publish(market.providers[0], model, document, unit_price=1, period_price=0, period=0)
    buyer = market.buyer()
    sold = [market.buy(buyer, plan, 10**6, 0) for _ in range(2)]
    for each in sold:
        market.activate(each)
    return sold


def _put_routes(market: HonestMarket, sold: list[Sold], home: Path, port: int, orchestrator: ComponentIdentity) -> None:
    """As the orchestrator tells the gateway how to serve both, by the model that `serve` runs."""
    routes = [
        {
            "subscriptionId": str(each.subscription_id), "planId": str(each.plan), "buyer": each.buyer.address,
            "signer": each.session.address, "cap": str(10**6), "terms": next(iter(market.terms.values())),
            "operations": {"call": {"meter": 0, "model": "model", "call": "call"}},
            "sockets": {"model": str(home / MODEL_SOCKET)},
        }
        for each in sold
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}/routes"
    httpx.put(url, json={"routes": routes}, auth=GateAuth(orchestrator, "gateway"), trust_env=False).raise_for_status()


def _strangers() -> dict[str, dict[str, ComponentIdentity]]:
    kinds = ("unknown", "revoked", "of another owner", "of another chain")
    return {kind: {name: ComponentIdentity.generate(name) for name in COMPONENTS} for kind in kinds}


def _enrol_elsewhere(devnet: Devnet, contracts: Contracts, identities: dict[str, ComponentIdentity]) -> None:
    """The same events of the same registry, but of a domain that somebody else owns."""
    owner = WalletKey.create()
    devnet.fund(owner.address)
    with Sender(contracts.chain, owner) as sender:
        enrol_components(contracts, sender, identities.values())


def _enrol_on_another_chain(operator: WalletKey, identities: dict[str, ComponentIdentity]) -> None:
    """By the very owner, in the domain of the very name, in the same contracts: but where nobody looks."""
    with Devnet.start() as devnet, closing(Chain.connect(devnet.rpc_url)) as chain:
        devnet.fund(operator.address)
        contracts = Contracts(chain, deploy(chain, operator))
        with Sender(chain, operator) as sender:
            enrol_components(contracts, sender, identities.values())


def _target(app: str, ports: dict[str, int], home: Path) -> Target:
    method, path, caller, closed = CALLS[app]
    program = app if app in ports else "orchestrator"
    prefix = "" if app in ports else f"/{app}"
    url = f"http://127.0.0.1:{ports[program]}"
    journal = home / "journal" / f"{program}.jsonl"
    return Target(app, url, method, prefix + path, caller, (closed[0], prefix + closed[1]), journal, program)


@contextmanager
def _served(home: Path, rpc_url: str, peers_url: str) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "scripts.attacks.serve", str(home), rpc_url, peers_url]
    log = (home / "serve.log").open("wb")
    with log, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise SystemExit(f"the apps did not start: {(home / 'serve.log').read_text()[-2_000:]}")
            yield json.loads(line)
        finally:
            process.kill()
