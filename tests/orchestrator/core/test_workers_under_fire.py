"""Hundreds of purchases at two orchestrators on one PostgreSQL that are killed and stopped amid work in turn: nothing
is lost, nothing doubled, and what was under way goes on at the other within ten seconds."""

import json
import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from core_house import SERVICE
from core_leaks import Books, Query, Row, leaks, under_way
from core_wait import wait_for
from core_workers import FIRST, SECOND, Workers
from psycopg.rows import dict_row

from ledger.values import Kind, PlanId, SubscriptionId
from orchestrator.models.manifests import manifest_named
from orchestrator.models.pricing import degree_plans
from scripts.private_postgresql import PrivatePostgresql
from tests.promises import isolation_is_kept

SEED = int(os.environ.get("S4M_SOAK_SEED", "20261127"))
FIGURES = Path(__file__).resolve().parents[3] / "out" / "soak" / "workers.json"
PURCHASES, KILLS, STOPS = 500, 10, 2
LONGEST_TAKEOVER_MS = 10_000
MIX = (("monitoring", 0, 12), ("monitoring", 1, 6), ("monitoring", 2, 1), (SERVICE, 0, 6), (SERVICE, 1, 2))
"""what is bought, at which degree of isolation, how often"""


@dataclass
class Bought:
    """What came of buying."""

    wanted: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)


class Shop:
    """Buys from a thread of its own, and releases every fourth purchase at once."""

    def __init__(self, workers: Workers, dice: random.Random) -> None:
        self._workers, self._dice = workers, dice
        self._market = workers.house.market
        self.bought = Bought()
        single = manifest_named("monitoring")
        put = workers.house.documents.put
        spec = put(single.document)
        singles = [self._market.register(spec, put(one.terms), Kind.TAAS) for one in degree_plans(single)]
        self._offered = [
            (singles[degree], put({"schema": "s4m/request/1", "service": name, "isolation": degree}))
            if name == "monitoring"
            else (workers.plans[degree], put(workers.house.request(isolation=degree)))
            for name, degree, _ in MIX
        ]

    def buy(self, count: int) -> None:
        for number in range(count):
            [(plan, digest)] = self._dice.choices(self._offered, [often for *_, often in MIX])
            self._buy(plan, digest, released=number % 4 == 3)

    def _buy(self, plan: PlanId, digest: bytes, *, released: bool) -> None:
        subscription: SubscriptionId = self._market.buy(plan, digest)
        self.bought.wanted.add(str(subscription))
        if released:
            self.bought.released.add(str(subscription))
            self._market.activate(subscription)
            self._market.sender.send(self._market.contracts.market.request_release(subscription))


@dataclass
class Blow:
    """A worker that was struck amid work, and what was under way there at that moment."""

    how: signal.Signals
    at_ms: int
    workflows: list[str]
    took_ms: list[int] = field(default_factory=list)
    """until each of them had ended elsewhere, by the rows"""


@pytest.mark.soak
def test_hundreds_of_purchases_outlive_kills_and_stops_of_both_workers(
    postgresql: PrivatePostgresql, tmp_path: Path
) -> None:
    dice, begun = random.Random(SEED), time.monotonic()
    hows = [signal.SIGKILL] * KILLS + [signal.SIGSTOP] * STOPS
    dice.shuffle(hows)
    with (
        Workers.running(tmp_path, postgresql) as workers,
        psycopg.connect(workers.database, autocommit=True, row_factory=dict_row) as rows,
        ThreadPoolExecutor(1) as hands,
    ):
        shop = Shop(workers, random.Random(dice.random()))
        blows: list[Blow] = []
        for number, how in enumerate(hows):
            share = PURCHASES * (number + 1) // len(hows) - PURCHASES * number // len(hows)
            buying = hands.submit(shop.buy, share)
            blows.append(_struck(workers, (FIRST, SECOND)[number % 2], how))
            buying.result()
        wait_for(lambda: _settled(workers, shop.bought), 300, workers.log)
        wait_for(lambda: not under_way(_query(rows), "dbos."), 60, lambda: str(under_way(_query(rows), "dbos.")))
        figures = _figures(workers, shop.bought, blows, begun)
        print(json.dumps(figures))
        books = Books(_query(rows))
        assert leaks(books, workers.house.home) == []
        isolation_is_kept(books)
    assert len(shop.bought.wanted) == PURCHASES
    assert all(blow.took_ms for blow in blows), "each fell into work"
    assert max(took for blow in blows for took in blow.took_ms) <= LONGEST_TAKEOVER_MS
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


def _struck(workers: Workers, name: str, how: signal.Signals) -> Blow:
    """Strike one amid work, wait until the other has done that work, and start the struck one anew."""
    process = workers.house.processes[name]
    blow = _stopped(workers, name, how)
    if how is signal.SIGKILL:
        workers.house.kill(name)
    ended = "SELECT completed_at FROM dbos.workflow_status WHERE workflow_uuid = ANY(%s) AND status = 'SUCCESS'"

    def times() -> list[int]:
        return [int(at) for (at,) in workers.rows.execute(ended, [blow.workflows]).fetchall()]

    wait_for(lambda: len(times()) == len(blow.workflows), 60, workers.log)
    blow.took_ms = [at - blow.at_ms for at in times()]
    process.send_signal(signal.SIGCONT)
    assert process.wait(15) != 0, "one that was stopped must not go on"
    workers.start(name)
    return blow


def _stopped(workers: Workers, name: str, how: signal.Signals) -> Blow:
    """Stopped first in any case, so that what is under way is that of the very moment."""
    process = workers.house.processes[name]
    while True:
        wait_for(lambda: workers.works(name), 60, workers.log)
        process.send_signal(signal.SIGSTOP)
        at_ms = time.time_ns() // 1_000_000
        if theirs := workers.pending(name):
            return Blow(how, at_ms, theirs)
        process.send_signal(signal.SIGCONT)


def _query(rows: psycopg.Connection[Row]) -> Query:
    return lambda statement: rows.execute(statement).fetchall()  # type: ignore[call-overload]  # the test's own text


def _settled(workers: Workers, bought: Bought) -> bool:
    """Every purchase runs, or has ended where it was released; one that is refused never gets there."""
    states = dict(workers.query("SELECT subscription_id, state FROM services"))
    assert "refused" not in states.values(), workers.query("SELECT outcome FROM services WHERE state = 'refused'")
    return states == {one: "decommissioned" if one in bought.released else "running" for one in bought.wanted}


def _figures(workers: Workers, bought: Bought, blows: list[Blow], begun: float) -> dict[str, Any]:
    took = sorted(one for blow in blows for one in blow.took_ms)
    longest = {how.name: max(max(blow.took_ms) for blow in blows if blow.how is how) for how in {b.how for b in blows}}
    return {
        "seed": SEED,
        "purchases": len(bought.wanted),
        "states": dict(Counter(state for (state,) in workers.query("SELECT state FROM services"))),
        "blows": dict(Counter(blow.how.name for blow in blows)),
        "workflows taken over": len(took),
        "takeover median ms": took[len(took) // 2],
        "longest takeover ms": longest,
        "seconds": round(time.monotonic() - begun, 1),
    }
