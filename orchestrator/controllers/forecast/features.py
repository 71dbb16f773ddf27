"""What the trained experts look at: lags, rolling figures, the same time a period ago, harmonics of the period.

One function makes the training matrix and the one row of a step, so that both see the same. Each row looks back only.
"""

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.controllers.forecast.costs import Floats

LAGS = range(8)
MEANS = (3, 6, 12, 36, 72)
PEAKS = (6, 12, 36, 144)
SPREADS = (12, 72)
SLOPES = (3, 12)
NEAR = (-2, -1, 0, 1, 2)
"""steps around the same time a period ago"""
AROUND: dict[str, tuple[Callable[..., Any], int]] = {"mean": (np.mean, 6), "peak": (np.max, 12)}
"""figures over so many steps around the same time a period ago"""
HARMONICS = (1, 2)


def names(period: int) -> list[str]:
    """The columns' names; `period` is in steps, 0 where there is none."""
    plain = [f"lag {lag}" for lag in LAGS] + [f"mean of {width}" for width in MEANS]
    plain += [f"peak of {width}" for width in PEAKS]
    plain += [f"{kind} of {width}" for width in SPREADS for kind in ("deviation", "median")]
    plain += [f"slope over {width}" for width in SLOPES]
    if not period:
        return plain
    seasonal = [f"a period ago {near:+d}" for near in NEAR] + [f"{kind} a period ago" for kind in AROUND]
    return plain + seasonal + [f"{wave} {order}" for order in HARMONICS for wave in ("sine", "cosine")]


def a_period_ago(period: int, horizon: int) -> int:
    """How many steps before now the forecast moment's counterpart lies, in the latest period that is past."""
    return ceil(horizon / period) * period - horizon


def reach(period: int, horizon: int) -> int:
    """How many of the newest values a row looks at, at most."""
    longest = max(PEAKS)
    return longest + a_period_ago(period, horizon) if period else longest


def rows(values: Floats, horizon: int, period: int, last: int, slot: int) -> Floats:
    """The newest `last` rows, one a moment, columns as in `names`; `slot` is the number of the newest moment.

    `values` has no gaps; what lies before its beginning is taken to be as its first value.
    """
    padding = np.full(reach(period, horizon) + last, values[0])
    known = np.concatenate([padding, values])

    def back(what: Callable[..., Any], width: int, behind: int = 0) -> Floats:
        """A figure of the `width` values that end `behind` steps ago."""
        end = len(known) - behind
        windows = np.lib.stride_tricks.sliding_window_view(known[end - last - width + 1 : end], width)
        figures: Floats = what(windows, axis=1)
        return figures

    columns = [back(np.mean, 1, lag) for lag in LAGS] + [back(np.mean, width) for width in MEANS]
    columns += [back(np.max, width) for width in PEAKS]
    for width in SPREADS:
        columns += [back(np.std, width), back(np.median, width)]
    columns += [columns[0] - back(np.mean, 1, width) for width in SLOPES]
    if period:
        ago = a_period_ago(period, horizon)
        columns += [back(np.mean, 1, max(ago - near, 0)) for near in NEAR]
        columns += [back(what, width, max(ago - width // 2, 0)) for what, width in AROUND.values()]
        columns += _harmonics(np.arange(slot - last + 1, slot + 1) + horizon, period)
    return np.column_stack(columns)


def _harmonics(slots: NDArray[np.int64], period: int) -> list[Floats]:
    angles = [2 * np.pi * order * slots / period for order in HARMONICS]
    return [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
