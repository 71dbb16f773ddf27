"""Purchases under fire (kills, reorganisations): each final one ends in one share of one MSI, or in a refusal.

Some purchases are sent once and taken away by a reorganisation: whoever believes a block before it is final serves
them, or others by their ids. There is room for everybody, so that only what cannot be served may be refused. The global
controller designs every second, so that reservations and models started ahead are under fire, too. S4M_SOAK_SEED
throws other dice.
"""

import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from core_house import ONE_LARGE_SITE, SERVICE, TOPOLOGY, CoreHouse
from core_leaks import Books, Row, leaks, under_way
from core_market import Market
from core_wait import wait_for

from ledger.devnet import Devnet
from ledger.values import Kind, PlanId
from orchestrator.gateway.sealing import behaviour_key
from orchestrator.gateway.store import UsageStore
from orchestrator.models.manifests import Manifest, ServiceSpec, manifest_named, service_named
from orchestrator.models.pricing import degree_plans
from tests.promises import isolation_is_kept
from tests.sandbox_processes import sandboxes_of

SEED = int(os.environ.get("S4M_SOAK_SEED", "20261126"))
FIGURES = Path(__file__).resolve().parents[3] / "out" / "soak" / "under_fire.json"
FINAL_DEPTH = 6
"""Blocks until one is final, with three slots in an epoch; reorganisations are shallower."""
DEEPEST_REORG = 5
SEEN_S = 0.3
"""How long what is taken away stood on the chain: longer than the listener's pause between two looks."""
SETTLED = ("running", "active", "refused", "decommissioned")


@dataclass
class Sent:
    """What was bought, by the address of each purchase's session key: an id may become another purchase's."""

    servable: dict[str, bool] = field(default_factory=dict)
    once: set[str] = field(default_factory=set)
    """sent once and never again"""


@dataclass
class Final:
    """What the final chain says."""

    signers: dict[str, str]
    """subscription → session key's address"""
    released: set[str]

    @classmethod
    def of(cls, market: Market) -> "Final":
        """Up to the newest final block."""
        deployment, chain = market.contracts.deployment, market.chain
        told: list[Any] = chain.logs(deployment.block_number, chain.finalized().number, {"market": deployment.market})
        bought = {str(one.event.subscription_id): str(one.event.signer) for one in told if one.name == "Subscribed"}
        return cls(bought, {str(one.event.subscription_id) for one in told if one.name == "ReleaseRequested"})


class Fire(threading.Thread):
    """Kills the orchestrator `kills` times at random moments, each time it answers again; starts it after each kill."""

    def __init__(self, house: CoreHouse, kills: int, dice: random.Random) -> None:
        super().__init__(name="fire")
        self.house, self.kills, self.dice = house, kills, dice
        self.struck: list[dict[str, int]] = []
        """what each kill fell into"""
        self.over = threading.Event()

    @contextmanager
    def burning(self) -> Iterator[None]:
        """Until the last kill; where the test fails meanwhile, no further one."""
        self.start()
        try:
            yield
        except BaseException:
            self.over.set()
            raise
        finally:
            self.join(900)

    def run(self) -> None:
        while len(self.struck) < self.kills and not self.over.wait(self.dice.uniform(0.2, 2.0)):
            self.house.kill()
            self.struck.append(_amid(self.house))
            self.house.start(S4M_DESIGN_EPOCH_S="1")

    def total(self) -> Counter[str]:
        return sum((Counter(one) for one in self.struck), Counter())


@pytest.mark.system
@pytest.mark.parametrize(
    ("purchases", "kills", "reorgs"), [(40, 4, 6), pytest.param(1_000, 30, 30, marks=pytest.mark.soak)]
)
def test_each_final_purchase_ends_in_one_share_of_one_msi_or_a_recorded_refusal(
    purchases: int, kills: int, reorgs: int
) -> None:
    dice, begun = random.Random(SEED), time.monotonic()
    with _house() as house:
        fire = Fire(house, kills, random.Random(dice.random()))
        with fire.burning():
            sent = _buy(house, purchases, reorgs, dice)
        house.market.devnet.mine(2 * FINAL_DEPTH)
        final = Final.of(house.market)
        wait_for(lambda: _all_settled(house, final), 300 + purchases, lambda: f"{_states(house)} {house.tail()}")
        _let_rest(house)
        figures = _figures(house, sent, final, fire, reorgs, begun)
        print(json.dumps(figures))
        books = Books(lambda statement: _query(house, statement))
        assert _faults(house, books, sent, final) == []
        isolation_is_kept(books)
        assert len(fire.struck) == kills
        assert fire.total()["waiting"] + fire.total()["making"] > 0, "no kill fell into work"
        assert figures["taken away"] > 0, "no reorganisation took a purchase away"
        if purchases == 1_000:
            assert min(fire.total()[name] for name in ("making", "ending", "reserved")) > 0, fire.total()
            FIGURES.parent.mkdir(parents=True, exist_ok=True)
            FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    assert not sandboxes_of(house.home)


@contextmanager
def _house() -> Iterator[CoreHouse]:
    """A house on a chain of its own, with room for everybody."""
    with TemporaryDirectory(prefix="s4m-fire-") as home, Devnet.start(slots_in_an_epoch=3) as devnet:
        market = Market.on(devnet)
        house = CoreHouse.build(Path(home), market)
        try:
            (house.home / TOPOLOGY).write_text(json.dumps(ONE_LARGE_SITE))
            house.start("gateway")
            house.start(S4M_DESIGN_EPOCH_S="1")
            yield house
        finally:
            house.close()
            market.close()


def _plans(house: CoreHouse, spec: Manifest | ServiceSpec) -> list[PlanId]:
    """The plans of a model or service, one for each degree of isolation."""
    digest = house.documents.put(spec.document)
    kind = Kind.TAAS if isinstance(spec, Manifest) else Kind.COMPOSITE
    return [house.market.register(digest, house.documents.put(one.terms), kind) for one in degree_plans(spec)]


def _buy(house: CoreHouse, purchases: int, reorgs: int, dice: random.Random) -> Sent:
    """Services and single models of every degree, malformed requests, releases of what was bought; reorganisations."""
    single, whole = _plans(house, manifest_named("monitoring")), _plans(house, service_named(SERVICE))
    requests = [
        *((whole[degree], house.request(isolation=degree)) for degree in (0, 1)),
        *((single[degree], _single(isolation=degree)) for degree in (0, 1, 2)),
        (single[0], _single(service="atlantis")),
    ]
    hashed = [(plan, house.documents.put(document)) for plan, document in requests]
    weights = (6, 2, 6, 3, 2, 1)
    house.market.devnet.mine(2 * FINAL_DEPTH)
    due = sorted(dice.sample(range(purchases), reorgs))
    sent, stranger = Sent(), Market.on(house.market.devnet, house.market.contracts.deployment)
    for number in range(purchases):
        plan, digest = dice.choices(hashed, weights)[0]
        bought = house.market.buy(plan, digest)
        sent.servable[house.market.sessions[bought].address] = digest != hashed[-1][1]
        if number in due:
            _take_away(stranger, [hashed[0], hashed[2]], sent, dice.randint(1, DEEPEST_REORG))
        elif number % 3 == 2:
            house.market.activate(bought)
            house.market.sender.send(house.market.contracts.market.request_release(bought))
    stranger.close()
    return sent


def _take_away(stranger: Market, wanted: list[tuple[PlanId, bytes]], sent: Sent, depth: int) -> None:
    """Purchases that are sent once stand for a moment; then the newest blocks are others."""
    bought = [stranger.buy_once(plan, digest) for plan, digest in wanted]
    sent.servable |= {signer: True for signer, _ in bought}
    sent.once |= {signer for signer, _ in bought}
    wait_for(lambda: all(stranger.chain.receipt(tx_hash) for _, tx_hash in bought), 10)
    time.sleep(SEEN_S)
    stranger.devnet.reorg(depth)


def _single(**changes: Any) -> dict[str, Any]:
    """A request for one model alone."""
    return {"schema": "s4m/request/1", "service": "monitoring", **changes}


def _query(house: CoreHouse, statement: str) -> list[Row]:
    with closing(sqlite3.connect(f"file:{house.home}/db/engine.db?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(statement)]


def _states(house: CoreHouse) -> dict[str, int]:
    return dict(Counter(row["state"] for row in _query(house, "SELECT state FROM services")))


def _amid(house: CoreHouse) -> dict[str, int]:
    """What stands in the rows of a house that was killed."""
    asked = {
        "waiting": "services WHERE state = 'requested'",
        "making": "services WHERE state IN ('preparing', 'planning')",
        "ending": "workflow_status WHERE name LIKE '%release' AND status = 'PENDING'",
        "reserved": "reservations WHERE NOT ended",
        "drawn": "allocations WHERE reservation_id IS NOT NULL",
    }
    return {name: len(_query(house, f"SELECT 1 FROM {where}")) for name, where in asked.items()}  # noqa: S608


def _all_settled(house: CoreHouse, final: Final) -> bool:
    """Everything final has come to its end, and what is to end has ended."""
    rows = {row["subscription_id"]: row for row in _query(house, "SELECT * FROM services")}
    return final.signers.keys() <= rows.keys() and all(
        row["state"] in (("decommissioned", "refused") if name in final.released else SETTLED)
        for name, row in rows.items()
    )


def _let_rest(house: CoreHouse) -> None:
    """One more kill; then no design is made any more, and what the last one kept ends."""
    house.kill()
    house.start()
    wait_for(
        lambda: not under_way(lambda statement: _query(house, statement)), 60,
        lambda: f"{under_way(lambda statement: _query(house, statement))} {house.tail()}",
    )  # fmt: skip


def _faults(house: CoreHouse, books: Books, sent: Sent, final: Final) -> list[str]:
    """Whatever breaks the promise; empty where it holds."""
    known = {row["subscription_id"]: row["signer"] for row in books["services"]}
    found = [f"{one}: not on the final chain" for one in known.items() - final.signers.items()]
    found += [f"{one}: final, unknown here" for one in final.signers.items() - known.items()]
    for row in books["services"]:
        name = row["subscription_id"]
        allowed = _ends(sent.servable[row["signer"]], name in final.released)
        if row["state"] not in allowed:
            found.append(f"{name} is {row['state']}, not of {allowed}: {row['outcome']}")
        if row["state"] == "refused" and not json.loads(row["outcome"]).get("refusal"):
            found.append(f"{name}: refused without a reason")
    found += [f"route, served: {name in books.served}: {name}" for name in _routes(house) ^ books.served]
    return [*found, *leaks(books, house.home)]


def _ends(servable: bool, released: bool) -> tuple[str, ...]:
    """How a purchase may end: refused only what cannot be served."""
    if servable:
        return ("decommissioned",) if released else ("running", "active")
    return ("refused", "decommissioned") if released else ("refused",)


def _routes(house: CoreHouse) -> set[str]:
    """Whom the gateway serves."""
    with closing(
        UsageStore(house.home / "db" / "usage.db", behaviour_key(house.home / "keys" / "behaviour.key"))
    ) as kept:
        return {json.loads(document)["subscriptionId"] for document in kept.routes()}


def _figures(house: CoreHouse, sent: Sent, final: Final, fire: Fire, reorgs: int, begun: float) -> dict[str, Any]:
    signers = set(final.signers.values())
    return {
        "seed": SEED,
        "purchases": len(sent.servable),
        "sent once": len(sent.once),
        "taken away": len(sent.servable.keys() - signers),
        "final": len(signers),
        "servable": sum(sent.servable[one] for one in signers),
        "states": _states(house),
        "reorganisations": reorgs,
        "kills": len(fire.struck),
        "fell into": dict(fire.total()),
        "seconds": round(time.monotonic() - begun, 1),
    }
