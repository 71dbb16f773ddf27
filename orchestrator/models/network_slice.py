"""Network slice: a part of a network that keeps its rate and its order, whatever else goes on.

schedule {"flows": [{"name", "rate_mbps", "packet_bytes", "weight", "bucket_kib", "burst"}, …], "seconds": 0.001..1,
          "seed"}   plans: the flows' packets through token buckets and deficit round robin, what each would see
uplink, downlink    carries raw bytes, as the terahertz link does, but wired: a token bucket per tenant, no bit errors
Each granted session of the protocol stack carries FLOWS_PER_SESSION flows; the slice's rate is `bandwidth_mbps`. A
devnet scales bits by LINK_SCALE: seconds = bytes × 8 × LINK_SCALE ÷ rate, after what the bucket has saved up. Deficit
round robin (Shreedhar, Varghese 1995): each backlogged flow gets its weight's part of the rate and no other flow can
take it. Quantity: thousand packets planned, KiB carried.
"""

import heapq
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.serving import Answer, Params, Program, Request, json_answer, run

LINK_SCALE = 100
DEFAULT_RATE_MBPS = 100
BUCKET_BYTES = 2048
MAX_SECONDS = 60
MOST_FLOWS, MOST_PACKETS = 32, 100_000
DEFAULT_SESSIONS, FLOWS_PER_SESSION = 4, 8
QUEUE_PACKETS = 500
Clock = Callable[[], float]


@dataclass
class Flow:
    """One flow of a plan: what it sends (Poisson, in groups of `burst`), its bucket, and what became of its packets."""

    name: str
    rate_mbps: float
    packet_bytes: int
    weight: float
    bucket_bytes: float
    burst: int
    queue: deque[float] = field(default_factory=deque)
    deficit: float = 0.0
    delays_ms: list[float] = field(default_factory=list)
    offered: int = 0
    dropped: int = 0
    in_time: int = 0

    @property
    def bits(self) -> int:
        return self.packet_bytes * 8

    def arrivals(self, seconds: float, chance: random.Random) -> list[float]:
        """When its packets leave its own bucket (rate and depth), seconds."""
        out, now, tokens, filled = [], 0.0, self.bucket_bytes, 0.0
        gap = self.burst * self.bits / (self.rate_mbps * 1e6)
        while (now := now + chance.expovariate(1 / gap)) < seconds:
            for _ in range(self.burst):
                at = max(now, filled)
                tokens = min(tokens + (at - filled) * self.rate_mbps * 1e6 / 8, self.bucket_bytes)
                wait = max(self.packet_bytes - tokens, 0.0) * 8 / (self.rate_mbps * 1e6)
                tokens, filled = tokens + wait * self.rate_mbps * 1e6 / 8 - self.packet_bytes, at + wait
                out.append(filled)
        return out


def schedule(request: Request) -> Answer:
    rate = request.granted("bandwidth_mbps", DEFAULT_RATE_MBPS)
    if rate <= 0:
        raise OverGrant("no bandwidth_mbps is granted; ask for a share first")
    flows = [_flow(part, n) for n, part in enumerate(request.parts("flows", 1, MOST_FLOWS))]
    most = request.granted("protocol_stack_sessions", DEFAULT_SESSIONS) * FLOWS_PER_SESSION
    if len(flows) > most:
        raise OverGrant(f"{len(flows)} flows where {most} are granted; grant more protocol_stack_sessions")
    if len({flow.name for flow in flows}) < len(flows):
        raise BadCall("flows names a flow twice; give each a name of its own")
    seconds = request.number("seconds", 0.1, 0.001, 1.0)
    expected = sum(flow.rate_mbps * 1e6 * seconds / flow.bits for flow in flows)
    if expected > MOST_PACKETS:
        raise BadCall(f"about {expected:.0f} packets are too many for one plan; give fewer seconds or slower flows")
    chance = random.Random(request.integer("seed", 0, 0, 2**53))  # noqa: S311  (traffic, not secrets)
    serve(flows, rate * 1e6, seconds, chance)
    packets = sum(flow.offered for flow in flows)
    value = {"rate_mbps": rate, "seconds": seconds, "flows": {flow.name: _told(flow, seconds) for flow in flows}}
    return json_answer(value, max(math.ceil(packets / 1000), 1), {"packets": packets})


def serve(flows: list[Flow], bits_a_second: float, seconds: float, chance: random.Random) -> None:
    """Runs the flows through the scheduler until the last packet has left."""
    events = [(at, n) for n, flow in enumerate(flows) for at in flow.arrivals(seconds, chance)]
    heapq.heapify(events)
    least = min(flow.weight for flow in flows)
    active: deque[Flow] = deque()
    now = 0.0
    while events or active:
        now = max(now, events[0][0]) if not active else now
        _arrive(events, flows, active, now)
        flow = active[0]
        if flow.deficit < flow.bits:
            flow.deficit += flow.weight / least * max(flow.bits, 12_000)
        while flow.queue and flow.deficit >= flow.bits:
            flow.deficit -= flow.bits
            now += flow.bits / bits_a_second
            flow.delays_ms.append((now - flow.queue.popleft()) * 1000)
            flow.in_time += now <= seconds
        _arrive(events, flows, active, now)
        active.popleft()
        if flow.queue:
            active.append(flow)
        else:
            flow.deficit = 0.0


def _arrive(events: list[tuple[float, int]], flows: list[Flow], active: deque[Flow], now: float) -> None:
    """What has come until now stands in its flow's queue, or is dropped where that is full."""
    while events and events[0][0] <= now:
        at, number = heapq.heappop(events)
        flow = flows[number]
        flow.offered += 1
        if len(flow.queue) >= QUEUE_PACKETS:
            flow.dropped += 1
            continue
        if not flow.queue and all(flow is not other for other in active):
            active.append(flow)
        flow.queue.append(at)


def _told(flow: Flow, seconds: float) -> Mapping[str, Any]:
    delays = sorted(flow.delays_ms)
    return {
        "offered": flow.offered,
        "dropped": flow.dropped,
        "throughput_mbps": round(flow.in_time * flow.bits / seconds / 1e6, 4),
        "mean_delay_ms": round(sum(delays) / len(delays), 5) if delays else None,
        "p99_delay_ms": round(delays[math.ceil(0.99 * len(delays)) - 1], 5) if delays else None,
    }


def _flow(part: Request, number: int) -> Flow:
    return Flow(
        name=part.text("name", f"flow-{number + 1}"),
        rate_mbps=part.number("rate_mbps", 10.0, 0.001, 10_000.0),
        packet_bytes=part.integer("packet_bytes", 1200, 40, 9000),
        weight=part.number("weight", 1.0, 0.01, 100.0),
        bucket_bytes=1024 * part.number("bucket_kib", 16.0, 9.0, 10_240.0),
        burst=part.integer("burst", 1, 1, 100),
    )


@dataclass
class Pipe:
    """One tenant's bytes: what its bucket holds, as of when, and until when it is busy."""

    tokens: float = BUCKET_BYTES
    filled: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, size: int, bytes_a_second: float, now: float) -> tuple[float, float]:
        """When `size` bytes are through and how long they took; those that the bucket saved up take no time."""
        start = max(now, self.filled)
        tokens = min(self.tokens + (start - self.filled) * bytes_a_second, BUCKET_BYTES)
        seconds = max(size - tokens, 0.0) / bytes_a_second
        if start + seconds - now > MAX_SECONDS:
            raise OverGrant(f"the slice is busy for more than {MAX_SECONDS} s; send less or grant more bandwidth_mbps")
        self.tokens, self.filled = max(tokens - size, 0.0), start + seconds
        return start + seconds, size / bytes_a_second


class Slice:
    def __init__(self, clock: Clock = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._pipes: dict[str, Pipe] = {}
        self._lock = threading.Lock()

    def carry(self, request: Request) -> Answer:
        rate = request.granted("bandwidth_mbps", DEFAULT_RATE_MBPS)
        if rate <= 0:
            raise OverGrant("no bandwidth_mbps is granted; ask for a share first")
        with self._lock:
            pipe = self._pipes.setdefault(request.tenant, Pipe(filled=self._clock()))
        with pipe.lock:
            until, seconds = pipe.send(len(request.body), rate * 1e6 / 8 / LINK_SCALE, self._clock())
        self._sleep(max(until - self._clock(), 0.0))
        headers = {"S4M-Link-Seconds": f"{seconds:.9f}", "S4M-Flipped-Bits": "0"}
        info = {"rate_mbps": rate, "link_seconds": seconds, "bep": 0.0}
        return Answer(request.body, "application/octet-stream", -(-len(request.body) // 1024), info, headers)

    def configure(self, fields: Params) -> None:
        raise BadCall(f"a slice is wired: {', '.join(sorted(fields))} of a radio do not apply; leave `radio` out")

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._pipes.pop(tenant, None)


def build() -> Program:
    own = Slice()
    calls = {"schedule": schedule, "uplink": own.carry, "downlink": own.carry}
    return Program("network-slice", calls, own.configure, own.forget, waiting=frozenset({"uplink", "downlink"}))


if __name__ == "__main__":
    run(build())
