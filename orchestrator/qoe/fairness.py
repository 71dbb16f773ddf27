"""Proportional fairness: one budget over all users so that no change helps some by a larger share than it costs others.

Called by the controllers and the figures where neither the sum of Meta-Immersion (it starves slow links) nor floors
are wanted. Σ_k ln MI_k is maximised, every user with the same weight (Kelly, Maulloo and Tan 1998, with immersion for
rate): since MI_k = R̂ (1 − E) × what the user sees is worth, the link's factor drops out, and a slow user gets the same
picture as a fast one. Pure functions; budgets and resolutions in K.
SciPy is imported at work only: it takes half a second, and the gateway, which imports this room, never needs it.
"""

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.qoe.allocation import checked_weights
from orchestrator.qoe.filling import TOLERANCE, Counts, Filling, Flags, Point
from orchestrator.qoe.immersion import CAP_K, THRESHOLD_K, Floats

NOTHING = -100.0
"""ln of a level × worth at which every object still is at the threshold, within the arithmetic's precision."""


def allocate_proportionally(
    quality: ArrayLike,
    attention: ArrayLike,
    budget_k: float,
    cap_k: float = CAP_K,
    threshold_k: float = THRESHOLD_K,
) -> Floats:
    """(K, N) resolutions in K with Σ_k ln MI_k as high as it gets under Σx ≤ budget, x = 0 or x_th ≤ x ≤ cap.

    Arguments and errors as of `allocate_users`. Users who cannot have any immersion (no link, nothing in sight) get
    nothing. Where the budget does not carry one object above the threshold for each of the others, as many as it
    carries at the resolution that gives the most per K are served: those whose best object is worth most.
    Which objects are kept and how much each user gets are improved in turns until neither helps: for given counts the
    answer is exact (a convex problem), over the counts it is a local optimum.
    """
    weights = checked_weights(quality, attention, budget_k, cap_k, threshold_k)
    piece = min(cap_k, max(budget_k, threshold_k), np.e * threshold_k)
    served = _served(weights, budget_k, piece, threshold_k)
    result = np.zeros(weights.shape)
    if served.any():
        result[served] = _fairest(
            Filling(np.asarray(attention, np.float64)[served], budget_k, cap_k, threshold_k), budget_k, piece
        )
    return result


def _served(weights: Floats, budget_k: float, piece_k: float, threshold_k: float) -> Flags:
    """Who gets anything. A piece is the resolution of an object that gives the most worth per K: e x_th, or the cap."""
    best = weights.max(axis=1, initial=0.0)
    wanting: Flags = (best > 0) & (piece_k > threshold_k)
    if budget_k > threshold_k * np.count_nonzero(wanting):
        return wanting
    carried = int(max(budget_k, 0.0) // piece_k)
    result = np.zeros(best.shape, np.bool_)
    result[np.argsort(-best, kind="stable")[:carried]] = True
    return result & wanting


def _fairest(users: Filling, budget_k: float, piece_k: float) -> Floats:
    """Alternates between the best counts for what each has and the fairest split among such counts."""
    budgets = np.full(users.seen.shape, budget_k / users.seen.size)
    best, result = -np.inf, np.zeros(users.weights.shape)
    while True:
        count, _ = users.best(budgets)
        point = _fairest_levels(users, count, budget_k)
        fairness = float(np.log(point.worth).sum())
        if fairness <= best + TOLERANCE * max(abs(best), 1.0):
            return result
        best, result = fairness, users.resolutions(count, point.level)
        budgets = point.spent + _offered(users, point, budget_k, piece_k)


def _offered(users: Filling, point: Point, budget_k: float, piece_k: float) -> Floats:
    """What is left over, in pieces to those whose worth one piece multiplies most."""
    left = max(budget_k - float(point.spent.sum()), 0.0)
    pieces = min(max(int(left // piece_k), 1), point.spent.size)
    more = point.spent + left / pieces
    gain = users.spend(users.best(more)[0][:, None], more[:, None]).worth[:, 0] / point.worth
    result = np.zeros(point.spent.shape)
    result[np.argsort(-gain, kind="stable")[:pieces]] = left / pieces
    return result


def _fairest_levels(users: Filling, count: Counts, budget_k: float) -> Point:
    """Each row's level for the highest Σ ln worth with these counts: level × worth is the same of all not yet full."""
    from scipy.optimize import brentq

    everywhere = np.broadcast_to(np.arange(users.breaks), (count.size, users.breaks))
    breaks = users.at(count[:, None], everywhere)
    with np.errstate(divide="ignore"):
        heights = np.log(breaks.level) + np.log(np.maximum(breaks.worth, 0.0))

    def point(height: float) -> Point:
        index = np.maximum(np.count_nonzero(heights <= height, axis=1, keepdims=True) - 1, 0)
        return _level_at(users, users.at(count[:, None], index), height)

    def excess(height: float) -> float:
        return float(point(height).spent.sum()) - budget_k

    highest = float(heights.max())
    if excess(highest) <= 0:
        return point(highest)
    return point(brentq(excess, NOTHING, highest, xtol=1e-14, rtol=1e-15))


def _level_at(users: Filling, start: Point, height: float) -> Point:
    """From a breakpoint to the level t where ln t + ln worth(t) = height; worth is linear in ln t, hence Wright's ω."""
    from scipy.special import wrightomega

    rising = np.where(start.rising > 0, start.rising, 1.0)
    offset = start.worth / rising - np.log(start.level)
    level = np.exp(wrightomega(height + offset - np.log(rising)) - offset)
    point = users.risen(start, np.where(start.rising > 0, np.maximum(level, start.level), start.level))
    return Point(*(column[:, 0] for column in (point.level, point.spent, point.worth, point.rising)))
