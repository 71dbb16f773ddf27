"""docs/gas.md: the gas table for readers, written from the raw receipts, and the check that it is not stale.

Called by scripts/bench_gas.py. It holds nothing that changes from run to run, so measuring again leaves no difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger import abi
from scripts.bench import Figure
from scripts.gas.table import GROUPS, PEERS, ROWS, Raw, Row, figures, gas_of, protocol_alone

REMEDY = "run `make bench AREA=gas`"
_PEER_PACKAGES = ("singularitynet-platform-contracts", "singularitynet-token-contracts")
_HASH_ROW = re.compile(r"^\| `(\w+)` \| `([0-9a-f]{64})` \|$", re.MULTILINE)
_FIGURE_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| [\d,.]+ \| ([^|]+) \|", re.MULTILINE)


def bytecode_hashes() -> dict[str, str]:
    """SHA-256 of each contract's creation bytecode, as it is in ledger/artifacts/."""
    return {name: sha256(abi.load(name).bytecode).hexdigest() for name in abi.CONTRACTS.values()}


def render(raw: Raw) -> str:
    """The whole document."""
    found = {each["name"]: each for each in figures(raw)}
    parts = [_HEAD, _how(raw)]
    for title, rows in GROUPS.items():
        parts.append(_group(title, rows, found))
    parts += [_peers(raw), _protocol(raw, found), _bytecodes(raw["bytecodes"])]
    return "\n".join(parts)


def stale(document: str) -> list[str]:
    """One line for each thing in which the document is not of the committed contracts, figures and bars."""
    told, found = dict(_HASH_ROW.findall(document)), []
    for name, known in bytecode_hashes().items():
        if told.get(name) != known:
            found.append(f"it was not measured on the {name} that is in ledger/artifacts/")
    shown = {name: (load, bar) for name, load, bar in _FIGURE_ROW.findall(document)}
    for name, row in ROWS.items():
        if name not in shown:
            found.append(f"{name} is missing")
        elif shown[name] != (row.load, _bar(row)):
            found.append(f"{name} is shown with another load or bar")
    return found + [f"{name} is no figure any more" for name in shown.keys() - ROWS.keys()]


_HEAD = """# Gas

Written by `make bench AREA=gas`; do not edit. `make check` fails where the contracts have changed since.

"Steady" means that the same was done before: storage goes from non-zero to non-zero. A *guard* is no design goal but
the value at the time the figure was added, rounded up. What stands beside a figure was measured in the same run, on the
same node, under the same load; what others published has a column of its own and was not measured here.
"""


def _how(raw: Raw) -> str:
    contract = next(iter(abi.CONTRACTS.values()))
    compiler = json.loads((abi.ARTIFACTS / f"{contract}.json").read_text())["compiler"]
    settings, load = compiler["settings"], raw["load"]
    nodes = " and ".join(f"`{node['client']}` as {node['hardfork']}" for node in raw["nodes"])
    peers = " and ".join(f"`{name}` {version}" for name, version in raw["packages"].items())
    runs, pipeline = settings["optimizer"]["runs"], "via-IR" if settings["viaIR"] else "without via-IR"
    return f"""## How it is measured

Each figure is `gasUsed` of a mined transaction's receipt, a batch's divided by its items.

- Node: {nodes}; the latter, which lacks the P-256 precompile, for `register_passkey_solidity` alone.
- Ours: solc {compiler["version"]}, target {settings["evmVersion"]}, optimizer with {runs:,} runs, {pipeline}.
- SingularityNET: the bytecode of {peers}.
- Load: {load["units"]:,} units a voucher at {load["unit_price"]:,} millionths of a credit, one period prepaid.
- Keys, ids, roots and amounts follow from the seed ({raw["seed"]}), signatures from RFC 6979, so each run is alike.
- A batch counts only if each of its vouchers was settled (or, where said so, skipped); SingularityNET's claims only if
  the recipient's balance grew by their sum.
- `out/bench/gas-raw.json` has the transactions with their blocks and, for each figure, what it is computed of;
  `.venv/bin/python scripts/bench_gas.py --recompute out/bench` computes `gas.json` from it again.
"""


def _group(title: str, rows: Mapping[str, Row], found: Mapping[str, Figure]) -> str:
    lines = [
        f"## {title}", "",
        "| figure | load | gas | bar | holds | measured beside it | published elsewhere |",
        "|---|---|--:|---|---|---|---|",
    ]  # fmt: skip
    for name, row in rows.items():
        each = found[name]
        beside = f"{_number(each['against']['value'])} {PEERS[row.beside].label}" if row.beside else "–"
        lines.append(
            f"| `{name}` | {row.load} | {_number(each['value'])} | {_bar(row)} "
            f"| {'yes' if each['holds'] else '**no**'} | {beside} | {row.published or '–'} |"
        )
    return "\n".join([*lines, ""])


def _peers(raw: Raw) -> str:
    lines = [
        "## Others, measured in the same run", "",
        "| what | gas | what it is, and is not |",
        "|---|--:|---|",
    ]  # fmt: skip
    lines += [f"| {peer.label} | {_number(gas_of(raw, of, peer.per))} | {peer.note} |" for of, peer in PEERS.items()]
    return "\n".join([*lines, ""])


def _protocol(raw: Raw, found: Mapping[str, Figure]) -> str:
    lines = [
        "## What the protocol alone takes", "",
        "For each voucher its part of the transaction and its calldata, one signature recovered, one row of storage",
        "rewritten and its part of the plan's, one event. The rest is ours: decoding, hashing, checking, the loop.", "",
        "| figure | gas | the protocol alone | ours |",
        "|---|--:|--:|--:|",
    ]  # fmt: skip
    for name in ROWS:
        least = protocol_alone(raw, name)
        if least is not None:
            value = found[name]["value"]
            lines.append(f"| {name} | {_number(value)} | {_number(least)} | {_number(round(value - least, 3))} |")
    return "\n".join([*lines, ""])


def _bytecodes(hashes: Mapping[str, str]) -> str:
    lines = ["## Measured on", "", "| contract | SHA-256 of its creation bytecode |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | `{digest}` |" for name, digest in hashes.items()), ""])


def _bar(row: Row) -> str:
    return f"≤ {_number(row.bar)}{' (guard)' if row.guard else ''}"


def _number(value: float) -> str:
    """Thousands apart; fractions as far as they mean something."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if value >= 100 else f"{value:,.3f}".rstrip("0")


def peer_packages(modules: Path) -> dict[str, Any]:
    """The versions of the packages that the peers come from."""
    return {name: json.loads((modules / name / "package.json").read_text())["version"] for name in _PEER_PACKAGES}
