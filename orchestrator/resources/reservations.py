"""Reservations (the long time-scale of section II-D): room of a node kept for one cluster until a time, as rows.

The global controller reserves through MMF's routes, MMF's allocations draw (`pool.allocate`). Each function is one
transaction's work. What is reserved and not drawn counts against a node like an allocation, by the same CHECK; what is
drawn of a reservation can never be more than the reservation. Times are UTC seconds.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.resources.pool import NODES, RESERVATIONS, amounts_of, guarded
from orchestrator.resources.vector import RESOURCES, ResourceVector

NOTHING = ResourceVector()


class UnknownReservation(OrchestratorError):
    """No reservation has this id (any more)."""

    code = "unknown_reservation"
    status = 404
    title = "No reservation has this id"


class BadReservation(OrchestratorError):
    """The reservation asked for cannot be: its end has passed, its node is none, or its id is another's."""

    code = "bad_reservation"
    status = 422
    title = "The reservation cannot be made"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room of a site or link that only one cluster may draw, until `until`."""

    reservation_id: str
    node_id: str
    cluster: str
    until: int
    ended: bool
    amounts: ResourceVector
    drawn: ResourceVector

    @property
    def left(self) -> ResourceVector:
        """What may still be drawn."""
        return self.amounts - self.drawn

    def to_json(self) -> dict[str, Any]:
        """The reservation as a JSON object."""
        return {
            "reservation": self.reservation_id,
            "node": self.node_id,
            "cluster": self.cluster,
            "until": self.until,
            "ended": self.ended,
            "amounts": self.amounts.amounts(),
            "drawn": self.drawn.amounts(),
        }


def reserve(
    rows: sa.Connection,
    reservation_id: str,
    node_id: str,
    cluster: str,
    amounts: ResourceVector,
    until: int,
    now: int,
) -> Reservation:
    """Make the reservation, or give the one of this id new amounts and a new end. Repeating changes nothing.

    OverAllocated where the node has not that much free, or more than the new amounts is drawn already.
    """
    if until <= now:
        raise BadReservation(f"{reservation_id} would end at {until}, and it is {now}. Reserve until a later second.")
    kind = rows.scalar(sa.select(NODES.c.kind).where(NODES.c.node_id == node_id))
    if kind not in ("site", "link"):
        raise BadReservation(f"{node_id} is no site or link of the pool. Reserve at one that the pool shows.")
    known = find(rows, reservation_id)
    if known is not None and (known.ended or (known.node_id, known.cluster) != (node_id, cluster)):
        raise BadReservation(f"{reservation_id} is or was one of {known.cluster} at {known.node_id}. Take another id.")
    values = {**amounts.all_amounts(), "until": until}
    key = {"reservation_id": reservation_id, "node_id": node_id, "cluster": cluster}
    change: sa.Executable = sa.insert(RESERVATIONS).values(**key, **values)
    if known is not None:
        change = sa.update(RESERVATIONS).where(RESERVATIONS.c.reservation_id == reservation_id).values(**values)
    guarded(f"reservation of {amounts.amounts()} on {node_id}", lambda: rows.execute(change))
    return Reservation(reservation_id, node_id, cluster, until, False, amounts, known.drawn if known else NOTHING)


def release_reservation(rows: sa.Connection, reservation_id: str) -> Reservation:
    """End a reservation before its time: what is not drawn is free at once, what is drawn when its shares leave."""
    known = find(rows, reservation_id)
    if known is None:
        raise UnknownReservation(f"{reservation_id} was never made, or it ended and nothing is drawn of it any more.")
    _end(rows, RESERVATIONS.c.reservation_id == reservation_id)
    return known


def expire(rows: sa.Connection, now: int) -> list[str]:
    """End what has reached its end, and forget what ended and is drawn by nobody; answers those that ended now."""
    over = (RESERVATIONS.c.until <= now) & ~RESERVATIONS.c.ended
    ended = list(rows.scalars(sa.select(RESERVATIONS.c.reservation_id).where(over)))
    if ended:
        _end(rows, over)
    rows.execute(sa.delete(RESERVATIONS).where(RESERVATIONS.c.ended & _undrawn()))
    return ended


def due(rows: sa.Connection, now: int) -> bool:
    """Whether `expire` would change anything."""
    return rows.execute(_DUE, {"now": now}).first() is not None


def find(rows: sa.Connection, reservation_id: str) -> Reservation | None:
    """One reservation, ended or not."""
    return next(iter(_reservations(rows, _where(RESERVATIONS.c.reservation_id == reservation_id))), None)


def reservations(rows: sa.Connection) -> Sequence[Reservation]:
    """All that stand or are still drawn from, by id."""
    return _reservations(rows, _where(sa.true()))


def kept_for(rows: sa.Connection, cluster: str, now: int) -> dict[str, ResourceVector]:
    """Node → what a cluster can draw there of its reservations."""
    found: defaultdict[str, ResourceVector] = defaultdict(ResourceVector)
    for one in _reservations(rows, _STANDING, of=cluster, now=now):
        found[one.node_id] += one.left
    return found


def _undrawn() -> sa.ColumnElement[bool]:
    return sa.and_(*(RESERVATIONS.c[f"drawn_{name}"] == 0 for name in RESOURCES))


def _end(rows: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    drawn = {name: RESERVATIONS.c[f"drawn_{name}"] for name in RESOURCES}
    rows.execute(sa.update(RESERVATIONS).where(which & ~RESERVATIONS.c.ended).values(ended=True, **drawn))


def _where(which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(RESERVATIONS).where(which).order_by(RESERVATIONS.c.reservation_id)


def _reservations(rows: sa.Connection, query: sa.Select[Any], **given: object) -> Sequence[Reservation]:
    return [
        Reservation(
            row["reservation_id"],
            row["node_id"],
            row["cluster"],
            row["until"],
            bool(row["ended"]),
            amounts_of(row),
            amounts_of(row, "drawn_"),
        )
        for row in rows.execute(query, given).mappings()
    ]


# What every purchase asks is made once.

_OVER = (RESERVATIONS.c.until <= sa.bindparam("now")) & ~RESERVATIONS.c.ended
_DUE = sa.select(RESERVATIONS.c.reservation_id).where(_OVER | (RESERVATIONS.c.ended & _undrawn())).limit(1)
_STANDING = _where(
    (RESERVATIONS.c.cluster == sa.bindparam("of"))
    & (RESERVATIONS.c.until > sa.bindparam("now"))
    & ~RESERVATIONS.c.ended
)
