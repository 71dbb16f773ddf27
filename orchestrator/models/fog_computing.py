"""Fog computing: makes and keeps pieces of a world's terrain on several fog nodes that help each other out.

tile {"world", "level": 0..12, "x", "y", "node": 0..3}   65×65 heights in centimetres, little-endian int16, row by row
Each node keeps what its users asked for, and one node (rendezvous hashing) is home to every tile: a node that misses
asks the home, the home makes what it has not got. A node keeps another's tile only when it was asked for more often
there than what it would push out (TinyLFU), so that a walk along the coast does not empty it. Storage and hits are one
tenant's own: `storage_mib` is split among the nodes; more of it, more hits, less computing. Quantity: KiB.
"""

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.errors import OverGrant
from orchestrator.models.serving import Answer, Program, Request, run

NODES = 4
DEFAULT_STORAGE_MIB = 4
SIDE = 65
TILE_BYTES = SIDE * SIDE * 2
OCTAVES = 7
HEIGHT_CM = 12_000
MOST_COUNTED = 8192
HOPS = {"local": 0, "neighbour": 1, "origin": 2}
Key = tuple[str, int, int, int]


@dataclass
class Node:
    """One fog node of one tenant: tiles, least recently used first, and how often each was asked for here."""

    tiles: OrderedDict[Key, bytes] = field(default_factory=OrderedDict)
    asked: Counter[Key] = field(default_factory=Counter)

    def get(self, key: Key) -> bytes | None:
        self.asked[key] += 1
        if len(self.asked) > MOST_COUNTED:  # the counts age: what was popular once does not stay so for ever
            self.asked = Counter({known: count // 2 for known, count in self.asked.items() if count > 1})
        if key in self.tiles:
            self.tiles.move_to_end(key)
        return self.tiles.get(key)

    def offer(self, key: Key, body: bytes, most: int, home: bool) -> None:
        """Keeps it where there is room, or where it is wanted more than what would have to go."""
        while len(self.tiles) > most:
            self.tiles.popitem(last=False)
        if most == 0:
            return
        if len(self.tiles) == most:
            oldest = next(iter(self.tiles))
            if not home and self.asked[key] <= self.asked[oldest]:
                return
            del self.tiles[oldest]
        self.tiles[key] = body


@dataclass
class Fog:
    """One tenant's nodes."""

    nodes: list[Node] = field(default_factory=lambda: [Node() for _ in range(NODES)])
    served: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, key: Key, at: int, most: int) -> tuple[bytes, str]:
        """The tile, and from where it came to the node `at`; each node keeps at most `most` tiles."""
        found = self.nodes[at].get(key)
        if found is not None:
            return self._count(found, "local")
        home = home_of(key)
        body = self.nodes[home].get(key) if home != at else None
        where = "origin" if body is None else "neighbour"
        if body is None:
            body = terrain(key)
            self.nodes[home].offer(key, body, most, home=True)
        if home != at:
            self.nodes[at].offer(key, body, most, home=False)
        return self._count(body, where)

    def _count(self, body: bytes, where: str) -> tuple[bytes, str]:
        self.served[where] += 1
        return body, where

    @property
    def hit_ratio(self) -> float:
        return 1 - self.served["origin"] / max(self.served.total(), 1)


class Fogs:
    def __init__(self) -> None:
        self._fogs: dict[str, Fog] = {}
        self._lock = threading.Lock()

    def tile(self, request: Request) -> Answer:
        level = request.integer("level", 6, 0, 12)
        x, y = (request.integer(axis, 0, 0, 2**level - 1) for axis in "xy")
        key, at = (request.text("world", "beach"), level, x, y), request.integer("node", 0, 0, NODES - 1)
        most = (request.granted("storage_mib", DEFAULT_STORAGE_MIB) << 20) // (NODES * TILE_BYTES)
        if most == 0:
            raise OverGrant("no storage_mib is granted; ask for a share first")
        with self._lock:
            fog = self._fogs.setdefault(request.tenant, Fog())
        with fog.lock:
            body, where = fog.fetch(key, at, most)
            info = {"from": where, "hops": HOPS[where], "hit_ratio": round(fog.hit_ratio, 4), "tiles_a_node": most}
        return Answer(body, "application/octet-stream", -(-len(body) // 1024), info)

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._fogs.pop(tenant, None)


def home_of(key: Key) -> int:
    """The node that is home to a tile: the highest of each one's hash with it."""
    return max(range(NODES), key=lambda node: sha256(f"{node}:{key}".encode()).digest())


def terrain(key: Key) -> bytes:
    """Fractal value noise: octave after octave of smoothly joined chance, the same where tiles meet."""
    world, level, x, y = key
    across = (x + np.linspace(0, 1, SIDE)) / 2**level
    along = (y + np.linspace(0, 1, SIDE)) / 2**level
    seed = int.from_bytes(sha256(world.encode()).digest()[:8])
    height = np.zeros((SIDE, SIDE))
    for octave in range(OCTAVES + level):
        height += _noise(seed + octave, across * 2**octave * 4, along * 2**octave * 4) / 2**octave
    return np.asarray((height - 0.7) * HEIGHT_CM / 2, "<i2").tobytes()


def _noise(seed: int, across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance at whole coordinates, from 0 to 1, smoothly joined between them."""
    column, row = np.floor(across).astype(np.uint64), np.floor(along).astype(np.uint64)
    u, v = _ease(across - column)[None, :], _ease(along - row)[:, None]
    corners = [_chance(seed, column + right, row + up) for up in (0, 1) for right in (0, 1)]
    low, high = corners[0] * (1 - u) + corners[1] * u, corners[2] * (1 - u) + corners[3] * u
    return np.asarray(low * (1 - v) + high * v)


def _ease(part: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(part * part * (3 - 2 * part))


def _chance(seed: int, column: NDArray[np.uint64], row: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A hash of each grid point (splitmix64's mixing)."""
    mixed = column[None, :] * np.uint64(0x9E3779B97F4A7C15) ^ row[:, None] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = mixed + np.uint64(seed % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed >> np.uint64(11)) / 2**53)


def build() -> Program:
    fogs = Fogs()
    return Program("fog-computing", {"tile": fogs.tile}, forget=fogs.forget)


if __name__ == "__main__":
    run(build())
