"""What is held, shared or running for nobody: every table of an orchestrator at rest, against each other and against
the sandboxes and folders that the machine has.

At rest means: every purchase has come to its end, no design keeps anything ahead, `under_way` is empty.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from orchestrator.resources.vector import RESOURCES
from tests.sandbox_processes import sandboxes_of

Row = dict[str, Any]
Query = Callable[[str], list[Row]]
"""A statement's rows by column"""

TABLES = (
    "services", "msis", "shares", "model_instances", "uses", "allocations", "reservations", "nodes", "supplies",
    "supply_offers",
)  # fmt: skip
SERVED = ("running", "active")


class Books(dict[str, list[Row]]):
    """The tables as they stand, by name."""

    def __init__(self, query: Query) -> None:
        super().__init__((table, query(f"SELECT * FROM {table}")) for table in TABLES)  # noqa: S608 (our own names)
        for share in self["shares"]:
            share["requirements"] = _document(share["requirements"])
        self.served = {row["subscription_id"] for row in self["services"] if row["state"] in SERVED}
        self.standing = {row["instance_id"] for row in self["model_instances"] if row["state"] == "running"}


def under_way(query: Query, engine: str = "") -> list[Row]:
    """Whatever ends by itself and has not yet: workflows, starts and stops, what is kept warm, reservations.

    `engine`: prefix of the durable engine's tables.
    """
    return [
        *query(f"SELECT workflow_uuid, status FROM {engine}workflow_status WHERE {_OPEN}"),  # noqa: S608
        *query("SELECT instance_id, state FROM model_instances WHERE state IN ('planned', 'stopping')"),
        *query(f"SELECT instance_id, warm_until FROM model_instances WHERE {_IDLE}"),  # noqa: S608
        *query("SELECT reservation_id, until FROM reservations WHERE NOT ended"),
    ]


_OPEN = "status IN ('PENDING', 'ENQUEUED')"
_IDLE = "state = 'running' AND shares = 0 AND NOT supply"


def leaks(books: Books, home: Path) -> list[str]:
    """Empty where nothing is."""
    checks = (_ends, _uses, _instances, _allocations, _reservations, _sums, _supplies)
    return [*(fault for check in checks for fault in check(books)), *_machine(books, home)]


def _ends(books: Books) -> Iterable[str]:
    """A share runs exactly where its service is served, an MSI exactly where a share runs; all others have ended."""
    states = {row["msi_id"]: row["state"] for row in books["msis"]}
    held = {row["msi_id"] for row in books["shares"] if row["state"] == "running"}
    for row in books["shares"]:
        served = row["subscription_id"] in books.served
        if row["state"] not in (("running",) if served else ("released", "refused")):
            yield f"share {row['subscription_id']} is {row['state']}, served: {served}"
    for name in books.served - {row["subscription_id"] for row in books["shares"]}:
        yield f"{name} is served without a share"
    for name, state in states.items():
        if state not in (("running",) if name in held else ("gone", "failed")):
            yield f"MSI {name} is {state}, held: {name in held}"


def _uses(books: Books) -> Iterable[str]:
    """Each running share uses each of its roles once, in its own MSI, and what it uses stands."""
    held: dict[str, list[str]] = {}
    for row in books["uses"]:
        held.setdefault(row["subscription_id"], []).append(row["role"])
        if row["instance_id"] not in books.standing:
            yield f"{row['subscription_id']} uses {row['instance_id']}, which does not stand"
    homes = {row["subscription_id"]: row["msi_id"] for row in books["shares"] if row["state"] == "running"}
    yield from (
        f"use in a foreign MSI: {row}" for row in books["uses"] if homes.get(row["subscription_id"]) != row["msi_id"]
    )
    for row in books["shares"]:
        wanted = row["requirements"]["roles"] if row["state"] == "running" else {}
        if sorted(held.get(row["subscription_id"], [])) != sorted(wanted):
            yield f"{row['subscription_id']} uses {held.get(row['subscription_id'])} instead of {sorted(wanted)}"


def _instances(books: Books) -> Iterable[str]:
    """What stands counts its users rightly and has some; what does not has none."""
    counted = Counter(row["instance_id"] for row in books["uses"])
    for row in books["model_instances"]:
        name = row["instance_id"]
        if row["shares"] != counted[name]:
            yield f"{name} counts {row['shares']} shares and has {counted[name]}"
        if row["state"] not in ("running", "gone", "failed"):
            yield f"{name} is {row['state']}"
        if name in books.standing and not counted[name] and not row["supply"]:
            yield f"{name} stands for nobody"


def _allocations(books: Books) -> Iterable[str]:
    """Each is of what stands: of the instance itself, or of one of its shares."""
    uses = {(row["subscription_id"], row["instance_id"]) for row in books["uses"]}
    for row in books["allocations"]:
        if row["instance_id"] not in books.standing:
            yield f"held by what is gone: {row['allocation_id']}"
        if row["subscription_id"] and (row["subscription_id"], row["instance_id"]) not in uses:
            yield f"held by nobody: {row['allocation_id']}"


def _reservations(books: Books) -> Iterable[str]:
    """At rest one is only there while something is drawn of it, and keeps no more than that."""
    for row in books["reservations"]:
        drawn = _sum(one for one in books["allocations"] if one["reservation_id"] == row["reservation_id"])
        if not row["ended"] or not any(drawn.values()):
            yield f"reservation {row['reservation_id']} stands, ended: {row['ended']}, drawn: {drawn}"
        if not drawn == _amounts(row, "drawn_") == _amounts(row):
            yield f"reservation {row['reservation_id']} keeps {_amounts(row)}, {drawn} is drawn"


def _sums(books: Books) -> Iterable[str]:
    """Every node's figures are the sums of its supplies, allocations and of what is reserved and not drawn."""
    for node in books["nodes"]:
        kept = [one for one in books["reservations"] if one["node_id"] == node["node_id"]]
        undrawn = {name: sum(one[name] - one[f"drawn_{name}"] for one in kept) for name in RESOURCES}
        for prefix, sums in (
            ("capacity_", _sum(one for one in books["supplies"] if one["node_id"] == node["node_id"])),
            ("used_", _sum(one for one in books["allocations"] if one["node_id"] == node["node_id"])),
            ("reserved_", undrawn),
        ):
            if _amounts(node, prefix) != sums:
                yield f"{node['node_id']}: {prefix} is {_amounts(node, prefix)}, the sum {sums}"


def _supplies(books: Books) -> Iterable[str]:
    """A supply is the topology's, a standing offer's or a standing instance's; a model's node stands with its model."""
    offers = {f"offer/{row['offer_id']}" for row in books["supply_offers"] if row["state"] != "ended"}
    for row in books["supplies"]:
        if row["supplier"] not in {f"topology/{row['node_id']}", *offers, *books.standing}:
            yield f"supplied by what is gone: {row['supplier']} at {row['node_id']}"
    for row in books["nodes"]:
        if row["kind"] == "model" and row["node_id"] not in books.standing:
            yield f"node of what is gone: {row['node_id']}"


def _machine(books: Books, home: Path) -> Iterable[str]:
    """What stands runs once, and has the only folders."""
    alive = sandboxes_of(home)
    for name in alive.keys() | books.standing:
        if alive[name] != (name in books.standing):
            yield f"{name} runs {alive[name]} times, stands: {name in books.standing}"
    folders = {one.name for one in (home / "instances").iterdir() if one.is_dir()}
    yield from (f"folder {name}, stands: {name in books.standing}" for name in folders ^ books.standing)


def _amounts(row: Row, prefix: str = "") -> dict[str, int]:
    return {name: row[prefix + name] for name in RESOURCES}


def _sum(rows: Iterable[Row]) -> dict[str, int]:
    every = list(rows)
    return {name: sum(row[name] for row in every) for name in RESOURCES}


def _document(kept: Any) -> Any:
    """Of a JSON column; SQLite answers it as text."""
    return json.loads(kept) if isinstance(kept, str) else kept
