"""How long instances were up, how often they died and how long they were down, as rows: reliability is measured by it.

Of each standing instance the counts stand in its own row, of those that have ended in one row for each model. MMF's
keeper writes them, its catalogue reads them. Times are UTC seconds; every function takes the caller's transaction.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.instances.models import ModelInstance
from orchestrator.instances.states import ModelState
from orchestrator.instances.tables import INSTANCES, MODEL_LIVES
from storage import upsert

LEAST_DOWN_S = 1
"""What a death costs at least, seconds: the keeper looks once in that time."""


@dataclass(frozen=True, slots=True)
class Life:
    """What was seen of one instance, or of several together."""

    deaths: int = 0
    up_s: int = 0
    down_s: int = 0

    def __add__(self, other: "Life") -> "Life":
        return Life(self.deaths + other.deaths, self.up_s + other.up_s, self.down_s + other.down_s)


def life_of(one: ModelInstance, now: int) -> Life:
    """What was seen of an instance until now; one that is down is down until now."""
    still = max(now - one.down_since, LEAST_DOWN_S) if one.down_since else 0
    return Life(one.deaths, one.up_s, one.down_s + still)


def ended_lives(rows: sa.Connection, models: Collection[str]) -> Mapping[str, Life]:
    """Model → what was seen of its instances that have ended."""
    found = rows.execute(_ENDED, {"models": sorted(models)})
    return {row.model: Life(row.deaths, row.up_s, row.down_s) for row in found}


def down_since(rows: sa.Connection) -> Mapping[str, int]:
    """Running instance → since when it is down; 0 = it is up."""
    return {row.instance_id: row.down_since for row in rows.execute(_DOWN_SINCE)}


def fall(rows: sa.Connection, instance_ids: Collection[str], now: int) -> None:
    """These have died."""
    rows.execute(_FALL, {"names": sorted(instance_ids), "now": now})


def rise(rows: sa.Connection, instance_ids: Collection[str], now: int) -> None:
    """These were down and answer again."""
    rows.execute(_RISE, {"names": sorted(instance_ids), "now": now})


def count_up(rows: sa.Connection, seconds: int, now: int) -> None:
    """All running instances that are not down were up for so long, or since they were made."""
    rows.execute(_COUNT_UP, {"seconds": seconds, "now": now})


def end_life(rows: sa.Connection, one: ModelInstance, now: int) -> None:
    """The instance has ended: what was seen of it is its model's from now on."""
    life = life_of(one, now)
    rows.execute(_END, {"model": one.model, "deaths": life.deaths, "up_s": life.up_s, "down_s": life.down_s})


# What every purchase asks is made once: to put a statement together takes five times what it takes to run it.

_ENDED = sa.select(MODEL_LIVES).where(MODEL_LIVES.c.model.in_(sa.bindparam("models", expanding=True)))
_RUNNING = INSTANCES.c.state == ModelState.RUNNING.value
_DOWN_SINCE = sa.select(INSTANCES.c.instance_id, INSTANCES.c.down_since).where(_RUNNING)
_NAMED = INSTANCES.c.instance_id.in_(sa.bindparam("names", expanding=True))
_UP = INSTANCES.c.down_since == 0
_NOW = sa.bindparam("now", type_=sa.BigInteger)
_SECONDS = sa.bindparam("seconds", type_=sa.BigInteger)
_FALL = sa.update(INSTANCES).where(_NAMED & _UP).values(deaths=INSTANCES.c.deaths + 1, down_since=_NOW)
_LASTED = _NOW - INSTANCES.c.down_since
_DOWN = sa.case((_LASTED > LEAST_DOWN_S, _LASTED), else_=LEAST_DOWN_S)
_RISE = sa.update(INSTANCES).where(_NAMED & ~_UP).values(down_s=INSTANCES.c.down_s + _DOWN, down_since=0)
_AGE = _NOW - INSTANCES.c.created_at
_COUNT_UP = (
    sa.update(INSTANCES)
    .where(_RUNNING & _UP)
    .values(up_s=INSTANCES.c.up_s + sa.case((_AGE < _SECONDS, _AGE), else_=_SECONDS))
)
_ADD_LIFE = upsert(MODEL_LIVES)
_END = _ADD_LIFE.on_conflict_do_update(
    index_elements=[MODEL_LIVES.c.model],
    set_={name: MODEL_LIVES.c[name] + _ADD_LIFE.excluded[name] for name in ("deaths", "up_s", "down_s")},
)
