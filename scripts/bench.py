"""`make bench AREA=…` (or all): measures, writes out/bench/AREA.json, raw material beside it.

Each figure is {"name", "value", "unit", "load", "against": {"what", "value"}, "bar": {"op", "value"}, "holds"}; the
file is written anew after each. A value that was not reached (a percentile over an answer that never came) is null and
a miss. A figure without a bar has the op "reported" and holds. Exits non-zero where a bar does not hold.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Figure = dict[str, Any]
Bar = tuple[str, float | None]
GAS_INPUT = (
    "JSON file with any of unit_price, period_price (millionths of a credit), period (s), units (what each voucher "
    "adds); the counts of vouchers are in the figures' names. With it or another --seed gas.md goes to --out, not docs/"
)


REPORTED: Bar = ("reported", None)
"""Of a figure that the issue asks to be told and gives no bar for."""


def figure(
    name: str,
    value: float | None,
    unit: str,
    load: str,
    bar: Bar,
    against: tuple[str, float] | None = None,
    fault: str = "",
) -> Figure:
    """One figure with its bar; `against` is a peer or limit, where there is one. None and infinity were not reached. A
    `fault` of the measurement is a miss whatever the value; the load then begins with it."""
    op, limit = bar
    reached = value if value is not None and math.isfinite(value) else None
    holds = not fault and (
        limit is None or (reached is not None and (reached <= limit if op == "<=" else reached >= limit))
    )
    peer = {"what": against[0], "value": against[1]} if against else None
    bar_document = {"op": op, "value": limit}
    return {
        "name": name, "value": reached, "unit": unit, "load": f"MISSED, for {fault}; {load}" if fault else load,
        "against": peer, "bar": bar_document, "holds": holds,
    }  # fmt: skip


def gas(out: Path, seed: int, data: Path | None) -> list[Figure]:
    """Gas of full receipts on a fresh node, SingularityNET's escrow beside ours; also writes docs/gas.md."""
    from scripts.bench_gas import measure, publish
    from scripts.gas.load import Load, LoadMalformed
    from scripts.gas.table import figures

    try:
        load = Load.read(data)
    except LoadMalformed as error:
        raise SystemExit(f"error: {error}") from error
    raw = measure(seed, load)
    (out / "gas-raw.json").write_text(json.dumps(raw, indent=2) + "\n")
    publish(raw, out)
    return figures(raw)


def demo(out: Path, seed: int, data: Path | None) -> list[Figure]:
    """One warm demo of ten travellers; its whole report is the raw solution."""
    command = [sys.executable, "scripts/virtual_travel.py", "--out", str(out / "demo"), "--seed", str(seed)]
    if data is not None:
        command += ["--data", str(data)]
    subprocess.run(command, check=True)
    report = json.loads((out / "demo" / "report.json").read_text())
    load = f"10 travellers, 20 s, {report['inputs']['kind']} input"
    running = report["latency_ms"]["event_to_running"]
    return [
        figure("event_to_running_p50_ms", running["p50"], "ms", load, ("<=", 1000)),
        figure("event_to_running_p99_ms", running["p99"], "ms", load, ("<=", 5000)),
        figure("warm_demo_s", report["duration_s"], "s", load, ("<=", 90)),
        figure("settle_gas_per_voucher", report["settle_gas_per_voucher"], "gas", load, ("<=", 42_000)),
    ]


def placement(out: Path, seed: int, data: Path | None) -> Iterable[Figure]:
    """Batches and single requests; every solution is the raw material."""
    from scripts.bench_placement import measure

    return measure(figure, out, seed, data)


def orchestrator(out: Path, seed: int, data: Path | None) -> Iterable[Figure]:
    """Admissions and purchases; every one's moments are the raw material."""
    from scripts.bench_orchestrator import measure

    return measure(figure, out, seed, data)


def immersion(out: Path, seed: int, data: Path | None) -> list[Figure]:
    """Meta-Immersion, allocation and what steers by them; every solution is the raw material."""
    from scripts.bench_immersion import measure

    return measure(figure, out, seed, data)


def trust(out: Path, _seed: int, data: Path | None) -> list[Figure]:
    """The gate's cost, revocation and the adversarial suite, none of it by chance; every attack's answer is kept."""
    from scripts.bench_trust import measure

    return measure(figure, out, data)


def marketplace(out: Path, seed: int, data: Path | None) -> list[Figure]:
    """Tampering, audit, proofs, log and metering; every case and every time is the raw material."""
    from scripts.bench_marketplace import measure

    return measure(figure, out, seed, data)


AREAS: dict[str, Callable[[Path, int, Path | None], Iterable[Figure]]] = {
    "gas": gas, "demo": demo, "placement": placement, "orchestrator": orchestrator,
    "immersion": immersion, "marketplace": marketplace, "trust": trust,
}  # fmt: skip


def main() -> int:
    """Runs the areas asked for, one after the other."""
    given = _arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    held = [_run(area, given) for area in (AREAS if given.area == "all" else [given.area])]
    return 0 if all(held) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--area", choices=[*AREAS, "all"], default="all")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--input",
        type=Path,
        help="area demo and immersion: folder of recordings; placement: folder of batches; "
        f"orchestrator, marketplace and trust: JSON file of sizes; gas: {GAS_INPUT}",
    )
    parser.add_argument(
        "--generated", action="store_true",
        help="area placement: batches made from --seed, also where S4M_DATA has recorded ones",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    given = parser.parse_args()
    if given.input is not None and given.area == "all":
        parser.error("--input is of one area: name it by --area")
    if given.generated and given.input is not None:
        parser.error("--generated makes the batches that --input would give: leave one of them out")
    return given


def _run(area: str, given: argparse.Namespace) -> bool:
    """Measures one area, each figure written as it comes; whether all held."""
    figures: list[Figure] = []
    for each in AREAS[area](given.out, given.seed, source_of(area, given)):
        figures.append(each)
        (given.out / f"{area}.json").write_text(json.dumps(figures, indent=2) + "\n")
        mark = "MISSED" if not each["holds"] else "reported" if each["bar"]["value"] is None else "holds"
        value, bar = each["value"], f"{each['bar']['op']} {each['bar']['value']}" if mark != "reported" else ""
        shown = "never" if value is None else value
        print(f"{each['name']:<40}{shown:>12} {each['unit']:<6} {bar:<12} {mark}", flush=True)
    return all(each["holds"] for each in figures)


def source_of(area: str, given: argparse.Namespace) -> Path | None:
    """What an area reads: --input; for placement, unless --generated, else the recorded batches of S4M_DATA."""
    recorded = os.environ.get("S4M_DATA")
    if area == "placement" and given.input is None and recorded and not given.generated:
        return Path(recorded) / "placement"
    source: Path | None = given.input
    return source


if __name__ == "__main__":
    raise SystemExit(main())
