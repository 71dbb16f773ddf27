"""Digital twin: keeps the state of a thing in step with its sensors, and says how true it is.

observe {"object", "t": [UTC seconds], "channels": {name: {"values": [number | null], "variance"}}} as `sensors`
state   {"object", "t"}: level, trend a second and σ of every channel at that moment, foretold past the last reading
Each channel is a bank of Kalman filters of level and trend that expect changes of different vigour; how well each
foretold the readings weighs it. The granted computing says how many (one per 20 millicores, 1 to 12). A reading far
outside of what all expect is taken for a fault of the sensor, unless the next ones agree with it.
Fidelity of the synchronisation: 1 − σ² ÷ (variance of the object's own doings), mean over channels, from 0 to 1; it
falls with age. `rmse` is measured: foretold against read, one reading ahead. Each tenant has twins of its own.
Quantity: hundred readings.
"""

import math
import threading
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES = 40
MCORES_PER_FILTER = 20
MOST_FILTERS = 12
MOST_READINGS = 5000
MOST_CHANNELS = 32
MOST_OBJECTS = 64
VIGOUR_LEAST, VIGOUR_MOST = 1e-4, 10.0
"""Trend noise of the bank's filters, in reading variances per s³, spread evenly on a logarithmic scale."""
GATE = 25.0
AGREEING = 4
MEMORY = 0.97
"""How much of a filter's earlier merit counts at the next reading."""


@dataclass
class Filter:
    """Level and trend of one channel with their covariance; `merit` is the log-likelihood of what it foretold."""

    vigour: float
    level: float
    trend: float = 0.0
    p_level: float = 0.0
    p_cross: float = 0.0
    p_trend: float = 0.0
    merit: float = 0.0

    def ahead(self, dt: float) -> tuple[float, float, float, float]:
        """Level and covariance `dt` seconds on (white acceleration noise)."""
        q = self.vigour
        return (
            self.level + dt * self.trend,
            self.p_level + 2 * dt * self.p_cross + dt * dt * self.p_trend + q * dt**3 / 3,
            self.p_cross + dt * self.p_trend + q * dt * dt / 2,
            self.p_trend + q * dt,
        )

    def update(self, dt: float, value: float, variance: float) -> None:
        level, p_level, p_cross, p_trend = self.ahead(dt)
        spread, miss = p_level + variance, value - level
        gain, turn = p_level / spread, p_cross / spread
        self.level, self.trend = level + gain * miss, self.trend + turn * miss
        self.p_level, self.p_cross = (1 - gain) * p_level, (1 - gain) * p_cross
        self.p_trend = p_trend - turn * p_cross
        self.merit = MEMORY * self.merit - 0.5 * (math.log(spread) + miss * miss / spread)


@dataclass
class Channel:
    """One quantity of the object: its filters and what was seen of it."""

    bank: list[Filter]
    t: float
    variance: float
    seen: int = 1
    rejected: int = 0
    doubtful: int = 0
    squares: float = 0.0
    mean: float = 0.0
    scatter: float = 0.0

    def estimate(self, t: float) -> tuple[float, float, float]:
        """Level, trend a second and variance at a moment: the bank's, weighed by merit."""
        best = max(each.merit for each in self.bank)
        weights = [math.exp(each.merit - best) for each in self.bank]
        whole, ahead = sum(weights), [each.ahead(max(t - self.t, 0.0)) for each in self.bank]
        level = sum(w * a[0] for w, a in zip(weights, ahead, strict=True)) / whole
        trend = sum(w * each.trend for w, each in zip(weights, self.bank, strict=True)) / whole
        variance = sum(w * (a[1] + (a[0] - level) ** 2) for w, a in zip(weights, ahead, strict=True)) / whole
        return level, trend, variance

    def take(self, t: float, value: float, variance: float) -> None:
        level, _, spread = self.estimate(t)
        miss = value - level
        if miss * miss > GATE * (spread + variance) and self.doubtful < AGREEING:
            self.doubtful += 1
            self.rejected += 1
            return
        if self.doubtful >= AGREEING:
            self._start_anew(value, variance)
        else:
            for each in self.bank:
                each.update(t - self.t, value, variance)
            self.squares += miss * miss
        self.doubtful, self.t, self.variance = 0, t, variance
        self.seen += 1
        before = self.mean
        self.mean += (value - before) / self.seen
        self.scatter += (value - before) * (value - self.mean)

    def fidelity(self, t: float) -> float:
        """What part of the object's own variance the twin explains at this moment."""
        own = max(self.scatter / self.seen, self.variance)
        return max(1.0 - self.estimate(t)[2] / own, 0.0)

    def _start_anew(self, value: float, variance: float) -> None:
        """The object itself has leapt: the trend is unknown again."""
        for each in self.bank:
            each.level, each.trend, each.p_level, each.p_cross, each.p_trend = value, 0.0, variance, 0.0, variance


@dataclass
class Twin:
    channels: dict[str, Channel] = field(default_factory=dict)

    def take(self, name: str, t: float, value: float, variance: float, filters: int) -> None:
        known = self.channels.get(name)
        if known is None or len(known.bank) != filters:
            self.channels[name] = _new_channel(t, value, variance, filters, known)
        elif t > known.t:
            known.take(t, value, variance)


class DigitalTwin:
    def __init__(self) -> None:
        self._twins: dict[str, dict[str, Twin]] = {}
        self._lock = threading.Lock()

    def observe(self, request: Request) -> Answer:
        name, moments = request.text("object"), request.numbers("t", 1, MOST_READINGS, 0.0, 1e11)
        readings = _readings(request.part("channels"), moments)
        filters = filters_for(request.granted("computing_mcores", DEFAULT_MCORES))
        with self._lock:
            twin = self._twin(request.tenant, name)
            if len(twin.channels.keys() | readings.keys()) > MOST_CHANNELS:
                raise OverGrant(f"a twin has at most {MOST_CHANNELS} channels; give fewer, or another object")
            for channel, (values, variance) in readings.items():
                for t, value in values:
                    twin.take(channel, t, value, variance, filters)
            told = _told(twin, moments[-1])
        count = sum(len(values) for values, _ in readings.values())
        info = {"filters": filters, "readings": count}
        return json_answer({"object": name, **told}, max(math.ceil(count / 100), 1), info)

    def state(self, request: Request) -> Answer:
        name = request.text("object")
        with self._lock:
            twin = self._twins.get(request.tenant, {}).get(name)
            if twin is None or not twin.channels:
                raise NotThere(f"nothing was observed of {name!r} yet; observe its readings first")
            newest = max(channel.t for channel in twin.channels.values())
            told = _told(twin, request.number("t", newest, 0.0, 1e11))
        return json_answer({"object": name, **told})

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._twins.pop(tenant, None)

    def _twin(self, tenant: str, name: str) -> Twin:
        held = self._twins.setdefault(tenant, {})
        if name not in held and len(held) >= MOST_OBJECTS:
            raise OverGrant(f"{MOST_OBJECTS} objects have a twin, the most of one subscription; buy another share")
        return held.setdefault(name, Twin())


def filters_for(mcores: int) -> int:
    return min(max(mcores // MCORES_PER_FILTER, 1), MOST_FILTERS)


def _new_channel(t: float, value: float, variance: float, filters: int, known: Channel | None) -> Channel:
    """A bank of this size; what a bank of another size knew is carried over."""
    level, trend, spread = known.estimate(t) if known else (value, 0.0, variance)
    ratio = (VIGOUR_MOST / VIGOUR_LEAST) ** (1 / max(filters - 1, 1))
    least = VIGOUR_LEAST if filters > 1 else math.sqrt(VIGOUR_LEAST * VIGOUR_MOST)
    bank = [
        Filter(variance * least * ratio**number, level, trend, max(spread, 1e-12), 0.0, variance)
        for number in range(filters)
    ]
    if known is None:
        return Channel(bank, t, variance, mean=value)
    known.bank, known.t = bank, max(t, known.t)
    return known


def _told(twin: Twin, t: float) -> dict[str, Any]:
    """The twin at a moment, and how true it is."""
    channels = {}
    for name, channel in twin.channels.items():
        level, trend, variance = channel.estimate(t)
        channels[name] = {
            "level": round(level, 6),
            "trend_per_s": round(trend, 8),
            "sigma": round(math.sqrt(variance), 6),
            "rmse": round(math.sqrt(channel.squares / max(channel.seen - 1, 1)), 6),
            "age_s": round(max(t - channel.t, 0.0), 3),
            "fidelity": round(channel.fidelity(t), 4),
            "rejected": channel.rejected,
        }
    return {
        "t": t,
        "age_s": max((channel["age_s"] for channel in channels.values()), default=0.0),
        "fidelity": round(sum(channel["fidelity"] for channel in channels.values()) / max(len(channels), 1), 4),
        "channels": channels,
    }


def _readings(channels: Request, moments: list[float]) -> dict[str, tuple[list[tuple[float, float]], float]]:
    """Channel → its readings in order of time without gaps, and their variance."""
    if not 0 < len(channels.params) <= MOST_CHANNELS:
        raise BadCall(f"channels must be an object of 1 to {MOST_CHANNELS} channels")
    found = {}
    for name in channels.params:
        given = channels.part(name)
        values = given.listed("values", len(moments), len(moments))
        told = [(t, value) for t, value in zip(moments, values, strict=True) if value is not None]
        checked = Request({name: [value for _, value in told]}).numbers(name, 0, MOST_READINGS)
        pairs = sorted(zip((t for t, _ in told), checked, strict=True))
        found[name] = (pairs, given.number("variance", 1.0, 1e-12, 1e12))
    return found


def build() -> Program:
    twin = DigitalTwin()
    return Program("digital-twin", {"observe": twin.observe, "state": twin.state}, forget=twin.forget)


if __name__ == "__main__":
    run(build())
