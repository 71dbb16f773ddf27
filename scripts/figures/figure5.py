"""Fig. 5 of the paper with our stated constants: Meta-Immersion against the number of users at four data rates.

Case (IV-B): 4,000 K rendering capacity split evenly over users, objects per user uniform on 1..56, at most 20 K an
object, an object under 15 K is worth nothing. Attention is 1 for every object and the uplink is error-free. Lines are
the expectation, exact; bands the 95 % confidence of the mean of simulated sessions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.figures.style import LINES, MARKERS, SHADES, save
from scripts.immersion.cases import RATES_MBPS, expected_immersion, sampled_immersion

MOST_USERS = 100
SESSIONS = 400

Point = tuple[int, float, float, float]


def draw(folder: Path, seed: int) -> list[Path]:
    """Writes figure5.{png,svg,pdf,json}; the JSON has for each rate (users, expectation, band's low and high end)."""
    import matplotlib.pyplot as plt

    curves = {rate: curve(rate, seed) for rate in RATES_MBPS}
    figure, axes = plt.subplots()
    for number, rate in enumerate(reversed(RATES_MBPS)):
        users, mean, low, high = (np.array(column) for column in zip(*curves[rate], strict=True))
        axes.fill_between(users, low, high, color="0.8", linewidth=0)
        axes.plot(
            users, mean, LINES[number], marker=MARKERS[number], ms=4, markevery=_marked(len(users)),
            color=SHADES[number], linewidth=1.2, label=f"{rate:,} Mb/s",
        )  # fmt: skip
    axes.set(xlabel="users", ylabel="Meta-Immersion of a user (mean)", xlim=(1, MOST_USERS), ylim=(0, None))
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], labels=["1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_title("4,000 K split evenly over the users (grey: 95 % confidence of 400 sessions)", fontsize=11)
    axes.legend(title="data rate")
    return save(figure, curves, folder, "figure5")


def curve(rate_mbps: float, seed: int, most_users: int = MOST_USERS) -> list[Point]:
    """(users, expectation, low, high) for 1 to most users; the same sessions for every rate, so curves compare."""
    return [_point(users, rate_mbps, np.random.default_rng([seed, users])) for users in range(1, most_users + 1)]


def _point(users: int, rate_mbps: float, rng: np.random.Generator) -> Point:
    sessions = sampled_immersion(users, rate_mbps, SESSIONS, rng)
    half = 1.96 * sessions.std(ddof=1) / np.sqrt(SESSIONS)
    mean = float(sessions.mean())
    return users, expected_immersion(users, rate_mbps), mean - half, mean + half


def _marked(points: int) -> list[int]:
    """Which points get a marker: about evenly spaced on the logarithmic axis."""
    return [at - 1 for at in (1, 2, 3, 4, 6, 10, 15, 25, 40, 65, 100) if at <= points]
