"""Who comes to a simulated city, when, and what each one sees and streams: drawn once, the same for every run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.controllers.values import Floats
from orchestrator.simulation.crowd import FULL_PICTURE_K, OBJECTS, promise, views
from orchestrator.simulation.scenario import Scenario
from orchestrator.simulation.traces import LinkTrace, StreamTrace, Traces

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Visit:
    """One user's stay."""

    arrives_s: int
    leaves_s: int
    floor: float
    link: LinkTrace
    link_at: int
    stream: StreamTrace
    stream_at: int

    def measured(self, second: int) -> tuple[float, float, float]:
        """Rate in bits per second, bit error and bits per K in this second of the day; recordings go round."""
        at = (self.link_at + second - self.arrives_s) % len(self.link.rate_bps)
        bits = self.stream.bits[(self.stream_at + second) % len(self.stream.bits)]
        return float(self.link.rate_bps[at]), float(self.link.bit_error[at]), float(bits) / FULL_PICTURE_K


@dataclass(frozen=True, slots=True)
class Visits:
    """All stays in the order of coming, with what each one looks at."""

    stays: tuple[Visit, ...]
    attention: Floats
    """(V, N), each row falling"""


def draw_visits(scenario: Scenario, traces: Traces, seed: int) -> Visits:
    """A Poisson process whose rate follows the profile; stays are exponential."""
    rng = np.random.default_rng([seed, 2])
    shape = profile(scenario)
    peak = scenario.users_at_peak / scenario.stay_s
    times = np.repeat(np.arange(scenario.seconds), rng.poisson(peak * shape))
    attention = views(rng, len(times))
    stays = tuple(_stay(rng, scenario, traces, int(at), attention[row]) for row, at in enumerate(times))
    return Visits(stays, attention if len(times) else np.zeros((0, OBJECTS)))


def profile(scenario: Scenario) -> Floats:
    """(seconds,) how busy it is, 1 at the peak: a day with noon and evening, a rush in the middle third, or level."""
    at = np.arange(scenario.seconds)
    if scenario.profile == "day":
        hour = at % DAY_S / 3_600.0
        shape: Floats = 0.1 + 0.5 * np.exp(-(((hour - 12.5) / 2.5) ** 2)) + 0.9 * np.exp(-(((hour - 20.0) / 2.0) ** 2))
        return shape
    if scenario.profile == "event":
        return np.where((at >= scenario.seconds // 3) & (at < 2 * scenario.seconds // 3), 1.0, 0.3)
    return np.ones(scenario.seconds)


def _stay(rng: np.random.Generator, scenario: Scenario, traces: Traces, at: int, attention: Floats) -> Visit:
    link = traces.links[rng.integers(len(traces.links))]
    stream = traces.streams[rng.integers(len(traces.streams))]
    before = np.arange(len(link.rate_bps))
    return Visit(
        arrives_s=at,
        leaves_s=at + max(1, int(rng.exponential(scenario.stay_s))),
        floor=promise(link, before, attention, scenario.promised_part),
        link=link,
        link_at=int(rng.integers(len(link.rate_bps))),
        stream=stream,
        stream_at=int(rng.integers(len(stream.bits))),
    )
