"""What controllers are told and what they propose: plain values, the same in the live run and in simulation.

A local controller sees the users of one MSI cluster whom one rendering supply serves, as columns of K users and N
objects. Units are in the names: `_k` is rendering in K a second, `_bps` bits per second, `_s` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.qoe.immersion import CAP_K

Floats = NDArray[np.float64]
State = TypeVar("State")


class MalformedObservation(ValueError):
    """Columns that do not belong together, or numbers that nobody can have measured."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a cluster: what was measured of each user since the last one, and what capacity there is.

    `MalformedObservation` for columns of unequal length, a user who stands there twice, or values out of range.
    """

    users: tuple[str, ...]
    rate_bps: Floats
    """(K,) bits per second that the downlink carried; NaN where nothing was delivered to measure"""
    bit_error: Floats
    """(K,) uplink bit error probability; NaN as above"""
    bits_per_k: Floats
    """(K,) bits of the delivered frame for each K in it; NaN as above"""
    drawn_k: Floats
    """(K,) K that were rendered for the user in the last second"""
    attention: Floats
    """(K, N) attention to each object in view, 1 to 5; 0 fills up"""
    floor: Floats
    """(K,) Meta-Immersion that the user's plan promises; 0 promises nothing"""
    capacity_k: int
    """K that the cluster's rendering models give now"""
    reserved_k: int
    """K to which they may be scaled without asking"""

    def __post_init__(self) -> None:
        count = len(self.users)
        columns = (self.rate_bps, self.bit_error, self.bits_per_k, self.drawn_k, self.floor)
        if self.attention.ndim != 2 or any(len(one) != count for one in (*columns, self.attention)):
            raise MalformedObservation(f"Give every column one row for each of the {count} users.")
        if len(set(self.users)) != count:
            raise MalformedObservation("A user stands in the observation twice; give each user one row.")
        if any(np.any(one < 0) for one in (*columns, self.attention)) or np.any(self.bit_error > 1):
            raise MalformedObservation("Rates, errors, attention and floors are never negative, errors at most 1.")
        if self.capacity_k < 0 or self.reserved_k < 0:
            raise MalformedObservation("Capacity and reservation are never negative.")

    @property
    def usable_k(self) -> Floats:
        """(K,) the most K that each user's view can show: the cap for each object in view."""
        usable: Floats = CAP_K * np.count_nonzero(self.attention > 0, axis=1)
        return usable


@dataclass(frozen=True, slots=True)
class Regrant:
    """Give these users so many K a second; whoever is not named keeps what he has."""

    grants_k: dict[str, int]


@dataclass(frozen=True, slots=True)
class Scale:
    """Scale the cluster's rendering models to so many K in all, within the reservation."""

    capacity_k: int


@dataclass(frozen=True, slots=True)
class AskMore:
    """To the global controller: the floors need so many K in all, more than is reserved."""

    needed_k: int


@dataclass(frozen=True, slots=True)
class Report:
    """To the global controller: what the floors were measured to need, of so many users."""

    needed_k: int
    users: int


Change = Regrant | Scale | AskMore | Report


@dataclass(frozen=True, slots=True)
class Step(Generic[State]):
    """What a controller answers: its new state, and the changes that it proposes."""

    state: State
    changes: tuple[Change, ...] = ()


class Controller(Protocol[State]):
    """A local controller: a pure function with a state that the caller keeps."""

    def begin(self) -> State:
        """The state before the first observation."""

    def step(self, state: State, seen: Observation, now_s: float) -> Step[State]:
        """What to change after this observation; `now_s` is the caller's clock and never goes back."""
