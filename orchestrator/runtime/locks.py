"""One at a time for each instance, over all threads and all processes of a home.

`sandbox` uses it: several workers of one host start, adopt and end instances in the same folder. A lock is a file,
locked by `flock`: it falls with its process. Whoever ends an instance removes the file.
"""

import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InstanceLocks:
    """The locks of one home's instances. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    @contextmanager
    def holding(self, instance_id: str, *, forget: bool = False) -> Iterator[None]:
        """Nobody else is inside for this instance; with `forget` the file goes when it is left."""
        with self._guard:
            mine = self._locks[instance_id]
        with mine:
            path = self._folder / f"{instance_id}.lock"
            descriptor = _locked(path)
            try:
                yield
            finally:
                if forget:
                    path.unlink(missing_ok=True)
                os.close(descriptor)


def _locked(path: Path) -> int:
    """The file's descriptor, locked; a file that was removed while we waited for it is no lock any more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
