"""The marketplace, measured: audit, proofs, tampering, log, metering, reads of the API, the catalogue page. Used by
bench.py.

Raw material beside the figures: marketplace-tampering.json (every case with what both checkers found),
marketplace-audit.json (the audited million's report) and marketplace-raw.json (all times). `--input` is a JSON file
with any of `records`, `calls`, `append`: other sizes; then the figures' names stay and their loads tell.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ledger.usage_log import UsageLog, UsageRecord, verify_inclusion
from ledger.values import SubscriptionId, Units
from scripts.load import api_reads, pages
from scripts.load.audit_records import audited
from scripts.load.gateway_added import added
from scripts.load.percentiles import percentile
from scripts.tamper.suite import bench, honest_findings, outcomes

Figures = list[dict[str, Any]]
MEMORY = Path("/dev/shm")  # noqa: S108 — a folder in memory, where there is one
PROOFS = 1_000
APPENDS = 5
"""Rounds of appending; the best is told: the others had to share the machine."""


@dataclass(frozen=True)
class Sizes:
    """How much of each is done."""

    records: int = 1_000_000
    calls: int = 500
    append: int = 200_000

    @classmethod
    def read(cls, path: Path | None) -> Sizes:
        """From a JSON object of whole numbers; SystemExit with cause and remedy for anything else."""
        if path is None:
            return cls()
        names = {field.name for field in fields(cls)}
        try:
            given = dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise SystemExit(f"error: {path} is no readable JSON object ({error})") from error
        if set(given) - names or any(type(size) is not int or size < 100 for size in given.values()):
            raise SystemExit(f"error: {path} may hold whole numbers of at least 100 for {', '.join(sorted(names))}")
        return cls(**given)


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, data: Path | None) -> Figures:
    """All figures of the area."""
    sizes = Sizes.read(data)
    raw: dict[str, Any] = {"sizes": asdict(sizes), "seed": seed}
    figures = [
        *_tampering(figure, out, seed),
        *_audit(figure, out, seed, sizes, raw),
        *_log(figure, sizes, raw),
        _gateway(figure, seed, sizes, raw),
        *api_reads.measure(api_reads.Options(seed=seed, out=out)),
        *pages.measure(figure),
    ]
    (out / "marketplace-raw.json").write_text(json.dumps(raw, indent=2) + "\n")
    return figures


def _tampering(figure: Callable[..., dict[str, Any]], out: Path, seed: int) -> Figures:
    """Every falsification on the market of this seed, by the audit and by the second checker."""
    with bench(seed) as ready:
        alarms, results = honest_findings(ready), outcomes(ready)
    rows = [
        {
            "case": each.case.name, "kind": each.case.kind, "changed": each.case.what, "due": each.case.finding,
            "audit": sorted(each.audit), "second": None if each.second is None else sorted(each.second),
        }
        for each in results
    ]  # fmt: skip
    (out / "marketplace-tampering.json").write_text(json.dumps(rows, indent=2) + "\n")
    load = "one market of the seed; logs, receipts, tables, events, nodes"
    total, named = len(results), sum(each.case.finding in each.audit for each in results)
    concern = [each for each in results if each.second is not None]
    second = sum(bool(each.second) for each in concern)
    return [
        figure("tamper_total", total, "ways", load, (">=", 30)),
        figure("tamper_found", named, "ways", f"{load}; found and named", (">=", total)),
        figure("tamper_found_second", second, "ways", "those of money and proofs, by viem alone", (">=", len(concern))),
        figure("tamper_false_alarms", len(alarms), "codes", "the same market, unchanged", ("<=", 0)),
    ]


def _audit(figure: Callable[..., dict[str, Any]], out: Path, seed: int, sizes: Sizes, raw: dict[str, Any]) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        run = audited(Path(folder), sizes.records, seed)
    (out / "marketplace-audit.json").write_text(json.dumps(run.report, indent=2) + "\n")
    raw["audit"] = {"seconds": run.seconds, "cpu_seconds": run.cpu_seconds, "peak_mib": run.peak_mib}
    load = f"{run.records:,} records of 10 subscriptions, `s4m audit --log`, {run.cpu_seconds:.1f} s on a CPU"
    return [
        figure("audit_1m_s", round(run.seconds, 2), "s", load, ("<=", 10)),
        figure("audit_1m_mib", round(run.peak_mib), "MiB", load, ("<=", 1_024)),
    ]


def _log(figure: Callable[..., dict[str, Any]], sizes: Sizes, raw: dict[str, Any]) -> Figures:
    """Records hashed into the log in batches; single proofs of it, made and verified."""
    records = [_record(seq) for seq in range(sizes.append)]
    rates = []
    for _ in range(APPENDS):
        log, began = UsageLog(), time.perf_counter()
        log.extend(records)
        rates.append(len(records) / (time.perf_counter() - began))
    root, times = log.root(), []
    for place in range(PROOFS):
        index = place * (log.size - 1) // (PROOFS - 1)
        began = time.perf_counter()
        holds = verify_inclusion(records[index].leaf(), index, log.size, log.inclusion_proof(index), root)
        times.append(1000 * (time.perf_counter() - began))
        assert holds
    raw["append_per_s"], raw["proof_ms"] = rates, times
    size = f"a log of {log.size:,} records"
    return [
        figure("log_append_per_s", round(max(rates)), "1/s", f"{size}, best of {APPENDS} rounds", (">=", 100_000)),
        figure("proof_ms", round(percentile(times, 0.99), 4), "ms", f"{size}, made and verified, p99", ("<=", 1)),
    ]


def _record(seq: int) -> UsageRecord:
    one = SubscriptionId(1 << 64 | 1 << 32 | 1)
    units, total = Units(15), Units(15 * (seq + 1))
    return UsageRecord(one, seq, 0, 15, units, total, 1_000 * seq, 1_000 * seq + 40, 500, seq.to_bytes(32))


def _gateway(figure: Callable[..., dict[str, Any]], seed: int, sizes: Sizes, raw: dict[str, Any]) -> dict[str, Any]:
    """With the home in memory, where there is one: a disk's sync is the disk's, and is told beside it."""
    in_memory = os.access(MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(dir=MEMORY if in_memory else None) as folder:
        run = added(Path(folder), sizes.calls, seed)
    with tempfile.TemporaryDirectory() as folder:
        on_disk = added(Path(folder), sizes.calls, seed)
    raw["gateway"] = {"first": asdict(run), "on_disk": asdict(on_disk)}
    place = "home in memory" if in_memory else "home on disk"
    load = (
        f"{run.calls} uses one after the other, {place}: {run.gateway_p50_ms:.2f} ms; with the home on disk "
        f"{on_disk.added_ms:.2f} ms added, of which one sync there takes {on_disk.sync_p50_ms:.2f} ms"
    )
    peer = ("bare proxy, same run", round(run.bare_p50_ms, 3))
    return figure("gateway_added_p50_ms", round(run.added_ms, 3), "ms", load, ("<=", 1), peer)
