"""Platform: tells what the run-time that supplies protocol stack sessions really carries, measured here and now.

capacity {"exchanges": 10..5000}: sessions that may be open at once (as the limits say), and how many request and answer
exchanges a second one core carries over a socket pair.
"""

import resource
import socket
import sys
import time

from orchestrator.models.serving import Answer, Program, Request, json_answer, run

MESSAGE = bytes(256)
RESERVED_FILES = 16


def capacity(request: Request) -> Answer:
    exchanges = request.integer("exchanges", 200, 10, 5000)
    value = {
        "sessions": max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES, 0),
        "exchanges_per_s": round(exchange_rate(exchanges)),
        "runtime": f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}",
        "supplies": dict(request.grant),
    }
    return json_answer(value, 1, {"exchanges": exchanges})


def exchange_rate(exchanges: int) -> float:
    """Exchanges a second of this thread's own time."""
    near, far = socket.socketpair()
    with near, far:
        start = time.thread_time()
        for _ in range(exchanges):
            near.sendall(MESSAGE)
            far.sendall(far.recv(len(MESSAGE)))
            near.recv(len(MESSAGE))
        return exchanges / max(time.thread_time() - start, 1e-9)


def build() -> Program:
    return Program("platform", {"capacity": capacity})


if __name__ == "__main__":
    run(build())
