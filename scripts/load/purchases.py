"""Purchases at a steady rate against a whole house, each followed from its final block to its first answered use.

The house is what `s4m up` starts: anvil, marketplace, orchestrator, gateway. Before anything is measured some purchases
warm it up: they start what is reused, and have every program of the models read from the disk once. From then on every
purchase counts. Used by bench_orchestrator.py.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from ledger.errors import LedgerError
from s4m.supervisor import House
from scripts.load.buyers import PATIENCE_S, Buyers, take_over
from scripts.load.observer import Observer
from scripts.load.orders import Order, warm_up

WARM_RATE = 4.0
SETTLE_S = 4.0
"""until what was released after the warm-up has ended"""
TOPOLOGY = {
    "schema": "s4m/topology/1",
    "name": "one large site",
    "sites": [{"name": "site-1", "capacity": {
        "computing_mcores": 1_000_000, "bandwidth_mbps": 1_000_000, "protocol_stack_sessions": 1_000_000,
        "rendering_k": 10_000_000, "storage_mib": 1_000_000, "spectrum_mhz": 1_000_000,
    }}],
}  # fmt: skip
"""So that nothing is refused for want of a machine: what is measured is the orchestrator."""


@dataclass
class Step:
    """Purchases at one rate."""

    rate: float
    orders: list[Order]
    reached: bool = False
    waiting_s: float = 0.0
    """when the last was sent: for how long the oldest one that did not run yet had waited since it was sent"""


@dataclass(frozen=True)
class Measured:
    """What a load took: how many purchases warmed the house up, and the CPU seconds of each program since then. The
    `fault` says where the warm-up failed: what came after it is then no measurement."""

    warmed: int
    busy: dict[str, float]
    fault: str


class Drive:
    """One house under load."""

    def __init__(self, house: House, everything: Sequence[Order], observer: Observer) -> None:
        self._house = house
        self._buyers = Buyers(house)
        self._observer = observer
        self._everything = everything
        self._sent: list[Order] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, warm: list[Order], steps: Sequence[Step], limit_s: float) -> dict[str, float]:
        """Warm up, then one step after the other until one ends with a purchase that has waited longer than the limit;
        the CPU seconds that the steps took."""
        await asyncio.to_thread(self._buyers.prepare, self._everything)
        urls = self._house.urls
        async with (
            httpx.AsyncClient(base_url=urls.marketplace, timeout=30) as market,
            httpx.AsyncClient(base_url=urls.gateway, timeout=30) as gateway,
        ):
            taking = asyncio.create_task(self._take_over(market, gateway))
            try:
                await self._send(Step(WARM_RATE, warm))
                await self._finish(warm)
                await asyncio.sleep(SETTLE_S)
                before = _cpu_seconds(self._house)
                for step in steps:
                    await self._send(step)
                    if step.waiting_s > limit_s:
                        break
                await self._finish([order for step in steps if step.reached for order in step.orders])
            finally:
                taking.cancel()
        after = _cpu_seconds(self._house)
        return {name: round(seconds - before[name], 2) for name, seconds in after.items()}

    async def _send(self, step: Step) -> None:
        """Every purchase on its time."""
        step.reached = True
        begun = time.monotonic()
        for number, order in enumerate(step.orders):
            await asyncio.sleep(max(0.0, begun + number / step.rate - time.monotonic()))
            order.times["sent"] = time.time()
            self._sent.append(order)
            self._start(self._buy(order))
        waiting = [one for one in self._sent if not one.done.is_set() and "running" not in one.times]
        step.waiting_s = max((time.time() - one.times["sent"] for one in waiting), default=0.0)

    async def _buy(self, order: Order) -> None:
        try:
            await asyncio.to_thread(self._buyers.buy, order)
        except (LedgerError, OSError) as cause:
            order.failure = f"{type(cause).__name__}: {cause}"
            order.done.set()

    async def _take_over(self, market: httpx.AsyncClient, gateway: httpx.AsyncClient) -> None:
        while True:
            order = await self._observer.ready.get()
            self._start(self._use(order, market, gateway))

    async def _use(self, order: Order, market: httpx.AsyncClient, gateway: httpx.AsyncClient) -> None:
        try:
            await take_over(self._house, self._buyers, order, market, gateway)
        except (httpx.HTTPError, LedgerError, OSError, RuntimeError) as cause:
            order.failure = f"{type(cause).__name__}: {cause}"
        finally:
            order.done.set()

    async def _finish(self, sent: Sequence[Order]) -> None:
        """Until each is done; what is not by then stays unanswered."""
        ends = [order.done.wait() for order in sent]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*ends), PATIENCE_S)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def purchases(home: Path, steps: Sequence[Step], limit_s: float = math.inf) -> Measured:
    """A fresh house under these steps."""
    topology = home / "topology.json"
    topology.write_text(json.dumps(TOPOLOGY))
    warm = warm_up(sum(len(step.orders) for step in steps))
    with House.start(home, port_base=0, environment={"S4M_TOPOLOGY": str(topology)}) as house:
        busy = asyncio.run(_under_load(house, warm, steps, limit_s))
    cold = [f"{order.name}: {order.failure}" for order in warm if math.isinf(order.took_ms("answered"))]
    return Measured(len(warm), busy, f"{len(cold)} failures of the warm-up, the first of {cold[0]}" if cold else "")


async def _under_load(house: House, warm: list[Order], steps: Sequence[Step], limit_s: float) -> dict[str, float]:
    everything = [*warm, *(order for step in steps for order in step.orders)]
    observer = Observer(house, {order.session.address: order for order in everything})
    observer.start()
    try:
        return await Drive(house, everything, observer).run(warm, steps, limit_s)
    finally:
        observer.stop()


def _cpu_seconds(house: House) -> dict[str, float]:
    """Of each program and its threads; what the models take is not in it."""
    processes = {**house.pids, "buyers": os.getpid()}
    times = {name: psutil.Process(pid).cpu_times() for name, pid in processes.items()}
    return {name: float(spent.user + spent.system) for name, spent in times.items()}
