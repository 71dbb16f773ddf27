"""Gas of the contracts from full receipts on a fresh node, with SingularityNET's escrow beside them.

Used by bench.py (`make bench AREA=gas`), which measures. By itself it needs no node:

    scripts/bench_gas.py --check              fails where docs/gas.md is not of the committed contracts
    scripts/bench_gas.py --recompute FOLDER   recomputes FOLDER/gas.json from FOLDER/gas-raw.json and compares
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.gas.document import REMEDY, bytecode_hashes, peer_packages, render, stale
from scripts.gas.load import Load
from scripts.gas.table import figures, recipes

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "gas.md"
SEED = 7  # of the committed document


def measure(seed: int, load: Load) -> dict[str, Any]:
    """Runs every scenario; the receipts, and all that a checker needs besides."""
    from scripts.gas.beside import measure_assets, measure_identity, measure_passkey
    from scripts.gas.market import measure_market
    from scripts.gas.records import MODULES, measure_records
    from scripts.gas.singularitynet import measure_singularitynet
    from scripts.gas.yard import Yard

    with Yard.open(seed, load) as yard, Yard.open(seed, load, "prague") as older:
        yard.keep_deployments()
        active = measure_market(yard)
        measure_assets(yard, active[0])
        measure_identity(yard)
        measure_passkey(yard, "register_passkey")
        measure_records(yard)
        measure_singularitynet(yard)
        measure_passkey(older, "register_passkey_solidity")
        both = (yard, older)
        return {
            "seed": seed,
            "load": {**asdict(load), "cap": load.cap},
            "nodes": [each.node() for each in both],
            "packages": peer_packages(MODULES),
            "bytecodes": bytecode_hashes(),
            "recipes": recipes(),
            "transactions": [entry for each in both for entry in each.transactions],
            "blocks": [block for each in both for block in each.blocks.values()],
        }


def publish(raw: dict[str, Any], out: Path) -> Path:
    """Writes the document: docs/gas.md for the house's own load and seed, else beside the figures."""
    ours = raw["seed"] == SEED and raw["load"] == {**asdict(Load()), "cap": Load().cap}
    path = DOCUMENT if ours else out / "gas.md"
    path.write_text(render(raw))
    return path


def check(path: Path) -> list[str]:
    """What is stale in the document at `path`; one line each."""
    return stale(path.read_text()) if path.exists() else ["it does not exist"]


def recompute(folder: Path) -> list[str]:
    """The names of the figures in gas.json that gas-raw.json does not give."""
    raw, told = (json.loads((folder / name).read_text()) for name in ("gas-raw.json", "gas.json"))
    fresh = {each["name"]: each for each in figures(raw)}
    by_name = {each["name"]: each for each in told}
    return [name for name in sorted(fresh.keys() | by_name.keys()) if fresh.get(name) != by_name.get(name)]


def main() -> int:
    """Checks or recomputes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--check", action="store_true", help="compare docs/gas.md with ledger/artifacts/ and the table")
    task.add_argument("--recompute", type=Path, metavar="FOLDER", help="where gas.json and gas-raw.json are")
    given = parser.parse_args()
    if given.check:
        found = [f"docs/gas.md is stale: {line}; {REMEDY}" for line in check(DOCUMENT)]
    else:
        found = [f"{name} is not what the receipts give" for name in recompute(given.recompute)]
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
