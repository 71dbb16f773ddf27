"""What every MSI and every share went through: each move as a row with when and why, written where it is made.

Written by `msis` alone, in the transaction of the move; read by whoever explains a service. A share's subject is its
subscription, an MSI's its id.
"""

from typing import Any, Literal

import sqlalchemy as sa

from orchestrator.instances.states import MsiMove, MsiState, ShareMove, ShareState
from orchestrator.instances.tables import MOVES

Kind = Literal["msi", "share"]


def record(
    rows: sa.Connection,
    kind: Kind,
    subject: str,
    move: MsiMove | ShareMove,
    before: MsiState | ShareState,
    after: MsiState | ShareState,
    why: str,
    now: int,
) -> None:
    """Write down a move that is being made; `now` in UTC seconds."""
    rows.execute(
        _ADD,
        {
            "kind": kind,
            "subject": subject,
            "move": move.value,
            "before": before.value,
            "after": after.value,
            "why": why,
            "at": now,
        },
    )


def moves_of(rows: sa.Connection, subscription_id: str, msi_id: str) -> list[dict[str, Any]]:
    """The moves of a subscription's share, of places that were kept for it, and of one MSI, in their order."""
    mine = (MOVES.c.subject == subscription_id) | MOVES.c.subject.startswith(f"{subscription_id}~", autoescape=True)
    share, msi = (MOVES.c.kind == "share") & mine, (MOVES.c.kind == "msi") & (MOVES.c.subject == msi_id)
    return [dict(row) for row in rows.execute(sa.select(MOVES).where(share | msi).order_by(MOVES.c.number)).mappings()]


_ADD = sa.insert(MOVES)
