"""Fig. 5 of the paper with our stated constants: Meta-Immersion against the number of users at four data rates.

Case (IV-B): 4,000 K rendering capacity split evenly over users, objects per user uniform on 1..56, at most 20 K an
object, an object under 15 K is worth nothing. Attention is 1 for every object and the uplink is error-free, as our
reference values are. `make figures` writes out/figures/figure5.{png,svg,json}.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from orchestrator.qoe import CAP_K, meta_immersion

RATES_MBPS = (100, 250, 500, 1000)
TOTAL_K = 4000.0
OBJECTS = 56


def mean_immersion(users: int, rate_mbps: float, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean over users, and half the width of its 95 % confidence band, over so many random draws of all users."""
    counts = rng.integers(1, OBJECTS + 1, size=(draws, users))
    each = np.minimum(CAP_K, TOTAL_K / users / counts)
    seen = np.arange(OBJECTS) < counts[..., None]
    values = meta_immersion(rate_mbps * 1e6, 0.0, np.where(seen, 1.0, 0.0), each[..., None]).mean(axis=1)
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(draws))


def curves(most_users: int, draws: int, seed: int) -> dict[int, list[tuple[int, float, float]]]:
    """For each rate: (users, mean, half band). The same draws for every rate, so the curves are comparable."""
    result: dict[int, list[tuple[int, float, float]]] = {rate: [] for rate in RATES_MBPS}
    for users in range(1, most_users + 1):
        for rate in RATES_MBPS:
            mean, band = mean_immersion(users, rate, draws, np.random.default_rng([seed, users]))
            result[rate].append((users, mean, band))
    return result


def draw(data: dict[int, list[tuple[int, float, float]]], folder: Path) -> list[Path]:
    """The figure as PNG and SVG, readable in black and white."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for (rate, points), style, marker in zip(data.items(), (":", "-.", "--", "-"), "ovs^", strict=True):
        users, means, bands = (np.array(column) for column in zip(*points, strict=True))
        axes.plot(users, means, style, marker=marker, ms=3, markevery=5, color="black", label=f"{rate} Mb/s")
        axes.fill_between(users, means - bands, means + bands, color="0.8")
    axes.set_xlabel("users")
    axes.set_ylabel("mean Meta-Immersion of a user")
    axes.set_title("Meta-Immersion, 4,000 K split evenly (bands: 95 %)")
    axes.grid(alpha=0.3)
    axes.legend()
    names = [folder / f"figure5.{ending}" for ending in ("png", "svg")]
    for name in names:
        figure.savefig(name, dpi=150)
    return names


def main() -> int:
    """Draws, says where, and fails if the paper's two findings do not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/figures"))
    options = parser.parse_args()
    if options.users < 1 or options.draws < 2:
        parser.error("--users must be at least 1 and --draws at least 2")
    data = curves(options.users, options.draws, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "figure5.json").write_text(json.dumps(data) + "\n")
    for name in draw(data, options.out):
        print(f"wrote {name}")
    for users in (1, 4, 6, 10, 20):
        if users <= options.users:
            print(f"{users:3d} users at 1 Gb/s: {data[1000][users - 1][1]:.2f}")
    means = np.array([[mean for _, mean, _ in data[rate]] for rate in RATES_MBPS])
    some = means[0] > 0
    if not (np.diff(means[:, some], axis=0) > 0).all():
        print("the curves are not ordered by rate", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
