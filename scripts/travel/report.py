"""What a run of the virtual travel leaves behind: the table on the screen, report.json and the figure.

Called by scripts/virtual_travel.py at the end; reads nothing but what it is given.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

CREDIT = 1_000_000
"""Smallest units in one MaaS credit (6 decimals)."""


def credits_text(amount: int) -> str:
    """Money in credits, six decimals: exact."""
    return f"{amount // CREDIT}.{amount % CREDIT:06d}"


def quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile, or None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def immersion_summary(samples: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Mean, least and greatest Meta-Immersion of the frames that were really delivered."""
    values = [float(sample["immersion"]) for sample in samples if sample.get("immersion") is not None]
    if not values:
        return {"mean": None, "min": None, "max": None}
    return {"mean": round(statistics.fmean(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def print_table(travellers: Sequence[dict[str, Any]]) -> None:
    """One row a traveller, money in credits."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What each traveller saw and paid (MAAS credits)")
    for name in ("traveller", "services", "frames", "units", "immersion", "rate Mb/s", "paid", "refunded", "souvenirs"):
        table.add_column(name, justify="left" if name in ("traveller", "services") else "right")
    for row in travellers:
        immersion = immersion_summary(row["samples"])["mean"]
        rates = [sample["rate_mbps"] for sample in row["samples"] if sample.get("rate_mbps")]
        table.add_row(
            row["name"],
            " + ".join(row["services"]) + (" (released)" if row["released"] else ""),
            str(row["frames"]),
            str(row["units"]),
            "-" if immersion is None else f"{immersion:.2f}",
            f"{statistics.fmean(rates):.0f}" if rates else "-",
            credits_text(row["paid"]),
            credits_text(row["refunded"]),
            str(len(row["assets"])),
        )
    Console(width=118).print(table)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Writes the report whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    draft.replace(path)


def draw(folder: Path, travellers: Sequence[dict[str, Any]], kind: str) -> list[str]:
    """Meta-Immersion, link rate and money billed over time, one line a traveller; PNG and SVG."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(3, 1, figsize=(8, 9), sharex=True, layout="constrained")
    fields = (("immersion", "Meta-Immersion"), ("rate_mbps", "measured rate, Mb/s"), ("spend", "billed, credits"))
    for (name, samples), look in zip(_by_trip(travellers), _looks(), strict=False):
        for panel, (field, _) in zip(panels, fields, strict=True):
            points = [(s["t"], s[field]) for s in samples if s.get(field) is not None]
            if points:
                panel.plot(*zip(*points, strict=True), ms=3, lw=1, label=name, **look)
    for panel, (_, label) in zip(panels, fields, strict=True):
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("seconds since the first frame")
    panels[0].set_title(f"Travellers on the virtual beach ({kind} input)")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=7, ncols=4, loc="outside lower center")
    folder.mkdir(parents=True, exist_ok=True)
    names = [str(folder / f"virtual_travel.{ending}") for ending in ("png", "svg")]
    for name in names:
        figure.savefig(name, dpi=150)
    plt.close(figure)
    return names


def _by_trip(travellers: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(label, samples) of each subscription: a traveller with two services has two lines."""
    return [
        (f"{row['name']} {service}", [sample for sample in row["samples"] if sample["service"] == service])
        for row in travellers
        for service in row["services"]
    ]


def _looks() -> Iterator[dict[str, Any]]:
    """Line, marker and shade, told apart without colour; never exhausted."""
    styles = cycle([("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"), ("-", "v"), ("--", "x")])
    for (line, marker), shade in zip(styles, cycle(["0.0", "0.2", "0.35", "0.5", "0.65"]), strict=False):
        yield {"ls": line, "marker": marker, "color": shade}
