"""Splitting one budget over all users: against brute force over every subset, and by properties that must hold."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.qoe import allocate_attention, allocate_users, even_users, padded, rendering_experience
from orchestrator.qoe.immersion import Floats

THRESHOLD = 15.0


def filled(weights: Floats, budget: float, cap: float) -> float:
    """What these objects are worth when all are kept: water-filling by plain bisection on the level."""
    if weights.size * cap <= budget:
        return float(weights.sum() * np.log(cap / THRESHOLD))
    low, high = 1e-9, 1e9
    for _ in range(200):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if np.clip(middle * weights, THRESHOLD, cap).sum() > budget else (middle, high)
    return float(weights @ np.log(np.clip(low * weights, THRESHOLD, cap) / THRESHOLD))


def best_of_every_subset(weights: Floats, budget: float, cap: float) -> float:
    """The optimum by brute force: every subset of objects that the budget carries, each water-filled."""
    best = 0.0
    for count in range(1, min(weights.size, int(budget // THRESHOLD)) + 1):
        for kept in itertools.combinations(weights.tolist(), count):
            best = max(best, filled(np.array(kept), budget, min(cap, budget)))
    return best


def test_all_users_equal_brute_force_over_subsets_on_200_cases() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        users, objects = rng.integers(1, 4, 2)
        attention, quality = rng.integers(0, 6, (users, objects)).astype(float), rng.uniform(0.05, 1, users)
        cap, budget = float(rng.choice([20.0, 30.0, 100.0, np.inf])), float(rng.uniform(5, 25 * users * objects))
        shares = allocate_users(quality, attention, budget, cap_k=cap)
        value = float(quality @ rendering_experience(attention, shares))
        best = best_of_every_subset((quality[:, None] * attention).ravel(), budget, cap)
        assert value == pytest.approx(best, rel=1e-9, abs=1e-12)
        assert shares.sum() <= budget + 1e-9


def test_one_user_alone_gets_what_attention_split_gives() -> None:
    attention = np.random.default_rng(2).integers(1, 6, 56).astype(float)
    assert allocate_users([0.3], attention[None], 500.0)[0] == pytest.approx(allocate_attention(attention, 500.0))


def test_many_objects_split_exactly_within_budget() -> None:
    attention = np.random.default_rng(3).uniform(1, 5, 100_000)
    shares = allocate_attention(attention, 1.7e6)
    assert shares.sum() == pytest.approx(1.7e6, rel=1e-9)
    assert attention[shares > 0].min() >= attention[shares == 0].max()


def test_ragged_users_padded_with_objects_not_seen() -> None:
    attention = padded([[5.0, 1.0, 2.0], [3.0], []])
    assert attention.tolist() == [[5.0, 1.0, 2.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert allocate_users([1.0, 1.0, 1.0], attention, 40.0).tolist() == [[20.0, 0, 0], [20.0, 0, 0], [0, 0, 0]]
    assert allocate_users([], padded([]), 40.0).size == 0


def test_floor_of_slow_user_kept_at_the_price_of_the_sum() -> None:
    attention, quality = np.full((2, 4), 3.0), np.array([1.0, 0.1])
    free = quality * rendering_experience(attention, allocate_users(quality, attention, 80.0))
    held = quality * rendering_experience(attention, allocate_users(quality, attention, 80.0, floors=[0.0, 0.08]))
    assert free[1] == 0
    assert held[1] >= 0.08 - 1e-9
    assert 0 < held.sum() < free.sum()


def test_floors_beyond_the_budget_cheapest_are_kept_and_the_rest_is_used() -> None:
    attention, quality = np.full((3, 1), 1.0), np.array([1.0, 0.5, 0.1])
    floors = 0.28 * quality
    immersion = quality * rendering_experience(attention, allocate_users(quality, attention, 59.0, floors))
    assert (immersion >= floors - 1e-9).sum() == 2
    unreachable = allocate_users(quality, attention, 60.0, floors=[0.0, 0.0, 1.0])
    assert unreachable.tolist() == [[20.0], [20.0], [20.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [[1.0, -1.0]], 10.0), "never negative"),
        (([0.5], [[1.0, np.nan]], 10.0), "finite"),
        (([1.5], [[1.0]], 10.0), r"0\.\.1"),
        (([0.5, 0.5], [[1.0]], 10.0), "do not fit"),
        (([0.5], [1.0], 10.0), "do not fit"),
        (([0.5], [[1.0]], np.inf), "budget"),
        (([0.5], [[1.0]], 10.0, [-1.0]), "floors"),
        (([0.5], [[1.0]], 10.0, [0.0, 0.0]), "floors"),
        (([0.5], [[1.0]], 10.0, None, 10.0), "threshold"),
    ],
)
def test_bad_input_refused_with_its_cause(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        allocate_users(*arguments)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Floats, Floats, float, float]:
    """Quality, attention, budget and cap of up to six users with up to eight objects."""
    users, objects = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cap = draw(st.sampled_from([15.0, 20.0, 60.0]))
    budget = draw(st.floats(0.0, 1.3)) * cap * users * objects
    return rng.uniform(0, 1, users), rng.integers(0, 6, (users, objects)).astype(float), budget, cap


@given(clusters(), st.floats(0.0, 1.2))
@settings(max_examples=150, deadline=None)
def test_floors_feasible_never_broken_and_sum_never_above_the_free_one(
    case: tuple[Floats, Floats, float, float], part: float
) -> None:
    quality, attention, budget, cap = case
    fair = allocate_users(quality, attention, budget / 2, cap_k=cap)
    floors = part * quality * rendering_experience(attention, fair)
    shares = allocate_users(quality, attention, budget, floors, cap_k=cap)
    immersion = quality * rendering_experience(attention, shares)
    free = quality @ rendering_experience(attention, allocate_users(quality, attention, budget, cap_k=cap))
    assert shares.sum() <= budget * (1 + 1e-9) + 1e-12
    assert np.all((shares == 0) | ((shares >= THRESHOLD - 1e-9) & (shares <= cap + 1e-9)))
    assert immersion.sum() <= free + 1e-9
    if part <= 1.0:  # half the budget reaches such floors, so the whole does
        assert np.all(immersion >= floors - 1e-9)


@given(clusters())
@settings(max_examples=150, deadline=None)
def test_optimum_feasible_and_never_worse_than_even(case: tuple[Floats, Floats, float, float]) -> None:
    quality, attention, budget, cap = case
    shares, even = allocate_users(quality, attention, budget, cap_k=cap), even_users(attention, budget, cap)
    assert shares.sum() <= budget * (1 + 1e-9) + 1e-12
    assert even.sum() <= budget * (1 + 1e-9) + 1e-12
    best, plain = (float(quality @ rendering_experience(attention, each)) for each in (shares, even))
    assert best >= plain - 1e-9
