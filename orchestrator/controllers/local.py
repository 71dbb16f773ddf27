"""The local controller of an MSI cluster (short time-scale, II-D): watches its users, shares rendering, scales, asks.

Pure: `step(state, observation, clock)` answers a new state and the changes proposed; VMOF and MMF carry them out
(`orchestrator.supervise` live, `orchestrator.simulation` faster than real time). It acts by just-noticeable
differences (Weber): only when a user's objective stimulus R̂(1−E) or rendering stimulus Σa has moved by more than a
fraction of its size since it was last acted upon, or when users or capacity have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.controllers.sharing import Wishes, share, wishes
from orchestrator.controllers.values import AskMore, Change, Floats, Observation, Regrant, Report, Scale, Step
from orchestrator.qoe.immersion import CAP_K, normalised_rate

UNKNOWN_RATE_BPS = 100e6
"""Taken of a user of whom nothing was measured yet: the lowest rate of the paper's Fig. 5."""

Rows = NDArray[np.intp]
"""For each user of the observation its row in the state; −1 for a newcomer."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The few numbers by which a local controller acts."""

    weber: float = 0.1
    """fraction by which a stimulus must move to be noticed"""
    falling: float = 0.7
    """weight of a measurement that is worse than the estimate: a fading link is believed quickly"""
    rising: float = 0.5
    """weight of one that is better"""
    headroom: float = 1.1
    """capacity held for each K that the floors need"""
    remember_s: float = 30.0
    """capacity is given up when nothing within so many seconds needed it"""
    least_k: int = 100
    """capacity that is never given up, so that a newcomer is served at once"""


def _nothing() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Links:
    """What is believed of each user's link, (K,) each: the measurements, followed."""

    rate_bps: Floats = field(default_factory=_nothing)
    bit_error: Floats = field(default_factory=_nothing)
    bits_per_k: Floats = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Stimuli:
    """What is noticed of each user, (K,) each."""

    objective: Floats = field(default_factory=_nothing)
    """R̂ (1 − E)"""
    rendering: Floats = field(default_factory=_nothing)
    """Σ a over the objects in view"""
    carried_k: Floats = field(default_factory=_nothing)
    """K that the link carries in a second; it goes with the other two and is not noticed by itself"""


@dataclass(frozen=True, slots=True)
class LocalState:
    """What a local controller remembers between two steps; columns have a row for each of `users`."""

    users: tuple[str, ...] = ()
    links: Links = field(default_factory=Links)
    acted_on: Stimuli = field(default_factory=Stimuli)
    """each user's stimuli when they were last acted upon"""
    grants_k: dict[str, int] = field(default_factory=dict)
    shared_k: int = -1
    """capacity that was shared last"""
    needs: tuple[tuple[float, int], ...] = ()
    """(second, K that the floors needed), falling in K; the last is what they need now"""
    reported_k: int = -1
    asked_k: int = -1


@dataclass(frozen=True, slots=True)
class LocalController:
    """One for each MSI cluster; its state is the caller's."""

    policy: Policy = field(default_factory=Policy)

    def begin(self) -> LocalState:
        """The state before the first observation."""
        return LocalState()

    def step(self, state: LocalState, seen: Observation, now_s: float) -> Step[LocalState]:
        """Beliefs follow every observation; grants and capacity only what is noticeable."""
        rows = _rows(state.users, seen.users)
        links = self._followed(state.links, seen, rows)
        stimuli = _stimuli(links, seen)
        noticed = self._noticed(state.acted_on, stimuli, rows)
        changed = noticed.any() or len(state.users) != len(seen.users) or state.shared_k != seen.capacity_k
        needs = _recent(state.needs, now_s - self.policy.remember_s)
        acted_on = _acted_on(state.acted_on, stimuli, rows, noticed)
        following = replace(state, users=seen.users, links=links, acted_on=acted_on, needs=needs)
        if not changed and self._capacity(needs, seen) == seen.capacity_k:
            return Step(following)
        unnoticed = acted_on.objective * (1.0 - self.policy.weber)  # it may have fallen so far: floors hold there too
        wanted = wishes(unnoticed, seen.attention, seen.floor, acted_on.carried_k)
        return self._acted(following, seen, wanted, now_s)

    def _followed(self, links: Links, seen: Observation, rows: Rows) -> Links:
        """The beliefs, moved towards what was measured: faster where it is worse."""
        worse, better = self.policy.falling, self.policy.rising
        return Links(
            _follow(_kept(links.rate_bps, rows), seen.rate_bps, down=worse, up=better, unknown=UNKNOWN_RATE_BPS),
            _follow(_kept(links.bit_error, rows), seen.bit_error, down=better, up=worse, unknown=0.0),
            _follow(_kept(links.bits_per_k, rows), seen.bits_per_k, down=better, up=worse, unknown=0.0),
        )

    def _noticed(self, before: Stimuli, now: Stimuli, rows: Rows) -> NDArray[np.bool_]:
        """(K,) whose stimuli moved by more than the Weber fraction, and newcomers."""
        noticed: NDArray[np.bool_] = rows < 0
        for old, new in ((before.objective, now.objective), (before.rendering, now.rendering)):
            last = np.nan_to_num(_kept(old, rows))
            noticed = noticed | (np.abs(new - last) > self.policy.weber * last)
        return noticed

    def _capacity(self, needs: tuple[tuple[float, int], ...], seen: Observation) -> int:
        """What is to be held: up at once to the needs and headroom, down by no less than a noticeable step."""
        most = max((needed for _, needed in needs), default=0)
        aim = min(max(round(most * self.policy.headroom), self.policy.least_k), seen.reserved_k)
        stays = seen.capacity_k * (1.0 - self.policy.weber) <= aim <= seen.capacity_k <= seen.reserved_k
        return seen.capacity_k if stays else aim

    def _acted(self, state: LocalState, seen: Observation, wanted: Wishes, now_s: float) -> Step[LocalState]:
        """Rendering shared anew, never above what stands and will stand; capacity and reports as they moved."""
        needed = wanted.needed_k
        needs = (*(one for one in state.needs if one[1] > needed), (now_s, needed))
        capacity_k = self._capacity(needs, seen)
        shared_k = min(capacity_k, seen.capacity_k)
        grants = dict(zip(seen.users, share(wanted, shared_k).astype(int).tolist(), strict=True))
        different = {user: k for user, k in grants.items() if state.grants_k.get(user) != k}
        changes: list[Change] = [Regrant(different)] if different else []
        if capacity_k != seen.capacity_k:
            changes.append(Scale(capacity_k))
        reported, asked = self._told(state.reported_k, needed), -1
        if reported != state.reported_k:
            changes.append(Report(needed, len(seen.users)))
        if needed > seen.reserved_k:
            asked = self._told(state.asked_k, needed)
            changes.extend([AskMore(needed)] if asked != state.asked_k else [])
        following = replace(
            state, grants_k=grants, shared_k=shared_k, needs=needs, reported_k=reported, asked_k=asked
        )  # fmt: skip
        return Step(following, tuple(changes))

    def _told(self, before: int, needed: int) -> int:
        """What the global controller was told last, after this need: only noticeable differences are told."""
        return needed if before < 0 or abs(needed - before) > self.policy.weber * before else before


def _rows(known: tuple[str, ...], users: tuple[str, ...]) -> Rows:
    if known == users:
        return np.arange(len(users))
    at = {user: row for row, user in enumerate(known)}
    return np.array([at.get(user, -1) for user in users], np.intp)


def _kept(column: Floats, rows: Rows) -> Floats:
    """The state's column in the observation's order; NaN for newcomers."""
    kept: Floats = np.concatenate([column, [np.nan]])[rows]
    return kept


def _follow(believed: Floats, measured: Floats, *, down: float, up: float, unknown: float) -> Floats:
    """Exponential smoothing with a weight for each direction; what was not measured stays, a first one is taken."""
    start = np.where(np.isnan(believed), measured, believed)
    target = np.where(np.isnan(measured), start, measured)
    moved = start + np.where(target < start, down, up) * (target - start)
    believed_now: Floats = np.nan_to_num(moved, nan=unknown)
    return believed_now


def _stimuli(links: Links, seen: Observation) -> Stimuli:
    objective = normalised_rate(links.rate_bps) * (1.0 - links.bit_error)
    unlimited = seen.usable_k
    carried = np.divide(links.rate_bps, links.bits_per_k, out=unlimited.copy(), where=links.bits_per_k > 0)
    return Stimuli(objective, seen.attention.sum(axis=1), np.maximum(carried, CAP_K))


def _acted_on(before: Stimuli, now: Stimuli, rows: Rows, noticed: NDArray[np.bool_]) -> Stimuli:
    pairs = (
        (before.objective, now.objective),
        (before.rendering, now.rendering),
        (before.carried_k, now.carried_k),
    )
    return Stimuli(*(np.where(noticed, new, _kept(old, rows)) for old, new in pairs))


def _recent(needs: tuple[tuple[float, int], ...], since_s: float) -> tuple[tuple[float, int], ...]:
    """Without those that ended before `since_s`: a need stands until the next one."""
    while len(needs) > 1 and needs[1][0] <= since_s:
        needs = needs[1:]
    return needs
