"""MSIs and their shares as frozen values over their rows. VMOF owns them; readers get the same values.

Every function takes the connection of the caller's transaction. States move only by the tables of `states`, in the
functions that move, begin or drop; each move leaves a row (`moves`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from orchestrator.instances.moves import record
from orchestrator.instances.states import MSI_MOVES, SHARE_MOVES, MsiMove, MsiState, ShareMove, ShareState, after
from orchestrator.instances.tables import MSIS, SHARES, USES
from orchestrator.requirements import RefusalNotice, RunningModel, ServiceDecision, ServiceRequirements, ServiceType
from orchestrator.resources import Isolation, ResourceVector

LIVE = (ShareState.PLANNING, ShareState.RUNNING, ShareState.DRAINING)
"""States in which a share stands in its MSI."""
JOINABLE = (MsiState.PREPARATION, MsiState.PLANNING, MsiState.RUNNING)
"""States in which an MSI takes further shares."""


@dataclass(frozen=True, slots=True)
class Msi:
    """A Metaverse service instance: what it promises, and how many shares stand in it."""

    msi_id: str
    service: str
    cluster: ServiceType
    isolation: Isolation
    state: MsiState
    latency_ms: float
    reliability: float
    """that its models attained when its newest share settled; until one has, what they are to attain"""
    max_shares: int
    shares: int
    created_at: int
    changed_at: int
    composition: str = ""
    """the roles and the models that fill them, of every service that it is an instance of"""

    def to_json(self) -> dict[str, Any]:
        """The MSI as a JSON object."""
        return {
            "msi": self.msi_id,
            "service": self.service,
            "cluster": self.cluster,
            "isolation": int(self.isolation),
            "state": self.state.value,
            "shares": self.shares,
            "maxShares": self.max_shares,
            "latencyMs": self.latency_ms,
            "reliability": self.reliability,
            "createdAt": self.created_at,
            "changedAt": self.changed_at,
        }


@dataclass(frozen=True, slots=True)
class Share:
    """What one subscription holds of an MSI."""

    subscription_id: str
    msi_id: str
    state: ShareState
    reused: bool
    requirements: ServiceRequirements
    rendering_k: int
    """rendering capacity that its objects could use, in K"""
    models: tuple[RunningModel, ...] = ()
    grant: ResourceVector = field(default_factory=ResourceVector)
    decision: ServiceDecision | None = None
    refusal: RefusalNotice | None = None

    def rendering(self) -> RunningModel | None:
        """The model instance that renders for this share, if its service renders."""
        return next((model for model in self.models if model.supplies.rendering_k), None)

    def to_json(self) -> dict[str, Any]:
        """The share as a JSON object."""
        return {
            "subscriptionId": self.subscription_id,
            "msi": self.msi_id,
            "state": self.state.value,
            "reused": self.reused,
            "isolation": int(self.requirements.isolation),
            "grant": self.grant.amounts(),
            "models": [model.to_json() for model in self.models],
            "decision": self.decision.to_json() if self.decision else None,
            "refusal": self.refusal.to_json() if self.refusal else None,
        }


@dataclass(frozen=True, slots=True)
class Served:
    """A running share as fair sharing sees it."""

    subscription_id: str
    rendering_k: int
    models: tuple[RunningModel, ...]
    grant: ResourceVector

    def uses(self, instance_id: str) -> bool:
        """Whether one of its models is this instance."""
        return any(model.instance == instance_id for model in self.models)


def composition_of(roles: Mapping[str, str]) -> str:
    """Roles and models as one word: services of the same one can be instantiated as the same MSI."""
    return ",".join(f"{role}={model}" for role, model in sorted(roles.items()))


def add_msi(rows: sa.Connection, msi: Msi, why: str) -> None:
    """Write a new MSI; it begins in preparation."""
    begun = after(MSI_MOVES, MsiState.ABSENT, MsiMove.PREPARE)
    values = {name: getattr(msi, name) for name in MSIS.c.keys()}  # noqa: SIM118 (columns)
    rows.execute(_ADD_MSI, {**values, "isolation": int(msi.isolation), "state": begun.value})
    record(rows, "msi", msi.msi_id, MsiMove.PREPARE, MsiState.ABSENT, begun, why, msi.created_at)


def move_msi(rows: sa.Connection, msi_id: str, move: MsiMove, why: str, now: int) -> MsiState:
    """Move an MSI; IllegalMove where its table has no such move."""
    before = MsiState(rows.scalars(_MSI_STATE, {"mine": msi_id}).one())
    moved = after(MSI_MOVES, before, move)
    rows.execute(_CHANGE_MSI, {"mine": msi_id, "state": moved.value, "changed_at": now})
    record(rows, "msi", msi_id, move, before, moved, why, now)
    return moved


def msi(rows: sa.Connection, msi_id: str) -> Msi | None:
    """One MSI."""
    return next(iter(_msis(rows, _ONE_MSI, mine=msi_id)), None)


def msis(rows: sa.Connection) -> Sequence[Msi]:
    """All MSIs there are and were, oldest first."""
    return _msis(rows, _EVERY)


def joinable(rows: sa.Connection, wanted: ServiceRequirements) -> Sequence[Msi]:
    """MSIs that take shares and are made of the very models that a service is made of, oldest first."""
    return _msis(
        rows,
        _JOINABLE,
        composition=composition_of(wanted.roles),
        cluster=wanted.service_type,
        states=[state.value for state in JOINABLE],
    )


def live_shares(rows: sa.Connection, msi_id: str) -> int:
    """How many shares stand in an MSI."""
    return _count(rows, msi_id, LIVE)


def staying_shares(rows: sa.Connection, msi_id: str) -> int:
    """How many of them are not on their way out: where none stays, the MSI takes nobody in any more."""
    return _count(rows, msi_id, [state for state in LIVE if state is not ShareState.DRAINING])


def _count(rows: sa.Connection, msi_id: str, states: Sequence[ShareState]) -> int:
    return int(rows.scalars(_COUNT, {"msi": msi_id, "states": [state.value for state in states]}).one())


def begin_share(rows: sa.Connection, share: Share, why: str, now: int) -> None:
    """Write a share in planning: new, or the next attempt of one that was refused or released."""
    known = rows.scalars(_SHARE_STATE, {"mine": share.subscription_id}).one_or_none()
    if known is not None:
        move_share(rows, share.subscription_id, ShareMove.RETRY, why, now)
        set_share(rows, share, now)
        return
    begun = after(SHARE_MOVES, ShareState.ABSENT, ShareMove.JOIN)
    values = {**_held(share, now), "state": begun.value, "created_at": now}
    rows.execute(_ADD_SHARE, {"subscription_id": share.subscription_id, **values})
    record(rows, "share", share.subscription_id, ShareMove.JOIN, ShareState.ABSENT, begun, why, now)


def set_share(rows: sa.Connection, share: Share, now: int) -> None:
    """Write what a share holds; its state stays."""
    rows.execute(_CHANGE_SHARE, {"mine": share.subscription_id, **_held(share, now)})


def _held(share: Share, now: int) -> dict[str, Any]:
    return {
        "msi_id": share.msi_id,
        "reused": share.reused,
        "rendering_k": share.rendering_k,
        "rendering_instance": rendering.instance if (rendering := share.rendering()) else "",
        "requirements": share.requirements.to_json(),
        "models": [model.to_json() for model in share.models],
        "grant": share.grant.amounts(),
        "decision": share.decision.to_json() if share.decision else None,
        "refusal": share.refusal.to_json() if share.refusal else None,
        "changed_at": now,
    }


def move_share(rows: sa.Connection, subscription_id: str, move: ShareMove, why: str, now: int) -> ShareState:
    """Move a share; IllegalMove where its table has no such move."""
    before = ShareState(rows.scalars(_SHARE_STATE, {"mine": subscription_id}).one())
    moved = after(SHARE_MOVES, before, move)
    rows.execute(_CHANGE_SHARE, {"mine": subscription_id, "state": moved.value, "changed_at": now})
    record(rows, "share", subscription_id, move, before, moved, why, now)
    return moved


def promise(rows: sa.Connection, one: Msi, latency_ms: float, reliability: float | None, now: int) -> None:
    """Write what an MSI promises from now on; no reliability: as it was."""
    kept = one.reliability if reliability is None else reliability
    if (latency_ms, kept) != (one.latency_ms, one.reliability):
        values = {"latency_ms": latency_ms, "reliability": kept, "changed_at": now}
        rows.execute(_CHANGE_MSI, {"mine": one.msi_id, **values})


def drop_share(rows: sa.Connection, subscription_id: str, why: str, now: int) -> None:
    """Forget a share that only kept a place, if it is there."""
    known = rows.scalars(_SHARE_STATE, {"mine": subscription_id}).one_or_none()
    if known is None:
        return
    gone = after(SHARE_MOVES, ShareState(known), ShareMove.DROP)
    rows.execute(sa.delete(SHARES).where(SHARES.c.subscription_id == subscription_id))
    record(rows, "share", subscription_id, ShareMove.DROP, ShareState(known), gone, why, now)


def share(rows: sa.Connection, subscription_id: str) -> Share | None:
    """The share of one subscription."""
    return next(iter(_shares(rows, _ONE_SHARE, mine=subscription_id)), None)


def shares_of(rows: sa.Connection, msi_id: str) -> Sequence[Share]:
    """All shares that stand or stood in an MSI."""
    return _shares(rows, _share_query(SHARES.c.msi_id == msi_id))


def shares(rows: sa.Connection) -> Sequence[Share]:
    """All shares there are and were."""
    return _shares(rows, _share_query(sa.true()))


def running_grants(rows: sa.Connection) -> dict[str, dict[str, int]]:
    """Subscription → what its running share is granted now."""
    query = sa.select(SHARES.c.subscription_id, SHARES.c.grant).where(SHARES.c.state == ShareState.RUNNING.value)
    return {row.subscription_id: dict(row.grant) for row in rows.execute(query)}


def running_sockets(rows: sa.Connection) -> dict[str, dict[str, str]]:
    """Subscription → role → the socket on which that model answers its running share now."""
    query = sa.select(SHARES.c.subscription_id, SHARES.c.models).where(SHARES.c.state == ShareState.RUNNING.value)
    return {
        row.subscription_id: {model["role"]: model["socket"] for model in row.models} for row in rows.execute(query)
    }


def move_models(rows: sa.Connection, subscription_id: str, old: str, new: str, node: str, socket: str) -> None:
    """What a share had of one instance it has of another: same grant, other place."""
    held = share(rows, subscription_id)
    if held is None:
        return
    place = {"instance": new, "node": node, "socket": socket}
    models = [m.model_copy(update=place) if m.instance == old else m for m in held.models]
    rendering = next((model.instance for model in models if model.supplies.rendering_k), "")
    values = {"models": [model.to_json() for model in models], "rendering_instance": rendering}
    rows.execute(sa.update(SHARES).where(SHARES.c.subscription_id == subscription_id).values(**values))


def rendered_by(rows: sa.Connection, instance_id: str) -> Sequence[Share]:
    """The running shares, of any MSI, that one model instance renders for."""
    return _shares(rows, _RENDERED, by=instance_id, state=ShareState.RUNNING.value)


def served_by(rows: sa.Connection, instance_ids: Collection[str]) -> Sequence[Served]:
    """The running shares, of any MSI, that use one of these model instances, oldest first."""
    return [
        Served(
            subscription_id=row.subscription_id,
            rendering_k=row.rendering_k,
            models=tuple(RunningModel.model_validate(model) for model in row.models),
            grant=ResourceVector.of(row.grant),
        )
        for row in rows.execute(_SERVED, {"by": sorted(instance_ids), "state": ShareState.RUNNING.value})
    ]


def rendering_servers(rows: sa.Connection) -> Sequence[str]:
    """The model instances that render for running shares."""
    running = (SHARES.c.state == ShareState.RUNNING.value) & (SHARES.c.rendering_instance != "")
    return list(rows.scalars(sa.select(SHARES.c.rendering_instance).where(running).distinct().order_by(sa.text("1"))))


def write_grants(rows: sa.Connection, grants: Mapping[str, ResourceVector]) -> None:
    """Write what these subscriptions' shares are granted."""
    if grants:
        rows.execute(
            _CHANGE_SHARE, [{"mine": name, "grant": grant.amounts()} for name, grant in sorted(grants.items())]
        )


def _msis(rows: sa.Connection, query: sa.Select[Any], **given: object) -> Sequence[Msi]:
    return [
        Msi(**{**row, "isolation": Isolation(row["isolation"]), "state": MsiState(row["state"])})
        for row in rows.execute(query, given).mappings()
    ]


def _shares(rows: sa.Connection, query: sa.Select[Any], **given: object) -> Sequence[Share]:
    return [_share(row) for row in rows.execute(query, given).mappings()]


def _share(row: sa.RowMapping) -> Share:
    return Share(
        subscription_id=row["subscription_id"],
        msi_id=row["msi_id"],
        state=ShareState(row["state"]),
        reused=row["reused"],
        requirements=ServiceRequirements.model_validate(row["requirements"]),
        rendering_k=row["rendering_k"],
        models=tuple(RunningModel.model_validate(model) for model in row["models"]),
        grant=ResourceVector.of(row["grant"]),
        decision=ServiceDecision.model_validate(row["decision"]) if row["decision"] else None,
        refusal=RefusalNotice.model_validate(row["refusal"]) if row["refusal"] else None,
    )


def _msi_query(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    standing = SHARES.c.state.in_([state.value for state in LIVE]) & (SHARES.c.msi_id == MSIS.c.msi_id)
    count = sa.select(sa.func.count()).select_from(SHARES).where(standing).correlate(MSIS).scalar_subquery()
    return sa.select(MSIS, count.label("shares")).where(where).order_by(MSIS.c.created_at, MSIS.c.msi_id)


def _share_query(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(SHARES).where(where).order_by(SHARES.c.created_at, SHARES.c.subscription_id)


# What every purchase asks is made once: to put a statement together takes five times what it takes to run it.

_MY_MSI = MSIS.c.msi_id == sa.bindparam("mine")
_ADD_MSI = sa.insert(MSIS)
_CHANGE_MSI = sa.update(MSIS).where(_MY_MSI)
_MSI_STATE = sa.select(MSIS.c.state).where(_MY_MSI)
_ONE_MSI = _msi_query(_MY_MSI)
_EVERY = _msi_query(sa.true())
_JOINABLE = _msi_query(
    (MSIS.c.composition == sa.bindparam("composition"))
    & (MSIS.c.cluster == sa.bindparam("cluster"))
    & MSIS.c.state.in_(sa.bindparam("states", expanding=True))
)

_MY_SHARE = SHARES.c.subscription_id == sa.bindparam("mine")
_ADD_SHARE = sa.insert(SHARES)
_CHANGE_SHARE = sa.update(SHARES).where(_MY_SHARE)
_SHARE_STATE = sa.select(SHARES.c.state).where(_MY_SHARE)
_ONE_SHARE = _share_query(_MY_SHARE)
_RENDERED = _share_query(
    (SHARES.c.rendering_instance == sa.bindparam("by")) & (SHARES.c.state == sa.bindparam("state"))
)
_USERS = sa.select(USES.c.subscription_id).where(USES.c.instance_id.in_(sa.bindparam("by", expanding=True)))
_SERVED = (
    sa.select(*(SHARES.c[name] for name in ("subscription_id", "rendering_k", "models", "grant")))
    .where(SHARES.c.subscription_id.in_(_USERS) & (SHARES.c.state == sa.bindparam("state")))
    .order_by(SHARES.c.created_at, SHARES.c.subscription_id)
)
_COUNT = sa.select(sa.func.count()).where(
    (SHARES.c.msi_id == sa.bindparam("msi")) & SHARES.c.state.in_(sa.bindparam("states", expanding=True))
)
