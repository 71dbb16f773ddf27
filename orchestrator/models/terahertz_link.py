"""Terahertz link: gives each tenant's bytes the time, and its uplink the bit errors, that the radio would.

Rate = min(granted bandwidth, granted spectrum × log2(1 + γ) (Shannon), configured rate or the trace's entry of this
second), γ the signal-to-noise ratio. A devnet scales link bits by LINK_SCALE, as it scales pixels: seconds = bytes × 8
× LINK_SCALE ÷ rate. A tenant's transfers queue behind each other.
Bit error probability: BPSK over Rayleigh fading, E = ½(1 − √(γ/(1+γ))) (paper section IV, [15]).
Configure: {"tenant": id, "rate_mbps"?: n, "snr_db"?: x, "trace"?: [[mbps, snr_db], … one a second], "seed"?: n}.
"""

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.serving import Answer, Params, Program, Request, run

LINK_SCALE = 100
DEFAULT_RATE_MBPS = 1000
DEFAULT_SNR_DB = 30.0
LEAST_RATE_MBPS = 1.0
MAX_TRACE_SECONDS = 86_400
MAX_SECONDS = 60
Clock = Callable[[], float]


def bit_error_probability(snr_db: float) -> float:
    """E of BPSK over Rayleigh fading at a mean signal-to-noise ratio in dB."""
    ratio = 10 ** (snr_db / 10)
    return 0.5 * (1 - math.sqrt(ratio / (1 + ratio)))


def spectral_efficiency(snr_db: float) -> float:
    """Bits a second that one hertz carries at most (Shannon), at a signal-to-noise ratio in dB."""
    return math.log2(1 + 10 ** (snr_db / 10))


@dataclass(frozen=True)
class Granted:
    """What a tenant may use of the air: Mb/s, and MHz (boundless where nobody granted any)."""

    mbps: float
    mhz: float = math.inf

    def rate_mbps(self, radio_mbps: float, snr_db: float) -> float:
        """The least of what the radio gives, what was granted, and what the spectrum carries."""
        return min(radio_mbps, self.mbps, self.mhz * spectral_efficiency(snr_db))


@dataclass(frozen=True)
class Radio:
    """What the air allows: a fixed rate (Mb/s) and SNR (dB), or a trace that repeats, one entry a second."""

    rate_mbps: float = DEFAULT_RATE_MBPS
    snr_db: float = DEFAULT_SNR_DB
    trace: tuple[tuple[float, float], ...] = ()
    seed: int = 0
    since: float = 0.0

    def at(self, elapsed: float) -> tuple[float, float]:
        """Rate and SNR that many seconds after the radio was configured."""
        return self.trace[int(elapsed) % len(self.trace)] if self.trace else (self.rate_mbps, self.snr_db)

    def elapsed(self, moment: float) -> float:
        return max(moment - self.since, 0.0)


def transmission_seconds(size: int, radio: Radio, granted: Granted, start: float) -> float:
    """How long `size` bytes take from `start` on, following the trace from second to second."""
    left_bits, elapsed = float(size * 8 * LINK_SCALE), radio.elapsed(start)
    begun = elapsed
    while True:
        rate = max(granted.rate_mbps(*radio.at(elapsed)), LEAST_RATE_MBPS) * 1e6
        boundary = math.floor(elapsed) + 1.0 if radio.trace else math.inf
        if left_bits <= rate * (boundary - elapsed):
            return elapsed + left_bits / rate - begun
        left_bits -= rate * (boundary - elapsed)
        elapsed = boundary


def flip_bits(body: bytes, probability: float, random_source: random.Random) -> tuple[bytes, int]:
    """Each bit flips on its own with `probability`: gaps between flips are geometric, so the cost follows the flips."""
    if probability <= 0 or not body:
        return body, 0
    flipped, position, bits, count = bytearray(body), -1, len(body) * 8, 0
    log_keep = math.log1p(-probability)
    while True:
        position += 1 + int(math.log(1 - random_source.random()) / log_keep)
        if position >= bits:
            return bytes(flipped), count
        flipped[position >> 3] ^= 1 << (position & 7)
        count += 1


@dataclass
class Channel:
    """One tenant's side of the link: until when it is busy, and its own source of chance."""

    radio: Radio
    free_at: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Link:
    def __init__(self, clock: Clock = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._channels: dict[str, Channel] = {}
        self._lock = threading.Lock()

    def configure(self, fields: Params) -> None:
        tenant = fields.get("tenant")
        if not isinstance(tenant, str):
            raise BadCall(f"tenant is {tenant!r}; name the subscription whose link this is")
        radio = _radio(fields, self._clock())
        with self._lock:
            self._channels[tenant] = _channel(tenant, radio)

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._channels.pop(tenant, None)

    def downlink(self, request: Request) -> Answer:
        return self._carry(request, errors=False)

    def uplink(self, request: Request) -> Answer:
        return self._carry(request, errors=True)

    def _carry(self, request: Request, errors: bool) -> Answer:
        channel = self._channel(request.tenant)
        granted = _granted(request)
        with channel.lock:
            start = max(self._clock(), channel.free_at)
            seconds = transmission_seconds(len(request.body), channel.radio, granted, start)
            if start + seconds - self._clock() > MAX_SECONDS:
                raise OverGrant(
                    f"the link is busy for more than {MAX_SECONDS} s; send less, or grant more bandwidth_mbps or "
                    "spectrum_mhz"
                )
            channel.free_at = start + seconds
            rate, snr_db = channel.radio.at(channel.radio.elapsed(start))
            bep = bit_error_probability(snr_db)
            body, flipped = flip_bits(request.body, bep, channel.chance) if errors else (request.body, 0)
        self._sleep(max(start + seconds - self._clock(), 0.0))
        info = {"rate_mbps": granted.rate_mbps(rate, snr_db), "snr_db": snr_db, "bep": bep, "link_seconds": seconds}
        headers = {"S4M-Link-Seconds": f"{seconds:.9f}", "S4M-Flipped-Bits": str(flipped)}
        return Answer(body, "application/octet-stream", -(-len(body) // 1024), info, headers)

    def _channel(self, tenant: str) -> Channel:
        with self._lock:
            return self._channels.setdefault(tenant, _channel(tenant, Radio()))


def _channel(tenant: str, radio: Radio) -> Channel:
    return Channel(radio, chance=random.Random(f"{tenant}:{radio.seed}"))  # noqa: S311  (physics, not secrets)


def _granted(request: Request) -> Granted:
    return Granted(request.granted("bandwidth_mbps", DEFAULT_RATE_MBPS), request.grant.get("spectrum_mhz", math.inf))


def _radio(fields: Params, now: float) -> Radio:
    trace = fields.get("trace") or []
    if not isinstance(trace, list) or len(trace) > MAX_TRACE_SECONDS:
        raise BadCall("trace must be a list of [mbps, snr_db], at most a day long")
    try:
        steps = tuple((_finite(mbps), _finite(snr)) for mbps, snr in trace)
        rate, snr_db = (
            _finite(fields.get("rate_mbps", DEFAULT_RATE_MBPS)),
            _finite(fields.get("snr_db", DEFAULT_SNR_DB)),
        )
        return Radio(rate, snr_db, steps, int(fields.get("seed", 0)), now)
    except (TypeError, ValueError) as cause:
        raise BadCall(f"the link's settings are not numbers ({cause}); give Mb/s and dB") from cause


def _finite(value: Any) -> float:
    number = float(value)
    if not -200 <= number <= 1e7:
        raise ValueError(f"{number} is out of range")
    return number


def build() -> Program:
    link = Link()
    calls = {"uplink": link.uplink, "downlink": link.downlink}
    return Program("terahertz-link", calls, link.configure, link.forget, waiting=frozenset(calls))


if __name__ == "__main__":
    run(build())
