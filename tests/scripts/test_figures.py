"""The figures show what their numbers say, and the bench's independent checks check."""

import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.qoe import allocate_users
from scripts.figures import allocation, fairness, figure5
from scripts.figures.style import use_style
from scripts.immersion.allocation import best_of_every_subset
from scripts.immersion.cases import OBJECTS, RATES_MBPS, TOTAL_K, expected_immersion, mixed_users, one_sample_immersion
from scripts.immersion.floors import bound


def test_figure_5_written_as_vector_and_picture_and_its_curves_hold(tmp_path: Path) -> None:
    use_style()
    files = {file.suffix: file for file in figure5.draw(tmp_path, seed=5)}
    assert files[".png"].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in files[".svg"].read_text()
    assert files[".pdf"].read_bytes().startswith(b"%PDF")
    told = json.loads(files[".json"].read_text())
    means = np.array([[point[1] for point in told[str(rate)]] for rate in RATES_MBPS])
    assert means.shape == (4, 100)
    assert np.all(np.diff(means, axis=1) <= 1e-12)
    assert np.all(np.diff(means[:, means[0] > 0], axis=0) > 0)


def test_bands_of_figure_5_hold_the_expectation() -> None:
    points = figure5.curve(1000, seed=5, most_users=30)
    inside = [low <= mean <= high for _, mean, low, high in points]
    assert np.mean(inside) >= 0.8


@pytest.mark.parametrize(("users", "known"), [(1, 8.30), (4, 7.83), (6, 3.81), (10, 1.37), (20, 0.34)])
def test_expectation_within_the_noise_of_the_sampled_references(users: int, known: float) -> None:
    assert expected_immersion(users, 1000) == pytest.approx(known, rel=0.03)
    assert one_sample_immersion(users, 1000) == pytest.approx(known, rel=0.01)


def test_more_users_see_the_sum_grow_and_the_even_split_fall() -> None:
    few, many = (allocation.point(users, np.random.default_rng(users), sessions=12) for users in (5, 40))
    assert many["highest sum"]["total"] > few["highest sum"]["total"]
    assert many["even"]["total"] < few["even"]["total"]
    assert many["highest sum"]["total"] >= many["highest sum above floors"]["total"] > many["even"]["total"]
    assert many["highest sum"]["without"] > 0
    assert many["highest sum above floors"]["without"] == many["proportionally fair"]["without"] == 0


def test_price_of_fairness_grows_with_the_floor() -> None:
    cases = [mixed_users(20, np.random.default_rng([1, number])) for number in range(8)]
    prices, under = zip(*(fairness.price_and_kept(cases, part) for part in (0.01, 0.1, 0.5, 1.0)), strict=True)
    assert 0 <= prices[0] <= prices[1] < prices[2] < prices[3] < 50
    assert 0 < under[0] <= under[1] <= under[2] <= under[3]


def test_sum_above_floors_is_proved_best_for_ten_users() -> None:
    for number in range(4):
        case = mixed_users(10, np.random.default_rng([2, number]))
        held = case.immersion(allocate_users(case.quality, case.attention, TOTAL_K, case.floors())).sum()
        proved = bound(case, seconds=60)
        assert proved * (1 - 2e-4) <= held <= proved * (1 + 1e-9)
        assert case.attention.shape == (10, OBJECTS)


def test_brute_force_knows_small_answers() -> None:
    assert best_of_every_subset(np.array([5.0, 1.0]), 20.0, 20.0) == pytest.approx(5 * np.log(20 / 15))
    assert best_of_every_subset(np.array([5.0]), 10.0, 20.0) == 0.0
