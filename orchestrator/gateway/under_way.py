"""Which calls are under way over which models, and which subscriptions take no new ones because their service ends.

Used by `use.py`, which counts its calls here, and by `house.py`, which lets a route go once nothing is under way.
Kept in memory: a gateway that was restarted has no calls under way.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.gateway.errors import Draining
from orchestrator.gateway.shapes import Route

Clock = Callable[[], float]


class UnderWay:
    """The calls at work by socket, and since when a subscription is draining."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._calls: Counter[str] = Counter()
        self._draining: dict[int, float] = {}

    @contextmanager
    def over(self, route: Route) -> Iterator[None]:
        """A call is at work, over the sockets that its route had when it began."""
        sockets = set(route.sockets.values())
        self._calls.update(sockets)
        try:
            yield
        finally:
            self._calls.subtract(sockets)
            for socket in sockets:
                if not self._calls[socket]:
                    del self._calls[socket]

    def calls(self, socket: str) -> int:
        """How many calls at work may use this socket."""
        return self._calls[socket]

    def drain(self, subscription: int) -> float:
        """Take no new calls of it from now on; for how many seconds that has been so."""
        now = self._clock()
        return now - self._draining.setdefault(subscription, now)

    def reopen(self, subscription: int) -> None:
        """Its service ends no more, or has ended."""
        self._draining.pop(subscription, None)

    def require_open(self, subscription: int) -> None:
        """`Draining` where a new call comes too late."""
        if subscription in self._draining:
            raise Draining(
                f"The service of subscription {subscription} is ending: calls under way are finished, new ones are not "
                "taken. Nothing was recorded or billed. Sign what you used; buy again to go on."
            )
