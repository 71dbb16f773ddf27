"""MSMF's rows: the requirements it translated and the notices it got. Each is written once for its key."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from dbos import SQLAlchemyDatasource

from orchestrator.instances.tables import NOTICES, REQUIREMENTS, number_in_order
from orchestrator.requirements import Notice, ServiceRequirements, ToldNotice

MOST_AT_ONCE = 1000
"""Notices of one page."""
_KEPT_REQUIREMENTS = sa.select(REQUIREMENTS.c.requirements).where(REQUIREMENTS.c.key == sa.bindparam("mine"))
_ADD_REQUIREMENTS = sa.insert(REQUIREMENTS)
_KEPT_NOTICES = sa.select(NOTICES.c.key).where(NOTICES.c.key.in_(sa.bindparam("keys", expanding=True)))
_ADD_NOTICE = sa.insert(NOTICES)


def now_s() -> int:
    """Wall-clock time, UTC seconds."""
    return int(time.time())


@dataclass(frozen=True)
class MsmfDeps:
    """What MSMF stands on."""

    datasource: SQLAlchemyDatasource
    clock: Callable[[], int] = now_s
    reader: sa.Engine | None = None
    """for reads outside transactions, where the datasource's engine would lock for them"""

    @property
    def reading(self) -> sa.Engine:
        """Where to read."""
        return self.reader or self.datasource.engine


def keep_requirements(rows: sa.Connection, key: str, wanted: ServiceRequirements, now: int) -> ServiceRequirements:
    """Write requirements under their key; a repeat gets what was written first."""
    kept = rows.scalars(_KEPT_REQUIREMENTS, {"mine": key}).first()
    if kept is not None:
        return ServiceRequirements.model_validate(kept)
    values = {"subscription_id": wanted.subscription_id, "requirements": wanted.to_json(), "at": now}
    rows.execute(_ADD_REQUIREMENTS, {"key": key, **values})
    return wanted


def requirements_of(rows: sa.Connection, subscription_id: str) -> list[dict[str, Any]]:
    """All that was ever translated for a subscription, oldest first, each with its key."""
    query = sa.select(REQUIREMENTS).where(REQUIREMENTS.c.subscription_id == subscription_id)
    found = rows.execute(query.order_by(REQUIREMENTS.c.at, REQUIREMENTS.c.key)).mappings()
    return [{"key": row["key"], "at": row["at"], "requirements": row["requirements"]} for row in found]


def keep_notice(rows: sa.Connection, key: str, notice: Notice, now: int) -> None:
    """Write a notice; a repeat changes nothing."""
    _keep(rows, {key: notice}, now)


def keep_notices(rows: sa.Connection, key: str, told: Sequence[ToldNotice], now: int) -> None:
    """Write what was told at once; a repeat changes nothing."""
    named: dict[str, Notice] = {}
    for number, notice in enumerate(told):
        named.setdefault(notice.key or f"{key}/{number}", notice)
    _keep(rows, named, now)


def _keep(rows: sa.Connection, told: Mapping[str, Notice], now: int) -> None:
    known = set(rows.scalars(_KEPT_NOTICES, {"keys": sorted(told)}))
    new = [(key, notice) for key, notice in told.items() if key not in known]
    if new:
        number_in_order(rows)
        rows.execute(_ADD_NOTICE, [{"key": key, **_told(notice), "at": notice.at or now} for key, notice in new])


def _told(notice: Notice) -> dict[str, Any]:
    return {name: getattr(notice, name) for name in ("kind", "subject", "subscription_id", "detail")}


def notices(
    rows: sa.Connection, since: int, subscription_id: str | None, kinds: Sequence[str] = (), newest: int | None = None
) -> list[dict[str, Any]]:
    """Notices after a number (of one subscription; of these kinds), oldest first, each with its number: the first
    thousand, or the `newest` so many."""
    wanted = NOTICES.c.number > since
    if subscription_id is not None:
        wanted &= NOTICES.c.subscription_id == subscription_id
    if kinds:
        wanted &= NOTICES.c.kind.in_(kinds)
    order = NOTICES.c.number if newest is None else NOTICES.c.number.desc()
    query = sa.select(NOTICES).where(wanted).order_by(order).limit(newest or MOST_AT_ONCE)
    found = [{"number": row["number"], **_notice(row).to_json()} for row in rows.execute(query).mappings()]
    return found if newest is None else found[::-1]


def _notice(row: sa.RowMapping) -> Notice:
    return Notice(
        kind=row["kind"],
        subject=row["subject"],
        subscription_id=row["subscription_id"],
        detail=row["detail"],
        at=row["at"],
    )
