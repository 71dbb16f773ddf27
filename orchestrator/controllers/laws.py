"""The controllers that ours is compared with, under the same interface: a static even split, and Kubernetes' HPA law.

Neither knows users' links, views or floors: each user gets the same part of the capacity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestrator.controllers.values import Change, Observation, Regrant, Scale, Step


@dataclass(frozen=True, slots=True)
class StaticEven:
    """A fixed capacity, split evenly over the users present (the even split of IV-B)."""

    capacity_k: int

    def begin(self) -> None:
        """It remembers nothing."""

    def step(self, _state: None, seen: Observation, _now_s: float) -> Step[None]:
        """The same to everybody."""
        scaled: tuple[Change, ...] = (Scale(self.capacity_k),) if seen.capacity_k != self.capacity_k else ()
        return Step(None, (even(seen, min(seen.capacity_k, self.capacity_k)), *scaled))


@dataclass(frozen=True, slots=True)
class HpaState:
    """When the law was last applied, and what it recommended within the stabilisation window."""

    applied_s: float | None = None
    recommended: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class HpaLaw:
    """Kubernetes' HorizontalPodAutoscaler on rendering: desired = ⌈current × use / target⌉, then an even split.

    Defaults are Kubernetes' own: synced every 15 s, a tolerance of 0.1, the highest recommendation of the last 300 s
    (kubernetes.io, Horizontal Pod Autoscaling, "Algorithm details"); a target of 70 %.
    """

    target: float = 0.7
    tolerance: float = 0.1
    sync_s: float = 15.0
    stabilise_s: float = 300.0
    least_k: int = 100

    def begin(self) -> HpaState:
        """Nothing recommended yet."""
        return HpaState()

    def step(self, state: HpaState, seen: Observation, now_s: float) -> Step[HpaState]:
        """Capacity at each sync; the even split whenever it is looked."""
        if state.applied_s is None:
            return Step(HpaState(now_s), (even(seen, seen.capacity_k),))
        if now_s - state.applied_s < self.sync_s:
            return Step(state, (even(seen, seen.capacity_k),))
        since = now_s - self.stabilise_s
        recent = tuple(one for one in state.recommended if one[0] > since)
        recommended = (*recent, (now_s, self._desired(seen)))
        capacity_k = max(k for _, k in recommended)
        scaled: tuple[Change, ...] = (Scale(capacity_k),) if capacity_k != seen.capacity_k else ()
        grants = even(seen, min(capacity_k, seen.capacity_k))
        return Step(HpaState(now_s, recommended), (grants, *scaled))

    def _desired(self, seen: Observation) -> int:
        use = float(seen.drawn_k.sum()) / max(seen.capacity_k, 1)
        if abs(use / self.target - 1.0) <= self.tolerance:
            return seen.capacity_k
        return min(max(math.ceil(seen.capacity_k * use / self.target), self.least_k), seen.reserved_k)


def even(seen: Observation, capacity_k: int) -> Regrant:
    """Each user the same whole number of K."""
    each = capacity_k // max(len(seen.users), 1)
    return Regrant(dict.fromkeys(seen.users, each))
