"""Quality of a digital twin: by closed forms, by simulated objects, and measured on the model's real answers."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.models.digital_twin import DigitalTwin
from orchestrator.models.sensors import read
from orchestrator.models.serving import Request
from orchestrator.models.things import truth
from orchestrator.qoe.twin import (
    fidelity_at_age,
    mean_age,
    oldest_age,
    service_quality,
    synchronisation_fidelity,
    twin_experience,
)

BEGIN = 1.7e9


def test_fidelity_is_the_explained_part_of_each_channels_variance() -> None:
    real = np.array([[0.0, 10.0], [2.0, 30.0]])
    assert synchronisation_fidelity(real, real) == 1.0
    assert synchronisation_fidelity(real, np.full((2, 2), [1.0, 20.0])) == 0.0
    assert synchronisation_fidelity(real, real + np.array([0.5, 0.0])) == pytest.approx((0.75 + 1) / 2)
    assert synchronisation_fidelity([[1.0], [1.0]], [[1.0], [1.0]]) == 1.0
    assert synchronisation_fidelity([[1.0], [1.0]], [[1.0], [1.1]]) == 0.0


def test_simulated_ornstein_uhlenbeck_object_loses_fidelity_with_age_as_written() -> None:
    rng, correlation, step = np.random.default_rng(5), 10.0, 0.5
    decay = np.exp(-step / correlation)
    state = np.zeros(200_000)
    for moment, shock in enumerate(rng.normal(scale=np.sqrt(1 - decay**2), size=state.size - 1), 1):
        state[moment] = decay * state[moment - 1] + shock
    for age in (0.5, 2.0, 5.0):
        late = round(age / step)
        told = np.exp(-age / correlation) * state[:-late]
        measured = synchronisation_fidelity(state[late:, None], told[:, None])
        assert measured == pytest.approx(float(fidelity_at_age(1.0, age, correlation)), abs=0.02)


def test_mean_age_is_the_area_under_the_saw_tooth() -> None:
    assert mean_age([0, 10, 20], [0, 10, 20], 0, 30) == pytest.approx(5.0)
    assert mean_age([0, 10, 20], [2, 12, 22], 2, 32) == pytest.approx(7.0)
    assert mean_age([0, 10, 5], [0, 10, 12], 0, 20) == pytest.approx(5.0)  # a staler one that comes late does not help


@given(st.floats(0.05, 1), st.floats(0.01, 1), st.floats(0.1, 1e4))
def test_fidelity_at_the_oldest_age_is_the_floor(fresh: float, floor: float, correlation: float) -> None:
    age = oldest_age(fresh, floor, correlation)
    assert float(fidelity_at_age(fresh, age, correlation)) == pytest.approx(min(fresh, floor), rel=1e-9)


def test_floor_of_zero_needs_no_update_and_a_dead_twin_has_no_age_left() -> None:
    assert oldest_age(0.9, 0.0, 10.0) == float("inf")
    assert oldest_age(0.0, 0.5, 10.0) == 0.0


def test_service_quality_counts_late_and_failed_calls() -> None:
    assert service_quality([1.0, 2.0, 9.0], 5.0, failed=1) == 0.5
    assert float(twin_experience(0.8, 0.5)) == pytest.approx(0.4)


def followed(age_s: int, moments: int = 40) -> tuple[float, float]:
    """The model's twin of a street, asked at an age: fidelity measured against the truth, and what the model says."""
    twin, real, told, claimed = DigitalTwin(), [], [], []
    for moment in range(moments):
        seen = read(Request({"kind": "street", "name": "one", "t": BEGIN + 60 * moment, "seconds": 60, "rate_hz": 1}))
        twin.observe(Request({"object": "one", **json.loads(seen.body)}, {"computing_mcores": 160}, "1"))
        newest = json.loads(twin.state(Request({"object": "one"}, {}, "1")).body)["t"]
        state = json.loads(twin.state(Request({"object": "one", "t": newest + age_s}, {}, "1")).body)
        names = sorted(state["channels"])
        actual = truth("street", "one", np.array([state["t"]]))
        real.append([float(actual[name][0]) for name in names])
        told.append([state["channels"][name]["level"] for name in names])
        claimed.append(state["fidelity"])
        assert state["age_s"] >= age_s  # older where a sensor has dropped out
    return synchronisation_fidelity(real, told), float(np.mean(claimed))


def test_the_models_twin_is_as_true_as_it_says_and_less_so_with_age() -> None:
    (fresh, said), (late, _) = followed(0), followed(120)
    assert fresh > 0.8
    assert abs(fresh - said) < 0.2
    assert late < fresh


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: synchronisation_fidelity([[1.0]], [[1.0]]), "moments"),
        (lambda: synchronisation_fidelity([[1.0], [np.nan]], [[1.0], [1.0]]), "finite"),
        (lambda: mean_age([5], [4], 6, 7), "received"),
        (lambda: mean_age([5], [5], 4, 7), "at hand"),
        (lambda: fidelity_at_age(1.0, -1.0, 10.0), "correlation"),
        (lambda: oldest_age(1.5, 0.5, 10.0), r"0\.\.1"),
        (lambda: service_quality([], 5.0), "calls"),
    ],
)
def test_bad_input_refused_with_its_cause(call: Callable[[], float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
