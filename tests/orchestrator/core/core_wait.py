"""Polling for tests of real processes."""

import time
from collections.abc import Callable


def wait_for(true: Callable[[], bool], seconds: float = 60.0, tell: Callable[[], str] = lambda: "") -> None:
    """Poll until `true()` holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain; {tell()}"
        time.sleep(0.03)
