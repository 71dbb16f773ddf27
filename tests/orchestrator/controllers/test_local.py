"""The local controller: never above capacity, floors first, quiet inside the JND band, the same answer every time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import observation, with_rates

from orchestrator.controllers import AskMore, LocalController, MalformedObservation, Observation, Regrant, Report, Scale
from orchestrator.controllers.local import LocalState
from orchestrator.controllers.sharing import GAIN, share, wishes
from orchestrator.qoe import CAP_K, allocate_users, meta_immersion
from orchestrator.qoe.immersion import normalised_rate

LOCAL = LocalController()
SEEDS = st.integers(0, 10_000)


def quality(seen: Observation) -> np.ndarray:
    return normalised_rate(seen.rate_bps) * (1.0 - seen.bit_error)


def immersion(seen: Observation, grants_k: dict[str, int]) -> np.ndarray:
    """Of grants filled object by object, best first, each at the cap."""
    ranked = -np.sort(-seen.attention, axis=1)
    whole = np.array([grants_k[user] // CAP_K for user in seen.users])
    shown = np.where(np.arange(ranked.shape[1]) < whole[:, None], CAP_K, 0.0)
    return meta_immersion(seen.rate_bps, seen.bit_error, ranked, shown)


def settled(seen: Observation) -> LocalState:
    """After the first look."""
    return LOCAL.step(LOCAL.begin(), seen, 0.0).state


def at_rest(seen: Observation) -> tuple[LocalState, Observation]:
    """After it was scaled as it wishes and nothing moves."""
    state = LOCAL.begin()
    for _ in range(5):
        step = LOCAL.step(state, seen, 0.0)
        state = step.state
        for change in step.changes:
            if isinstance(change, Scale):
                seen = replace(seen, capacity_k=change.capacity_k)
    assert step.changes == ()
    return state, seen


@given(seed=SEEDS, capacity_k=st.integers(0, 1_500), users=st.integers(0, 12))
def test_grants_any_observations_never_above_capacity(seed: int, capacity_k: int, users: int) -> None:
    state = LOCAL.begin()
    for second in range(5):
        seen = observation(seed + second, users, capacity_k=capacity_k)
        step = LOCAL.step(state, seen, float(second))
        state = step.state
        scaled = next((one.capacity_k for one in step.changes if isinstance(one, Scale)), capacity_k)
        assert sum(state.grants_k.values()) <= min(capacity_k, scaled)
        assert scaled <= seen.reserved_k


@given(seed=SEEDS, users=st.integers(1, 10))
def test_grants_floors_feasible_all_kept(seed: int, users: int) -> None:
    seen = observation(seed, users)
    enough = int(seen.usable_k.sum())
    seen = replace(seen, capacity_k=enough, reserved_k=enough, bits_per_k=np.full(users, 1.0))
    noticed_late = quality(seen) * (1.0 - LOCAL.policy.weber)
    needed = wishes(noticed_late, seen.attention, seen.floor, seen.usable_k).needed_k
    tight = replace(seen, capacity_k=needed, reserved_k=needed)
    reachable = np.minimum(seen.floor, quality(seen) * seen.attention.sum(axis=1) * GAIN)
    assert np.all(immersion(seen, settled(tight).grants_k) >= reachable - 1e-9)


@given(seed=SEEDS, capacity_k=st.integers(100, 900))
def test_share_without_floors_within_one_object_of_the_exact_optimum(seed: int, capacity_k: int) -> None:
    seen = observation(seed)
    wanted = wishes(quality(seen), seen.attention, np.zeros(6), seen.usable_k)
    wanted = replace(wanted, needed=np.zeros_like(wanted.needed))
    granted = share(wanted, capacity_k)
    exact = allocate_users(quality(seen), seen.attention, capacity_k)
    best = float(meta_immersion(seen.rate_bps, seen.bit_error, seen.attention, exact).sum())
    ours = float(immersion(seen, dict(zip(seen.users, granted.astype(int), strict=True))).sum())
    firsts = float(wanted.worth[:, 0].sum())
    assert best - float(wanted.worth.max()) - firsts <= ours <= best + 1e-9


def test_share_floors_above_capacity_the_least_immersion_missing_in_sum() -> None:
    wanted = wishes(np.array([1.0, 0.1]), np.full((2, 4), 2.0), np.array([9.0, 9.0]), np.full(2, 80.0))
    assert share(wanted, 100).tolist() == [80.0, 20.0]


@given(seed=SEEDS, factor=st.floats(0.92, 1.08))
def test_step_moved_within_the_weber_fraction_no_action(seed: int, factor: float) -> None:
    state, seen = at_rest(observation(seed))
    step = LOCAL.step(state, with_rates(seen, factor), 1.0)
    assert step.changes == ()


def test_step_creeping_change_acts_once_it_is_noticeable_in_sum() -> None:
    state, seen = at_rest(replace(observation(3), floor=np.full(6, 0.5), rate_bps=np.full(6, 3e8)))
    acted = []
    for second in range(1, 12):
        step = LOCAL.step(state, with_rates(seen, 0.96**second), float(second))
        state = step.state
        acted.append(bool(step.changes))
    assert acted[0] is False
    assert any(acted)


def test_step_link_halves_more_rendering_for_its_floor() -> None:
    seen = Observation(
        users=("slow", "fast"),
        rate_bps=np.array([4e8, 8e8]),
        bit_error=np.zeros(2),
        bits_per_k=np.full(2, 1e4),
        drawn_k=np.zeros(2),
        attention=np.full((2, 10), 2.0),
        floor=np.array([0.6, 0.6]),
        capacity_k=200,
        reserved_k=200,
    )
    before = settled(seen)
    step = LOCAL.step(before, replace(seen, rate_bps=np.array([2e8, 8e8])), 1.0)
    regrant = next(one for one in step.changes if isinstance(one, Regrant))
    assert regrant.grants_k["slow"] > before.grants_k["slow"]


def test_step_floors_need_more_than_reserved_asks_once_and_reports() -> None:
    seen = replace(observation(5, users=8), floor=np.full(8, 5.0), capacity_k=200, reserved_k=200)
    first = LOCAL.step(LOCAL.begin(), seen, 0.0)
    asked = [one for one in first.changes if isinstance(one, AskMore)]
    assert [one.needed_k for one in asked] == [one.needed_k for one in first.changes if isinstance(one, Report)]
    assert asked[0].needed_k > 200
    again = LOCAL.step(first.state, seen, 1.0)
    assert again.changes == ()


def test_step_need_over_capacity_given_up_only_after_it_was_remembered() -> None:
    seen = replace(observation(7), floor=np.full(6, 5.0), capacity_k=600, reserved_k=600)
    state = settled(seen)
    calm = replace(seen, floor=np.zeros(6), rate_bps=seen.rate_bps / 2)
    scaled = []
    for second in range(1, 60):
        step = LOCAL.step(state, calm, float(second))
        state = step.state
        for change in step.changes:
            if isinstance(change, Scale):
                scaled.append(second)
                calm = replace(calm, capacity_k=change.capacity_k)
    assert min(scaled) > LOCAL.policy.remember_s
    assert calm.capacity_k < 300


def test_step_user_without_measurements_is_given_an_object_so_that_its_link_is_measured() -> None:
    unknown = np.full(6, np.nan)
    seen = replace(observation(9), rate_bps=unknown, bit_error=unknown, bits_per_k=unknown)
    assert min(settled(seen).grants_k.values()) >= CAP_K


@given(seed=SEEDS)
def test_step_same_state_and_observation_same_answer(seed: int) -> None:
    state = settled(observation(seed))
    seen = observation(seed + 1)
    assert LOCAL.step(state, seen, 1.0).changes == LOCAL.step(state, seen, 1.0).changes


def test_step_users_in_another_order_same_grants() -> None:
    state, seen = at_rest(observation(11))
    turned = Observation(
        users=seen.users[::-1],
        rate_bps=seen.rate_bps[::-1],
        bit_error=seen.bit_error[::-1],
        bits_per_k=seen.bits_per_k[::-1],
        drawn_k=seen.drawn_k[::-1],
        attention=seen.attention[::-1],
        floor=seen.floor[::-1],
        capacity_k=seen.capacity_k,
        reserved_k=seen.reserved_k,
    )
    assert LOCAL.step(state, turned, 1.0).changes == ()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"users": ("user-0",)}, "one row for each"),
        ({"users": ("user-0",) * 6}, "twice"),
        ({"bit_error": np.full(6, 1.5)}, "errors at most 1"),
        ({"rate_bps": np.full(6, -1.0)}, "never negative"),
        ({"capacity_k": -1}, "never negative"),
    ],
)
def test_observation_columns_that_nobody_measured_refused(changed: dict[str, object], told: str) -> None:
    with pytest.raises(MalformedObservation, match=told):
        replace(observation(1), **changed)  # type: ignore[arg-type]
