"""What metering adds to a use: the real gateway and a bare proxy side by side, before the same model, in the same run.

Called by bench_marketplace.py. Calls go to the one and the other in turn, on one connection each; what the client does
(its proof, its checks) is outside of the time. The gateway's home lies where `folder` says: its disk's sync is in the
figure, so the sync alone is measured too.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.typed_data import SessionBinding, sign
from ledger.values import Kind, to_hex
from s4m.processes import free_ports
from scripts.honest.market import HonestMarket, Sold, terms_document
from scripts.load.percentiles import percentile
from trust.enrol import enrol_components
from trust.gate import GateAuth, SessionAuth
from trust.keys import ComponentIdentity, ProofKey

WARM_UP = 50
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Added:
    """Milliseconds: the p50 of both, and of one synced write on the gateway's disk."""

    calls: int
    gateway_p50_ms: float
    bare_p50_ms: float
    sync_p50_ms: float

    @property
    def added_ms(self) -> float:
        return self.gateway_p50_ms - self.bare_p50_ms


def added(folder: Path, calls: int, seed: int) -> Added:
    """Starts chain, model, proxy and gateway, and asks each `calls` times."""
    folder.mkdir(parents=True, exist_ok=True)
    socket, (bare_port, gateway_port) = folder / "model.sock", free_ports(2)
    with ExitStack() as stack:
        devnet = stack.enter_context(Devnet.start())
        market = stack.enter_context(HonestMarket(devnet, seed))
        sold, identities = _sell(market, folder)
        devnet.mine(3)
        stack.enter_context(_running("scripts.load.bare_proxy", "model", "--uds", str(socket)))
        bare = ["proxy", "--uds", str(socket), "--port", str(bare_port)]
        stack.enter_context(_running("scripts.load.bare_proxy", *bare))
        gateway = ["--home", str(folder), "--port", str(gateway_port), "--rpc-url", devnet.rpc_url]
        stack.enter_context(_running("orchestrator.gateway", *gateway))
        urls = [f"http://127.0.0.1:{port}" for port in (gateway_port, bare_port)]
        _await(urls)
        _serve(market, sold, socket, urls[0], identities["orchestrator"])
        metered, bare_times = asyncio.run(_ask(market, sold, urls, calls))
    return Added(calls, 1000 * percentile(metered, 0.5), 1000 * percentile(bare_times, 0.5), 1000 * _sync_p50(folder))


def _sell(market: HonestMarket, home: Path) -> tuple[Sold, dict[str, ComponentIdentity]]:
    """A subscription that may be used without end, and the keys that the gateway's home needs."""
    accounts = home / "keys" / "accounts"
    market.relayer.save(accounts / "operator.json")
    market.meter.save(accounts / "meter.json")
    identities = {
        name: ComponentIdentity.load_or_create(home / "keys" / f"{name}.json", name)
        for name in ("orchestrator", "gateway")
    }
    with Sender(market.chain, market.relayer) as sender:
        enrol_components(market.contracts, sender, identities.values())
    market.deployment.save(home)
    document = terms_document({"call": 1_000}) | {"credit_units": 10**9, "credit_seconds": 86_400}
    model = market.register(market.providers[0], Kind.TAAS, "call")
    plan = market.publish(market.providers[0], model, document, unit_price=1, period_price=0, period=0)
    sold = market.buy(market.buyer(), plan, 10**7, 0)
    market.activate(sold)
    return sold, identities


@contextmanager
def _running(module: str, *arguments: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", module, *arguments])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _await(urls: list[str]) -> None:
    """Until both answer anything at all."""
    give_up = time.monotonic() + PATIENCE_S
    for url in urls:
        while True:
            try:
                httpx.get(f"{url}/health", trust_env=False)
                break
            except httpx.TransportError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)


def _serve(market: HonestMarket, sold: Sold, socket: Path, url: str, orchestrator: ComponentIdentity) -> None:
    """Puts the subscription's route, as the orchestrator would."""
    route = {
        "subscriptionId": str(sold.subscription_id), "planId": str(sold.plan), "buyer": sold.buyer.address,
        "signer": sold.session.address, "cap": str(10**7), "terms": next(iter(market.terms.values())),
        "operations": {"call": {"meter": 0, "model": "model", "call": "call"}}, "sockets": {"model": str(socket)},
    }  # fmt: skip
    with httpx.Client(base_url=url, auth=GateAuth(orchestrator, "gateway"), trust_env=False) as client:
        client.put(f"/routes/{sold.subscription_id}", json=route).raise_for_status()


async def _ask(market: HonestMarket, sold: Sold, urls: list[str], calls: int) -> tuple[list[float], list[float]]:
    """Seconds of each call, the gateway's and the proxy's in turn."""
    key, token = ProofKey.generate(), ""
    auth = SessionAuth(lambda: token or None, key)
    metered: list[float] = []
    bare: list[float] = []
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        token = await _bind(client, market, sold.session, sold, urls[0], auth, key)
        for number in range(WARM_UP + calls):
            body = json.dumps({"requestId": uuid4().hex, "operation": "call", "params": {}}).encode()
            for url, times in zip(urls, (metered, bare), strict=True):
                request = client.build_request("POST", f"{url}/use/{sold.subscription_id}", content=body)
                request.headers.update(auth.headers("POST", str(request.url), body))
                began = time.perf_counter()
                answer = await client.send(request)
                spent = time.perf_counter() - began
                answer.raise_for_status()
                if number >= WARM_UP:
                    times.append(spent)
    return metered, bare


async def _bind(
    client: httpx.AsyncClient, market: HonestMarket, session: WalletKey, sold: Sold, url: str,
    auth: SessionAuth, key: ProofKey,
) -> str:  # fmt: skip
    """The session's token, for the proof key."""
    binding = SessionBinding(sold.subscription_id, key.jkt, int(time.time()) + 3_600)
    posted: dict[str, Any] = {
        "subscriptionId": str(binding.subscription_id), "jkt": binding.jkt, "expires": binding.expires,
        "signature": to_hex(sign(session, market.contracts.market_domain, binding)),
    }  # fmt: skip
    give_up = time.monotonic() + PATIENCE_S
    while True:
        answer = await client.post(f"{url}/sessions", json=posted, auth=auth)
        if answer.is_success or time.monotonic() > give_up:
            return str(answer.raise_for_status().json()["token"])
        await asyncio.sleep(0.2)


def _sync_p50(folder: Path, writes: int = 100) -> float:
    """Seconds of one write of a page and its sync, there."""
    times = []
    path = folder / "sync"
    with path.open("wb") as file:
        for _ in range(writes):
            began = time.perf_counter()
            file.write(bytes(4_096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return percentile(times, 0.5)
