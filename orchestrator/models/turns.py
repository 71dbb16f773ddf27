"""Whose call is next in an instance that several tenants share: a queue for each, served in fair turns.

`serving` puts every call through it. Each tenant's queue has a virtual time: the processor seconds that its calls have
used over its weight (what it is granted of computing). A free place goes to the waiting tenant whose virtual time is
least; one that had nothing to do begins at the present, so that nobody saves up turns (start-time fair queueing, Goyal,
Vin, Cheng 1996, charged afterwards because a call's cost is not known before). A tenant has at most half the places:
however many and however long its calls are, there is a place for the next tenant's. Calls that only wait for a clock
(links) take no place.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator.models.errors import CallRefused

PLACES = 4
"""Calls at work side by side: threads of one interpreter share it, more would only wait inside."""
MOST_WAITING = 64
"""Calls of one tenant that may wait: each holds its body in memory."""
LEAST_SECONDS = 0.001
"""What a turn costs at least, so that calls without work are turns too."""


class Busy(CallRefused):
    """Too many calls of this tenant wait already."""

    code = "busy"
    status = 429


@dataclass(eq=False, slots=True)
class Ticket:
    """One call that waits or works."""

    tenant: str
    weight: int
    let_in: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Queue:
    """One tenant's. `time` is its virtual time."""

    time: float
    waiting: deque[Ticket] = field(default_factory=deque)
    working: int = 0


class FairQueue:
    """The order alone, without threads or clock: who comes, who is let in, what each used."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._each = max(places // 2, 1)
        self._queues: dict[str, _Queue] = {}
        self._now = 0.0
        self._working = 0

    def come(self, ticket: Ticket) -> None:
        """Raises Busy."""
        queue = self._queues.get(ticket.tenant)
        if queue is None:
            queue = self._queues[ticket.tenant] = _Queue(self._now)
        if len(queue.waiting) >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} calls of yours wait already; wait for their answers before you send more")
        if not queue.waiting and not queue.working:
            queue.time = max(queue.time, self._now)
        queue.waiting.append(ticket)

    def next(self) -> Ticket | None:
        """Whom to let in now; None while every place is taken, or nobody waits who may have one."""
        if self._working >= self._places:
            return None
        ready = [queue for queue in self._queues.values() if queue.waiting and queue.working < self._each]
        if not ready:
            return None
        queue = min(ready, key=lambda one: one.time)
        self._now = max(self._now, queue.time)
        queue.working += 1
        self._working += 1
        return queue.waiting.popleft()

    def done(self, ticket: Ticket, seconds: float) -> None:
        """It left its place; `seconds` of processor time are charged to its tenant."""
        queue = self._queues[ticket.tenant]
        queue.time += max(seconds, LEAST_SECONDS) / ticket.weight
        queue.working -= 1
        self._working -= 1
        if not queue.waiting and not queue.working and queue.time <= self._now:
            del self._queues[ticket.tenant]

    def forget(self, tenant: str) -> None:
        """A tenant that has gone leaves no debt behind."""
        queue = self._queues.get(tenant)
        if queue is not None and not queue.waiting and not queue.working:
            del self._queues[tenant]


class Turns:
    """The queue between the connections' threads."""

    def __init__(self, places: int = PLACES) -> None:
        self._queue = FairQueue(places)
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, tenant: str, weight: int) -> Iterator[None]:
        """Waits for a place, holds it while the block runs, charges what the thread used. Raises Busy."""
        ticket = Ticket(tenant, max(weight, 1))
        with self._lock:
            self._queue.come(ticket)
            self._let_in()
        ticket.let_in.wait()
        begun = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._queue.done(ticket, time.thread_time() - begun)
                self._let_in()

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._queue.forget(tenant)

    def _let_in(self) -> None:
        while (ticket := self._queue.next()) is not None:
            ticket.let_in.set()
