"""VMOF's global view as rows: how each MSI and model instance that stands did lately, and how much room it has.

Written by VMOF's monitor, off every purchase's path; read by VMOF's choice and MMF's view within theirs. `now` is in
UTC seconds.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import sqlalchemy as sa

from orchestrator.instances.tables import MEASURED, MSIS
from orchestrator.requirements import Measured
from storage import upsert

FRESH_S = 300
"""What was measured longer ago is forgotten: the gateway has been away, or the monitor."""

Kind = Literal["msi", "instance"]


def measured_like(rows: sa.Connection, composition: str, cluster: str, now: int) -> dict[str, Measured]:
    """What is known of the MSIs of one composition in one cluster."""
    return _measured(rows, _LIKE, now, composition=composition, cluster=cluster)


def measured_named(rows: sa.Connection, names: Collection[str], now: int) -> dict[str, Measured]:
    """What is known of these."""
    return _measured(rows, _NAMED, now, names=sorted(names))


def measured_all(rows: sa.Connection, now: int) -> dict[str, Measured]:
    """The whole view."""
    return _measured(rows, sa.select(MEASURED), now)


def strained_instances(rows: sa.Connection, now: int) -> dict[str, Measured]:
    """The model instances that nobody else should share as they are."""
    return _measured(rows, _STRAINED, now)


def write_measured(
    rows: sa.Connection, found: Mapping[str, tuple[Kind, Measured, bool]], gone: Collection[str]
) -> None:
    """Write what was found (of what kind, what, and whether it is strained); forget what stands no longer."""
    new = [
        {"subject": name, "kind": kind, "strained": strained, **dict(one)}
        for name, (kind, one, strained) in found.items()
    ]
    if new:
        rows.execute(_WRITE, new)
    if gone:
        rows.execute(sa.delete(MEASURED).where(MEASURED.c.subject.in_(sorted(gone))))


def _measured(rows: sa.Connection, query: sa.Select[Any], now: int, **given: object) -> dict[str, Measured]:
    return {row["subject"]: _one(row, now) for row in rows.execute(query, given).mappings()}


def _one(row: sa.RowMapping, now: int) -> Measured:
    if row["at"] < now - FRESH_S:
        return Measured(free_shares=row["free_shares"], shares=row["shares"], at=row["at"])
    return Measured(**{name: row[name] for name in Measured.model_fields})


_MADE_OF = (MSIS.c.composition == sa.bindparam("composition")) & (MSIS.c.cluster == sa.bindparam("cluster"))
_LIKE = sa.select(MEASURED).join(MSIS, MSIS.c.msi_id == MEASURED.c.subject).where(_MADE_OF)
_NAMED = sa.select(MEASURED).where(MEASURED.c.subject.in_(sa.bindparam("names", expanding=True)))
_STRAINED = sa.select(MEASURED).where(MEASURED.c.strained & (MEASURED.c.kind == "instance"))
_NEW = upsert(MEASURED)
_WRITE = _NEW.on_conflict_do_update(
    index_elements=[MEASURED.c.subject],
    set_={name: _NEW.excluded[name] for name in MEASURED.c.keys() if name != "subject"},  # noqa: SIM118 (columns)
)
