"""`make demo`: ten travellers buy a virtual beach on a real local chain, use it, sign for it, and an audit proves it.

The paper's case study (section IV-A) on real parts: an Ethereum node, five contracts, three programs, sandboxed MaaS
models and one process a traveller. With S4M_DATA (or --data) set, recorded VR bursts, 5G traces and attention drive it;
else a seeded generator. Writes report.json and a figure into out/demo/ and exits non-zero if anything failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.travel.brief import Brief
from scripts.travel.company import Company, Member, TravellerFailed
from scripts.travel.inputs import DataIncomplete, TravelInputs, travel_inputs
from scripts.travel.report import draw, print_table, write_json

BEACH, GUIDE = "virtual-beach-travel", "ar-beach-guide"
TASTES = ([BEACH], [GUIDE], [BEACH, GUIDE], [BEACH], [BEACH, GUIDE])
"""What the travellers buy, in turn: some the beach, some the guide, some both."""
CAP = 60_000
"""Most units of one subscription: about four minutes of full use."""
EARLY_LEAVER = 3
"""Index of the traveller who releases half-way and gets the rest back."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    travellers: int
    seconds: int
    seed: int
    data: Path | None
    home: Path | None
    out: Path
    timeout_s: float


def options(arguments: list[str] | None = None) -> Options:
    """Parses and checks the command line; nothing is started on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--travellers", type=int, default=10, help="how many travel (1 to 16; default 10)")
    parser.add_argument("--seconds", type=int, default=20, help="how long they walk (2 to 600; default 20)")
    parser.add_argument("--seed", type=int, default=7, help="of everything that is random (default 7)")
    parser.add_argument("--data", type=Path, help="folder of recordings (default: S4M_DATA, where it is set)")
    parser.add_argument("--home", type=Path, help="keep chain, keys and databases here (default: a temporary folder)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="where the report goes (default out/demo)")
    parser.add_argument("--timeout", type=float, default=240.0, help="seconds until the run is given up (default 240)")
    given = parser.parse_args(arguments)
    if not 1 <= given.travellers <= 16:
        parser.error("--travellers must be 1 to 16: a devnet's pool is one machine")
    if not 2 <= given.seconds <= 600:
        parser.error("--seconds must be 2 to 600")
    data = given.data or (Path(os.environ["S4M_DATA"]) if os.environ.get("S4M_DATA") else None)
    return Options(given.travellers, given.seconds, given.seed, data, given.home, given.out, given.timeout)


def briefs(house: Any, inputs: TravelInputs, chosen: Options) -> list[Brief]:
    """One brief a traveller; every third buys by the command line, the others by HTTP."""
    from ledger.deployment import deployment_path

    made = []
    for index, world in enumerate(inputs.travellers):
        home = house.home / "travellers" / f"{index}"
        home.mkdir(parents=True)
        leaver = index == EARLY_LEAVER % chosen.travellers
        made.append(
            Brief(
                name=f"traveller-{index + 1}",
                home=home,
                keepsakes=(chosen.out / f"traveller-{index + 1}").absolute(),
                rpc_url=house.urls.chain,
                marketplace_url=house.urls.marketplace,
                gateway_url=house.urls.gateway,
                deployment=deployment_path(house.home, house.chain.chain_id),
                services=list(TASTES[index % len(TASTES)]),
                via="cli" if index % 3 == 2 else "http",
                cap=CAP,
                seconds=chosen.seconds,
                leave_after_s=chosen.seconds // 2 if leaver else None,
                demand=world.demand,
                radio=world.radio,
                objects=world.objects,
                seed=chosen.seed + index,
                patience_s=chosen.timeout_s / 2,
                environment=_environment(house, home),
            )
        )
    return made


def _environment(house: Any, home: Path) -> dict[str, str]:
    """What `s4m` needs to know in a traveller's hand: its own home, the house's doors and contracts."""
    from ledger.deployment import deployment_path

    own = deployment_path(home, house.chain.chain_id)
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(deployment_path(house.home, house.chain.chain_id).read_text())
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**keep, **house.urls.environment(), "S4M_HOME": str(home)}


def travel(house: Any, inputs: TravelInputs, chosen: Options) -> list[Member]:
    """All travellers buy, then walk at once; returns what they told."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn()) as progress, Company(briefs(house, inputs, chosen)) as company:
        trips = sum(len(member.brief.services) for member in company.members)
        buying = progress.add_task("buying and activating", total=trips)

        def bought(_member: Member, event: dict[str, Any]) -> None:
            progress.advance(buying, event["event"] == "bought")

        company.hear_until(lambda member: member.ready, chosen.timeout_s, bought)
        walking = progress.add_task("seconds on the beach", total=sum(_seconds(m.brief) for m in company.members))

        def walked(_member: Member, event: dict[str, Any]) -> None:
            progress.advance(walking, event["event"] == "second")

        company.give_the_word()
        company.hear_until(lambda member: member.done is not None, chosen.timeout_s, walked)
        return company.members


def _seconds(brief: Brief) -> int:
    return min(brief.seconds, brief.leave_after_s or brief.seconds) * len(brief.services)


def main(arguments: list[str] | None = None) -> int:
    """The whole run; 0 where everything held."""
    chosen = options(arguments)
    begun = time.time()
    try:
        inputs = travel_inputs(chosen.data, chosen.travellers, chosen.seconds, chosen.seed)
    except DataIncomplete as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"input: {inputs.kind}" + (f" ({', '.join(inputs.files)})" if inputs.files else f", seed {chosen.seed}"))
    with tempfile.TemporaryDirectory(prefix="s4m-demo-", ignore_cleanup_errors=True) as temporary:
        report = _run(chosen, inputs, chosen.home or Path(temporary), begun)
    return 0 if report["ok"] else 1


def _run(chosen: Options, inputs: TravelInputs, home: Path, begun: float) -> dict[str, Any]:
    from ledger.errors import LedgerError
    from orchestrator.runtime.errors import RuntimeFault
    from s4m.errors import CliError, cause_and_remedy, code_of
    from s4m.supervisor import House
    from scripts.travel.closing import close_books

    report: dict[str, Any] = {"ok": False, "failures": []}
    try:
        with House.start(home, port_base=0, say=print) as house:
            members = travel(house, inputs, chosen)
            report, rows = close_books(house, members, inputs)
        report["duration_s"] = round(time.time() - begun, 1)
        print_table(rows)
        report["figures"] = draw(chosen.out, rows, inputs.kind)
    except (LedgerError, RuntimeFault, CliError, TravellerFailed) as error:
        cause, remedy = cause_and_remedy(error)
        report["failures"] = [f"[{code_of(error)}]: {cause}" + (f"\n  what to do: {remedy}" if remedy else "")]
    report["duration_s"] = round(time.time() - begun, 1)
    write_json(chosen.out / "report.json", report)
    for failure in report["failures"]:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{'all held' if report['ok'] else 'FAILED'} after {report['duration_s']} s: {chosen.out / 'report.json'}")
    return report


if __name__ == "__main__":
    raise SystemExit(main())
