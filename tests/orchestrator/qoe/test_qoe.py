"""Meta-Immersion and allocation against the reference numbers of SLICING4META.md and against brute force."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from ledger.metering import immersion_milli
from orchestrator.qoe import (
    allocate_attention,
    allocate_even,
    bpsk_bit_error,
    ergodic_rate,
    meta_immersion,
    normalised_rate,
    rendering_experience,
    scaled_e1,
)

TOTAL_K = 4000.0


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (1e-6, 13.238295893015),
        (0.01, 4.037929576538),
        (0.5, 0.559773594776),
        (1.0, 0.219383934396),
        (2.0, 0.048900510708),
        (10.0, 4.156968929685e-06),
        (50.0, 3.783264029550e-24),
    ],
)
def test_e1_published_values_reproduced(x: float, expected: float) -> None:
    assert float(scaled_e1(x) * np.exp(-x)) == pytest.approx(expected, rel=1e-10)


def test_e1_series_and_fraction_meet_at_one() -> None:
    below, above = scaled_e1([1.0, np.nextafter(1.0, 2.0)])
    assert below == pytest.approx(above, rel=1e-13)
    with pytest.raises(ValueError, match="x > 0"):
        scaled_e1(0.0)


def test_link_models_match_simulated_rayleigh_channel() -> None:
    snr = 10 ** (np.array([0.0, 10.0, 20.0]) / 10)
    fading = np.random.default_rng(7).exponential(size=(400_000, 1))
    simulated = np.log2(1 + fading * snr).mean(axis=0)
    assert ergodic_rate(1.0, snr) == pytest.approx(simulated, rel=5e-3)
    assert bpsk_bit_error([0.0, 1.0, 100.0]) == pytest.approx([0.5, 0.1464466, 0.0024814], rel=1e-4)


def test_rate_normalised_on_the_fixed_scale() -> None:
    assert normalised_rate([-1.0, 100e6, 1e9, 4e9]).tolist() == [0.0, 0.1, 1.0, 1.0]


def test_meta_immersion_vectorised_equals_what_is_billed() -> None:
    rng = np.random.default_rng(3)
    rate, error = rng.uniform(0, 1.2e9, 50), rng.uniform(0, 0.5, 50)
    attention, resolution = rng.integers(1, 6, (50, 56)), rng.uniform(0, 40, (50, 56))
    whole = np.floor(1000 * meta_immersion(rate, error, attention, resolution))
    for user in range(50):
        pairs = zip(attention[user].tolist(), resolution[user].tolist(), strict=True)
        assert abs(immersion_milli(rate[user], error[user], pairs) - max(1, whole[user])) <= 1


def test_meta_immersion_bad_input_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        meta_immersion(1e9, 1.5, [1.0], [20.0])


def mean_immersion_of_even_split(users: int, rate_bps: float) -> float:
    """The paper's case: objects per user uniform on 1..56, unit attention, even split, exact over the distribution."""
    counts = range(1, 57)
    shares = [allocate_even(TOTAL_K / users, count) for count in counts]
    return float(np.mean([meta_immersion(rate_bps, 0.0, np.ones(len(x)), x) for x in shares]))


@pytest.mark.parametrize(("users", "expected"), [(1, 8.30), (4, 7.83), (6, 3.81), (10, 1.37), (20, 0.34)])
def test_even_split_at_1_gbps_matches_reference_within_sampling_error(users: int, expected: float) -> None:
    assert mean_immersion_of_even_split(users, 1e9) == pytest.approx(expected, rel=0.03)


def test_even_split_falls_with_users_and_is_ordered_by_rate() -> None:
    curves = np.array([[mean_immersion_of_even_split(n, r) for n in range(1, 21)] for r in (1e8, 2.5e8, 5e8, 1e9)])
    assert np.all(np.diff(curves, axis=1) <= 1e-12)
    assert np.all(np.diff(curves, axis=0) > 0)


def brute_force(attention: list[float], budget: float, cap: float) -> float:
    """Best value over every subset of kept objects and a fine grid of resolutions of it."""
    best = 0.0
    for kept in itertools.product([False, True], repeat=len(attention)):
        chosen = [a for a, keep in zip(attention, kept, strict=True) if keep]
        grid = np.linspace(15.0, cap, 26)
        for shares in itertools.product(grid, repeat=len(chosen)):
            if sum(shares) <= budget + 1e-9:
                best = max(best, float(np.dot(chosen, np.log(np.array(shares) / 15.0))))
    return best


def test_attention_split_never_below_brute_force_and_within_its_grid() -> None:
    rng = np.random.default_rng(11)
    for _ in range(25):
        attention = rng.integers(1, 6, 3).astype(float)
        budget, cap = float(rng.uniform(5, 70)), 20.0
        shares = allocate_attention(attention, budget, cap)
        assert shares.sum() <= budget + 1e-9
        assert np.all((shares == 0) | ((shares >= 15 - 1e-9) & (shares <= cap + 1e-9)))
        value, grid_value = float(rendering_experience(attention, shares)), brute_force(attention.tolist(), budget, cap)
        assert grid_value - 1e-9 <= value <= grid_value + 0.15


def test_attention_split_scarce_budget_drops_least_attended() -> None:
    assert allocate_attention([1.0, 5.0, 3.0], 40.0).tolist() == [0.0, 20.0, 20.0]
    assert allocate_attention([1.0, 5.0], 14.9).tolist() == [0.0, 0.0]
    assert allocate_attention([], 100.0).size == 0
    assert allocate_attention([4.0, 0.0], 100.0).tolist() == [20.0, 0.0]


def test_attention_data_reproduces_published_means() -> None:
    data = os.environ.get("S4M_DATA")
    if not data:
        pytest.skip("S4M_DATA is not set: the attention data is not at hand")
    folder = Path(data) / "attention"
    matrix = np.loadtxt(folder / "attention_30x96.txt")
    seen = [[int(cell) for cell in line.split(",")] for line in (folder / "objects_per_user.txt").read_text().split()]
    users = [matrix[user][objects] for user, objects in enumerate(seen)]
    uniform = [rendering_experience(a, np.full(a.size, 20.0)) for a in users]
    optimum = [
        rendering_experience(a, allocate_attention(a, 20.0 * a.size, cap_k=np.inf, keep_all=True)) for a in users
    ]
    assert np.mean(uniform) == pytest.approx(23.71, abs=0.01)
    assert np.mean(optimum) == pytest.approx(29.29, abs=0.01)
