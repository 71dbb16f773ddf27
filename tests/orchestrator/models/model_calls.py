"""Calls to a model's handlers as the server makes them, and what they cost."""

import json
import math
import time
from collections.abc import Callable
from typing import Any

from orchestrator.models.serving import Answer, Handler, Request


def value(answer: Answer) -> Any:
    return json.loads(answer.body)


def ask(call: Handler, params: dict[str, Any], tenant: str = "1", **grant: int) -> Answer:
    return call(Request(params, grant, tenant))


def cpu_seconds(work: Callable[[], object], times: int = 3) -> float:
    """The least of several runs, in this thread's own time."""
    best = math.inf
    for _ in range(times):
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return best
