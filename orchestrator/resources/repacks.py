"""Repacks as rows: which running instances were moved to make room, why, and how far each has come.

MMF's repacking writes them inside its transactions, in the pool's turn; `explain` and `top` show them. It decides
nothing.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.resources.pool import METADATA


class RepackState(enum.StrEnum):
    """Where a repack stands."""

    MOVING = "moving"
    DONE = "done"
    STOPPED = "stopped"
    """given up on the way: `cause` says why; what had been moved by then stays where it is"""


REPACKS = sa.Table(
    "repacks",
    METADATA,
    sa.Column("repack_id", sa.String, primary_key=True),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("decision", sa.JSON, nullable=False),
    sa.Column("moves", sa.JSON, nullable=False),
    sa.Column("moving", sa.JSON, nullable=False),
    sa.Column("cause", sa.Text, nullable=False, server_default=""),
    sa.Column("begun_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("ended_at", sa.BigInteger, nullable=True),
)
"""`decision`: objective before and after, bound, gap, what gets in. `moves`: what was carried out, with whom it
concerned. `moving`: old → new of the wave that is under way."""

_MOVING = sa.select(REPACKS.c.moving).where(REPACKS.c.state == RepackState.MOVING.value)


def begin_repack(rows: sa.Connection, repack_id: str, decision: Mapping[str, Any], now: int) -> None:
    """Write a new one; nothing is moved yet."""
    rows.execute(
        sa.insert(REPACKS).values(
            repack_id=repack_id, state=RepackState.MOVING.value, decision=dict(decision), moves=[], moving={},
            begun_at=now,
        )
    )  # fmt: skip


def set_moving(rows: sa.Connection, repack_id: str, moved: Mapping[str, str]) -> None:
    """Which instances are being moved now, old → new."""
    rows.execute(sa.update(REPACKS).where(REPACKS.c.repack_id == repack_id).values(moving=dict(moved)))


def add_moves(rows: sa.Connection, repack_id: str, moves: Sequence[Mapping[str, Any]]) -> None:
    """Keep what was moved; nothing is under way any more."""
    mine = REPACKS.c.repack_id == repack_id
    known = rows.scalars(sa.select(REPACKS.c.moves).where(mine)).one()
    rows.execute(sa.update(REPACKS).where(mine).values(moves=[*known, *map(dict, moves)], moving={}))


def end_repack(rows: sa.Connection, repack_id: str, now: int, cause: str = "") -> None:
    """It is over; a cause given says why it was given up."""
    state = RepackState.STOPPED if cause else RepackState.DONE
    over = sa.update(REPACKS).where(REPACKS.c.repack_id == repack_id)
    rows.execute(over.values(state=state.value, cause=cause, moving={}, ended_at=now))


def under_way(rows: sa.Connection) -> bool:
    """Whether a repack has not come to its end."""
    moving = REPACKS.c.state == RepackState.MOVING.value
    return rows.execute(sa.select(REPACKS.c.repack_id).where(moving)).first() is not None


def being_repacked(rows: sa.Connection) -> frozenset[str]:
    """The instances that a repack is moving, old and new."""
    return frozenset(name for moving in rows.scalars(_MOVING) for name in (*moving, *moving.values()))


def repacks(rows: sa.Connection, limit: int | None = None) -> list[dict[str, Any]]:
    """The newest repacks as JSON objects, newest first; times in UTC seconds."""
    query = sa.select(REPACKS).order_by(REPACKS.c.begun_at.desc(), REPACKS.c.repack_id.desc()).limit(limit)
    return [
        {
            "repack": row["repack_id"],
            "state": row["state"],
            **row["decision"],
            "moves": row["moves"],
            "cause": row["cause"],
            "begunAt": row["begun_at"],
            "endedAt": row["ended_at"],
        }
        for row in rows.execute(query).mappings()
    ]


def repacks_of(rows: sa.Connection, subscription_id: str) -> list[dict[str, Any]]:
    """The repacks that moved what a subscription uses, newest first, each with those moves alone."""
    found = []
    for one in repacks(rows):
        moves = [move for move in one["moves"] if subscription_id in move["subscriptions"]]
        if moves:
            found.append({**one, "moves": moves})
    return found
