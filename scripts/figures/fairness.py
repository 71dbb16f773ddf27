"""The price of fairness: what a floor under every user costs the sum, and what it gives the users who are worst off.

Mixed rates as in the figure of allocations, 20 users. Floors are raised from nothing to all that an equal budget of
each user's own, well spent, would give it; the total is told against the highest sum, the tenth worst off against what
they have where everybody is at a full floor.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from orchestrator.qoe import allocate_users
from scripts.figures.style import LINES, MARKERS, save
from scripts.immersion.cases import PROMISED, TOTAL_K, Case, mixed_users

USERS, SESSIONS = 20, 60
PARTS = (0.01, *(part / 10 for part in range(1, 11)))


def draw(folder: Path, seed: int) -> list[Path]:
    """Writes fairness.{png,svg,pdf,json}; the JSON has (part of the floor, price of fairness, users above it) in %."""
    import matplotlib.pyplot as plt

    cases = [mixed_users(USERS, np.random.default_rng([seed, number])) for number in range(SESSIONS)]
    points = [(100 * part, *price_and_kept(cases, part)) for part in PARTS]
    part, price, free = (np.array(column) for column in zip(*points, strict=True))
    figure, axes = plt.subplots()
    axes.plot(part, price, LINES[0], marker=MARKERS[0], color="0.0", label="price of fairness: lost of the highest sum")
    axes.plot(part, free, LINES[1], marker=MARKERS[1], color="0.35", label="users whom the highest sum leaves under it")
    axes.set(xlabel="floor, in % of an equal budget well spent", ylabel="%", xlim=(0, 100), ylim=(0, 100))
    axes.set_title(f"{USERS} users with mixed rates, 4,000 K; with floors nobody is under one", fontsize=11)
    axes.legend()
    return save(figure, points, folder, "fairness")


def price_and_kept(cases: list[Case], part: float) -> tuple[float, float]:
    """In %: what of the highest sum floors cost, and how many users are under them where it is sought alone."""
    free_total = held_total = 0.0
    under = []
    for case in cases:
        floors = part / PROMISED * case.floors()
        free = case.immersion(allocate_users(case.quality, case.attention, TOTAL_K))
        held = case.immersion(allocate_users(case.quality, case.attention, TOTAL_K, floors))
        free_total, held_total = free_total + free.sum(), held_total + held.sum()
        under.append(np.mean(free < floors - 1e-9))
    return 100 * (1 - held_total / free_total), 100 * float(np.mean(under))
