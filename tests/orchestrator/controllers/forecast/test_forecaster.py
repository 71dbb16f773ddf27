"""The online forecaster: no look ahead, the same again, never far from its best expert, and input that cannot be."""

import json
from typing import Any

import numpy as np
import pytest

from orchestrator.controllers.forecast import (
    EXPERTS,
    BadObservation,
    Forecaster,
    ForecastError,
    ShortHistory,
    UnknownHorizon,
    cost,
    fit,
)
from orchestrator.controllers.forecast.costs import QUANTILE, Floats
from orchestrator.controllers.forecast.portfolio import COLD
from scripts.immersion.demands import KINDS, STEP_S, diurnal

HORIZONS = (1, 6)


def demand_of(kind: str, steps: int = 900) -> Floats:
    return KINDS[kind](np.random.default_rng(21), steps)


def walk(demand: Floats, every: int = 150, seed: int = 0) -> tuple[Forecaster, dict[int, Floats]]:
    """Of each moment and horizon: our capacity, then each expert's."""
    forecaster, said = Forecaster(STEP_S, HORIZONS, seed), {horizon: [] for horizon in HORIZONS}
    for place, value in enumerate(demand):
        forecaster.observe(value, place * STEP_S)
        if forecaster.due and place % every == 0:
            forecaster.train()
        for horizon in HORIZONS:
            forecast = forecaster.forecast(horizon)
            assert forecast is not None
            said[horizon].append([forecast.capacity, *forecast.calibrated])
    return forecaster, {horizon: np.array(some) for horizon, some in said.items()}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_capacity_on_any_kind_of_demand_is_never_far_above_the_best_expert(kind: str) -> None:
    demand = demand_of(kind)
    _, said = walk(demand)
    for horizon in HORIZONS:
        moments = np.arange(len(demand) // 2, len(demand) - horizon)
        came, capacities = demand[moments + horizon], said[horizon][moments]
        assert np.isfinite(capacities).all()
        assert (capacities >= 0).all()
        there = ~np.isnan(came)
        costs = cost(capacities[there], came[there, None]).mean(axis=0)
        assert costs[0] <= 1.10 * costs[1:].min()
        assert costs[0] < costs[1 + EXPERTS.index("hpa")]


def test_capacity_covers_ten_demands_of_eleven() -> None:
    demand = demand_of("diurnal", 1_200)
    _, said = walk(demand)
    for horizon in HORIZONS:
        moments = np.arange(400, len(demand) - horizon)
        covered = np.mean(said[horizon][moments, 0] >= demand[moments + horizon])
        assert covered == pytest.approx(QUANTILE, abs=0.04)


def test_another_future_changes_no_forecast_of_the_past() -> None:
    demand = demand_of("bursty", 400)
    other = demand.copy()
    other[300:] = 10_000.0
    _, before = walk(demand)
    _, after = walk(other)
    for horizon in HORIZONS:
        assert np.array_equal(before[horizon][:300], after[horizon][:300])
        assert not np.array_equal(before[horizon][300:], after[horizon][300:])


def test_same_seed_says_the_same_and_makes_the_same_version() -> None:
    demand = demand_of("diurnal", 400)
    one, first = walk(demand, seed=5)
    two, second = walk(demand, seed=5)
    assert all(np.array_equal(first[horizon], second[horizon]) for horizon in HORIZONS)
    assert one.version is not None
    assert two.version is not None
    assert one.version.explanation() == two.version.explanation()
    assert fit(one.history(), HORIZONS, 6).version != fit(one.history(), HORIZONS, 5).version


def test_twice_the_demand_needs_twice_the_capacity() -> None:
    demand = demand_of("diurnal", 300)
    _, once = walk(demand)
    _, twice = walk(2 * demand)
    assert twice[1][-50:, 0] == pytest.approx(2 * once[1][-50:, 0], rel=0.05)


def test_first_observations_are_answered_by_the_autoscalers_law() -> None:
    forecaster = Forecaster(STEP_S)
    assert forecaster.capacity(1) == 0.0
    assert forecaster.outlook(1).capacity == 0.0
    forecaster.observe(7.0, 0.0)
    assert forecaster.capacity(1) == pytest.approx(10.0)
    for place in range(1, COLD):
        forecaster.observe(3.5, place * STEP_S)
    assert forecaster.capacity(1) == pytest.approx(5.0)
    assert forecaster.explain(1)["reason"] == "too few outcomes yet"


@pytest.mark.parametrize("level", [0.0, 7.0])
def test_constant_demand_gets_just_itself(level: float) -> None:
    forecaster, _ = walk(np.full(300, level))
    assert forecaster.capacity(1) == pytest.approx(level, rel=0.01)
    assert forecaster.capacity(6) == pytest.approx(level, rel=0.01)


def test_gaps_teach_nothing_and_break_nothing() -> None:
    forecaster = Forecaster(STEP_S)
    for place in range(100):
        forecaster.observe(None if 40 <= place < 50 else 5.0, place * STEP_S)
    forecaster.observe(5.0, 120 * STEP_S)
    history = forecaster.history()
    assert len(history.demand) == 121
    assert int(np.isnan(history.demand).sum()) == 30
    assert forecaster.capacity(1) == pytest.approx(5.0, rel=0.01)
    version = forecaster.train()
    assert (version.samples, version.missing) == (91, 30)
    assert (version.first_at, version.last_at) == (0.0, 120 * STEP_S)


def test_nothing_but_gaps_is_answered() -> None:
    forecaster = Forecaster(STEP_S)
    for place in range(20):
        forecaster.observe(None, place * STEP_S)
    assert forecaster.capacity(6) == 0.0
    assert not forecaster.due


def test_irregular_times_are_put_on_the_steps() -> None:
    random = np.random.default_rng(22)
    forecaster = Forecaster(STEP_S)
    for place in range(50):
        forecaster.observe(4.0, (place + random.uniform(-0.2, 0.2)) * STEP_S)
    assert len(forecaster.history().demand) == 50


def test_training_is_due_again_when_there_is_enough_new() -> None:
    forecaster, dues = Forecaster(STEP_S), []
    for place, value in enumerate(diurnal(np.random.default_rng(23), 200)):
        forecaster.observe(value, place * STEP_S)
        if forecaster.due:
            dues.append(place)
            forecaster.train()
    assert dues[0] == 69
    gaps = np.diff(dues)
    assert (gaps >= 10).all()
    assert (np.diff(gaps) >= 0).all()


def test_version_trained_elsewhere_is_adopted_and_explained_as_data() -> None:
    forecaster, _ = walk(demand_of("diurnal", 400), every=1_000)
    assert forecaster.version is None
    version = fit(forecaster.history(), forecaster.horizons, forecaster.seed)
    forecaster.adopt(version)
    forecaster.observe(60.0, 400 * STEP_S)
    told = json.loads(json.dumps(forecaster.explain(6)))
    assert told["version"]["version"] == version.version
    assert told["version"]["samples"] == 400
    assert told["version"]["importance"]["6"]["boosted"]
    assert sum(each["weight"] for each in told["experts"].values()) == pytest.approx(1.0, abs=1e-3)
    assert told["experts"][told["chosen"]]["weight"] == max(each["weight"] for each in told["experts"].values())


@pytest.mark.parametrize(
    ("value", "at"),
    [(-1.0, 900.0), (float("inf"), 900.0), (5.0, 0.0), (5.0, -1.0), (5.0, float("nan"))],
)
def test_observation_that_cannot_be_is_told_and_changes_nothing(value: float, at: float) -> None:
    forecaster = Forecaster(STEP_S)
    forecaster.observe(5.0, 0.0)
    before = forecaster.explain(1)
    with pytest.raises(BadObservation, match="Give"):
        forecaster.observe(value, at)
    assert forecaster.explain(1) == before
    assert len(forecaster.history().demand) == 1


def test_horizon_that_was_not_asked_for_is_told() -> None:
    forecaster = Forecaster(STEP_S, (1,))
    with pytest.raises(UnknownHorizon, match="6 steps"):
        forecaster.capacity(6)
    trained, _ = walk(demand_of("diurnal", 100))
    with pytest.raises(UnknownHorizon, match="3"):
        Forecaster(STEP_S, (1, 3)).adopt(fit(trained.history(), HORIZONS))


def test_too_short_a_history_is_told() -> None:
    forecaster, _ = walk(demand_of("diurnal", 30))
    with pytest.raises(ShortHistory, match="30 demands"):
        fit(forecaster.history(), HORIZONS)


@pytest.mark.parametrize(
    "made", [{"step_s": 0.0}, {"step_s": 60.0, "horizons": ()}, {"step_s": 60.0, "horizons": (0,)}]
)
def test_forecaster_that_cannot_be_is_told(made: dict[str, Any]) -> None:
    with pytest.raises(ForecastError, match="give more than 0 s"):
        Forecaster(**made)


def test_explaining_before_any_observation_is_told() -> None:
    with pytest.raises(ForecastError, match="Observe a demand first"):
        Forecaster(STEP_S).explain(1)
