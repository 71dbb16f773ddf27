"""VMOF's look at how MSIs and model instances do: what the gateway measured and what room there is, as rows.

The app calls it every S4M_MONITOR_INTERVAL_S, in the leader; no purchase waits for it. It writes only what is other
than before, in one transaction, and chooses nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from orchestrator.instances.models import ModelInstance, instances
from orchestrator.instances.msis import JOINABLE, LIVE
from orchestrator.instances.performance import Kind, all_performance, write_performance
from orchestrator.instances.tables import MSIS, SHARES, USES
from orchestrator.instances.transact import read, transact_again
from orchestrator.measures import Measure, Measures
from orchestrator.models.manifests import Manifest
from orchestrator.performance import Answered, Answers
from orchestrator.placement.strain import strains
from orchestrator.qoe import meta_immersion
from orchestrator.requirements import FunctionCall, Performance
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import Node, nodes
from orchestrator.vmof.workflows import VmofDeps

Found = dict[str, tuple[Kind, Performance, bool]]


@dataclass(frozen=True, slots=True)
class MadeOf:
    """An MSI: how many shares stand in it and may, who they are, and role → the instances that fill it for them."""

    shares: int
    max_shares: int
    subscriptions: tuple[str, ...] = ()
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Monitor:
    """One look: `monitor()` answers how many rows changed."""

    def __init__(self, deps: VmofDeps, gateway: FunctionCall) -> None:
        self._deps = deps
        self._gateway = gateway

    def __call__(self) -> int:
        """Look at the gateway and at the rows, and write what has changed."""
        told = Answers.model_validate(self._gateway.get("/performance"))
        frames = Measures.model_validate(self._gateway.get("/measures")).measures
        now = self._deps.clock()
        found, known = read(self._deps.reading, _look, self._deps.models, told, frames, now)
        new = {name: one for name, one in found.items() if not _same(known.get(name), one[1])}
        gone = known.keys() - found.keys()
        if new or gone:
            transact_again(self._deps.datasource, write_performance, new, gone)
        return len(new) + len(gone)


def _same(known: Performance | None, found: Performance) -> bool:
    return known is not None and known.model_copy(update={"at": found.at}) == found


def _look(
    rows: sa.Connection, models: Mapping[str, Manifest], told: Answers, frames: Sequence[Measure], now: int
) -> tuple[Found, dict[str, Performance]]:
    own = {node.node_id: node for node in nodes(rows, "model")}
    standing = [one for one in instances(rows) if one.model in models]
    each = {
        one.instance_id: _of_instance(one, models[one.model], own.get(one.instance_id), told, now) for one in standing
    }
    whole = {name: _of_msi(one, each, told, frames, now) for name, one in _msis(rows).items()}
    found: Found = {name: ("instance", one, bool(strains(one))) for name, one in each.items()}
    found |= {name: ("msi", one, bool(strains(one))) for name, one in whole.items()}
    return found, all_performance(rows, now)


def _of_instance(one: ModelInstance, manifest: Manifest, own: Node | None, told: Answers, now: int) -> Performance:
    answered = told.models.get(one.socket) if one.socket else None
    seats = max(one.max_shares * one.scale - one.shares, 0)
    free = min(seats, fitting(manifest, own.free)) if own else seats
    return _performance([answered] if answered else [], told.window_s, free, one.shares, now)


def fitting(manifest: Manifest, room: ResourceVector) -> int:
    """How many shares of the manifest's own size fit into what an instance has left of its supplies."""
    share = ResourceVector.of(manifest.per_share).only(ResourceVector.of(manifest.supplies)).amounts()
    left = room.all_amounts()
    return min((left[name] // amount for name, amount in share.items()), default=manifest.max_shares)


def _of_msi(
    one: MadeOf, each: Mapping[str, Performance], told: Answers, frames: Sequence[Measure], now: int
) -> Performance:
    """Times and failures of its users' uses; queue and room where they are worst, over its roles."""
    filled = [[each[name] for name in names if name in each] for names in one.roles.values()]
    seats = max(one.max_shares - one.shares, 0)
    free = min((sum(model.free_shares for model in role) for role in filled), default=seats)
    used = [told.services[name] for name in one.subscriptions if name in told.services]
    mine = [frame for frame in frames if frame.subscription_id in one.subscriptions]
    worth = [float(_immersion(frame)) for frame in mine]
    return _performance(used, told.window_s, min(free, seats), one.shares, now).model_copy(
        update={
            "queue": max((min((model.queue for model in role), default=0.0) for role in filled), default=0.0),
            "immersion": round(sum(worth) / len(worth), 3) if worth else None,
            "under_floor": sum(got < frame.floor for got, frame in zip(worth, mine, strict=True)),
        }
    )


def _immersion(frame: Measure) -> float:
    attention, shown = [one.attention for one in frame.objects], [one.k for one in frame.objects]
    return float(meta_immersion(frame.rate_bps, frame.bit_error, attention, shown))


def _performance(answered: Iterable[Answered], window_s: float, free: int, shares: int, now: int) -> Performance:
    """`queue` by Little's law: the calls' durations together ÷ the time in which they came."""
    some = list(answered)
    calls, busy_s = sum(one.calls for one in some), sum(one.busy_s for one in some)
    return Performance(
        calls=calls,
        latency_ms=round(1000 * busy_s / calls, 3) if calls else None,
        queue=round(busy_s / window_s, 3),
        error_rate=round(sum(one.failed for one in some) / calls, 4) if calls else 0.0,
        free_shares=free,
        shares=shares,
        at=now,
    )


def _msis(rows: sa.Connection) -> dict[str, MadeOf]:
    live = SHARES.c.state.in_([state.value for state in LIVE])
    who: defaultdict[str, list[str]] = defaultdict(list)
    for msi_id, subscription_id in rows.execute(sa.select(SHARES.c.msi_id, SHARES.c.subscription_id).where(live)):
        who[msi_id].append(subscription_id)
    roles: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for msi_id, role, name in rows.execute(sa.select(USES.c.msi_id, USES.c.role, USES.c.instance_id).distinct()):
        roles[msi_id][role].add(name)
    standing = MSIS.c.state.in_([state.value for state in JOINABLE])
    return {
        msi_id: MadeOf(
            len(who[msi_id]),
            max_shares,
            tuple(who[msi_id]),
            {role: frozenset(names) for role, names in roles[msi_id].items()},
        )
        for msi_id, max_shares in rows.execute(sa.select(MSIS.c.msi_id, MSIS.c.max_shares).where(standing))
    }
