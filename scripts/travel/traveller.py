"""One traveller, a process of its own with its own wallet: buys, walks, checks every record, signs, goes home.

Started by scripts/virtual_travel.py as `python -m scripts.travel.traveller BRIEF`. It trusts the chain and its own
books only. It tells what happens as JSON lines on its standard output and waits for one line on its standard input
before it starts to walk, so that all travellers walk at once.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import SubscriptionId, from_hex
from marketplace.errors import ProblemAnswer
from marketplace.wallet.client import MarketClient
from marketplace.wallet.keystore import WalletStore
from marketplace.wallet.receipts import Agreement
from marketplace.wallet.use import SigningHabit, UsageSession
from scripts.travel.brief import Brief, tell
from scripts.travel.walk import Walk

PASSWORD = "a beach at dusk"  # noqa: S105 — of a wallet that lives as long as the demo
SCRYPT_N = 1 << 14
PURSE = 400_000_000
"""Smallest units a traveller takes along: 400 credits."""
RATES_MBPS = {"virtual-beach-travel": 1000, "ar-beach-guide": 250}
"""What is asked of the terahertz link: the peak rate of Table I for the beach, a quarter for the guide."""
REFUSED_WITHIN_S = 10.0
"""A use after the release request must be refused at the latest block, so within this many seconds."""


@dataclass
class Trip:
    """One subscription of this traveller and what became of it."""

    service: str
    subscription_id: SubscriptionId
    session: WalletKey
    log: Path
    times: dict[str, float]
    document: dict[str, Any]
    agreement: Agreement | None = None
    unit_price: int = 0
    usage: UsageSession | None = None
    frames: int = 0
    assets: list[dict[str, Any]] = field(default_factory=list)


class Traveller:
    """Holds the traveller's doors to chain, market and gateway."""

    def __init__(self, brief: Brief) -> None:
        self.brief = brief
        self.chain = Chain.connect(brief.rpc_url)
        self.deployment = Deployment.read(brief.deployment)
        self.contracts = Contracts(self.chain, self.deployment)
        self.market = MarketClient(brief.marketplace_url, self.chain, self.deployment)
        self.wallets = WalletStore(brief.home, scrypt_n=SCRYPT_N)
        self.wallet = self.wallets.create(brief.name, PASSWORD)
        self.sender = Sender(self.chain, self.wallet, brief.home / "sends.db")

    def close(self) -> None:
        """Hang up everywhere."""
        self.sender.close()
        self.market.close()
        self.chain.close()

    def fill_purse(self) -> None:
        """Devnets only: gas from the node, credits from the faucet."""
        Devnet.attach(self.brief.rpc_url).fund(self.wallet.address)
        self.sender.send(self.contracts.credit.faucet(self.wallet.address, PURSE), key="purse")

    def buy(self, service: str) -> Trip:
        """From request document to an active service, by the typed client or by the command line."""
        document = request_document(service, self.brief)
        plan_id = self.market.plan_of_service(service)
        periods = 1 if int(self.market.plan(plan_id)["period"]) else 0
        if self.brief.via == "cli":
            subscription_id, times = self._buy_by_command(service, document, periods)
            session = self.wallets.session(subscription_id)
        else:
            purchase = self.market.buy(
                self.wallet, plan_id, document, self.brief.cap, periods,
                store=self.wallets, timeout_s=self.brief.patience_s,
            )  # fmt: skip
            subscription_id, times, session = purchase.subscription_id, dict(purchase.times), purchase.session
        log = self.brief.home / f"{subscription_id}.jsonl"
        return Trip(service, SubscriptionId(subscription_id), session, log, times, document)

    def _buy_by_command(self, service: str, document: dict[str, Any], periods: int) -> tuple[int, dict[str, float]]:
        path = self.brief.home / f"{service}.json"
        path.write_text(json.dumps(document))
        secret = self.brief.home / "password"
        secret.touch(mode=0o600)
        secret.write_text(PASSWORD + "\n")
        command = [
            str(Path(sys.executable).with_name("s4m")), "buy", service, "--wallet", self.brief.name,
            "--password-file", str(secret), "--document", str(path), "--cap", str(self.brief.cap),
            "--periods", str(periods), "--timeout", str(self.brief.patience_s), "--yes", "--json",
        ]  # fmt: skip
        done = subprocess.run(command, env=self.brief.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"s4m buy exited {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        answer = json.loads(done.stdout)
        return int(answer["subscriptionId"]), dict(answer.get("times", {}))

    def agree(self, trip: Trip) -> None:
        """Read what both sides agreed from the chain: terms, prices, whose meter."""
        model = self.market.model(trip.subscription_id >> 64)
        plan = self.market.plan(trip.subscription_id >> 32)
        trip.unit_price = int(plan["unitPrice"])
        trip.agreement = Agreement.read(
            self.contracts, trip.subscription_id, plan["terms"] or {},
            operations=(model["spec"] or {}).get("operations"), objects=trip.document["objects"],
        )  # fmt: skip

    def bring_home(self, trip: Trip, body: bytes, provenance: dict[str, Any]) -> None:
        """Mint a souvenir, export its file and check that the chain holds its hash."""
        digest = sha256(body).digest()
        minted = self.market.mint(
            self.wallet.address, digest, trip.subscription_id,
            str(provenance["uri"]), from_hex(provenance["signature"]),
        )  # fmt: skip
        path = self.keep(f"souvenir-{digest.hex()[:12]}.png", body)
        on_chain = self.contracts.assets.asset(int(minted["assetId"])).content_hash
        if sha256(path.read_bytes()).digest() != on_chain:
            raise SystemExit(f"asset {minted['assetId']} does not hold the hash of {path}")
        trip.assets.append({"assetId": minted["assetId"], "contentHash": digest.hex(), "file": str(path)})

    def keep(self, name: str, content: bytes) -> Path:
        """Take something home: a file that outlives the run."""
        path = self.brief.keepsakes / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def request_release(self, trip: Trip) -> None:
        """The buyer's own word to end the subscription."""
        self.sender.send(
            self.contracts.market.request_release(trip.subscription_id), key=f"release:{trip.subscription_id}"
        )


def request_document(service: str, brief: Brief) -> dict[str, Any]:
    """What this traveller asks of a service: its objects with their attention, a rate, a floor."""
    shown = brief.objects if service == "virtual-beach-travel" else brief.objects[:12]
    return {
        "schema": "s4m/request/1",
        "scenario": "virtual_travelling",
        "service": service,
        "users": 1,
        "isolation": 0,
        "qoe": {"immersion_floor": 0.3, "rate_mbps": RATES_MBPS[service], "latency_ms": 1.5, "reliability": 0.99},
        "objects": [{"object": kind, "attention": round(attention)} for kind, attention in shown],
    }


async def travel(traveller: Traveller, trips: list[Trip]) -> None:
    """Walk all trips at once; leave early where the brief says so."""
    brief = traveller.brief
    for trip in trips:
        assert trip.agreement is not None
        trip.usage = await UsageSession.open(
            brief.gateway_url, trip.agreement, trip.session, record_file=trip.log,
            habit=SigningHabit(units=1500, seconds=4.0), patience_s=brief.patience_s,
        )  # fmt: skip
    begun = time.monotonic()
    try:
        await asyncio.gather(*(_walk(traveller, trip, begun) for trip in trips))
    finally:
        for trip in trips:
            assert trip.usage is not None
            await trip.usage.close(sign=False)


async def _walk(traveller: Traveller, trip: Trip, begun: float) -> None:
    assert trip.usage is not None
    walk = Walk(traveller.brief, trip.service, trip.usage)
    leave = traveller.brief.leave_after_s
    for second in range(min(traveller.brief.seconds, leave or traveller.brief.seconds)):
        await asyncio.sleep(max(0.0, begun + second - time.monotonic()))
        seen = await walk.second(second)
        trip.frames += seen["frames"]
        spend = trip.usage.receipts.total * trip.unit_price / 1e6
        tell("second", t=round(time.monotonic() - begun, 2), service=trip.service, spend=round(spend, 6), **seen)
        if second in walk.souvenir_seconds:
            body, provenance = await walk.souvenir(second)
            await asyncio.to_thread(traveller.bring_home, trip, body, provenance)
            tell("souvenir", service=trip.service, **trip.assets[-1])
    await trip.usage.sign()
    traveller.keep(f"{trip.service}.jpg", walk.last_picture)
    if leave is not None:
        await asyncio.to_thread(traveller.request_release, trip)
        await _must_be_refused(trip)
        tell("released", service=trip.service, subscriptionId=str(trip.subscription_id))


async def _must_be_refused(trip: Trip) -> None:
    """After a release request no use is served, only what was used before is signed; else the run has failed."""
    assert trip.usage is not None
    deadline = time.monotonic() + REFUSED_WITHIN_S
    while time.monotonic() < deadline:
        try:
            await trip.usage.use("weather", {})
        except ProblemAnswer:
            await trip.usage.sign()
            return
        await asyncio.sleep(0.2)
    raise SystemExit(f"subscription {trip.subscription_id} was still served after its release was requested")


def summary(trip: Trip, keepsakes: Path) -> dict[str, Any]:
    """What the parent needs of a trip for its report."""
    assert trip.usage is not None
    return {
        "service": trip.service,
        "subscriptionId": str(trip.subscription_id),
        "frames": trip.frames,
        "records": len(trip.usage.receipts.records),
        "units": trip.usage.receipts.total,
        "vouchersSigned": trip.usage.vouchers_signed,
        "log": str(keepsakes / trip.log.name),
        "times": trip.times,
        "assets": trip.assets,
    }


def main(brief_path: str) -> int:
    """Fill the purse, buy, wait for the word, walk, report."""
    traveller = Traveller(Brief.read(Path(brief_path)))
    try:
        traveller.fill_purse()
        tell("purse", address=traveller.wallet.address)
        trips = []
        for service in traveller.brief.services:
            trips.append(traveller.buy(service))
            traveller.agree(trips[-1])
            tell("bought", service=service, subscriptionId=str(trips[-1].subscription_id), via=traveller.brief.via)
        tell("ready")
        if not sys.stdin.readline():
            return 1
        asyncio.run(travel(traveller, trips))
        for trip in trips:
            traveller.keep(trip.log.name, trip.log.read_bytes())
        told = [summary(trip, traveller.brief.keepsakes) for trip in trips]
        tell("done", address=traveller.wallet.address, trips=told)
    finally:
        traveller.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
