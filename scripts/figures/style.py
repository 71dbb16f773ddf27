"""What all figures have in common: size, fonts, line styles that survive black and white, and the files written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINES = ("-", "--", "-.", ":")
MARKERS = ("^", "s", "o", "v")
SHADES = ("0.0", "0.35", "0.0", "0.35")
ENDINGS = ("png", "svg", "pdf")


def use_style() -> None:
    """Sets matplotlib up: no screen, files that repeat byte by byte."""
    mpl.use("Agg")
    mpl.rcParams.update(
        {
            "figure.figsize": (7, 4.5),
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "svg.hashsalt": "slicing4meta",
            "pdf.fonttype": 42,
        }
    )


def save(figure: Figure, data: Any, folder: Path, name: str) -> list[Path]:
    """The figure as PNG, SVG and PDF, and the numbers that it shows as JSON beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.{ending}" for ending in ENDINGS]
    for file in files:
        dated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[file.suffix[1:]]
        figure.savefig(file, dpi=150, metadata=dated)
    numbers = folder / f"{name}.json"
    numbers.write_text(json.dumps(data) + "\n")
    return [*files, numbers]
