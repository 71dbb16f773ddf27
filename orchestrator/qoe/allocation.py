"""How one user's rendering budget is split over the objects the user sees: evenly, or by attention.

The gateway decides every frame's resolutions with `allocate_attention`. Splitting over several users belongs to the
controllers. Budgets and resolutions are in K; a pure function of its arguments.
"""

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.qoe.immersion import CAP_K, THRESHOLD_K, Floats


def allocate_even(budget_k: float, objects: int, cap_k: float = CAP_K) -> Floats:
    """(objects,) resolutions in K: everyone the same, none above the cap."""
    if objects == 0:
        return np.zeros(0)
    return np.full(objects, min(cap_k, max(budget_k, 0.0) / objects))


def allocate_attention(
    attention: ArrayLike,
    budget_k: float,
    cap_k: float = CAP_K,
    threshold_k: float = THRESHOLD_K,
    keep_all: bool = False,
) -> Floats:
    """(N,) resolutions in K that maximise Σ a ln(max(x, x_th)/x_th) under Σx ≤ budget, x = 0 or x_th ≤ x ≤ cap.

    An object at the threshold is worth nothing, so dropping it is exact, not a heuristic: by attention, highest first,
    try each number of objects that fits, water-fill x = clip(a/λ, x_th, cap) inside and keep the best (ties: the
    most objects). (N,) attention, never negative; objects with attention 0 are dropped. O(N²), N ≤ 56 on the beach;
    `cap_k` may be infinite. `keep_all` drops nothing while the budget carries every object at the threshold: the
    published optimum x = max(x_th, a/λ).
    """
    weights = np.asarray(attention, np.float64)
    order = np.argsort(-weights, kind="stable")
    ranked = weights[order]
    seen = int(np.count_nonzero(ranked > 0))
    fits = min(seen, int(max(budget_k, 0.0) // threshold_k))
    best, best_value = np.zeros(0), 0.0
    for count in range(max(fits, 1) if keep_all and fits == seen else 1, fits + 1):
        shares = _water_fill(ranked[:count], budget_k, cap_k, threshold_k)
        value = float(ranked[:count] @ np.log(shares / threshold_k))
        if value >= best_value - 1e-12:
            best, best_value = shares, max(value, best_value)
    result = np.zeros(weights.shape)
    result[order[: best.size]] = best
    return result


def _water_fill(weights: Floats, budget_k: float, cap_k: float, threshold_k: float) -> Floats:
    """x = clip(a/λ, x_th, cap) with Σx = budget (or all at the cap): exact, over the sorted breakpoints of 1/λ.

    `weights` descend and are positive; x_th × N ≤ budget.
    """
    if weights.size * cap_k <= budget_k:
        return np.full(weights.size, cap_k)
    starts, ends = threshold_k / weights, cap_k / weights
    levels = np.unique(np.concatenate([starts, ends[np.isfinite(ends)]]))
    filled = np.clip(levels[:, None] * weights, threshold_k, cap_k).sum(axis=1)
    index = int(np.searchsorted(filled, budget_k, side="right")) - 1
    level = levels[max(index, 0)]
    rising = (starts <= level) & (level < ends)
    slope = float(weights[rising].sum())
    if slope > 0.0:
        level = level + (budget_k - filled[max(index, 0)]) / slope
    filled_to: Floats = np.clip(level * weights, threshold_k, cap_k)
    return filled_to
