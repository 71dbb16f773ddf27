"""How much one address, and one identity, may ask for: token buckets, asked before anything costly is done.

Used by the gate. An address pays for every request before it is looked at, and more for one that is refused; a caller
who has proven itself gets the address's fee back and pays from its own bucket instead, so that a house behind one
address is not held to a stranger's limit. Buckets live in memory, one set a gate; the least recently used are dropped.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from trust.errors import TooManyRequests

MOST_BUCKETS = 8_192


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a second, and how many may come at once."""

    address_rate: float = 2_000.0  # public reading of a busy house behind one proxy
    address_burst: float = 8_000.0
    refusal_cost: float = 20.0  # an address may be refused a hundred times a second: 2 % of a core
    session_rate: float = 200.0
    session_burst: float = 1_000.0
    component_rate: float = 10_000.0  # more than a core can check: bounds a component that runs wild
    component_burst: float = 20_000.0


class Buckets:
    """One bucket a key; `rate` a second flows in, `burst` is the most that it holds."""

    def __init__(self, rate: float, burst: float, tick: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._tick = tick
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until one request may pass; 0 when it may now."""
        return max(0.0, (1.0 - self._level(key)) / self._rate)

    def charge(self, key: str, cost: float) -> None:
        """Takes `cost` out, also below nothing (down to one burst of debt); negative gives back."""
        level = min(self._burst, max(-self._burst, self._level(key) - cost))
        self._levels[key] = (level, self._tick())
        self._levels.move_to_end(key)
        if len(self._levels) > MOST_BUCKETS:
            self._levels.popitem(last=False)

    def _level(self, key: str) -> float:
        level, at = self._levels.get(key, (self._burst, 0.0))
        return min(self._burst, level + (self._tick() - at) * self._rate)


class Limiter:
    """The gate's three sets of buckets."""

    def __init__(self, limits: Limits, tick: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._addresses = Buckets(limits.address_rate, limits.address_burst, tick)
        self._sessions = Buckets(limits.session_rate, limits.session_burst, tick)
        self._components = Buckets(limits.component_rate, limits.component_burst, tick)

    def knock(self, address: str) -> None:
        """TooManyRequests when this address has nothing left; else it pays for one request."""
        _require(self._addresses, place_of(address), "this address")
        self._addresses.charge(place_of(address), 1.0)

    def require_room(self, subject: str, *, session: bool) -> None:
        """TooManyRequests when this identity has nothing left. Nothing is paid: the proof is still to be checked."""
        _require(self._sessions if session else self._components, subject, subject)

    def proven(self, address: str, subject: str, *, session: bool) -> None:
        """The identity pays, the address gets its fee back."""
        (self._sessions if session else self._components).charge(subject, 1.0)
        self._addresses.charge(place_of(address), -1.0)

    def refused(self, address: str) -> None:
        """A refusal costs the address more than an answer: it is what guessing looks like."""
        self._addresses.charge(place_of(address), self._limits.refusal_cost)


def place_of(address: str) -> str:
    """The address, or the /64 of an IPv6 one: a single host may use all of that."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


def _require(buckets: Buckets, key: str, who: str) -> None:
    wait_s = buckets.wait_s(key)
    if wait_s > 0:
        raise TooManyRequests(f"There are too many requests of {who}; the next may come in {wait_s:.1f} s.", wait_s)
