"""Edge cache: keeps answers near the traveller, least recently used out first, within the storage granted.

Each tenant has a store of its own, bounded by the `storage_mib` of its share; placement sees that the shares fit.
Nothing of one tenant can be read, or timed, by another. Quantity: KiB put or got, begun ones whole.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run, shown

DEFAULT_STORAGE_MIB = 16
MAX_KEY_CHARS = 512
CONTENT_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")


@dataclass
class Shelf:
    """One tenant's entries, oldest use first."""

    entries: OrderedDict[str, tuple[str, bytes]] = field(default_factory=OrderedDict)
    held_bytes: int = 0
    hits: int = 0
    misses: int = 0

    def get(self, key: str) -> tuple[str, bytes] | None:
        found = self.entries.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self.entries.move_to_end(key)
        return found

    def put(self, key: str, kind: str, body: bytes, limit_bytes: int) -> int:
        """Stores and returns how many entries had to leave."""
        self._drop(key)
        evicted = 0
        while self.entries and self.held_bytes + len(body) > limit_bytes:
            self._drop(next(iter(self.entries)))
            evicted += 1
        self.entries[key] = (kind, body)
        self.held_bytes += len(body)
        return evicted

    def _drop(self, key: str) -> None:
        old = self.entries.pop(key, None)
        if old is not None:
            self.held_bytes -= len(old[1])


class Cache:
    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._lock = threading.Lock()

    def get(self, request: Request) -> Answer:
        key = _key(request)
        with self._lock:
            shelf = self._shelves.get(request.tenant)
            found = shelf.get(key) if shelf else None
        if found is None:
            raise NotThere(f"{shown(key)} is not cached; fetch it and put it")
        kind, body = found
        return Answer(body, kind, _kib(body), {"cache": "hit"})

    def put(self, request: Request) -> Answer:
        key, limit = _key(request), request.granted("storage_mib", DEFAULT_STORAGE_MIB) << 20
        if len(request.body) > limit:
            raise OverGrant(f"{len(request.body)} bytes do not fit into the granted {limit}; grant more storage_mib")
        kind = _content_type(request)
        with self._lock:
            shelf = self._shelves.setdefault(request.tenant, Shelf())
            evicted = shelf.put(key, kind, request.body, limit)
            value = {"evicted": evicted, "held_bytes": shelf.held_bytes, "entries": len(shelf.entries)}
        return json_answer(value, _kib(request.body))

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._shelves.pop(tenant, None)


def _kib(body: bytes) -> int:
    return max(-(-len(body) // 1024), 1)


def _key(request: Request) -> str:
    key = request.params.get("key")
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARS:
        raise BadCall(f"key is {shown(key)}; give a string of 1 to {MAX_KEY_CHARS} characters")
    return key


def _content_type(request: Request) -> str:
    kind = request.params.get("content_type", "application/octet-stream")
    if not isinstance(kind, str) or not CONTENT_TYPE.fullmatch(kind):
        raise BadCall(f"content_type is {shown(kind)}; give a plain type/subtype")
    return kind


def build() -> Program:
    cache = Cache()
    calls: dict[str, Callable[[Request], Answer]] = {"get": cache.get, "put": cache.put}
    return Program("edge-cache", calls, forget=cache.forget)


if __name__ == "__main__":
    run(build())
