"""One look of a local controller at a live rendering server: measures in, grants to propose out. Pure.

Called by `orchestrator.supervise_local`. The server's capacity is what VMOF shares; a controller here shares it and
scales nothing. Shares of which nothing was ever measured (newcomers, services without pictures) keep what VMOF gave
them, and the controller deals with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan

import numpy as np

from orchestrator.controllers.local import LocalController, LocalState, Policy
from orchestrator.controllers.values import AskMore, Change, Floats, Observation, Report
from orchestrator.measures import Measure


@dataclass(frozen=True, slots=True)
class Supply:
    """A rendering server as the rows have it."""

    server: str
    supply_k: int
    """K that it has now"""
    grants_k: Mapping[str, int]
    """subscription → K granted now, of the running shares that it renders for"""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one server between two looks."""

    state: LocalState = field(default_factory=LocalState)
    newest: Mapping[str, Measure] = field(default_factory=dict)
    """subscription → its newest measure, of every share of the server that ever was measured"""
    until: float = 0.0
    """second of the newest measure that was believed"""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a look proposed what it proposed."""

    came: tuple[str, ...]
    went: tuple[str, ...]
    noticed: tuple[str, ...]
    """users whose link or view moved noticeably"""
    supply_moved: bool
    """the K to be shared are others than before; all of it false or empty: VMOF shared anew, which is put right"""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look came to."""

    watch: Watch
    grants_k: Mapping[str, int]
    """subscription → K, of those whose grant is to be another"""
    reason: Reason
    told: tuple[Report | AskMore, ...]
    """reports and requests to the global controller"""


def look(policy: Policy, watch: Watch, supply: Supply, measures: Sequence[Measure], now_s: float) -> Look:
    """The controller's step on what was measured of this server's users, held against the grants that stand."""
    looking = {one.subscription_id: one for one in measures if one.subscription_id in supply.grants_k}
    newest = {name: one for name, one in watch.newest.items() if name in supply.grants_k} | looking
    seen = observation(supply, newest, looking, watch.until)
    controller = LocalController(replace(policy, least_k=seen.capacity_k))  # what the server has is not given up here
    step = controller.step(watch.state, seen, now_s)
    until = max((one.at for one in looking.values()), default=watch.until)
    return Look(
        Watch(step.state, newest, until),
        {name: k for name, k in _with_spare(step.state.grants_k, seen).items() if k != supply.grants_k[name]},
        _reason(watch.state, step.state),
        _of_server(step.changes, supply.supply_k - int(seen.capacity_k)),
    )


def _of_server(changes: Sequence[Change], kept_k: int) -> tuple[Report | AskMore, ...]:
    """What is told upwards: needs of the whole server, with what those keep of whom nothing was measured."""
    told = (one for one in changes if isinstance(one, Report | AskMore))
    return tuple(replace(one, needed_k=one.needed_k + kept_k) for one in told)


def _with_spare(shared_k: Mapping[str, int], seen: Observation) -> dict[str, int]:
    """What nobody needs now is dealt out evenly: a user's next frame may ask for more than the last one did."""
    spare = max(int(seen.capacity_k) - sum(shared_k.values()), 0)
    each, rest = divmod(spare, max(len(shared_k), 1))
    return {name: k + each + (number < rest) for number, (name, k) in enumerate(shared_k.items())}


def observation(
    supply: Supply, newest: Mapping[str, Measure], looking: Mapping[str, Measure], believed_until: float
) -> Observation:
    """What the controller sees. Who does not look any more keeps one object, held to no floor: his next frame is small,
    and measured."""
    users = tuple(name for name in supply.grants_k if name in newest)
    fresh = {name: one for name, one in looking.items() if one.at > believed_until}
    kept_k = sum(k for name, k in supply.grants_k.items() if name not in newest)
    capacity_k = max(supply.supply_k - kept_k, 0)
    return Observation(
        users=users,
        rate_bps=_column(users, {name: one.rate_bps for name, one in fresh.items()}, nan),
        bit_error=_column(users, {name: one.bit_error for name, one in fresh.items()}, nan),
        bits_per_k=_column(users, {name: one.bits_per_k for name, one in fresh.items()}, nan),
        drawn_k=_column(users, {name: one.delivered_k for name, one in fresh.items()}, 0.0),
        attention=_attention([_view(newest[name], looks=name in looking) for name in users]),
        floor=_column(users, {name: one.floor for name, one in looking.items()}, 0.0),
        capacity_k=capacity_k,
        reserved_k=capacity_k,
    )


def _column(users: Sequence[str], known: Mapping[str, float], otherwise: float) -> Floats:
    return np.array([known.get(name, otherwise) for name in users], np.float64)


def _view(measure: Measure, *, looks: bool) -> list[float]:
    """Attention to each object in view, the most first."""
    ranked = sorted((one.attention for one in measure.objects), reverse=True)
    return ranked if looks else ranked[:1]


def _attention(views: Sequence[Sequence[float]]) -> Floats:
    """(K, N), filled up with 0."""
    table = np.zeros((len(views), max(map(len, views), default=0)))
    for row, view in enumerate(views):
        table[row, : len(view)] = view
    return table


def _reason(before: LocalState, after: LocalState) -> Reason:
    rows = {user: row for row, user in enumerate(before.users)}
    old, new = before.acted_on, after.acted_on
    noticed = tuple(
        user
        for row, user in enumerate(after.users)
        if user in rows
        and (old.objective[rows[user]], old.rendering[rows[user]]) != (new.objective[row], new.rendering[row])
    )
    came = tuple(user for user in after.users if user not in rows)
    went = tuple(user for user in before.users if user not in after.users)
    return Reason(came, went, noticed, before.shared_k != after.shared_k)
