"""Purchases at a steady rate against a whole house, each followed from its final block to its first answered use.

The house is what `s4m up` starts: anvil, marketplace, orchestrator, gateway. Of the purchases four fifths reuse what
runs and one fifth needs one new model; isolation 0, 1 and 2 go 70 to 20 to 10. Transactions are signed beforehand and
sent on time; whether a service runs is read from the orchestrator's own rows, every 10 ms, in place of the pages that
buyers watch. The node is asked for final blocks every 30 ms, and a block counts as final from the look before the one
that found it so: what is measured from there is rather too long than too short. Used by bench_orchestrator.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import httpx
import psutil

from ledger.keys import WalletKey
from ledger.typed_data import Activation, SessionBinding, sign
from ledger.values import CREDIT, Call, SubscriptionId, to_hex
from marketplace.wallet.client import MarketClient
from s4m.supervisor import House
from trust.auth import SessionAuth
from trust.keys import ProofKey

BUYERS = 8
CAP = 1_000
GAS = 400_000
LOOK_S = 0.01
LOOKS_A_CHAIN_LOOK = 3
PATIENCE_S = 60.0
BEACH = "virtual-beach-travel"
SHARED = {BEACH: "weather", "monitoring": "conditions", "storage": "list", "human-computer-interaction": "interpret"}
"""What is reused, with the operation of a first use."""
FRESH = {
    "device": "capture", "sensors": "read", "cloud-server": "list", "content-creation": "hologram",
    "ar-navigation": "navigate", "fog-computing": "tile", "data-management": "query",
}  # fmt: skip
"""What is started anew, and ends again once it was used."""


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
class Order:
    """One purchase: what is bought, and the moments of its way, seconds of the epoch."""

    number: int
    name: str
    isolation: int
    fresh: bool
    buyer: int
    session: WalletKey
    raw: bytes = b""
    subscription_id: int = 0
    times: dict[str, float] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the raw file; keys stay out of it."""
        shown = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("session", "raw")}
        return {**shown, "subscription_id": str(self.subscription_id)}

    def took_ms(self, last: str, first: str = "final") -> float:
        """Milliseconds between two moments."""
        return 1000 * (self.times[last] - self.times[first])


def orders(count: int, seed: int) -> list[Order]:
    """The purchases in their order: a fifth anew (half of it dedicated), the rest of what runs."""
    dice = random.Random(seed)
    kinds = [(True, 2)] * (count // 10) + [(True, 0)] * (count // 20) + [(True, 1)] * (count // 20)
    kinds += [(False, 1)] * (count * 3 // 20)
    kinds += [(False, 0)] * (count - len(kinds))
    dice.shuffle(kinds)
    fresh, shared = sorted(FRESH), [BEACH, *sorted(set(SHARED) - {BEACH})]
    made = []
    for number, (anew, degree) in enumerate(kinds):
        name = fresh[number % len(fresh)] if anew else shared[number % len(shared)]
        made.append(Order(number, name, degree, anew, number % BUYERS, WalletKey.create()))
    return made


class Buyers:
    """Who buys: a few funded accounts, their transactions signed ahead of time."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.keys = [WalletKey.create() for _ in range(BUYERS)]
        self._chain = house.chain
        self._nonces = [0] * BUYERS
        self._fees = self._chain.fees()
        for key in self.keys:
            house.devnet.fund(key.address)

    def fund(self) -> None:
        """Tokens and deposits for all of them."""
        contracts = self._house.contracts
        for number, key in enumerate(self.keys):
            self.send(number, contracts.credit.faucet(key.address, 1_000_000 * CREDIT))
            self.send(number, contracts.credit.approve(contracts.deployment.market, 1_000_000 * CREDIT))
            self.send(number, contracts.market.deposit(key.address, 900_000 * CREDIT))
        self._house.devnet.mine(3)

    def sign(self, number: int, call: Call) -> bytes:
        """The next transaction of one buyer."""
        transaction = {
            "type": 2, "chainId": self._chain.chain_id, "nonce": self._nonces[number], "gas": GAS, "to": call.to,
            "maxFeePerGas": self._fees.max_fee * 4, "maxPriorityFeePerGas": self._fees.tip, "value": 0,
            "data": call.data,
        }  # fmt: skip
        self._nonces[number] += 1
        return self.keys[number].sign_transaction(transaction)[0]

    def send(self, number: int, call: Call) -> None:
        """Sign and send."""
        self._chain.broadcast(self.sign(number, call))


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


async def run(house: House, count: int, rate: float, seed: int) -> list[Order]:
    """Buy `count` services at `rate` a second; back when each has answered its first use, or failed."""
    made = orders(count, seed)
    buyers = await asyncio.to_thread(_prepare, house, made)
    observer = Observer(house, {order.session.address: order for order in made})
    observer.start()
    taking: list[asyncio.Task[None]] = []
    try:
        async with (
            httpx.AsyncClient(base_url=house.urls.marketplace, timeout=30) as market,
            httpx.AsyncClient(base_url=house.urls.gateway, timeout=30) as gateway,
        ):
            sending = asyncio.create_task(_send(house, made, rate))
            until = time.monotonic() + count / rate + PATIENCE_S
            while len(taking) < count and time.monotonic() < until:
                with suppress(TimeoutError):
                    order = await asyncio.wait_for(observer.ready.get(), 0.5)
                    taking.append(asyncio.create_task(_take_over(house, buyers, order, market, gateway)))
            await sending
            await asyncio.gather(*taking)
    finally:
        observer.stop()
    return made


def _prepare(house: House, made: list[Order]) -> Buyers:
    buyers = Buyers(house)
    buyers.fund()
    digests = {}
    with MarketClient(house.urls.marketplace, house.chain, house.deployment) as client:
        for name, degree in sorted({(order.name, order.isolation) for order in made}):
            document: dict[str, Any] = {"schema": "s4m/request/1", "service": name, "isolation": degree}
            digests[name, degree] = client.put_document(document)
    for order in made:
        plan, digest = house.plan_of(order.name, order.isolation), digests[order.name, order.isolation]
        call = house.contracts.market.buy(plan, order.session.address, CAP, _periods(house, plan), digest)
        order.raw = buyers.sign(order.buyer, call)
    return buyers


def _periods(house: House, plan: int) -> int:
    return 1 if house.contracts.catalog.plan(plan).terms.period else 0


async def _send(house: House, made: list[Order], rate: float) -> None:
    """Every transaction on its time."""
    begun = time.monotonic()
    for order in made:
        await asyncio.sleep(max(0.0, begun + order.number / rate - time.monotonic()))
        order.times["sent"] = time.time()
        await asyncio.to_thread(house.chain.broadcast, order.raw)


async def _take_over(
    house: House, buyers: Buyers, order: Order, market: httpx.AsyncClient, gateway: httpx.AsyncClient
) -> None:
    """What the buyer's client does once the service runs: activate, bind a session, use."""
    if order.told["state"] != "running":
        order.failure = json.dumps(order.told["outcome"].get("refusal"))
        return
    try:
        await _activate(house, order, market)
        order.times["activated"] = time.time()
        auth = await _session(house, order, gateway)
        order.times["session"] = time.time()
        operation = {**SHARED, **FRESH}[order.name]
        body = json.dumps({"requestId": f"first-{order.number}", "operation": operation, "params": {}}).encode()
        answer = await gateway.post(f"/use/{order.subscription_id}", content=body, auth=auth)
        order.times["answered"] = time.time()
        if answer.status_code != 200:
            order.failure = answer.text[:300]
        if order.fresh:
            call = house.contracts.market.request_release(SubscriptionId(order.subscription_id))
            await asyncio.to_thread(buyers.send, order.buyer, call)
    except (httpx.HTTPError, RuntimeError) as cause:
        order.failure = f"{type(cause).__name__}: {cause}"


async def _activate(house: House, order: Order, market: httpx.AsyncClient) -> None:
    digest = order.told["outcome"]["endpointHash"]
    message = Activation(SubscriptionId(order.subscription_id), bytes.fromhex(digest.removeprefix("0x")))
    signature = to_hex(sign(order.session, house.contracts.market_domain, message))
    path = f"/api/v1/subscriptions/{order.subscription_id}/activation"
    answer = await market.post(path, json={"endpointHash": digest, "signature": signature})
    if answer.is_error:
        raise RuntimeError(f"activation: {answer.text[:200]}")


async def _session(house: House, order: Order, gateway: httpx.AsyncClient) -> SessionAuth:
    """Bind a proof key as soon as the activation is final."""
    proof = ProofKey.generate()
    binding = SessionBinding(SubscriptionId(order.subscription_id), proof.jkt, int(time.time()) + 3600)
    body = json.dumps(
        {
            "subscriptionId": str(order.subscription_id),
            "jkt": binding.jkt,
            "expires": binding.expires,
            "signature": to_hex(sign(order.session, house.contracts.market_domain, binding)),
        }
    ).encode()
    for pause in _pauses():
        answer = await gateway.post("/sessions", content=body, auth=SessionAuth(lambda: None, proof))
        if answer.status_code == 200:
            return _bearing(str(answer.json()["token"]), proof)
        await asyncio.sleep(pause)
    raise RuntimeError(f"session: {answer.text[:200]}")


def _bearing(token: str, proof: ProofKey) -> SessionAuth:
    return SessionAuth(lambda: token, proof)


def _pauses() -> Iterator[float]:
    """Waits between two tries, in all `PATIENCE_S` at most."""
    for _ in range(int(PATIENCE_S / 0.1)):
        yield 0.1


def purchases(home: Path, count: int, rate: float, seed: int) -> tuple[list[Order], dict[str, float]]:
    """The purchases of a fresh house under this load, and the CPU seconds that each program (and `buyers`) took."""
    topology = home / "topology.json"
    topology.write_text(json.dumps(TOPOLOGY))
    with House.start(home, port_base=0, environment={"S4M_TOPOLOGY": str(topology)}) as house:
        before = _cpu_seconds(house)
        made = asyncio.run(run(house, count, rate, seed))
        after = _cpu_seconds(house)
        return made, {name: round(seconds - before[name], 2) for name, seconds in after.items()}


def _cpu_seconds(house: House) -> dict[str, float]:
    """Of each program and its threads; what the models take is not in it."""
    processes = {**house.pids, "buyers": os.getpid()}
    times = {name: psutil.Process(pid).cpu_times() for name, pid in processes.items()}
    return {name: float(spent.user + spent.system) for name, spent in times.items()}
