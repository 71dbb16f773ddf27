"""Model instances and who uses them as frozen values over their rows. MMF owns them; readers get the same values.

Every function takes the connection of the caller's transaction. States move only by the tables of `states`.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from orchestrator.instances.states import MODEL_MOVES, ModelMove, ModelState, after
from orchestrator.instances.tables import INSTANCES, USES
from orchestrator.requirements import ServiceType, Verdict
from orchestrator.resources import Isolation

STANDING = (ModelState.PLANNED, ModelState.RUNNING)
"""States in which an instance may be shared, and in which the runtime is to keep it."""


@dataclass(frozen=True, slots=True)
class ModelInstance:
    """An instance of a MaaS model: where it stands, for whom, and how many shares use it."""

    instance_id: str
    model: str
    node_id: str
    state: ModelState
    isolation: Isolation
    cluster: ServiceType
    msi_id: str
    """the MSI it is dedicated to, if any"""
    supply: bool
    """a part of the pool: stays without users"""
    scale: int
    max_shares: int
    """per unit of scale"""
    shares: int
    socket: str
    created_at: int
    changed_at: int
    warm_until: int = 0
    """UTC second until which it is kept without users, too; 0: it ends with its last user"""
    least_scale: int = 1
    """that it is not shrunk below: what its users need was measured"""
    deaths: int = 0
    up_s: int = 0
    """seconds that it was seen running"""
    down_s: int = 0
    """seconds from a death until it answered again"""
    down_since: int = 0
    """UTC second of the death that it has not come back from; 0: it is up"""

    def to_json(self) -> dict[str, Any]:
        """The instance as a JSON object."""
        return {
            "instance": self.instance_id,
            "model": self.model,
            "node": self.node_id,
            "state": self.state.value,
            "isolation": int(self.isolation),
            "cluster": self.cluster,
            "msi": self.msi_id,
            "supply": self.supply,
            "scale": self.scale,
            "shares": self.shares,
            "maxShares": self.max_shares * self.scale,
            "socket": self.socket,
            "warmUntil": self.warm_until,
            "deaths": self.deaths,
            "upSeconds": self.up_s,
            "downSeconds": self.down_s,
        }

    def is_idle(self, now: int) -> bool:
        """Whether it runs for nobody, its time is over, and it is to be ended."""
        return self.state is ModelState.RUNNING and self.shares == 0 and 0 < self.warm_until <= now


@dataclass(frozen=True, slots=True)
class Use:
    """One share's use of a model instance in a role."""

    subscription_id: str
    role: str
    msi_id: str
    instance_id: str
    verdict: Verdict
    offer_id: str


def add_instance(rows: sa.Connection, one: ModelInstance) -> None:
    """Write a new model instance; its shares are counted by the database."""
    values = {name: getattr(one, name) for name in INSTANCES.c.keys() if name != "shares"}  # noqa: SIM118 (columns)
    rows.execute(_ADD, {**values, "state": one.state.value, "isolation": int(one.isolation)})


def move_instance(rows: sa.Connection, instance_id: str, move: ModelMove, now: int, socket: str = "") -> ModelState:
    """Move a model instance; IllegalMove where its table has no such move. A socket given is kept."""
    moved = after(MODEL_MOVES, ModelState(rows.scalars(_STATE, {"mine": instance_id}).one()), move)
    values: dict[str, Any] = {"state": moved.value, "changed_at": now} | ({"socket": socket} if socket else {})
    rows.execute(_CHANGE, {"mine": instance_id, **values})
    return moved


def set_scale(rows: sa.Connection, instance_id: str, scale: int, now: int) -> None:
    """Write how many times its first size an instance has."""
    rows.execute(_CHANGE, {"mine": instance_id, "scale": scale, "changed_at": now})


def keep_warm(rows: sa.Connection, instance_ids: Collection[str], until: int) -> None:
    """Write until which UTC second these are kept without users."""
    mine = INSTANCES.c.instance_id.in_(sorted(instance_ids))
    rows.execute(sa.update(INSTANCES).where(mine).values(warm_until=until))


def set_least_scale(rows: sa.Connection, instance_id: str, least: int) -> None:
    """Write the scale below which an instance is not shrunk."""
    rows.execute(_CHANGE, {"mine": instance_id, "least_scale": least})


def sockets_of(rows: sa.Connection, instance_ids: Collection[str]) -> list[str]:
    """Where these instances answer, or did last."""
    return [one.socket for one in instances_named(rows, instance_ids) if one.socket]


def instance(rows: sa.Connection, instance_id: str) -> ModelInstance | None:
    """One model instance."""
    return next(iter(_instances(rows, _ONE, mine=instance_id)), None)


def instances_named(rows: sa.Connection, instance_ids: Collection[str]) -> Sequence[ModelInstance]:
    """These model instances, whatever their state, by id."""
    return _instances(rows, _NAMED, names=sorted(instance_ids))


def instances(
    rows: sa.Connection, states: Sequence[ModelState] = STANDING, models: Sequence[str] | None = None
) -> Sequence[ModelInstance]:
    """Model instances in these states (of these models), by id."""
    in_states = [state.value for state in states]
    if models is None:
        return _instances(rows, _IN_STATES, states=in_states)
    return _instances(rows, _OF_MODELS, states=in_states, models=list(models))


def lock_instances(rows: sa.Connection, instance_ids: Collection[str]) -> None:
    """Before several are changed, until this transaction ends: in one order for all, so that none waits in a ring."""
    rows.execute(_LOCK, {"names": sorted(instance_ids)})


def add_uses(rows: sa.Connection, new: Sequence[Use]) -> None:
    """Write uses; the database refuses one share too many."""
    if new:
        rows.execute(_ADD_USES, [asdict(use) for use in new])


def uses(rows: sa.Connection, subscription_id: str, msi_id: str) -> Sequence[Use]:
    """What one share uses, by role."""
    return [Use(**row) for row in rows.execute(_USES, {"share": subscription_id, "msi": msi_id}).mappings()]


def uses_at(rows: sa.Connection, instance_id: str) -> Sequence[Use]:
    """Who uses a model instance, by subscription and role."""
    query = sa.select(USES).where(USES.c.instance_id == instance_id).order_by(USES.c.subscription_id, USES.c.role)
    return [Use(**row) for row in rows.execute(query).mappings()]


def move_uses(rows: sa.Connection, old: str, new: str) -> None:
    """Whoever uses one instance uses another from now on."""
    moved = [replace(use, instance_id=new) for use in uses_at(rows, old)]
    rows.execute(sa.delete(USES).where(USES.c.instance_id == old))
    add_uses(rows, moved)


def uses_of(rows: sa.Connection, subscription_id: str) -> Sequence[Use]:
    """What one share uses, by role, whatever MSI it stands in."""
    query = sa.select(USES).where(USES.c.subscription_id == subscription_id).order_by(USES.c.role)
    return [Use(**row) for row in rows.execute(query).mappings()]


def users_of(rows: sa.Connection, instance_id: str) -> Sequence[str]:
    """The subscriptions that use a model instance, each once."""
    query = sa.select(USES.c.subscription_id).where(USES.c.instance_id == instance_id).distinct()
    return list(rows.scalars(query.order_by(USES.c.subscription_id)))


def drop_roles(rows: sa.Connection, subscription_id: str, roles: Collection[str]) -> None:
    """End one share's uses in these roles."""
    mine = (USES.c.subscription_id == subscription_id) & USES.c.role.in_(sorted(roles))
    rows.execute(sa.delete(USES).where(mine))


def drop_uses(rows: sa.Connection, subscription_id: str, msi_id: str) -> None:
    """End all uses of one share."""
    rows.execute(_DROP_USES, {"share": subscription_id, "msi": msi_id})


def _instances(rows: sa.Connection, query: sa.Select[Any], **given: object) -> Sequence[ModelInstance]:
    return [
        ModelInstance(**{**row, "isolation": Isolation(row["isolation"]), "state": ModelState(row["state"])})
        for row in rows.execute(query, given).mappings()
    ]


def _query(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(INSTANCES).where(where).order_by(INSTANCES.c.instance_id)


# What every purchase asks is made once: to put a statement together takes five times what it takes to run it.

_MINE = INSTANCES.c.instance_id == sa.bindparam("mine")
_ADD = sa.insert(INSTANCES)
_CHANGE = sa.update(INSTANCES).where(_MINE)
_STATE = sa.select(INSTANCES.c.state).where(_MINE)
_ONE = _query(_MINE)
_NAMED = _query(INSTANCES.c.instance_id.in_(sa.bindparam("names", expanding=True)))
_LOCK = (
    sa.select(INSTANCES.c.instance_id)
    .where(INSTANCES.c.instance_id.in_(sa.bindparam("names", expanding=True)))
    .order_by(INSTANCES.c.instance_id)
    .with_for_update(key_share=True)
)
_IN_STATES = _query(INSTANCES.c.state.in_(sa.bindparam("states", expanding=True)))
_OF_MODELS = _IN_STATES.where(INSTANCES.c.model.in_(sa.bindparam("models", expanding=True)))

_OF_SHARE = (USES.c.subscription_id == sa.bindparam("share")) & (USES.c.msi_id == sa.bindparam("msi"))
_ADD_USES = sa.insert(USES)
_USES = sa.select(USES).where(_OF_SHARE).order_by(USES.c.role)
_DROP_USES = sa.delete(USES).where(_OF_SHARE)
