"""Edge server: keeps the shared state of rooms near their users: who is where, and what each lets others see.

enter {"room", "user", "x", "y"}                  as many users as `protocol_stack_sessions` are granted, all rooms
act   {"room", "user", "x", "y", "state": {…}}    where the user wants to be; nobody gets further than SPEED allows
view  {"room", "user", "radius", "since": tick}   who is near, nearest first, of whom something changed after that tick
leave {"room", "user"}
The server is the authority: it holds the clock, and a claim beyond SPEED × time is cut to what is possible. Between
acts others are foretold from their last velocity. One view tells of at most as many users as the granted computing
carries (1 a millicore); the states of all live in the granted `storage_mib`. Who is silent for IDLE_S has left. Each
tenant has rooms of its own. Quantity: users told.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES, DEFAULT_SESSIONS, DEFAULT_STORAGE_MIB = 40, 8, 4
SPEED_MS, SLACK_M = 8.0, 0.5
IDLE_S = 60.0
FORETOLD_S = 0.5
MOST_STATE_BYTES = 1024
WORLD_M = 1e5
Clock = Callable[[], float]


@dataclass
class User:
    """Where a user was at `t` (s) and how it moved; `tick` counts the room's changes up to its last one."""

    x: float
    y: float
    t: float
    tick: int
    dx: float = 0.0
    dy: float = 0.0
    state: dict[str, Any] = field(default_factory=dict)

    def foretold(self, now: float) -> tuple[float, float]:
        """Its place now, from its last velocity, for a short while."""
        ahead = min(now - self.t, FORETOLD_S)
        return self.x + self.dx * ahead, self.y + self.dy * ahead

    def move(self, x: float, y: float, now: float) -> bool:
        """As far towards a place as time allows; whether it was reached."""
        passed = max(now - self.t, 1e-3)
        apart, reach = math.hypot(x - self.x, y - self.y), SPEED_MS * passed + SLACK_M
        part = min(reach / apart, 1.0) if apart > 0 else 1.0
        dx, dy = (x - self.x) * part, (y - self.y) * part
        slower = min(SPEED_MS / max(math.hypot(dx, dy) / passed, 1e-9), 1.0)
        self.x, self.y, self.t = self.x + dx, self.y + dy, now
        self.dx, self.dy = dx / passed * slower, dy / passed * slower
        return part == 1.0


@dataclass
class Room:
    users: dict[str, User] = field(default_factory=dict)
    tick: int = 0

    def next_tick(self) -> int:
        self.tick += 1
        return self.tick


@dataclass
class Venue:
    """One tenant's rooms."""

    rooms: dict[str, Room] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, now: float) -> int:
        """Lets the silent go; how many users are left."""
        for name, room in list(self.rooms.items()):
            for user, one in list(room.users.items()):
                if now - one.t > IDLE_S:
                    del room.users[user]
            if not room.users:
                del self.rooms[name]
        return sum(len(room.users) for room in self.rooms.values())

    def require_room(self, more: int, storage_mib: int) -> None:
        """OverGrant where the users' states would outgrow what is granted by `more` bytes."""
        held = sum(_bytes(one.state) for room in self.rooms.values() for one in room.users.values())
        if more > 0 and held + more > storage_mib << 20:
            raise OverGrant(f"{held} bytes of state fill the granted storage_mib; show less, or grant more")


class EdgeServer:
    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._venues: dict[str, Venue] = {}
        self._lock = threading.Lock()

    def enter(self, request: Request) -> Answer:
        name, user, now = request.text("room"), request.text("user"), self._clock()
        x, y = (request.number(axis, 0.0, -WORLD_M, WORLD_M) for axis in "xy")
        venue, most = self._of(request), request.granted("protocol_stack_sessions", DEFAULT_SESSIONS)
        with venue.lock:
            present = venue.settle(now)
            if user not in venue.rooms.get(name, Room()).users and present >= most:
                raise OverGrant(f"{present} users are in, all that protocol_stack_sessions grants; let one leave")
            room = venue.rooms.setdefault(name, Room())
            room.users[user] = User(x, y, now, room.next_tick())
            return json_answer({"tick": room.tick, "users": len(room.users)}, 1, {"most_users": most})

    def act(self, request: Request) -> Answer:
        x, y = (request.number(axis, math.nan, -WORLD_M, WORLD_M) for axis in "xy")
        state, venue, now = _state(request), self._of(request), self._clock()
        with venue.lock:
            venue.settle(now)
            room, one = _find(venue, request)
            kept = {**one.state, **state} if _bytes({**one.state, **state}) <= MOST_STATE_BYTES else state
            venue.require_room(_bytes(kept) - _bytes(one.state), request.granted("storage_mib", DEFAULT_STORAGE_MIB))
            one.state, one.tick = kept, room.next_tick()
            reached = one.move(x, y, now)
            return json_answer({"tick": room.tick, "x": round(one.x, 4), "y": round(one.y, 4), "reached": reached})

    def view(self, request: Request) -> Answer:
        radius, since = request.number("radius", 50.0, 0.0, WORLD_M), request.integer("since", 0, 0, 2**53)
        most = max(request.granted("computing_mcores", DEFAULT_MCORES), 1)
        venue, now = self._of(request), self._clock()
        with venue.lock:
            venue.settle(now)
            room, me = _find(venue, request)
            seen = []
            for name, other in room.users.items():
                x, y = other.foretold(now)
                apart = math.hypot(x - me.x, y - me.y)
                if other is not me and apart <= radius and other.tick > since:
                    seen.append((apart, name, {"x": round(x, 3), "y": round(y, 3), "state": other.state}))
            seen.sort(key=lambda found: found[:2])
            near = [{"user": name, "distance_m": round(apart, 3), **told} for apart, name, told in seen[:most]]
            value = {"tick": room.tick, "users": sorted(room.users), "near": near, "left_out": max(len(seen) - most, 0)}
        return json_answer(value, max(len(near), 1), {"most": most})

    def leave(self, request: Request) -> Answer:
        venue = self._of(request)
        with venue.lock:
            room, _ = _find(venue, request)
            del room.users[request.text("user")]
            return json_answer({"tick": room.next_tick(), "users": len(room.users)})

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._venues.pop(tenant, None)

    def _of(self, request: Request) -> Venue:
        with self._lock:
            return self._venues.setdefault(request.tenant, Venue())


def _find(venue: Venue, request: Request) -> tuple[Room, User]:
    name, user = request.text("room"), request.text("user")
    room = venue.rooms.get(name)
    if room is None or user not in room.users:
        raise NotThere(f"{user!r} is not in {name!r}; enter it first")
    return room, room.users[user]


def _bytes(state: Mapping[str, Any]) -> int:
    return len(json.dumps(state)) if state else 0


def _state(request: Request) -> dict[str, Any]:
    state = dict(request.part("state").params)
    if _bytes(state) > MOST_STATE_BYTES:
        raise BadCall(f"state has {_bytes(state)} bytes where {MOST_STATE_BYTES} are the most; show less")
    return state


def build() -> Program:
    server = EdgeServer()
    calls = {"enter": server.enter, "act": server.act, "view": server.view, "leave": server.leave}
    return Program("edge-server", calls, forget=server.forget)


if __name__ == "__main__":
    run(build())
