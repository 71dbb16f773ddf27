"""Total Meta-Immersion of users with mixed rates, 4,000 K split evenly, for the highest sum, above floors and fairly.

Each user has 100, 250, 500 or 1,000 Mb/s, sees 1 to 56 objects and attends to each with 1 to 5. The floor of each is
half of what an equal budget of its own, well spent, would give it. Right: how many users get no immersion at all, which
is what the highest sum costs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from orchestrator.qoe import allocate_proportionally, allocate_users
from orchestrator.qoe.immersion import Floats
from scripts.figures.style import LINES, MARKERS, SHADES, save
from scripts.immersion.cases import TOTAL_K, Case, mixed_users

USERS = (1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100)
SESSIONS = 60
SPLITS = ("highest sum", "highest sum above floors", "proportionally fair", "even")


def draw(folder: Path, seed: int) -> list[Path]:
    """Writes allocation.{png,svg,pdf,json}; the JSON has for each split and number of users the means and bands."""
    import matplotlib.pyplot as plt

    points = [point(users, np.random.default_rng([seed, users])) for users in USERS]
    figure, (totals, starved) = plt.subplots(1, 2, figsize=(10, 4.5))
    for number, split in enumerate(SPLITS):
        style = {"marker": MARKERS[number], "ms": 5, "color": SHADES[number], "linestyle": LINES[number]}
        mean, band = (np.array([each[split][key] for each in points]) for key in ("total", "total_band"))
        totals.fill_between(USERS, mean - band, mean + band, color="0.85", linewidth=0)
        totals.plot(USERS, mean, label=split, **style)
        starved.plot(USERS, [100 * each[split]["without"] for each in points], label=split, **style)
    totals.set(xlabel="users", ylabel="total Meta-Immersion", title="Sum over the users", ylim=(0, None))
    starved.set(xlabel="users", ylabel="users without immersion (%)", title="Who gets nothing", ylim=(-3, 103))
    figure.suptitle(f"4,000 K over users with mixed rates (grey: 95 % confidence of {SESSIONS} sessions)", fontsize=11)
    figure.legend(*totals.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return save(figure, {str(users): each for users, each in zip(USERS, points, strict=True)}, folder, "allocation")


def point(users: int, rng: np.random.Generator, sessions: int = SESSIONS) -> dict[str, dict[str, float]]:
    """Of each split: mean total, half its 95 % band, and the share of users without immersion."""
    each = [immersions(mixed_users(users, rng)) for _ in range(sessions)]
    return {split: _summary(np.array([one[split] for one in each])) for split in SPLITS}


def immersions(case: Case) -> dict[str, Floats]:
    """(K,) Meta-Immersion of the users under each split."""
    given = case.quality, case.attention, TOTAL_K
    shares = (
        allocate_users(*given),
        allocate_users(*given, case.floors()),
        allocate_proportionally(*given),
        case.even(),
    )
    return {split: case.immersion(share) for split, share in zip(SPLITS, shares, strict=True)}


def _summary(immersion: Floats) -> dict[str, float]:
    """(sessions, K) → its totals' mean and half band, and who has none."""
    totals = immersion.sum(axis=1)
    band = 1.96 * totals.std(ddof=1) / np.sqrt(len(totals))
    return {"total": float(totals.mean()), "total_band": float(band), "without": float((immersion < 1e-9).mean())}
