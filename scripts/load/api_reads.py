"""Reads of /api/v1 at a rate, over 10,000 subscriptions: `python -m scripts.load.api_reads`; bench_marketplace.py calls
`measure`.

A real chain with the reference catalogue, the real tables filled by the projection's own `fold` from events made here
(buying ten thousand would measure the node), the real program as a process of its own, real HTTP. Each request is due
at its own moment and its time counts from there, so that a stall counts for all who wait. No orchestrator runs: of the
service's side a subscription says that it is silent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment, deploy
from ledger.devnet import Devnet
from ledger.events import Activated, ChainEvent, Event, Settled, Subscribed
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import CREDIT, Address, Money, SubscriptionId, Units
from marketplace.database import open_database
from marketplace.projection import Projection, fold
from marketplace.wallet.client import MarketClient
from marketplace.wallet.keystore import WalletStore
from s4m import reference
from s4m.accounts import ACCOUNTS, Keys
from s4m.processes import free_ports
from s4m.supervisor import put_documents
from scripts.bench import Figure, figure
from scripts.load.bare_http import Bare
from scripts.load.percentiles import percentile

SERVICE = "virtual-beach-travel"
CLOSED = "http://127.0.0.1:9"
WARM_S = 2.0
BUYERS = 500
FIRST_LOG = 1_000_000
"""Log indices of made events begin here: no real block has so many."""


@dataclass(frozen=True)
class Options:
    """How much: subscriptions, requests a second, for how long (s); the seed of who reads what."""

    subscriptions: int = 10_000
    rate: int = 200
    seconds: float = 20.0
    seed: int = 7
    out: Path | None = None


@dataclass(frozen=True)
class Yard:
    """What is read: the program's address, and what there is to ask for."""

    url: str
    buyers: Sequence[str]
    subscriptions: Sequence[str]
    models: Sequence[str]
    plans: Sequence[str]
    bought: str


def measure(options: Options) -> list[Figure]:
    """`api_read_p99_ms`; every time goes to `out`/marketplace-api-reads.json where `out` is given."""
    with tempfile.TemporaryDirectory(prefix="s4m-reads-") as folder, yard(Path(folder), options) as found:
        asyncio.run(_read(found, Options(rate=options.rate, seconds=WARM_S, seed=options.seed)))
        times = asyncio.run(_read(found, options))
    took = sorted(ms for _, ms in times)
    if options.out is not None:
        rows = [{"path": path, "ms": round(ms, 3)} for path, ms in times]
        (options.out / "marketplace-api-reads.json").write_text(json.dumps(rows) + "\n")
    load = (
        f"{len(took)} reads of 10 kinds at {options.rate} a second, {options.subscriptions} subscriptions, "
        f"client on the same {os.cpu_count()} cores; p50 {percentile(took, 0.5):.1f} ms"
    )
    return [figure("api_read_p99_ms", round(percentile(took, 0.99), 2), "ms", load, ("<=", 20))]


@contextmanager
def yard(home: Path, options: Options) -> Iterator[Yard]:
    """A market with so many subscriptions, served by its own program."""
    with Devnet.start() as devnet:
        chain = Chain.connect(devnet.rpc_url)
        buyer, deployment, plans = _furnish(home, devnet, chain)
        made = _fill(home, chain, deployment, plans, options)
        port = free_ports(1)[0]
        with _program(home, devnet.rpc_url, port) as url:
            put_documents(url, reference.documents())
            with MarketClient(url, chain, deployment) as client:
                yield _found(client, buyer, WalletStore(home, scrypt_n=16_384), made)
        chain.close()


def _furnish(home: Path, devnet: Devnet, chain: Chain) -> tuple[WalletKey, Deployment, list[int]]:
    """Contracts, catalogue and keys: a buyer with money, the deployment, all plans."""
    deployer, buyer = WalletKey.create(), WalletKey.create()
    devnet.fund(deployer.address)
    deployment = deploy(chain, deployer)
    deployment.save(home)
    contracts = Contracts(chain, deployment)
    with Sender(chain, deployer) as sender:
        sender.send(contracts.credit.faucet(buyer.address, Money(100 * CREDIT)))
    keys = Keys(home, "slicing4meta.devnet")
    for name in ACCOUNTS:
        devnet.fund(keys.account(name).address)
    listings = reference.register(contracts, keys.account, keys.account("meter").address, home)
    return buyer, deployment, [int(plan) for listing in listings for plan in listing.plans.values()]


def _fill(home: Path, chain: Chain, deployment: Deployment, plans: Sequence[int], options: Options) -> list[Subscribed]:
    """The tables as the chain has them, and the made subscriptions in them: bought, active, settled three times."""
    engine = open_database(f"sqlite:///{home / 'db' / 'market.db'}")
    Projection(engine, chain, deployment).refresh(force=True)
    chosen = random.Random(options.seed)
    buyers = [WalletKey.create().address for _ in range(BUYERS)]
    bought = [_purchase(chosen, plans, buyers, number) for number in range(options.subscriptions)]
    at = chain.latest()
    with engine.begin() as rows:
        for index, event in enumerate(_life(bought)):
            fold(rows, ChainEvent("market", event, at.number, at.hash, _hash(index), FIRST_LOG + index, at.timestamp))
    engine.dispose()
    return bought


def _purchase(chosen: random.Random, plans: Sequence[int], buyers: Sequence[Address], number: int) -> Subscribed:
    subscription = SubscriptionId(chosen.choice(plans) << 32 | (1_000_000 + number))
    buyer, signer = chosen.choice(buyers), chosen.choice(buyers)
    return Subscribed(subscription, buyer, signer, Units(1000), 1, Money(1_050_000), 2**31, bytes(32))


def _life(bought: Sequence[Subscribed]) -> Iterator[Event]:
    for purchase in bought:
        yield purchase
        yield Activated(purchase.subscription_id, bytes(32), 1, 2**31)
        for units in (100, 200, 300):
            yield Settled(purchase.subscription_id, Units(units), Money(units * 50), bytes(32))


def _hash(index: int) -> str:
    return "0x" + index.to_bytes(32).hex()


@contextmanager
def _program(home: Path, rpc_url: str, port: int) -> Iterator[str]:
    """`python -m marketplace`, serving."""
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "S4M_RPC_URL": rpc_url, "S4M_ORCHESTRATOR_URL": CLOSED}
    command = [sys.executable, "-m", "marketplace", "--home", str(home), "--port", str(port)]
    program = subprocess.Popen(command, env=environment)
    try:
        _await(url, program)
        yield url
    finally:
        program.terminate()
        program.wait(10)


def _await(url: str, program: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while program.poll() is None and time.monotonic() < until:
        try:
            httpx.get(f"{url}/api/v1/health").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise SystemExit("error: the marketplace did not start; run `python -m marketplace` by hand to see why")


def _found(client: MarketClient, buyer: WalletKey, store: WalletStore, made: Sequence[Subscribed]) -> Yard:
    """One subscription is really bought: both sides of it are asked for."""
    document = {"schema": "s4m/request/1", "service": SERVICE, "users": 1, "isolation": 0, "qoe": {"rate_mbps": 250}}
    bought = client.buy_only(buyer, client.plan_of_service(SERVICE), document, 10, 1, store=store)
    models = client.models()
    return Yard(
        url=str(client.connection.http.base_url),
        buyers=sorted({purchase.buyer for purchase in made}),
        subscriptions=[str(purchase.subscription_id) for purchase in made],
        models=[model["modelId"] for model in models],
        plans=[plan["planId"] for model in models for plan in model["plans"]],
        bought=str(bought.subscription_id),
    )


def paths(found: Yard, chosen: random.Random) -> Iterator[str]:
    """What readers ask for, without end."""
    while True:
        one = chosen.choice(found.subscriptions)
        kinds = {
            "models?limit=50": 15,
            "models?text=beach&kind=composite": 15,
            f"models/{chosen.choice(found.models)}": 10,
            f"plans/{chosen.choice(found.plans)}": 10,
            f"subscriptions?buyer={chosen.choice(found.buyers)}": 15,
            f"subscriptions?planId={chosen.choice(found.plans)}&limit=50": 10,
            f"usage/{one}": 10,
            f"activity?subscriptionId={one}": 5,
            f"subscriptions/{found.bought}": 5,
            "assets": 5,
        }
        yield chosen.choices(list(kinds), list(kinds.values()))[0]


async def _read(found: Yard, options: Options) -> list[tuple[str, float]]:
    """(path, milliseconds from its due moment to its last byte) of every read; a failed one ends the run."""
    asked = paths(found, random.Random(options.seed))
    http = Bare(found.url)
    begun, tasks = time.perf_counter(), []
    for number in range(int(options.rate * options.seconds)):
        due = begun + number / options.rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(_one(http, next(asked), due)))
    times = await asyncio.gather(*tasks)
    await http.close()
    return times


async def _one(http: Bare, path: str, due: float) -> tuple[str, float]:
    status = await http.get(path)
    took = (time.perf_counter() - due) * 1000
    if status != 200:
        raise SystemExit(f"error: GET {path} answered {status}")
    return path, took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="folder for every single time")
    print(json.dumps(measure(Options(**vars(parser.parse_args()))), indent=2))


if __name__ == "__main__":
    main()
