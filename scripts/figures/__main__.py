"""`make figures`: draws every figure into out/figures/, as PNG, SVG and PDF with its numbers as JSON beside it."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from scripts.figures.style import use_style

FIGURES = ("figure5", "allocation", "fairness", "disturbance")
"""Modules of this package, each with `draw(folder, seed)`, which returns the files that it wrote."""


def main() -> int:
    """Draws, and says where."""
    parser = argparse.ArgumentParser(prog="make figures", description=__doc__)
    parser.add_argument("--only", choices=FIGURES, help="one figure alone")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/figures"))
    options = parser.parse_args()
    use_style()
    for name in [options.only] if options.only else FIGURES:
        for file in import_module(f"scripts.figures.{name}").draw(options.out, options.seed):
            print(f"wrote {file}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
