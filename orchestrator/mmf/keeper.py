"""Holds MMF's rows against the runtime: parts of the pool run, what runs is wanted, what is wanted runs as granted.

The reconciling loop calls it once a second and at start; it compares levels and remembers nothing. Instances that a
workflow is starting or stopping are left to that workflow.
"""

from collections.abc import Callable, Iterable, Mapping

import sqlalchemy as sa
import structlog

from orchestrator.errors import TryLater
from orchestrator.instances import ModelMove, ModelState, take_turn
from orchestrator.instances.door import Tell
from orchestrator.instances.lives import count_up, down_since, fall, rise
from orchestrator.instances.models import (
    STANDING,
    ModelInstance,
    add_instance,
    instance,
    instances,
    instances_named,
    move_instance,
    users_of,
)
from orchestrator.instances.tables import INSTANCES
from orchestrator.instances.transact import read, transact
from orchestrator.mmf.catalogue import is_supply
from orchestrator.mmf.ending import finish
from orchestrator.mmf.herald import Herald
from orchestrator.mmf.starter import Started, Starter, specs_of
from orchestrator.mmf.warming import end_idle
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.models.manifests import Manifest
from orchestrator.notices import NoticeKind
from orchestrator.placement.greedy import instance_name
from orchestrator.requirements import Notice
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import ALLOCATIONS, close_sites, closed_sites, supply
from orchestrator.resources.reservations import due, expire
from orchestrator.runtime.port import InstanceSpec, Observation, RunState

STOPPING_S = 60
"""How long a workflow may take to stop an instance until the keeper does it, seconds."""
COUNT_S = 60
"""How often it is written that what runs was up, seconds."""
log = structlog.get_logger("mmf")
UNOWNED = frozenset({ModelState.GONE, ModelState.FAILED})


class InstanceDown(TryLater):
    """A wanted model instance does not come up; the next look tries again."""

    code = "instance_down"
    title = "A model instance does not come up"


class Keeper:
    """One look: `keeper()` answers the instances that it changed."""

    def __init__(self, deps: MmfDeps, tell: Tell, end_overdue: Callable[[], list[str]] = list) -> None:
        self._deps = deps
        self._tell = tell
        self._end_overdue = end_overdue
        self._starter = Starter(deps.runtime)
        self._herald = Herald(deps, tell)
        self._counted = deps.clock()
        """UTC second until which up-time is written: while nobody looks nothing is seen"""

    def __call__(self) -> list[str]:
        """Start missing parts of the pool, restart what died, regrant what differs, end what nobody wants (any more) or
        whose time is over."""
        for manifest in read(self._deps.reading, self._unexpected):
            transact(self._deps.datasource, _expect_supply, self._deps, manifest)
        self._herald.look()  # before what is over is forgotten
        overdue = self._end_overdue()
        if read(self._deps.reading, due, self._deps.clock()):
            transact(self._deps.datasource, _expire, self._deps)
        closed = self._closed()
        seen = {one.instance_id: one for one in self._deps.runtime.observe()}
        self._count(seen)
        amiss = read(self._deps.reading, self._amiss, seen, closed)
        self._tell_ended(amiss, seen)
        orphans = read(self._deps.reading, _orphans, seen)
        self._starter.down(orphans)
        left = read(self._deps.reading, _left, self._deps.clock() - STOPPING_S)
        if left:
            self._starter.down(left)
            transact(self._deps.datasource, _gone, self._deps, left)
        idle = self._end_idle()
        started = self._starter.up([spec for spec in amiss if spec.instance_id not in idle])
        if started.sockets:
            died = _died(seen, [spec.instance_id for spec in amiss])
            for key, notice in transact(self._deps.datasource, _answered, self._deps, started, died):
                self._tell(key, [notice])
        self._herald.look()
        if started.failed:
            raise InstanceDown("; ".join(started.failed.values()), instances=sorted(started.failed))
        return [*overdue, *orphans, *left, *idle, *(spec.instance_id for spec in amiss)]

    def _count(self, seen: Mapping[str, Observation]) -> None:
        """Deaths, returns and up-time to the rows. What the runtime knows nothing of was ended, and did not die."""
        down = read(self._deps.reading, down_since)
        now, runs = self._deps.clock(), {name: seen[name].state is RunState.RUNNING for name in down if name in seen}
        fallen = [name for name in runs if not runs[name] and not down[name]]
        risen = [name for name in runs if runs[name] and down[name]]
        up_s = now - self._counted
        if fallen or risen or up_s >= COUNT_S:
            transact(self._deps.datasource, _counted, fallen, risen, min(up_s, 2 * COUNT_S), now)
            self._counted = now

    def _closed(self) -> Mapping[str, str]:
        """The sites whose domain is down: written down, so that every decision avoids them and can say why."""
        closed = self._deps.runtime.closed([site.name for site in self._deps.topology.sites])
        known = read(self._deps.reading, closed_sites)
        if closed != known:
            log.warning("sites.closed", closed=dict(closed), opened=sorted(known.keys() - closed.keys()))
            transact(self._deps.datasource, _close, dict(closed))
        return closed

    def _end_idle(self) -> list[str]:
        """End what was kept warm until now and has no users."""
        now = self._deps.clock()
        if not read(self._deps.reading, _has_idle, now):
            return []
        idle: list[str] = transact(self._deps.datasource, _idle, self._deps)
        self._starter.down(idle)
        transact(self._deps.datasource, _gone, self._deps, idle)
        return idle

    def _unexpected(self, rows: sa.Connection) -> list[Manifest]:
        """Parts of the pool of which no row tells."""
        parts = {instance_name(one.name, self._deps.site): one for one in self._deps.models.values() if is_supply(one)}
        known = {one.instance_id for one in instances_named(rows, parts)}
        return [manifest for name, manifest in parts.items() if name not in known]

    def _amiss(
        self, rows: sa.Connection, seen: Mapping[str, Observation], closed: Mapping[str, str]
    ) -> list[InstanceSpec]:
        """What is not as wanted, but for what waits until its site's domain is back."""
        kept = [one for one in instances(rows) if one.supply or one.state is ModelState.RUNNING]
        kept = [one for one in kept if one.node_id not in closed]
        specs = specs_of(rows, self._deps.models, kept)
        pairs = zip(kept, specs, strict=True)
        return [spec for one, spec in pairs if not _as_wanted(one, spec, seen.get(one.instance_id))]

    def _tell_ended(self, amiss: Iterable[InstanceSpec], seen: Mapping[str, Observation]) -> None:
        """Which of those to be started anew the runtime had ended, and why: to the log and to MSMF."""
        for one in (seen[spec.instance_id] for spec in amiss if spec.instance_id in seen):
            if one.state is not RunState.DEAD or not one.last_death:
                continue
            detail = {"cause": one.last_death, "times": one.deaths}
            log.warning("instance.ended", instance=one.instance_id, **detail)
            users = read(self._deps.reading, users_of, one.instance_id) or [""]
            told = [
                Notice(kind=NoticeKind.MODEL_ENDED, subject=one.instance_id, subscription_id=user, detail=detail)
                for user in users
            ]
            self._tell(f"ended:{one.instance_id}:{one.deaths}", told)


def _as_wanted(one: ModelInstance, spec: InstanceSpec, seen: Observation | None) -> bool:
    if seen is None or seen.state is not RunState.RUNNING or one.state is not ModelState.RUNNING:
        return False
    return dict(seen.grant) == dict(spec.grant)


def _orphans(rows: sa.Connection, seen: Iterable[str]) -> list[str]:
    """What runs without a row that owns it. A row is always written before the start."""
    seen = list(seen)
    owned = {one.instance_id for one in instances_named(rows, seen) if one.state not in UNOWNED}
    return [name for name in seen if name not in owned]


def _left(rows: sa.Connection, before: int) -> list[str]:
    """What has been stopping, or holds something though it failed, for too long: whoever was to end it was lost."""
    holds = sa.exists().where(ALLOCATIONS.c.instance_id == INSTANCES.c.instance_id)
    ending = (INSTANCES.c.state == ModelState.STOPPING.value) | (INSTANCES.c.state == ModelState.FAILED.value) & holds
    query = sa.select(INSTANCES.c.instance_id).where(ending & (INSTANCES.c.changed_at < before))
    return list(rows.scalars(query.order_by(INSTANCES.c.instance_id)))


def _counted(rows: sa.Connection, fallen: list[str], risen: list[str], up_s: int, now: int) -> None:
    """What falls now was up until now; what rises was not."""
    count_up(rows, up_s, now)
    fall(rows, fallen, now)
    rise(rows, risen, now)


def _has_idle(rows: sa.Connection, now: int) -> bool:
    return any(one.is_idle(now) for one in instances(rows, [ModelState.RUNNING]))


def _idle(rows: sa.Connection, deps: MmfDeps) -> list[str]:
    take_turn(rows, "pool")
    return end_idle(rows, deps.clock())


def _close(rows: sa.Connection, closed: Mapping[str, str]) -> None:
    take_turn(rows, "pool")
    close_sites(rows, closed)


def _expire(rows: sa.Connection, deps: MmfDeps) -> None:
    take_turn(rows, "pool")
    expire(rows, deps.clock())


def _gone(rows: sa.Connection, deps: MmfDeps, left: list[str]) -> None:
    finish(rows, left, deps.clock())


def _expect_supply(rows: sa.Connection, deps: MmfDeps, manifest: Manifest) -> None:
    instance_id = instance_name(manifest.name, deps.site)
    if instance(rows, instance_id) is not None:
        return
    now = deps.clock()
    supply(rows, instance_id, deps.site, ResourceVector())
    add_instance(
        rows,
        ModelInstance(
            instance_id=instance_id,
            model=manifest.name,
            node_id=deps.site,
            state=ModelState.PLANNED,
            isolation=Isolation.SHARED,
            cluster="ar_vr",
            msi_id="",
            supply=True,
            scale=1,
            max_shares=manifest.max_shares,
            shares=0,
            socket="",
            created_at=now,
            changed_at=now,
        ),
    )


def _died(seen: Mapping[str, Observation], wanted: Iterable[str]) -> frozenset[str]:
    """What is wanted and does not run, as against what runs with another grant."""
    return frozenset(name for name in wanted if name not in seen or seen[name].state is not RunState.RUNNING)


def _answered(rows: sa.Connection, deps: MmfDeps, started: Started, died: frozenset[str]) -> list[tuple[str, Notice]]:
    """What came up is running; what is a part of the pool supplies from now on. Answers what is to be told of it."""
    take_turn(rows, "pool")
    told: list[tuple[str, Notice]] = []
    now = deps.clock()
    for instance_id, socket in started.sockets.items():
        one = instance(rows, instance_id)
        if one is None or one.state not in STANDING:
            continue
        fresh = one.state is ModelState.PLANNED
        move_instance(rows, instance_id, ModelMove.START, now, socket)
        if one.supply:
            amounts = ResourceVector.of(deps.models[one.model].supplies)
            supply(rows, instance_id, one.node_id, amounts)
            if fresh:
                notice = Notice(
                    kind=NoticeKind.POOL_SUPPLIED, subject=instance_id, detail={"supplies": amounts.amounts()}
                )
                told.append((f"{instance_id}:{now}:supplied", notice))
        elif instance_id in died:
            told += [
                (f"{instance_id}:{now}:restarted:{name}", _restarted(one, name)) for name in users_of(rows, instance_id)
            ]
    return told


def _restarted(one: ModelInstance, subscription_id: str) -> Notice:
    return Notice(
        kind=NoticeKind.MODEL_RESTARTED,
        subject=one.instance_id,
        subscription_id=subscription_id,
        detail={"model": one.model},
    )
