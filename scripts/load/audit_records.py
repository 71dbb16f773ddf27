"""`s4m audit` over a million records: an honest market on a real node, its logs in one file, the command as it is used.

Called by bench_marketplace.py. Wall-clock seconds and the memory of the command.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ledger.devnet import Devnet
from ledger.values import Kind
from scripts.honest.market import HonestMarket, Sold, terms_document

SUBSCRIPTIONS = 10
LOOK_EVERY_S = 0.02
MIB = 1 << 20


@dataclass(frozen=True)
class Audited:
    """One run: records, seconds from start to exit and on a CPU, most memory held at once in MiB, and the report."""

    records: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    report: dict[str, object]


def audited(folder: Path, records: int, seed: int) -> Audited:
    """Plays the market, writes the file, runs the command. `folder` keeps the report (and the log, until the end)."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "usage.jsonl"
    with Devnet.start() as devnet, _market(devnet, records, seed) as market:
        with log.open("w") as file:
            for sold in market.sold:
                file.writelines(_lines(market, sold))
        deployment, terms = folder / "deployment.json", folder / "terms.json"
        deployment.write_text(json.dumps(market.deployment.to_json()))
        terms.write_text(json.dumps(next(iter(market.terms.values()))))
        market.sold.clear()
        run = _run(
            [
                "audit", "--json", "--home", str(folder / "home"), "--rpc", devnet.rpc_url,
                "--deployment", str(deployment), "--terms", str(terms), "--log", str(log),
            ],
            records, folder / "report.json",
        )  # fmt: skip
    log.unlink()
    return run


def _market(devnet: Devnet, records: int, seed: int) -> HonestMarket:
    """Ten subscriptions of one plan with included units and a discount; half of the use settled, then all of it."""
    market = HonestMarket(devnet, seed)
    owner = market.providers[0]
    document = terms_document({"frame": 2_000, "walk": 700}, included=500, floor_milli=800, discount_bps=2_500)
    model = market.register(owner, Kind.TAAS, "frames")
    plan = market.publish(owner, model, document, unit_price=1, period_price=10_000, period=86_400)
    for _ in range(SUBSCRIPTIONS):
        sold = market.buy(market.buyer(1_000_000), plan, 10**10, 1)
        market.activate(sold)
        market.use(sold, records // SUBSCRIPTIONS // 2)
        market.settle(sold)
        market.use(sold, records // SUBSCRIPTIONS - len(sold.records))
        market.settle(sold)
    return market


def _lines(market: HonestMarket, sold: Sold) -> Iterator[str]:
    for line in market.lines(sold):
        yield json.dumps(line, separators=(",", ":")) + "\n"


def _run(arguments: list[str], records: int, report: Path) -> Audited:
    began, peak, cpu = time.monotonic(), 0, 0.0
    with report.open("wb") as out:
        process = psutil.Popen([sys.executable, "-m", "s4m.main", *arguments], stdout=out)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak, cpu = max(peak, process.memory_info().rss), sum(process.cpu_times()[:2])
            time.sleep(LOOK_EVERY_S)
    seconds = time.monotonic() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "s4m audit")
    return Audited(records, seconds, cpu, peak / MIB, json.loads(report.read_text()))
