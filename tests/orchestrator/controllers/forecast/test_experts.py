"""Each expert on demands whose right answer is known, and the arithmetic that all of them share."""

import numpy as np
import pytest

from orchestrator.controllers.forecast import EXPERTS, Forecaster, cost
from orchestrator.controllers.forecast.boosted import train_boosted
from orchestrator.controllers.forecast.calibration import VARIANTS, WINDOWS, Calibration, conformal
from orchestrator.controllers.forecast.choice import Choice, Tracking
from orchestrator.controllers.forecast.costs import QUANTILE, Floats
from orchestrator.controllers.forecast.features import names, reach, rows
from orchestrator.controllers.forecast.laws import LAWS
from orchestrator.controllers.forecast.linear import train_linear
from orchestrator.controllers.forecast.period import find_period
from scripts.immersion.demands import DAY, STEP_S, diurnal, trending, wandering


def pinball(said: Floats, came: Floats) -> float:
    return float(cost(said, came).mean()) / 11


def test_cost_is_the_spare_once_and_the_lack_ten_times() -> None:
    assert cost(12.0, 10.0) == 2.0
    assert cost(9.0, 10.0) == 10.0
    assert cost(np.array([12.0, 9.0]), 10.0).tolist() == [2.0, 10.0]


def test_quantile_of_ten_elevenths_costs_least() -> None:
    came = np.random.default_rng(1).gamma(2.0, 10.0, 5_000)
    best = min(np.linspace(0, 120, 1_201), key=lambda capacity: float(cost(np.full_like(came, capacity), came).sum()))
    assert best == pytest.approx(np.quantile(came, QUANTILE), abs=0.2)


@pytest.mark.parametrize(
    ("law", "period", "said"),
    [
        ("hpa", 0, 7 / 0.7),
        ("hpa stabilised", 0, 21 / 0.7),
        ("seasonal", 4, 21.0),
        ("seasonal", 0, 7.0),
        ("last", 0, 7.0),
        ("recent", 0, 0.0),
    ],
)
def test_law_on_a_known_demand_says_its_figure(law: str, period: int, said: float) -> None:
    demand = np.array([70.0, 1.0, 2.0, 21.0, 3.0, 4.0, 7.0])
    assert LAWS[law](demand, 1, period) == pytest.approx(said)


def test_seasonal_law_past_one_period_takes_the_latest_period_that_is_known() -> None:
    demand = np.arange(20.0)
    assert LAWS["seasonal"](demand, 6, 4) == demand[-1 + 6 - 8]


def test_line_through_known_quantiles_is_found() -> None:
    random = np.random.default_rng(2)
    looks = random.uniform(0, 10, (4_000, 2))
    targets = 3 + 2 * looks[:, 0] + looks[:, 1] * random.uniform(0, 1, 4_000)
    said = train_linear(looks, targets, QUANTILE).predict(looks)
    truth = 3 + 2 * looks[:, 0] + QUANTILE * looks[:, 1]
    assert np.abs(said - truth).mean() < 0.1
    assert np.mean(targets <= said) == pytest.approx(QUANTILE, abs=0.01)


def test_line_over_columns_that_are_alike_or_constant_is_finite() -> None:
    looks = np.column_stack([np.arange(100.0), np.arange(100.0), np.ones(100)])
    said = train_linear(looks, np.arange(100.0), QUANTILE).predict(looks)
    assert np.abs(said - np.arange(100.0)).max() < 1.0


def test_boosted_trees_find_a_quantile_that_a_line_cannot() -> None:
    random = np.random.default_rng(3)
    looks = random.uniform(-1, 1, (3_000, 1))
    targets = 10 * np.abs(looks[:, 0]) + random.uniform(0, 1, 3_000)
    booster = train_boosted(looks, targets, QUANTILE, 0, ["look"])
    line = train_linear(looks, targets, QUANTILE)
    assert pinball(booster.predict(looks), targets) < 0.5 * pinball(line.predict(looks), targets)


def test_feature_rows_of_a_tail_equal_those_of_the_whole_and_have_their_names() -> None:
    demand = diurnal(np.random.default_rng(4), 6 * DAY)
    for period, horizon in ((0, 1), (DAY, 1), (DAY, 6), (4, 6)):
        whole = rows(demand, horizon, period, len(demand), len(demand) - 1)
        tail = rows(demand[-reach(period, horizon) :], horizon, period, 1, len(demand) - 1)
        assert whole.shape == (len(demand), len(names(period)))
        assert tail[0] == pytest.approx(whole[-1])


def test_feature_rows_look_at_the_same_time_a_period_ago() -> None:
    demand = np.arange(400.0)
    row = dict(zip(names(DAY), rows(demand, 6, DAY, 1, 399)[0], strict=True))
    assert row["lag 3"] == 396.0
    assert row["a period ago +0"] == 399 + 6 - DAY
    assert row["a period ago +2"] == 399 + 6 - DAY + 2
    assert row["slope over 12"] == 12.0
    assert row["peak of 6"] == 399.0


@pytest.mark.parametrize("period", [DAY, 60])
def test_period_of_a_wave_is_found(period: int) -> None:
    wave = 50 + 40 * np.sin(2 * np.pi * np.arange(8 * DAY) / period)
    noisy = wave + np.random.default_rng(5).normal(0, 5, len(wave))
    assert find_period(noisy, STEP_S) == pytest.approx(period, abs=1)


def test_period_of_what_has_none_is_none() -> None:
    assert find_period(np.full(100, 3.0), STEP_S) == 0
    assert find_period(np.zeros(10), STEP_S) == 0
    assert find_period(np.random.default_rng(6).uniform(0, 1, DAY), STEP_S) == 0


def test_conformal_quantile_is_the_rank_that_covers_ten_of_eleven() -> None:
    residuals = np.arange(1.0, 11.0)[:, None]
    assert conformal(residuals)[0] == 10.0
    assert conformal(np.arange(1.0, 110.0)[:, None])[0] == 100.0
    assert conformal(np.array([[5.0]]))[0] == 5.0


@pytest.mark.parametrize("bias", [0.2, 1.0, 3.0])
def test_calibration_of_a_biased_expert_covers_as_promised(bias: float) -> None:
    random = np.random.default_rng(7)
    calibration, covered = Calibration(1), np.zeros(len(VARIANTS))
    for _ in range(3_000):
        level = random.uniform(50, 150)
        said, came = np.array([bias * level]), level * random.gamma(20, 1 / 20)
        covered += calibration.variants(said)[0] >= came
        calibration.learn(said, came)
    longest = VARIANTS.index(f"times of {max(WINDOWS)}")
    assert covered[longest] / 3_000 == pytest.approx(QUANTILE, abs=0.015)


def test_choice_between_a_good_and_a_bad_expert_costs_nearly_as_the_good_one() -> None:
    random = np.random.default_rng(8)
    choice, ours, good = Choice(2), 0.0, 0.0
    for _ in range(2_000):
        came = random.uniform(50, 60)
        capacities = np.array([60.0, 90.0])
        ours += cost(float(choice.mean(capacities)), came)
        good += cost(60.0, came)
        choice.learn(capacities, came)
    assert ours <= 1.02 * good


def test_choice_follows_when_another_becomes_better() -> None:
    choice = Choice(2)
    for _ in range(600):
        choice.learn(np.array([60.0, 90.0]), 60.0)
    assert choice.weights()[0] > 0.99
    for _ in range(900):
        choice.learn(np.array([60.0, 90.0]), 90.0)
    assert choice.weights()[1] > 0.99


def test_tracking_after_a_jump_costs_little_more_than_the_new_best() -> None:
    tracking, long, costs = Tracking(2), Choice(2), np.zeros(3)
    for step in range(1_000):
        came = 60.0 if step < 800 else 88.0
        capacities = np.array([60.0, 90.0])
        means = tracking.means(capacities)
        if step >= 800:
            costs += [cost(tracking.mean(means), came), cost(float(long.mean(capacities)), came), cost(90.0, came)]
        tracking.learn(capacities, means, came)
        long.learn(capacities, came)
    assert tracking.weights()[1] > 0.9
    assert costs[0] < 0.6 * costs[1], "the long memory alone needs many steps until it believes it"


def test_tracking_of_close_rivals_costs_as_the_better_one() -> None:
    random, tracking, ours, best = np.random.default_rng(12), Tracking(2), 0.0, 0.0
    for step in range(2_000):
        came = random.gamma(20, 1.0)
        capacities = np.array([26.0, 31.0])
        means = tracking.means(capacities)
        if step >= 500:
            ours += cost(tracking.mean(means), came)
            best += cost(26.0, came)
        tracking.learn(capacities, means, came)
    assert ours <= 1.03 * best


def test_seasonal_expert_says_what_came_a_day_ago_and_the_portfolio_comes_to_it() -> None:
    day = np.random.default_rng(9).uniform(10, 200, DAY)
    forecaster = walked(np.tile(day, 6))
    forecast = forecaster.forecast(6)
    assert forecast is not None
    assert forecast.said[EXPERTS.index("seasonal")] == day[5]
    assert forecast.capacity == pytest.approx(day[5], rel=0.05)


def test_linear_experts_lead_on_a_trend_and_the_last_value_on_a_walk() -> None:
    trend = walked(trending(np.random.default_rng(10), 800)).explain(1)["experts"]
    assert (
        min(trend["linear"]["discountedCost"], trend["linear log"]["discountedCost"]) < trend["hpa"]["discountedCost"]
    )
    walk = walked(wandering(np.random.default_rng(11), 800)).explain(1)
    assert walk["chosen"] in ("last", "linear", "linear log")
    assert set(walk["experts"]) == set(EXPERTS)


def walked(demand: Floats, every: int = 100) -> Forecaster:
    forecaster = Forecaster(STEP_S)
    for place, value in enumerate(demand):
        forecaster.observe(value, place * STEP_S)
        if forecaster.due and place % every == 0:
            forecaster.train()
    return forecaster
