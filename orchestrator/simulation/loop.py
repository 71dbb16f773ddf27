"""The closed loop: a crowd streams, one frame a second, and a controller looks once a second and changes.

A second: each user's frame is rendered within the grant, split over the objects in view, and carried by the link; what
does not fit into the second costs every object of the frame its part of resolution. What a controller proposes after a
second holds from the next one on; more capacity comes `starting_s` later, less at once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from orchestrator.controllers import Controller, Observation, Regrant, Scale, Step
from orchestrator.controllers.values import Change, Floats, State
from orchestrator.qoe import (
    CAP_K,
    THRESHOLD_K,
    allocate_attention,
    allocate_even,
    meta_immersion,
    normalised_rate,
)
from orchestrator.simulation.crowd import Crowd
from orchestrator.simulation.errors import AboveCapacity


class Split(enum.StrEnum):
    """How a user's grant is split over the objects in view."""

    EVEN = "even"
    """all the same: section IV-B"""
    ATTENTION = "attention"
    """for the most immersion, evenly where not even one object reaches the threshold: what the gateway does"""


@dataclass(frozen=True, slots=True)
class Supply:
    """What the cluster's rendering models may give."""

    begin_k: int
    reserved_k: int
    starting_s: int = 2
    """seconds until added capacity serves"""


@dataclass(frozen=True, slots=True)
class Played:
    """What came out, second by second: enough to recompute every figure."""

    crowd: Crowd
    immersion: Floats
    """(T, K) Meta-Immersion; 0 while not present"""
    granted_k: Floats
    """(T, K)"""
    capacity_k: Floats
    """(T,)"""

    def shortfall(self) -> Floats:
        """(T, K) Meta-Immersion missing to the floor of whoever is present: in sum, immersion-seconds under it."""
        missing: Floats = np.where(self.crowd.present, np.maximum(self.crowd.floor - self.immersion, 0.0), 0.0)
        return missing


@dataclass(slots=True)
class Stage:
    """The rows that change while it is played."""

    grants_k: dict[str, int]
    capacity_k: int
    coming: list[tuple[int, int]] = field(default_factory=list)
    """(second from which it serves, capacity in K), in the order of time"""

    def carry_out(self, changes: tuple[Change, ...], second: int, starting_s: int) -> None:
        """What is proposed after a second; less capacity calls off what is still starting."""
        for change in changes:
            if isinstance(change, Regrant):
                self.grants_k.update(change.grants_k)
            elif isinstance(change, Scale) and change.capacity_k <= self.capacity_k:
                self.capacity_k, self.coming = change.capacity_k, []
            elif isinstance(change, Scale):
                self.coming.append((second + starting_s, change.capacity_k))

    def arrive(self, second: int) -> None:
        """What was started serves now."""
        while self.coming and self.coming[0][0] <= second:
            self.capacity_k = self.coming.pop(0)[1]


class Renderer:
    """Frames: which resolution each object gets, of (users, N) attention. Remembers what it decided, as the gateway."""

    def __init__(self, attention: Floats, split: Split) -> None:
        self._attention = attention
        self._split = split
        self._known: dict[tuple[int, int], Floats] = {}

    def frames(self, rows: np.ndarray[tuple[int], np.dtype[np.intp]], grants_k: list[int]) -> Floats:
        """(len(rows), N) K of each object."""
        return np.array([self._frame(int(row), k) for row, k in zip(rows, grants_k, strict=True)])

    def _frame(self, row: int, grant_k: int) -> Floats:
        known = self._known.get((row, grant_k))
        if known is None:
            known = self._known[row, grant_k] = self._drawn(self._attention[row], grant_k)
        return known

    def _drawn(self, attention: Floats, grant_k: int) -> Floats:
        best = allocate_attention(attention, grant_k)
        if self._split is Split.ATTENTION and best.any():
            return best
        seen = int(np.count_nonzero(attention))
        return np.append(allocate_even(grant_k, seen), np.zeros(attention.size - seen))


def play(
    crowd: Crowd,
    controller: Controller[State],
    supply: Supply,
    split: Split = Split.ATTENTION,
    progress: Callable[[int], None] = lambda _second: None,
) -> Played:
    """The whole run. Raises AboveCapacity where the controller grants more than there is."""
    seconds, users = crowd.present.shape
    played = Played(crowd, np.zeros((seconds, users)), np.zeros((seconds, users)), np.zeros(seconds))
    renderer, stage = Renderer(crowd.attention, split), Stage({}, supply.begin_k)
    state = controller.begin()
    for second in range(seconds):
        stage.arrive(second)
        seen = _second(played, renderer, stage, supply.reserved_k, second)
        step: Step[State] = controller.step(state, seen, float(second))
        state = step.state
        stage.carry_out(step.changes, second + 1, supply.starting_s)
        progress(second)
    return played


def _second(played: Played, renderer: Renderer, stage: Stage, reserved_k: int, second: int) -> Observation:
    """One second is rendered, carried and measured."""
    crowd = played.crowd
    rows = np.flatnonzero(crowd.present[second])
    users = tuple(crowd.users[row] for row in rows)
    stage.grants_k = {user: stage.grants_k.get(user, 0) for user in users}
    grants = list(stage.grants_k.values())
    if sum(grants) > stage.capacity_k:
        raise AboveCapacity(f"Second {second}: {sum(grants)} K granted of {stage.capacity_k} K. Mend the controller.")
    rate, error = crowd.rate_bps[second, rows], crowd.bit_error[second, rows]
    bits_per_k = crowd.bits_per_k[second, rows]
    drawn = renderer.frames(rows, grants).reshape(len(rows), crowd.attention.shape[1])
    carried = delivered(drawn, bits_per_k, rate)
    played.immersion[second, rows] = meta_immersion(rate, error, crowd.attention[rows], carried)
    played.granted_k[second, rows] = grants
    played.capacity_k[second] = stage.capacity_k
    drawn_k = drawn.sum(axis=1)
    measured = drawn_k > 0
    return Observation(
        users=users,
        rate_bps=np.where(measured, rate, np.nan),
        bit_error=np.where(measured, error, np.nan),
        bits_per_k=np.where(measured, bits_per_k, np.nan),
        drawn_k=drawn_k,
        attention=crowd.attention[rows],
        floor=crowd.floor[rows],
        capacity_k=stage.capacity_k,
        reserved_k=reserved_k,
    )


def delivered(drawn_k: Floats, bits_per_k: Floats, rate_bps: Floats) -> Floats:
    """(K, N) K that reach the users within the second of frames of (K, N) K."""
    bits = drawn_k.sum(axis=1) * bits_per_k
    part = np.minimum(1.0, np.divide(rate_bps, bits, out=np.ones_like(bits), where=bits > 0))
    reached: Floats = drawn_k * part[:, None]
    return reached


def attainable(crowd: Crowd) -> Floats:
    """(T, K) Meta-Immersion that each link could have carried: whole objects at the cap, in order of attention."""
    carried = np.floor(crowd.rate_bps / (crowd.bits_per_k * CAP_K)).astype(np.intp)
    shown = np.minimum(carried, np.count_nonzero(crowd.attention, axis=1))
    worth = np.log(CAP_K / THRESHOLD_K) * np.cumsum(np.pad(crowd.attention, ((0, 0), (1, 0))), axis=1)
    quality = normalised_rate(crowd.rate_bps) * (1.0 - crowd.bit_error)
    most: Floats = quality * worth[np.arange(len(crowd.users)), shown]
    return most
