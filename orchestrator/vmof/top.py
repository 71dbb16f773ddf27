"""VMOF's part of the live view: clusters, and the MSIs with most shares. Counted in SQL; it changes nothing."""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from orchestrator.instances import MsiState
from orchestrator.instances.msis import LIVE
from orchestrator.instances.tables import MSIS, SHARES

SHOWN = 40
"""MSIs in the view; the counts are of all."""
STANDING = (MsiState.PREPARATION, MsiState.PLANNING, MsiState.RUNNING, MsiState.DECOMMISSION)


def top(rows: sa.Connection) -> dict[str, Any]:
    """{"clusters", "shares", "msis", "msisLeftOff"}."""
    msis = _msis(rows)
    count = int(rows.scalar(sa.select(sa.func.count()).select_from(MSIS).where(_standing())) or 0)
    return {
        "clusters": _clusters(rows),
        "shares": _by_state(rows, SHARES),
        "msis": msis,
        "msisLeftOff": max(count - len(msis), 0),
    }


def _clusters(rows: sa.Connection) -> list[dict[str, Any]]:
    states: defaultdict[str, dict[str, int]] = defaultdict(dict)
    query = sa.select(MSIS.c.cluster, MSIS.c.state, sa.func.count()).where(_standing())
    for cluster, state, count in rows.execute(query.group_by(MSIS.c.cluster, MSIS.c.state)):
        states[cluster][state] = count
    held = sa.select(MSIS.c.cluster, sa.func.count()).join_from(SHARES, MSIS).where(_live())
    shares = {cluster: int(count) for cluster, count in rows.execute(held.group_by(MSIS.c.cluster))}
    return [
        {"cluster": cluster, "msis": states[cluster], "shares": shares.get(cluster, 0)} for cluster in sorted(states)
    ]


def _msis(rows: sa.Connection) -> list[dict[str, Any]]:
    held = sa.select(SHARES.c.msi_id, sa.func.count().label("shares")).where(_live()).group_by(SHARES.c.msi_id)
    counted = held.subquery()
    shares = sa.func.coalesce(counted.c.shares, 0)
    query = (
        sa.select(MSIS, shares.label("shares"))
        .join_from(MSIS, counted, MSIS.c.msi_id == counted.c.msi_id, isouter=True)
        .where(_standing())
        .order_by(shares.desc(), MSIS.c.msi_id)
        .limit(SHOWN)
    )
    return [
        {
            "msi": row["msi_id"],
            "service": row["service"],
            "cluster": row["cluster"],
            "isolation": row["isolation"],
            "state": row["state"],
            "shares": row["shares"],
            "maxShares": row["max_shares"],
        }
        for row in rows.execute(query).mappings()
    ]


def _by_state(rows: sa.Connection, table: sa.Table) -> dict[str, int]:
    counted = rows.execute(sa.select(table.c.state, sa.func.count()).group_by(table.c.state))
    return {str(row[0]): int(row[1]) for row in counted}


def _standing() -> sa.ColumnElement[bool]:
    return MSIS.c.state.in_([state.value for state in STANDING])


def _live() -> sa.ColumnElement[bool]:
    return SHARES.c.state.in_([state.value for state in LIVE])
