"""How the models and services behind the gateway answered within the last minute. In memory only, bounded.

Noted by `models.py` at each call of a model and by `work.py` at each use; VMOF's monitor reads it at
`GET /performance`. Two windows of half a minute: the one before and the present one, so that what is told is at least
half a minute of it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from orchestrator.gateway.errors import ModelUnavailable
from orchestrator.performance import Answered, Answers

HALF_S: Final = 30.0
LEAST_S: Final = 10.0
"""A window is never told to be shorter, seconds: right after the start a single call would look like a crowd."""


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    failed: int = 0
    busy_s: float = 0.0

    def __add__(self, other: "_Sum") -> "_Sum":
        return _Sum(self.calls + other.calls, self.failed + other.failed, self.busy_s + other.busy_s)

    def told(self) -> Answered:
        return Answered(calls=self.calls, failed=self.failed, busy_s=round(self.busy_s, 4))


@dataclass(slots=True)
class _Half:
    begun: float
    sums: defaultdict[str, _Sum] = field(default_factory=lambda: defaultdict(_Sum))


class Tally:
    """Calls by name over the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before = self._now = _Half(clock())

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note the call that is made inside; `ModelUnavailable` is a failed one."""
        begun, failed = self._clock(), 0
        try:
            yield
        except ModelUnavailable:
            failed = 1
            raise
        finally:
            self._turn()
            self._now.sums[name] += _Sum(1, failed, self._clock() - begun)

    def forget(self, name: str) -> None:
        """Drop what was noted."""
        for half in (self._before, self._now):
            half.sums.pop(name, None)

    def recent(self) -> tuple[float, dict[str, Answered]]:
        """How many seconds it is of, and what was noted in them."""
        self._turn()
        sums = {name: self._before.sums[name] for name in list(self._before.sums)}
        if self._before is not self._now:
            for name, one in self._now.sums.items():
                sums[name] = sums.get(name, _Sum()) + one
        window_s = max(self._clock() - self._before.begun, LEAST_S)
        return window_s, {name: one.told() for name, one in sums.items()}

    def _turn(self) -> None:
        now = self._clock()
        if now - self._now.begun >= HALF_S:
            idle = now - self._now.begun >= 2 * HALF_S
            self._before = _Half(now - HALF_S) if idle else self._now
            self._now = _Half(now)


class PerformanceBoard:
    """Tallies of models by socket and of services by subscription."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.models, self.services = Tally(clock), Tally(clock)

    def recent(self) -> Answers:
        """What `GET /performance` answers."""
        window_s, models = self.models.recent()
        return Answers(window_s=round(window_s, 3), models=models, services=self.services.recent()[1])
