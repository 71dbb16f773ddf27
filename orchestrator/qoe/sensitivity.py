"""Which resource raises a user's Meta-Immersion most, by how much and at what price.

The paper trades the dimensions of a service against each other ("at the cost of other-dimensional resources", IV): the
same immersion can come of more rendering, of a faster link or of a cleaner uplink. `sensitivity` gives the slopes at
the present working point, `compare` what a purchase of whole units would bring, for the price that a plan asks for
them. For controllers and explanations; pure functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.qoe.filling import Filling
from orchestrator.qoe.immersion import (
    CAP_K,
    FULL_RATE_BPS,
    THRESHOLD_K,
    Floats,
    meta_immersion,
    normalised_rate,
    rendering_experience,
)

BPS_PER_MBPS = 1e6
ERROR_UNIT = 0.01
"""One unit of the uplink's error: a hundredth of bit error probability, taken away."""


class Dimension(StrEnum):
    """What immersion can be bought with; each with the unit that prices and slopes are of."""

    RENDERING = "rendering_k"
    RATE = "rate_mbps"
    ERROR = "uplink_error_percent"


@dataclass(frozen=True)
class Working:
    """K users as they are now: rate (K,) in bits per second, bit error (K,), attention and resolution in K (K, N)."""

    rate_bps: Floats
    bit_error: Floats
    attention: Floats
    resolution_k: Floats

    @classmethod
    def of(cls, rate_bps: ArrayLike, bit_error: ArrayLike, attention: ArrayLike, resolution_k: ArrayLike) -> "Working":
        """Checks shapes and ranges; raises `ValueError` that tells which do not fit."""
        given = cls(*(np.asarray(each, np.float64) for each in (rate_bps, bit_error, attention, resolution_k)))
        users = given.attention.shape[:1]
        if given.attention.ndim != 2 or given.resolution_k.shape != given.attention.shape:
            raise ValueError("attention and resolution must both be (users, objects)")
        if given.rate_bps.shape != users or given.bit_error.shape != users:
            raise ValueError(f"rate and bit error must be {users[0]} numbers, one a user")
        meta_immersion(given.rate_bps, given.bit_error, given.attention, given.resolution_k)
        return given

    def immersion(self) -> Floats:
        """(K,) Meta-Immersion."""
        return meta_immersion(self.rate_bps, self.bit_error, self.attention, self.resolution_k)


@dataclass(frozen=True)
class Offer:
    """What could be bought: so many units of a dimension, at this price each (any one currency, or points)."""

    units: float
    unit_price: float


@dataclass(frozen=True)
class Purchase:
    """What an offer brings each user: (K,) immersion gained, and gained per unit of money. `price` is of all units."""

    gain: Floats
    price: float

    @property
    def per_money(self) -> Floats:
        return self.gain / self.price


def sensitivity(now: Working, cap_k: float = CAP_K) -> dict[Dimension, Floats]:
    """(K,) ∂MI for one unit of each dimension, from the right (what one more unit brings, not what one less costs).

    Rendering: R̂ (1 − E) max a / x over the objects between threshold and cap, MI per K. Rate: (1 − E) v / 1 Gb/s, per
    Mb/s, and 0 from 1 Gb/s on. Error: R̂ v, per hundredth of error taken away, 0 where there is none. v is the rendering
    term. A user whose objects are all dropped or at the cap has slope 0 in rendering: more helps it only in whole
    objects, which `compare` sees.
    """
    worth, rate = rendering_experience(now.attention, now.resolution_k), normalised_rate(now.rate_bps)
    open_ended = (now.resolution_k >= THRESHOLD_K) & (now.resolution_k < cap_k)
    slopes = np.where(open_ended, now.attention / np.maximum(now.resolution_k, THRESHOLD_K), 0.0).max(axis=1, initial=0)
    growing = (now.rate_bps >= 0) & (now.rate_bps < FULL_RATE_BPS)
    return {
        Dimension.RENDERING: rate * (1 - now.bit_error) * slopes,
        Dimension.RATE: np.where(growing, (1 - now.bit_error) * worth * BPS_PER_MBPS / FULL_RATE_BPS, 0.0),
        Dimension.ERROR: np.where(now.bit_error > 0, rate * worth * ERROR_UNIT, 0.0),
    }


def compare(now: Working, offers: Mapping[Dimension, Offer], cap_k: float = CAP_K) -> dict[Dimension, Purchase]:
    """What each offer would bring each user, alone: rendering split anew among the user's objects, exactly.

    Raises `ValueError` for an offer without units or price.
    """
    for dimension, offer in offers.items():
        if not (offer.units > 0 and offer.unit_price > 0):
            raise ValueError(f"the offer of {dimension} must have units and a unit price above 0")
    before = now.immersion()
    return {
        dimension: Purchase(_with(now, dimension, offer.units, cap_k) - before, offer.units * offer.unit_price)
        for dimension, offer in offers.items()
    }


def cheapest_raise(purchases: Mapping[Dimension, Purchase]) -> list[Dimension | None]:
    """For each user the dimension that gives most immersion for the money; None where nothing gives any."""
    names = list(purchases)
    gains = np.array([purchases[name].per_money for name in names])
    return [names[best] if gains[best, user] > 0 else None for user, best in enumerate(gains.argmax(axis=0))]


def _with(now: Working, dimension: Dimension, units: float, cap_k: float) -> Floats:
    """(K,) immersion with so many units more."""
    match dimension:
        case Dimension.RATE:
            return meta_immersion(now.rate_bps + units * BPS_PER_MBPS, now.bit_error, now.attention, now.resolution_k)
        case Dimension.ERROR:
            less = np.maximum(now.bit_error - units * ERROR_UNIT, 0.0)
            return meta_immersion(now.rate_bps, less, now.attention, now.resolution_k)
        case Dimension.RENDERING:
            budgets = now.resolution_k.sum(axis=1) + units
            users = Filling(now.attention, float(budgets.max(initial=0.0)), cap_k, THRESHOLD_K)
            anew = users.resolutions(*users.best(budgets))
            return np.maximum(meta_immersion(now.rate_bps, now.bit_error, now.attention, anew), now.immersion())
