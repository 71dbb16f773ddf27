"""Platform: tells what the run-time that supplies protocol stack sessions really carries, measured here and now.

capacity {"exchanges": 10..5000}: sessions that may be open at once (as granted, and as the limits say), and how many
request and answer exchanges a second one core carries over them, taken in turn; MOST_OPEN of them stand for all.
Quantity: hundred exchanges.
"""

import math
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice

from orchestrator.models.errors import OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

MESSAGE = bytes(256)
RESERVED_FILES = 16
DEFAULT_SESSIONS = 1024
MOST_OPEN = 64
Session = tuple[socket.socket, socket.socket]


def capacity(request: Request) -> Answer:
    exchanges = request.integer("exchanges", 200, 10, 5000)
    files = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES, 0)
    sessions = min(request.granted("protocol_stack_sessions", DEFAULT_SESSIONS), files)
    if sessions < 1:
        raise OverGrant("no protocol_stack_sessions are granted; ask for a share first")
    rate = exchange_rate(exchanges, min(sessions, MOST_OPEN))
    value = {
        "sessions": sessions,
        "exchanges_per_s": round(rate),
        "exchanges_per_s_of_each": round(rate / sessions, 3),
        "runtime": f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}",
        "supplies": dict(request.grant),
    }
    return json_answer(value, math.ceil(exchanges / 100), {"exchanges": exchanges, "open": min(sessions, MOST_OPEN)})


def exchange_rate(exchanges: int, sessions: int) -> float:
    """Exchanges a second of this thread's own time, each over the next of so many open sessions."""
    with opened(sessions) as pairs:
        start = time.thread_time()
        for near, far in islice(cycle(pairs), exchanges):
            near.sendall(MESSAGE)
            far.sendall(far.recv(len(MESSAGE)))
            near.recv(len(MESSAGE))
        return exchanges / max(time.thread_time() - start, 1e-9)


@contextmanager
def opened(sessions: int) -> Iterator[list[Session]]:
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(sessions)]
        for end in (end for pair in pairs for end in pair):
            stack.enter_context(end)
        yield pairs


def build() -> Program:
    return Program("platform", {"capacity": capacity})


if __name__ == "__main__":
    run(build())
