"""How one rendering supply is shared among a cluster's users: an object for each, then the floors, then the most sum.

Used by the local controller. Under the cap x of an object its worth per K, ln(x/x_th)/x, still rises (it would only
fall above e·x_th = 40.8 K), so the optimum fills objects to the cap in the order of their weight R̂(1−E)a: water-filling
that is exact but for the last object's rest (at most one cap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.controllers.values import Floats
from orchestrator.qoe.immersion import CAP_K, THRESHOLD_K

GAIN = float(np.log(CAP_K / THRESHOLD_K))
"""Worth of an object at the cap for each unit of its weight."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What each object of each user is worth at the cap, best first, and which of them the floors need."""

    worth: Floats
    """(K, N) Meta-Immersion of the object at the cap"""
    shown: NDArray[np.bool_]
    """(K, N) whether there is such an object and the link carries it"""
    needed: NDArray[np.bool_]
    """(K, N) whether the user's floor needs it, or it is the user's first: without a frame no link is measured"""

    @property
    def needed_k(self) -> int:
        """K that all floors need, as far as views and links let them be reached."""
        return int(CAP_K * np.count_nonzero(self.needed))


def wishes(quality: Floats, attention: Floats, floor: Floats, carried_k: Floats) -> Wishes:
    """Of K users: objective factor R̂(1−E) (K,), attention (K, N), floor (K,), K that each one's link carries (K,)."""
    ranked = -np.sort(-attention, axis=1)
    places = np.arange(ranked.shape[1])
    shown = (ranked > 0) & (CAP_K * (places + 1) <= carried_k[:, None])
    worth = np.where(shown, quality[:, None] * ranked * GAIN, 0.0)
    before = np.cumsum(worth, axis=1) - worth
    return Wishes(worth, shown, shown & ((before < floor[:, None]) | (places == 0)))


def share(wanted: Wishes, capacity_k: int) -> Floats:
    """(K,) K for each user, in sum at most the capacity: firsts, then what floors need, then the rest, each by worth.

    Where the floors need more than there is, the objects worth most are filled: the least immersion is missing in sum.
    """
    users, objects = wanted.worth.shape
    count = min(int(capacity_k // CAP_K), int(np.count_nonzero(wanted.shown)))
    if count == 0:
        return np.zeros(users)
    rank = 1.0 + wanted.worth.max()
    urgency = np.where(wanted.shown, wanted.worth + rank * wanted.needed, -1.0)
    urgency[:, 0] += rank
    chosen = np.argpartition(-urgency.ravel(), count - 1)[:count]
    return CAP_K * np.bincount(chosen // objects, minlength=users).astype(np.float64)
