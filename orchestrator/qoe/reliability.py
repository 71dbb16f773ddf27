"""Reliability of a service: the part of the time in which all of its models answer. Declared first, then measured.

A model instance answers and is down in turn, an alternating renewal process: its availability is MTTF ÷ (MTTF + MTTR)
(Barlow and Proschan 1975). Of n deaths, U seconds up and D down that is U/n ÷ (U/n + D/n) = U ÷ (U + D): how often it
died counts by how long it was down. What its manifest declares is the prior, worth `PRIOR_S` seconds of watching: the
estimate is (A₀ P + U) ÷ (P + U + D). A service needs all of its roles, and they fail independently: its reliability is
the product of their availabilities (Thompson and Springer 1972 estimate series systems so). Pure functions.
"""

from collections.abc import Iterable
from math import floor, prod
from typing import Final

PRIOR_S: Final = 86_400
"""Seconds of watching that a declaration is worth: after a day, what was measured weighs as much."""
DIGITS: Final = 1_000_000


def availability(declared: float, up_s: float, down_s: float) -> float:
    """The part of the time, 0 to 1, in which an instance answers; `declared` above 0 and below 1, times in seconds."""
    return (declared * PRIOR_S + up_s) / (PRIOR_S + up_s + down_s)


def in_series(parts: Iterable[float]) -> float:
    """Reliability of a service, 0 to 1, all of whose parts must answer."""
    return prod(parts)


def told(reliability: float) -> float:
    """Six digits of it, rounded down: what is told can be asked for, and had."""
    return floor(reliability * DIGITS + 1e-6) / DIGITS
