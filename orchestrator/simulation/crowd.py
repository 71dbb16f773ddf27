"""A crowd: users of one service with their views, floors, links and streams, second by second, drawn from a seed.

The case of section IV-B: objects in view uniform on 1..56, at most 20 K each; attention uniform on 1..5. A stream's
recording is of a picture that shows all 56 objects at 20 K, so a frame's bits are in proportion to the K in it. Floors:
the plan promises what the objects looked at most (`promised_part` of the view) are worth in full resolution at the rate
that the link kept in three quarters of the minute before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.controllers.values import Floats
from orchestrator.qoe import CAP_K, THRESHOLD_K, normalised_rate
from orchestrator.simulation.traces import LinkTrace, StreamTrace, Traces

OBJECTS = 56
FULL_PICTURE_K = CAP_K * OBJECTS
RUN_UP_S = 60
KEPT_QUANTILE = 0.25
Places = NDArray[np.intp]
"""Seconds of a recording."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """K users over T seconds."""

    users: tuple[str, ...]
    attention: Floats
    """(K, N), each row falling"""
    floor: Floats
    """(K,) Meta-Immersion"""
    rate_bps: Floats
    """(T, K)"""
    bit_error: Floats
    """(T, K)"""
    bits_per_k: Floats
    """(T, K)"""
    present: NDArray[np.bool_]
    """(T, K)"""


def draw_crowd(
    traces: Traces, users: int, seconds: int, seed: int, *, promised_part: float = 1 / 3, present: bool = False
) -> Crowd:
    """Every user gets a random stretch of a random link and stream; unless all are `present`, they come and go.

    Six in ten come within the first half of the time, and each stays a minute and then on for half the time on
    average, exponentially.
    """
    rng = np.random.default_rng([seed, 0])
    attention = views(rng, users)
    rate, error, bits = np.empty((3, seconds, users))
    floor = np.empty(users)
    for user in range(users):
        link = traces.links[rng.integers(len(traces.links))]
        stream = traces.streams[rng.integers(len(traces.streams))]
        before, stretch = _stretch(rng, link, seconds)
        rate[:, user], error[:, user] = link.rate_bps[stretch], link.bit_error[stretch]
        bits[:, user] = _looped(rng, stream, seconds) / FULL_PICTURE_K
        floor[user] = promise(link, before, attention[user], promised_part)
    here = np.ones((seconds, users), np.bool_) if present else _visits(rng, users, seconds)
    names = tuple(f"user-{number}" for number in range(users))
    return Crowd(names, attention, floor, rate, error, bits, here)


def views(rng: np.random.Generator, users: int) -> Floats:
    """(users, N) attention, each row falling."""
    counts = rng.integers(1, OBJECTS + 1, users)
    attention = np.where(np.arange(OBJECTS) < counts[:, None], rng.integers(1, 6, (users, OBJECTS)), 0.0)
    ranked: Floats = -np.sort(-attention, axis=1)
    return ranked


def _stretch(rng: np.random.Generator, link: LinkTrace, seconds: int) -> tuple[Places, Places]:
    """Places in the recording of the minute before and of the run itself; a short recording goes round."""
    start = int(rng.integers(len(link.rate_bps)))
    places = (start + np.arange(RUN_UP_S + seconds)) % len(link.rate_bps)
    return places[:RUN_UP_S], places[RUN_UP_S:]


def _looped(rng: np.random.Generator, stream: StreamTrace, seconds: int) -> Floats:
    start = int(rng.integers(len(stream.bits)))
    looped: Floats = stream.bits[(start + np.arange(seconds)) % len(stream.bits)]
    return looped


def promise(link: LinkTrace, before: Places, attention: Floats, part: float) -> float:
    """The floor: that part of the view in full resolution, at the rate that the link kept in three quarters of then."""
    kept = float(np.quantile(link.rate_bps[before], KEPT_QUANTILE))
    quality = float(normalised_rate(kept)) * (1.0 - float(link.bit_error[before].mean()))
    promised = max(1, int(part * np.count_nonzero(attention)))
    return quality * float(attention[:promised].sum()) * float(np.log(CAP_K / THRESHOLD_K))


def _visits(rng: np.random.Generator, users: int, seconds: int) -> NDArray[np.bool_]:
    come = np.where(rng.random(users) < 0.6, rng.integers(0, max(seconds // 2, 1), users), 0)
    leave = come + RUN_UP_S + rng.exponential(seconds / 2, users)
    now = np.arange(seconds)[:, None]
    visits: NDArray[np.bool_] = (come <= now) & (now < leave)
    return visits
