"""A real chain with every component's key enrolled, and gates over real files."""

import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from ledger.contracts import Contracts
from ledger.devnet import Devnet
from ledger.sender import Sender
from trust.enrol import enrol_components
from trust.enrolment import Enrolment
from trust.gate import Gate, GateAuth, SessionAuth
from trust.journal import Journal, rows
from trust.keys import COMPONENTS, ComponentIdentity, ProofKey
from trust.policy import Policy
from trust.replay import ReplayStore
from trust.sessions import SessionIssuer


@dataclass
class House:
    """One chain, one trust domain, one identity a component."""

    devnet: Devnet
    contracts: Contracts
    sender: Sender
    domain_id: bytes
    identities: dict[str, ComponentIdentity]

    def enrolment(self, refresh_s: float = 0.5) -> Enrolment:
        return Enrolment(self.contracts, self.domain_id, refresh_s=refresh_s)

    def await_final(self) -> None:
        """Until everything sent so far is final."""
        target = self.contracts.chain.latest().number
        deadline = time.monotonic() + 20
        while self.contracts.chain.finalized().number < target:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def build_house(devnet: Devnet, contracts: Contracts, sender: Sender) -> House:
    identities = {name: ComponentIdentity.generate(name) for name in COMPONENTS}
    domain_id = enrol_components(contracts, sender, identities.values())
    house = House(devnet, contracts, sender, domain_id, identities)
    house.await_final()
    return house


class Clock:
    """Real time plus what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Yard:
    """What the gates of one test share."""

    house: House
    home: Path
    replay: ReplayStore
    enrolment: Enrolment
    clock: Clock
    journals: dict[str, Journal]
    entitled: set[int]

    def gate(self, app: str, **options: object) -> Gate:
        if app not in self.journals:
            self.journals[app] = Journal(self.home / f"{app}.jsonl")
        still_entitled = self.entitled.__contains__ if app == "gateway" else None
        return Gate(
            app,
            Policy.load(),
            self.enrolment,
            self.replay,
            self.journals[app],
            self.clock,
            identity=self.house.identities[app],
            still_entitled=still_entitled,
            **options,  # type: ignore[arg-type]
        )

    def auth(self, component: str, audience: str, **options: object) -> GateAuth:
        return GateAuth(self.house.identities[component], audience, clock=self.clock, **options)  # type: ignore[arg-type]

    def decisions(self, app: str) -> list[tuple[str, str]]:
        """(outcome, code) of every journalled decision."""
        return [(row["outcome"], row["code"]) for row in rows(self.home / f"{app}.jsonl")]


def code(response: httpx.Response) -> str:
    """The problem's code, after checking that the answer is a well-formed problem."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["detail"]
    assert problem["remedy"]
    return str(problem["code"])


def session(yard: Yard, key: ProofKey, subscription: int = 7, ends_in: int = 3_600) -> SessionAuth:
    """What a buyer's client holds after `POST /sessions`."""
    issuer = SessionIssuer(yard.house.identities["gateway"], clock=yard.clock)
    token, _ = issuer.mint(subscription, key.jkt, ends=int(yard.clock()) + ends_in)
    return SessionAuth(lambda: token, key, clock=yard.clock)
