"""Purchases under fire (kills, reorganisations): each final one ends in one share of one MSI, or in a refusal."""

import json
import random
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from core_house import SERVICE, CoreHouse
from core_market import Market
from core_wait import wait_for

from ledger.chain import Chain
from ledger.devnet import Devnet
from ledger.values import Kind, PlanId
from orchestrator.models.manifests import Manifest, ServiceSpec, manifest_named, service_named
from orchestrator.models.pricing import degree_plans
from tests.sandbox_processes import sandboxes_of

FINAL_DEPTH = 6
"""Blocks until one is final, with three slots in an epoch; reorganisations are shallower."""
DEEPEST_REORG = 5
SETTLED = ("running", "active", "refused", "decommissioned")


class Fire(threading.Thread):
    """Kills the orchestrator `kills` times at random moments, each time it answers again; starts it after each kill."""

    def __init__(self, house: CoreHouse, kills: int, dice: random.Random) -> None:
        super().__init__(name="fire")
        self.house, self.kills, self.dice = house, kills, dice
        self.done = 0
        self.over = threading.Event()

    def run(self) -> None:
        while self.done < self.kills and not self.over.wait(self.dice.uniform(0.2, 2.0)):
            self.house.kill("orchestrator")
            self.house.start("orchestrator")
            self.done += 1


@pytest.mark.system
@pytest.mark.parametrize(
    ("purchases", "kills", "reorgs"), [(40, 4, 6), pytest.param(1_000, 30, 30, marks=pytest.mark.soak)]
)
def test_each_final_purchase_ends_in_one_share_of_one_msi_or_a_recorded_refusal(
    purchases: int, kills: int, reorgs: int
) -> None:
    dice = random.Random(20261126)
    with TemporaryDirectory(prefix="s4m-fire-") as home, Devnet.start(slots_in_an_epoch=3) as devnet:
        market = Market.on(devnet)
        house = CoreHouse.build(Path(home), market)
        try:
            plans = _plans(house, manifest_named("monitoring")), _plans(house, service_named(SERVICE))
            devnet.mine(2 * FINAL_DEPTH)
            house.start("gateway")
            house.start("orchestrator")
            fire = Fire(house, kills, random.Random(dice.random()))
            fire.start()
            _buy(house, *plans, purchases, reorgs, dice)
            fire.join(600)
            assert fire.done == kills
            devnet.mine(2 * FINAL_DEPTH)
            final = _final_purchases(market)
            wait_for(lambda: _all_settled(house, final), 900, lambda: f"{_states(house)} {house.tail()}")
            assert _faults(house, final) == []
            print(f"{len(final)} final of {purchases}, {kills} kills, {reorgs} reorganisations: {_states(house)}")
        finally:
            house.close()
            market.close()
        assert not sandboxes_of(Path(home))


def _plans(house: CoreHouse, spec: Manifest | ServiceSpec) -> list[PlanId]:
    """The plans of a model or service, one for each degree of isolation."""
    digest = house.documents.put(spec.document)
    kind = Kind.TAAS if isinstance(spec, Manifest) else Kind.COMPOSITE
    return [house.market.register(digest, house.documents.put(one.terms), kind) for one in degree_plans(spec)]


def _buy(
    house: CoreHouse, single: list[PlanId], whole: list[PlanId], purchases: int, reorgs: int, dice: random.Random
) -> None:
    """Services and single models of every degree, malformed requests, releases of what was bought; reorganisations."""
    requests = [
        *((whole[degree], house.request(isolation=degree)) for degree in (0, 1)),
        *((single[degree], _single(isolation=degree)) for degree in (0, 1, 2)),
        (single[0], _single(service="atlantis")),
    ]
    hashed = [(plan, house.documents.put(document)) for plan, document in requests]
    weights = (6, 2, 6, 3, 2, 1)
    due = sorted(dice.sample(range(purchases), reorgs))
    for number in range(purchases):
        plan, digest = dice.choices(hashed, weights)[0]
        bought = house.market.buy(plan, digest)
        if number in due:
            house.market.devnet.reorg(dice.randint(1, DEEPEST_REORG))
        elif number % 3 == 2:
            house.market.activate(bought)
            house.market.sender.send(house.market.contracts.market.request_release(bought))


def _single(**changes: Any) -> dict[str, Any]:
    """A request for one model alone."""
    return {"schema": "s4m/request/1", "service": "monitoring", **changes}


def _final_purchases(market: Market) -> set[str]:
    chain: Chain = market.chain
    final = chain.finalized()
    deployment = market.contracts.deployment
    events = chain.logs(deployment.block_number, final.number, {"market": deployment.market})
    return {str(event.event.subscription_id) for event in events if event.name == "Subscribed"}  # type: ignore[attr-defined]


def _rows(house: CoreHouse, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{house.home}/db/engine.db?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def _states(house: CoreHouse) -> dict[str, int]:
    return dict(Counter(row["state"] for row in _rows(house, "SELECT state FROM services")))


def _all_settled(house: CoreHouse, final: set[str]) -> bool:
    """Everything final has come to its end, what is to end has ended, and nothing is in the making."""
    rows = _rows(house, "SELECT subscription_id, state, chain_status FROM services")
    ends = [row for row in rows if row["chain_status"] in ("releasing", "released", "refunded")]
    return (
        final <= {row["subscription_id"] for row in rows}
        and all(row["state"] in SETTLED for row in rows)
        and all(row["state"] in ("decommissioned", "refused") for row in ends)
        and not _rows(house, "SELECT 1 FROM model_instances WHERE state IN ('planned', 'stopping')")
    )


def _faults(house: CoreHouse, final: set[str]) -> list[str]:
    """Whatever breaks the promise; empty where it holds."""
    services = {row["subscription_id"]: row for row in _rows(house, "SELECT * FROM services")}
    shares = {row["subscription_id"]: row for row in _rows(house, "SELECT * FROM shares")}
    msis = {row["msi_id"]: row["state"] for row in _rows(house, "SELECT msi_id, state FROM msis")}
    running = {name for name, row in services.items() if row["state"] in ("running", "active")}
    found = [f"{name}: not on the final chain" for name in services.keys() - final]
    found += [f"{name}: final, unknown here" for name in final - services.keys()]
    for name, row in services.items():
        share = shares.get(name)
        stands = share is not None and share["state"] == "running" and msis[share["msi_id"]] == "running"
        if (name in running) != stands:
            found.append(f"{name} is {row['state']}, its share {dict(share) if share else None}")
        if row["state"] == "refused" and not json.loads(row["outcome"]).get("refusal"):
            found.append(f"{name}: refused without a reason")
    return [*found, *_leaks(house, running, msis)]


def _leaks(house: CoreHouse, running: set[str], msis: dict[str, str]) -> list[str]:
    """What is held, shared or running for nobody."""
    instances = {row["instance_id"]: row for row in _rows(house, "SELECT * FROM model_instances")}
    standing = {name for name, row in instances.items() if row["state"] == "running"}
    uses = _rows(house, "SELECT * FROM uses")
    held = _rows(house, "SELECT * FROM allocations")
    counted = Counter(use["instance_id"] for use in uses)
    found = [f"use of {use}" for use in uses if use["subscription_id"] not in running]
    found += [
        f"{name} counts {instances[name]['shares']}" for name in standing if counted[name] != instances[name]["shares"]
    ]
    found += [f"idle {name}" for name in standing if not counted[name] and not instances[name]["supply"]]
    found += [
        f"held by nobody: {one}" for one in held if one["subscription_id"] and one["subscription_id"] not in running
    ]
    found += [f"held by what is gone: {one}" for one in held if one["instance_id"] not in standing]
    alive = sandboxes_of(house.home)
    found += [
        f"{name} ({instances.get(name, {}).get('state')}) runs {count} times"
        for name, count in alive.items()
        if name not in standing or count > 1
    ]
    found += [f"{name} does not run" for name in standing - alive.keys()]
    live = {row["msi_id"] for row in _rows(house, "SELECT msi_id FROM shares WHERE state = 'running'")}
    return found + [f"MSI {name} is {state}" for name, state in msis.items() if (name in live) != (state == "running")]
