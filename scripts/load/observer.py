"""Sees purchases become final on the chain and services run in the orchestrator's rows. Used by purchases.py.

Whether a service runs is read every 10 ms, in place of the pages that buyers watch. The node is asked for final blocks
every 30 ms, and a block counts as final from the look before the one that found it so: what is measured from there is
rather too long than too short.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from contextlib import closing

from s4m.supervisor import House
from scripts.load.orders import Order

LOOK_S = 0.01
LOOKS_A_CHAIN_LOOK = 3

_AWAITED = """
SELECT subscription_id, state, outcome, times FROM services
WHERE state IN ('running', 'refused') AND subscription_id IN (SELECT value FROM json_each(?))
"""


class Observer(threading.Thread):
    """Sees blocks become final and services run, and tells the loop that waits for either."""

    def __init__(self, house: House, awaited: dict[str, Order]) -> None:
        super().__init__(daemon=True, name="observer")
        self._house = house
        self._by_signer = awaited
        self._by_id: dict[int, Order] = {}
        self._due: dict[int, list[Order]] = {}
        self._running: set[int] = set()
        self._ended = threading.Event()
        self.ready: asyncio.Queue[Order] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        self._ended.set()
        self.join(10)

    def run(self) -> None:
        seen, looked, number = self._house.chain.latest().number, time.time(), 0
        with closing(sqlite3.connect(f"file:{self._house.home}/db/engine.db?mode=ro", uri=True)) as rows:
            while not self._ended.wait(LOOK_S):
                number += 1
                if number % LOOKS_A_CHAIN_LOOK == 0:
                    before, looked = looked, time.time()
                    seen = self._look_at_chain(seen, before)
                self._look_at_rows(rows)

    def _look_at_chain(self, seen: int, before: float) -> int:
        """The newest block; `before` is when the last look was."""
        chain, market = self._house.chain, self._house.deployment.market
        latest = chain.latest().number
        if latest > seen:
            for event in chain.logs(seen + 1, latest, {"market": market}):
                if event.name == "Subscribed" and (order := self._by_signer.get(str(event.event.signer))):  # type: ignore[attr-defined]
                    order.subscription_id = int(event.event.subscription_id)  # type: ignore[attr-defined]
                    order.times["mined"] = time.time()
                    self._by_id[order.subscription_id] = order
                    self._due.setdefault(event.block_number, []).append(order)
        if self._due:
            final = chain.finalized().number
            for number in [number for number in self._due if number <= final]:
                for order in self._due.pop(number):
                    order.times["final"] = before
        return latest

    def _look_at_rows(self, rows: sqlite3.Connection) -> None:
        awaited = json.dumps([str(name) for name in self._by_id if name not in self._running])
        for subscription, state, outcome, times in rows.execute(_AWAITED, (awaited,)).fetchall():
            order = self._by_id[int(subscription)]
            self._running.add(order.subscription_id)
            order.times["running"] = time.time()
            order.told = {"state": state, "times": json.loads(times), "outcome": json.loads(outcome)}
            self._loop.call_soon_threadsafe(self.ready.put_nowait, order)
