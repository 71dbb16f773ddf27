"""The paper's findings of Fig. 5 over random parameters: immersion falls with users and is ordered by rate."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.qoe import allocate_users, even_users, meta_immersion, normalised_rate, rendering_experience


@given(
    total=st.floats(10, 20_000),
    cap=st.floats(16, 100),
    objects=st.integers(1, 56),
    users=st.integers(1, 100),
    error=st.floats(0, 0.5),
    rates=st.lists(st.floats(1, 1000), min_size=2, max_size=4, unique=True).map(sorted),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_even_split_falls_with_users_and_is_ordered_by_rate(
    total: float, cap: float, objects: int, users: int, error: float, rates: list[float], seed: int
) -> None:
    attention = np.random.default_rng(seed).uniform(1, 5, objects)
    fewer, more = (even_users(np.tile(attention, (count, 1)), total, cap)[0] for count in (users, users + 1))
    by_rate = [float(meta_immersion(rate * 1e6, error, attention, fewer)) for rate in rates]
    crowded = [float(meta_immersion(rate * 1e6, error, attention, more)) for rate in rates]
    assert all(less <= here for less, here in zip(crowded, by_rate, strict=True))
    if by_rate[-1] > 0:
        assert np.all(np.diff(by_rate) > 0)


@given(
    budget=st.floats(0, 4000),
    more=st.floats(0, 1000),
    users=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_optimum_never_falls_with_the_budget_or_anybodys_rate(
    budget: float, more: float, users: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    attention = rng.integers(0, 6, (users, 10)).astype(float)
    slow = rng.uniform(1e6, 1e9, users)

    def total(rate_bps: np.ndarray, budget_k: float) -> float:
        quality = normalised_rate(rate_bps)
        return float(quality @ rendering_experience(attention, allocate_users(quality, attention, budget_k)))

    before = total(slow, budget)
    assert total(slow, budget + more) >= before - 1e-9
    assert total(slow * rng.uniform(1, 3, users), budget) >= before - 1e-9
