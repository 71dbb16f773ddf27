"""Physical nodes, the virtual pool mapped from them, and what is allocated: rows that cannot be over-allocated.

Used by MMF inside its transactions (and by readers of the pool). A node is a site whose capacity is the sum of what
infrastructure and platform models and the operator supply there, a link between two sites, or a model instance that
supplies something to its own shares (a rendering server). Triggers keep every node's figures equal to the sums of its
supplies and allocations, and a CHECK keeps `used ≤ capacity`: no writer, however wrong, can give away what is not
there. It chooses nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from operator import itemgetter
from typing import Any, Literal

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.resources.triggers import keep_sums
from orchestrator.resources.vector import RESOURCES, ResourceVector

METADATA = sa.MetaData()
"""Tables of the pool, and of orchestrator.instances: they live and change together in the engine's database."""


class OverAllocated(OrchestratorError):
    """The database refused an allocation or a withdrawal: a node would give more than it has. It is void."""

    code = "over_allocated"
    status = 409
    title = "A node would give more than it has"


def _amounts(prefix: str = "") -> list[sa.Column[Any]]:
    return [sa.Column(prefix + name, sa.BigInteger, nullable=False, server_default="0") for name in RESOURCES]


def _bounds() -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(
            f"used_{name} >= 0 AND reserved_{name} >= 0 AND used_{name} + reserved_{name} <= capacity_{name}",
            name=f"{name}_not_over_allocated",
        )
        for name in RESOURCES
    ]


NODES = sa.Table(
    "nodes",
    METADATA,
    sa.Column("node_id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=False, server_default="0"),
    *_amounts("capacity_"),
    *_amounts("used_"),
    *_amounts("reserved_"),
    sa.Column("closed", sa.String, nullable=False, server_default=""),
    *_bounds(),
)

LINKS = sa.Table(
    "links",
    METADATA,
    sa.Column("link_id", sa.ForeignKey(NODES.c.node_id), primary_key=True),
    sa.Column("a", sa.String, nullable=False),
    sa.Column("b", sa.String, nullable=False),
    sa.Column("length_km", sa.Float, nullable=False),
)
"""Which sites a node of the kind `link` joins."""

SUPPLIES = sa.Table(
    "supplies",
    METADATA,
    sa.Column("supplier", sa.String, primary_key=True),
    sa.Column("node_id", sa.ForeignKey(NODES.c.node_id), nullable=False, index=True),
    *_amounts(),
)

RESERVATIONS = sa.Table(
    "reservations",
    METADATA,
    sa.Column("reservation_id", sa.String, primary_key=True),
    sa.Column("node_id", sa.ForeignKey(NODES.c.node_id), nullable=False, index=True),
    sa.Column("cluster", sa.String, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False, server_default=sa.false()),
    *_amounts(),
    *_amounts("drawn_"),
    *(sa.CheckConstraint(f"drawn_{name} BETWEEN 0 AND {name}", name=f"{name}_within_reserved") for name in RESOURCES),
    sa.UniqueConstraint("reservation_id", "node_id"),
)
"""Room of a node that only one cluster's allocations may draw; an ended one keeps no more than what is drawn of it.
`orchestrator.resources.reservations` writes it. A node's `reserved_…` is what is reserved and not drawn."""

ALLOCATIONS = sa.Table(
    "allocations",
    METADATA,
    sa.Column("allocation_id", sa.String, primary_key=True),
    sa.Column("node_id", sa.ForeignKey(NODES.c.node_id), nullable=False, index=True),
    sa.Column("instance_id", sa.String, nullable=False, index=True),
    sa.Column("subscription_id", sa.String, nullable=False, server_default="", index=True),
    *_amounts(),
    sa.Column("part_of", sa.String, nullable=False, server_default="", index=True),
    sa.Column("reservation_id", sa.String, nullable=True, index=True),
    sa.ForeignKeyConstraint(
        ["reservation_id", "node_id"],
        [RESERVATIONS.c.reservation_id, RESERVATIONS.c.node_id],
        name="allocations_draw_on_reservations",
    ),
)

keep_sums(SUPPLIES, NODES, "node_id", {f"capacity_{name}": name for name in RESOURCES})
keep_sums(RESERVATIONS, NODES, "node_id", {f"reserved_{name}": name for name in RESOURCES})
keep_sums(
    ALLOCATIONS,
    NODES,
    "node_id",
    {f"used_{name}": name for name in RESOURCES}
    | {
        f"reserved_{name}": f"-(CASE WHEN {{row}}.reservation_id IS NULL THEN 0 ELSE {{row}}.{name} END)"
        for name in RESOURCES
    },
    (
        RESERVATIONS,
        "reservation_id",
        {f"drawn_{name}": name for name in RESOURCES}
        | {name: f"(CASE WHEN ended THEN {{row}}.{name} ELSE 0 END)" for name in RESOURCES},
    ),
)


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it stands: what it has and what of it is allocated."""

    node_id: str
    kind: Literal["site", "link", "model"]
    latency_ms: float
    capacity: ResourceVector
    used: ResourceVector
    reserved: ResourceVector = field(default_factory=ResourceVector)
    """kept for a cluster and not drawn yet"""
    closed: str = ""
    """why nothing can be started there now, and what to do; empty where it can"""

    @property
    def free(self) -> ResourceVector:
        """What is neither allocated nor reserved."""
        return self.capacity - self.used - self.reserved

    def to_json(self) -> dict[str, Any]:
        """The node as a JSON object."""
        return {
            "node": self.node_id,
            "kind": self.kind,
            "latencyMs": self.latency_ms,
            "capacity": self.capacity.amounts(),
            "used": self.used.amounts(),
            "reserved": self.reserved.amounts(),
            **({"closed": self.closed} if self.closed else {}),
        }


@dataclass(frozen=True, slots=True)
class Room:
    """What is neither allocated nor reserved of a node."""

    node_id: str
    kind: Literal["site", "link", "model"]
    closed: str
    free: ResourceVector


@dataclass(frozen=True, slots=True)
class Allocation:
    """Amounts of a node, held by a model instance for itself or for one of its shares."""

    allocation_id: str
    node_id: str
    instance_id: str
    amounts: ResourceVector
    subscription_id: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Allocation":
        """From its row."""
        amounts = ResourceVector(*(row[name] for name in RESOURCES))
        return cls(row["allocation_id"], row["node_id"], row["instance_id"], amounts, row["subscription_id"])

    def row(self) -> dict[str, Any]:
        """The allocation as its row."""
        return {
            "allocation_id": self.allocation_id,
            "node_id": self.node_id,
            "instance_id": self.instance_id,
            "subscription_id": self.subscription_id,
            **self.amounts.all_amounts(),
        }


@dataclass(frozen=True, slots=True)
class VirtualPool:
    """The sites as one pool: what the pool has, what is allocated, and of which sites."""

    capacity: ResourceVector
    used: ResourceVector
    reserved: ResourceVector
    sites: tuple[Node, ...]

    def to_json(self) -> dict[str, Any]:
        """The pool as a JSON object."""
        return {
            "capacity": self.capacity.amounts(),
            "used": self.used.amounts(),
            "reserved": self.reserved.amounts(),
            "free": (self.capacity - self.used - self.reserved).amounts(),
            "sites": [site.to_json() for site in self.sites],
        }


def supply(rows: sa.Connection, supplier: str, node_id: str, amounts: ResourceVector, *, kind: str = "site") -> None:
    """Make (or change) what `supplier` gives to a node; the node is made when it is new. Repeating changes nothing."""
    guarded(f"change of the supply {supplier}", lambda: _supply(rows, supplier, node_id, amounts, kind))


def withdraw(rows: sa.Connection, supplier: str) -> None:
    """Take a supply away; OverAllocated while something stands on it."""
    guarded(
        f"withdrawal of {supplier}",
        lambda: rows.execute(sa.delete(SUPPLIES).where(SUPPLIES.c.supplier == supplier)),
    )


def allocate(rows: sa.Connection, wanted: Sequence[Allocation], cluster: str = "", now: int = 0) -> None:
    """Allocate; an id known already gets the new amounts. OverAllocated where a node lacks something.

    What the cluster has reserved until after `now` (UTC seconds) is drawn first, the rest is of what is free.
    """
    given = [one for one in wanted if one.amounts]

    def write() -> None:
        ids = [one.allocation_id for one in given]
        rows.execute(_FREE, {"ids": ids})
        kept = _kept(rows, {one.node_id for one in given}, cluster, now) if cluster else {}
        rows.execute(_ALLOCATE, [row for one in given for row in _parts(one, kept)])

    if given:
        guarded("allocation of " + ", ".join(f"{one.amounts.amounts()} on {one.node_id}" for one in given), write)


def closed_sites(rows: sa.Connection) -> dict[str, str]:
    """The sites where nothing can be started now, each with cause and remedy."""
    found = rows.execute(sa.select(NODES.c.node_id, NODES.c.closed).where(NODES.c.closed != ""))
    return {row.node_id: row.closed for row in found}


def close_sites(rows: sa.Connection, closed: Mapping[str, str]) -> None:
    """Write that these sites are closed, each why, and all others open."""
    rows.execute(sa.update(NODES).where(NODES.c.closed != "").values(closed=""))
    for site, why in sorted(closed.items()):
        rows.execute(sa.update(NODES).where(NODES.c.node_id == site).values(closed=why))


def capacities_of(rows: sa.Connection, node_ids: Collection[str]) -> dict[str, ResourceVector]:
    """What each of these nodes has now; one that is gone is left out."""
    found = rows.execute(_NODES_NAMED, {"names": sorted(node_ids)}).mappings()
    return {row["node_id"]: amounts_of(row, "capacity_") for row in found}


def capacity_of(rows: sa.Connection, node_id: str) -> ResourceVector:
    """What a node has now; nothing where it is gone."""
    return capacities_of(rows, [node_id]).get(node_id, ResourceVector())


def allocations_of(rows: sa.Connection, subscription_id: str) -> Sequence[Allocation]:
    """Everything that one share holds, by id."""
    query = sa.select(ALLOCATIONS).where(ALLOCATIONS.c.subscription_id == subscription_id)
    found = rows.execute(query.order_by(ALLOCATIONS.c.allocation_id)).mappings()
    return [Allocation.of(dict(row)) for row in found]


def free_allocations(rows: sa.Connection, allocation_ids: Collection[str]) -> None:
    """Free these; one that is not there is no error."""
    rows.execute(sa.delete(ALLOCATIONS).where(ALLOCATIONS.c.allocation_id.in_(sorted(allocation_ids))))


def free_share(rows: sa.Connection, instance_id: str, subscription_id: str) -> None:
    """Free what one share holds of a model instance."""
    mine = (ALLOCATIONS.c.instance_id == instance_id) & (ALLOCATIONS.c.subscription_id == subscription_id)
    rows.execute(sa.delete(ALLOCATIONS).where(mine))


def free_instance(rows: sa.Connection, instance_id: str) -> None:
    """Free all that a model instance holds, and what it supplied to its shares."""
    rows.execute(sa.delete(ALLOCATIONS).where(ALLOCATIONS.c.instance_id == instance_id))
    rows.execute(sa.delete(SUPPLIES).where((SUPPLIES.c.supplier == instance_id) & (SUPPLIES.c.node_id == instance_id)))
    rows.execute(sa.delete(NODES).where((NODES.c.node_id == instance_id) & (NODES.c.kind == "model")))


def rooms(rows: sa.Connection, node_ids: Collection[str]) -> Sequence[Room]:
    """The room of every site and link and of these nodes, by id."""
    found = rows.execute(_ROOMS, {"names": sorted(node_ids)})
    return [Room(node_id, kind, closed, ResourceVector(*free)) for node_id, kind, closed, *free in found]


def nodes(rows: sa.Connection, kind: str | None = None) -> Sequence[Node]:
    """All nodes (of a kind), by id."""
    query = sa.select(NODES).order_by(NODES.c.node_id)
    if kind is not None:
        query = query.where(NODES.c.kind == kind)
    return [_node(row) for row in rows.execute(query).mappings()]


def links(rows: sa.Connection) -> list[dict[str, Any]]:
    """All links as JSON objects: the two sites, the length, the node."""
    ends = {row["link_id"]: row for row in rows.execute(sa.select(LINKS)).mappings()}
    return [
        {
            **node.to_json(),
            **{name: ends[node.node_id][name] for name in ("a", "b")},
            "km": ends[node.node_id]["length_km"],
        }
        for node in nodes(rows, "link")
    ]


def held_by(rows: sa.Connection, subscription_id: str) -> dict[str, ResourceVector]:
    """What one share holds of each model instance: its own supplies and its site's (not what its way there takes)."""
    return _sums(rows, _HELD_BY, share=subscription_id)


def held_on_sites(rows: sa.Connection, instance_ids: Collection[str]) -> dict[str, ResourceVector]:
    """What each of these model instances holds of its site, for itself and for its shares."""
    return _sums(rows, _HELD_ON_SITES, names=sorted(instance_ids))


def drawing_on_reservations(rows: sa.Connection) -> frozenset[str]:
    """The model instances that, or whose shares, hold something of a reservation."""
    drawn = sa.select(ALLOCATIONS.c.instance_id).where(ALLOCATIONS.c.reservation_id.is_not(None))
    return frozenset(rows.scalars(drawn.distinct()))


def virtual_pool(rows: sa.Connection) -> VirtualPool:
    """The pool over all sites."""
    sites = tuple(nodes(rows, "site"))
    return VirtualPool(
        total(n.capacity for n in sites), total(n.used for n in sites), total(n.reserved for n in sites), sites
    )


def total(vectors: Iterable[ResourceVector]) -> ResourceVector:
    """The sum of these vectors."""
    return sum(vectors, ResourceVector())


def _supply(rows: sa.Connection, supplier: str, node_id: str, amounts: ResourceVector, kind: str) -> None:
    if rows.execute(_NODE_THERE, {"mine": node_id}).first() is None:
        rows.execute(_ADD_NODE, {"node_id": node_id, "kind": kind})
    values = amounts.all_amounts()
    if rows.execute(_CHANGE_SUPPLY, {"mine": supplier, **values}).rowcount == 0:
        rows.execute(_ADD_SUPPLY, {"supplier": supplier, "node_id": node_id, **values})


def guarded(what: str, write: Callable[[], Any]) -> None:
    """Write; what the database's constraints refuse is OverAllocated."""
    try:
        write()
    except sa.exc.IntegrityError as cause:
        raise OverAllocated(
            f"The {what} was refused by the database: {cause.orig}. "
            "Release shares or reservations, or add an infrastructure or platform model, then ask again."
        ) from cause


def _kept(
    rows: sa.Connection, node_ids: Collection[str], cluster: str, now: int
) -> dict[tuple[str, str], ResourceVector]:
    """(node, reservation) → what a cluster can still draw there, the soonest to end first."""
    found = rows.execute(_KEPT, {"names": sorted(node_ids), "of": cluster, "now": now}).mappings()
    return {(row["node_id"], row["reservation_id"]): amounts_of(row) - amounts_of(row, "drawn_") for row in found}


def _parts(one: Allocation, kept: dict[tuple[str, str], ResourceVector]) -> list[dict[str, Any]]:
    """An allocation as its rows: one for each reservation that it draws from (taken off `kept`), one for the rest."""
    rest, parts = one.amounts, []
    for (node_id, reservation_id), left in kept.items():
        drawn = rest.least(left) if node_id == one.node_id else ResourceVector()
        if drawn:
            kept[node_id, reservation_id] = left - drawn
            rest -= drawn
            part = replace(one, allocation_id=f"{one.allocation_id}@{reservation_id}", amounts=drawn)
            parts.append({**part.row(), "part_of": one.allocation_id, "reservation_id": reservation_id})
    if rest:
        parts.append({**replace(one, amounts=rest).row(), "part_of": "", "reservation_id": None})
    return parts


def _sums(rows: sa.Connection, query: sa.Select[Any], **given: object) -> dict[str, ResourceVector]:
    return {row[0]: ResourceVector(*(int(amount) for amount in row[1:])) for row in rows.execute(query, given)}


def _sums_where(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Of each instance the sums of what is allocated to it, its ways over the links left out."""
    sums = [sa.func.sum(ALLOCATIONS.c[name]) for name in RESOURCES]
    on_a_link = ALLOCATIONS.c.node_id.in_(sa.select(LINKS.c.link_id))
    query = sa.select(ALLOCATIONS.c.instance_id, *sums).where(where & ~on_a_link)
    return query.group_by(ALLOCATIONS.c.instance_id)


def _node(row: sa.RowMapping) -> Node:
    capacity, used, reserved = (amounts_of(row, prefix) for prefix in ("capacity_", "used_", "reserved_"))
    return Node(row["node_id"], row["kind"], row["latency_ms"], capacity, used, reserved, row["closed"])


def amounts_of(row: sa.RowMapping, prefix: str = "") -> ResourceVector:
    """The amounts that stand in a row's columns."""
    return ResourceVector(*_columns(prefix)(row))


@cache
def _columns(prefix: str) -> Callable[[sa.RowMapping], tuple[int, ...]]:
    """Takes a vector's amounts out of a row, all at once: every admission reads some hundred nodes."""
    return itemgetter(*(prefix + name for name in RESOURCES))


# What every purchase asks is made once: to put a statement together takes five times what it takes to run it.

_NAMES: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_NODES_NAMED = sa.select(NODES).where(NODES.c.node_id.in_(_NAMES))
_NODE_THERE = sa.select(NODES.c.node_id).where(NODES.c.node_id == sa.bindparam("mine"))
_ADD_NODE, _ADD_SUPPLY = sa.insert(NODES), sa.insert(SUPPLIES)
_CHANGE_SUPPLY = sa.update(SUPPLIES).where(SUPPLIES.c.supplier == sa.bindparam("mine"))
_ROOMS = (
    sa.select(
        NODES.c.node_id,
        NODES.c.kind,
        NODES.c.closed,
        *(NODES.c[f"capacity_{name}"] - NODES.c[f"used_{name}"] - NODES.c[f"reserved_{name}"] for name in RESOURCES),
    )
    .where((NODES.c.kind != "model") | NODES.c.node_id.in_(_NAMES))
    .order_by(NODES.c.node_id)
)
_ALLOCATE = sa.insert(ALLOCATIONS)
_FREE = sa.delete(ALLOCATIONS).where(ALLOCATIONS.c.allocation_id.in_(_IDS) | ALLOCATIONS.c.part_of.in_(_IDS))
_HELD_BY = _sums_where(ALLOCATIONS.c.subscription_id == sa.bindparam("share"))
_HELD_ON_SITES = _sums_where(
    ALLOCATIONS.c.instance_id.in_(_NAMES) & (ALLOCATIONS.c.node_id != ALLOCATIONS.c.instance_id)
)
_STANDING = (RESERVATIONS.c.until > sa.bindparam("now")) & ~RESERVATIONS.c.ended
_KEPT = (
    sa.select(RESERVATIONS)
    .where(RESERVATIONS.c.node_id.in_(_NAMES) & (RESERVATIONS.c.cluster == sa.bindparam("of")) & _STANDING)
    .order_by(RESERVATIONS.c.until, RESERVATIONS.c.reservation_id)
)
