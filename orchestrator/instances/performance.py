"""VMOF's global view as rows: how each MSI and model instance that stands did lately, and how much room it has.

Written by VMOF's monitor, off every purchase's path; read by VMOF's choice and MMF's view within theirs. `now` is in
UTC seconds.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import sqlalchemy as sa

from orchestrator.instances.tables import MSIS, PERFORMANCE
from orchestrator.requirements import Performance
from storage import upsert

FRESH_S = 300
"""What was measured longer ago is forgotten: the gateway has been away, or the monitor."""

Kind = Literal["msi", "instance"]


def performance_like(rows: sa.Connection, composition: str, cluster: str, now: int) -> dict[str, Performance]:
    """What is known of the MSIs of one composition in one cluster."""
    return _performance(rows, _LIKE, now, composition=composition, cluster=cluster)


def performance_named(rows: sa.Connection, names: Collection[str], now: int) -> dict[str, Performance]:
    """What is known of these."""
    return _performance(rows, _NAMED, now, names=sorted(names))


def all_performance(rows: sa.Connection, now: int) -> dict[str, Performance]:
    """The whole view."""
    return _performance(rows, sa.select(PERFORMANCE), now)


def strained_instances(rows: sa.Connection, now: int) -> dict[str, Performance]:
    """The model instances that nobody else should share as they are."""
    return _performance(rows, _STRAINED, now)


def write_performance(
    rows: sa.Connection, found: Mapping[str, tuple[Kind, Performance, bool]], gone: Collection[str]
) -> None:
    """Write what was found (of what kind, what, and whether it is strained); forget what stands no longer."""
    new = [
        {"subject": name, "kind": kind, "strained": strained, **dict(one)}
        for name, (kind, one, strained) in found.items()
    ]
    if new:
        rows.execute(_WRITE, new)
    if gone:
        rows.execute(sa.delete(PERFORMANCE).where(PERFORMANCE.c.subject.in_(sorted(gone))))


def _performance(rows: sa.Connection, query: sa.Select[Any], now: int, **given: object) -> dict[str, Performance]:
    return {row["subject"]: _one(row, now) for row in rows.execute(query, given).mappings()}


def _one(row: sa.RowMapping, now: int) -> Performance:
    if row["at"] < now - FRESH_S:
        return Performance(free_shares=row["free_shares"], shares=row["shares"], at=row["at"])
    return Performance(**{name: row[name] for name in Performance.model_fields})


_MADE_OF = (MSIS.c.composition == sa.bindparam("composition")) & (MSIS.c.cluster == sa.bindparam("cluster"))
_LIKE = sa.select(PERFORMANCE).join(MSIS, MSIS.c.msi_id == PERFORMANCE.c.subject).where(_MADE_OF)
_NAMED = sa.select(PERFORMANCE).where(PERFORMANCE.c.subject.in_(sa.bindparam("names", expanding=True)))
_STRAINED = sa.select(PERFORMANCE).where(PERFORMANCE.c.strained & (PERFORMANCE.c.kind == "instance"))
_NEW = upsert(PERFORMANCE)
_WRITE = _NEW.on_conflict_do_update(
    index_elements=[PERFORMANCE.c.subject],
    set_={name: _NEW.excluded[name] for name in PERFORMANCE.c.keys() if name != "subject"},  # noqa: SIM118 (columns)
)
