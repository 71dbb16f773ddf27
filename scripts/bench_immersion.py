"""Immersion and the controllers, measured, by the modules of scripts/immersion. Used by bench.py.

`--input` is a folder of data/'s form (attention, demand, radio, vr), else S4M_DATA; each module says what it does
without. Every module writes its raw solutions beside the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

PARTS = ("allocation", "forecast", "closed_loop", "controller", "ahead", "reaction", "intent")
"""Modules of scripts/immersion, each with `measure(figure, out, seed, data)`, which returns its figures."""


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, data: Path | None) -> list[dict[str, Any]]:
    """All figures of the area, part by part."""
    parts = [import_module(f"scripts.immersion.{part}") for part in PARTS]
    return [found for part in parts for found in part.measure(figure, out, seed, data)]
