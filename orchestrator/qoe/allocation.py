"""How rendering budgets are split: one user's over the objects it sees, or one budget over all objects of all users.

The gateway decides every frame's resolutions with `allocate_attention`; the controllers and the figures split what a
cluster has with `allocate_users`. Budgets and resolutions are in K; pure functions of their arguments.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.qoe.filling import TOLERANCE, Filling, Flags
from orchestrator.qoe.immersion import CAP_K, THRESHOLD_K, Floats


def allocate_even(budget_k: float, objects: int, cap_k: float = CAP_K) -> Floats:
    """(objects,) resolutions in K: everyone the same, none above the cap."""
    if objects == 0:
        return np.zeros(0)
    return np.full(objects, min(cap_k, max(budget_k, 0.0) / objects))


def even_users(attention: ArrayLike, budget_k: float, cap_k: float = CAP_K) -> Floats:
    """(K, N) resolutions in K: each user the same budget, each object in sight the same of it, none above the cap."""
    seen = np.asarray(attention, np.float64) > 0
    each = max(budget_k, 0.0) / max(seen.shape[0], 1) / np.maximum(seen.sum(axis=1), 1)
    return np.where(seen, np.minimum(each, cap_k)[:, None], 0.0)


def allocate_attention(
    attention: ArrayLike,
    budget_k: float,
    cap_k: float = CAP_K,
    threshold_k: float = THRESHOLD_K,
    keep_all: bool = False,
) -> Floats:
    """(N,) resolutions in K that maximise Σ a ln(max(x, x_th)/x_th) under Σx ≤ budget, x = 0 or x_th ≤ x ≤ cap.

    An object at the threshold is worth nothing, so dropping it is exact, not a heuristic: the best count by attention,
    highest first, is kept and water-filled, x = clip(a t, x_th, cap); of equally good counts, the most objects. (N,)
    attention, never negative; objects with attention 0 are dropped. O(N log N). `cap_k` may be infinite. `keep_all`
    drops nothing while the budget carries every object at the threshold: the published optimum x = max(x_th, a t).
    Raises `ValueError` for what is no attention, budget, cap or threshold.
    """
    weights = np.asarray(attention, np.float64)
    _check(weights, budget_k, cap_k, threshold_k)
    return _pooled(weights, budget_k, cap_k, threshold_k, keep_all)


def allocate_users(
    quality: ArrayLike,
    attention: ArrayLike,
    budget_k: float,
    floors: ArrayLike | None = None,
    cap_k: float = CAP_K,
    threshold_k: float = THRESHOLD_K,
) -> Floats:
    """(K, N) resolutions in K that maximise Σ_k MI_k under Σx ≤ budget, x = 0 or x_th ≤ x ≤ cap. O(KN log KN).

    `quality` (K,) is each user's objective factor R̂ (1 − E) in 0..1, `attention` (K, N) with 0 where a user does not
    see an object (`padded` makes it of ragged rows). Exact without floors: all objects of all users are one row of
    weights R̂ (1 − E) a. The sum alone starves users on slow links; `floors` (K,) are the Meta-Immersion promised to
    each (0: none). Every floor is kept while together they fit; else the cheapest in K are, so that the most users have
    theirs (what a plan discounts is counted by users under their floor), and the others share what is left. Users whom
    the sum would leave under their floor get it with the fewest K, all others the exact optimum of the rest.
    Raises `ValueError` for what is no quality, attention, floor, budget, cap or threshold.
    """
    weights = checked_weights(quality, attention, budget_k, cap_k, threshold_k)
    if floors is None:
        return _pooled(weights, budget_k, cap_k, threshold_k)
    promised = np.asarray(floors, np.float64)
    if promised.shape != weights.shape[:1] or not np.all((promised >= 0) & np.isfinite(promised)):
        raise ValueError(f"floors must be {weights.shape[0]} numbers, one a user, none negative")
    return _above_floors(weights, promised, budget_k, cap_k, threshold_k)


def checked_weights(
    quality: ArrayLike, attention: ArrayLike, budget_k: float, cap_k: float, threshold_k: float
) -> Floats:
    """(K, N) weights R̂ (1 − E) a. Raises `ValueError` where the arguments make no problem."""
    factors, seen = np.asarray(quality, np.float64), np.asarray(attention, np.float64)
    if seen.ndim != 2 or factors.shape != seen.shape[:1]:
        raise ValueError(f"quality (K,) and attention (K, N) do not fit: {factors.shape} and {seen.shape}")
    if not np.all((factors >= 0) & (factors <= 1)):
        raise ValueError("the objective factor R̂ (1 − E) of every user lies in 0..1")
    _check(seen, budget_k, cap_k, threshold_k)
    return factors[:, None] * seen


def padded(rows: Sequence[ArrayLike]) -> Floats:
    """(K, N) attention of users who see different numbers of objects: shorter rows end in 0, not seen."""
    given = [np.asarray(row, np.float64) for row in rows]
    result = np.zeros((len(given), max((row.size for row in given), default=0)))
    for number, row in enumerate(given):
        result[number, : row.size] = row
    return result


def _above_floors(weights: Floats, floors: Floats, budget_k: float, cap_k: float, threshold_k: float) -> Floats:
    """The better of two ways to hold users at their floors: with the fewest K, or with the same objects filled well.

    Filled well is e x_th, where an object is worth most per K, or the cap.
    """
    users = Filling(weights, budget_k, cap_k, threshold_k)
    count, level, needed = users.cheapest(floors)
    kept, least = _affordable(needed, budget_k), users.resolutions(count, level)
    well = min(users.cap_k, np.e * threshold_k)
    tight = _held_at(np.where(kept[:, None], least, 0.0), users, floors, budget_k)
    ample = _held_at(np.where(kept[:, None] & (least > 0), np.maximum(least, well), 0.0), users, floors, budget_k)
    return tight if _worth(weights, tight, threshold_k).sum() >= _worth(weights, ample, threshold_k).sum() else ample


def _held_at(held_k: Floats, users: Filling, floors: Floats, budget_k: float) -> Floats:
    """Whom the optimum of the rest leaves under its floor is held at these resolutions (rows of 0: nobody to hold),
    until nobody is left under; nothing for anybody where the budget does not carry that."""
    held, weights, threshold = np.zeros(floors.shape, np.bool_), users.weights, users.threshold_k
    while True:
        rest = budget_k - float(held_k[held].sum())
        if rest < -TOLERANCE * budget_k:
            return np.zeros(weights.shape)
        pooled = _pooled(np.where(held[:, None], 0.0, weights), rest, users.cap_k, threshold)
        result = np.where(held[:, None], held_k, pooled)
        under = held_k.any(axis=1) & ~held & (_worth(weights, result, threshold) < floors * (1 - TOLERANCE))
        if not under.any():
            return _topped_up(users, result, held, budget_k)
        held |= under


def _topped_up(users: Filling, resolution_k: Floats, held: Flags, budget_k: float) -> Floats:
    """K that nobody else can use go to the user held at its floor whose worth they raise most."""
    own, left = resolution_k.sum(axis=1), budget_k - float(resolution_k.sum())
    if left <= TOLERANCE * budget_k or not held.any():
        return resolution_k
    more = users.resolutions(*users.best(own + left))
    before, after = (_worth(users.weights, each, users.threshold_k) for each in (resolution_k, more))
    chosen = np.argmax(np.where(held, after - before, -1.0))
    return np.where((np.arange(own.size) == chosen)[:, None], more, resolution_k)


def _affordable(needed: Floats, budget_k: float) -> Flags:
    """Whose needs fit into the budget, cheapest first."""
    order = np.argsort(needed, kind="stable")
    result = np.zeros(needed.shape, np.bool_)
    result[order] = np.cumsum(needed[order]) <= budget_k * (1 + TOLERANCE)
    return result


def _pooled(weights: Floats, budget_k: float, cap_k: float, threshold_k: float, keep_all: bool = False) -> Floats:
    """The exact optimum over all weights, of whatever shape, as one row."""
    if weights.size == 0:
        return np.zeros(weights.shape)
    row, budget = Filling(weights.reshape(1, -1), budget_k, cap_k, threshold_k), np.array([budget_k])
    if keep_all and threshold_k * np.count_nonzero(weights) <= budget_k:
        count, level = row.seen, row.spend(row.seen[:, None], budget[:, None]).level[:, 0]
    else:
        count, level = row.best(budget)
    return row.resolutions(count, level).reshape(weights.shape)


def _worth(weights: Floats, resolution_k: Floats, threshold_k: float) -> Floats:
    worth: Floats = (weights * np.log(np.maximum(resolution_k, threshold_k) / threshold_k)).sum(axis=1)
    return worth


def _check(weights: Floats, budget_k: float, cap_k: float, threshold_k: float) -> None:
    if not np.all((weights >= 0) & np.isfinite(weights)):
        raise ValueError("attention is a finite number and never negative")
    if not np.isfinite(budget_k):
        raise ValueError(f"the budget must be a finite number of K, not {budget_k}")
    if not 0 < threshold_k <= cap_k or not np.isfinite(threshold_k):
        raise ValueError(f"the threshold ({threshold_k} K) must be above 0 and at most the cap ({cap_k} K)")
