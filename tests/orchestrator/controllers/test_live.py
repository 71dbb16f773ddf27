"""A controller's look at a live server: measures become what it sees, its step the grants that are to change."""

from dataclasses import replace
from math import isnan

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from observations import observation

from orchestrator.controllers import LocalController, Observation, Policy, live
from orchestrator.controllers.live import Look, Supply, Watch, look
from orchestrator.measures import Measure, MeasuredObject

POLICY = Policy()


def measure(
    name: str, at: float, rate_bps: float, attention: tuple[float, ...] = (5, 3), floor: float = 0.5
) -> Measure:
    objects = tuple(MeasuredObject(object=number, attention=a, k=10.0) for number, a in enumerate(attention))
    return Measure(
        subscription_id=name, at=at, rate_bps=rate_bps, bit_error=0.01, bits_per_k=2e6, floor=floor, objects=objects
    )


def measures_of(seen: Observation, at: float) -> list[Measure]:
    """As the gateway tells what the observation says."""
    rows = zip(seen.users, seen.rate_bps, seen.bit_error, seen.bits_per_k, seen.floor, seen.attention, strict=True)
    return [
        Measure(
            subscription_id=user,
            at=at,
            rate_bps=rate,
            bit_error=error,
            bits_per_k=bits,
            floor=floor,
            objects=tuple(
                MeasuredObject(object=number, attention=a, k=0.0) for number, a in enumerate(attention) if a > 0
            ),
        )
        for user, rate, error, bits, floor, attention in rows
    ]


def test_observation_measures_become_columns_in_the_order_of_the_shares() -> None:
    one, two = measure("1", 10.0, 4e8), measure("2", 11.0, 2e8, attention=(1, 4, 2), floor=0.0)
    looking = {"2": two, "1": one}
    seen = live.observation(Supply("server", 500, {"1": 90, "2": 60}), looking, looking, 0.0)
    assert seen.users == ("1", "2")
    assert seen.rate_bps.tolist() == [4e8, 2e8]
    assert seen.bit_error.tolist() == [0.01, 0.01]
    assert seen.bits_per_k.tolist() == [2e6, 2e6]
    assert seen.drawn_k.tolist() == [20.0, 30.0]
    assert seen.attention.tolist() == [[5, 3, 0], [4, 2, 1]]
    assert seen.floor.tolist() == [0.5, 0.0]
    assert (seen.capacity_k, seen.reserved_k) == (500, 500)


def test_observation_frame_already_believed_measures_nothing_but_the_view() -> None:
    looking = {"1": measure("1", 10.0, 4e8)}
    seen = live.observation(Supply("server", 500, {"1": 90}), looking, looking, 10.0)
    assert isnan(seen.rate_bps[0])
    assert isnan(seen.bit_error[0])
    assert isnan(seen.bits_per_k[0])
    assert seen.attention.tolist() == [[5, 3]]
    assert seen.floor.tolist() == [0.5]


def test_observation_who_looks_no_more_keeps_one_object_and_no_floor() -> None:
    one, two = measure("1", 10.0, 4e8), measure("2", 2.0, 4e8)
    seen = live.observation(Supply("server", 500, {"1": 90, "2": 60}), {"1": one, "2": two}, {"1": one}, 0.0)
    assert seen.attention.tolist() == [[5, 3], [5, 0]]
    assert seen.floor.tolist() == [0.5, 0.0]


def test_observation_never_measured_share_keeps_its_grant_out_of_what_is_shared() -> None:
    looking = {"1": measure("1", 10.0, 4e8)}
    seen = live.observation(Supply("server", 500, {"1": 90, "7": 300}), looking, looking, 0.0)
    assert seen.users == ("1",)
    assert seen.capacity_k == 200


@given(seed=st.integers(0, 10_000), capacity_k=st.integers(0, 600))
def test_look_same_observations_decides_as_the_simulated_controller(seed: int, capacity_k: int) -> None:
    """The simulator plays `LocalController.step`; here the same observations come as measures."""
    simulated = LocalController(replace(POLICY, least_k=capacity_k))
    state, watch = simulated.begin(), Watch()
    held = dict.fromkeys(observation(seed).users, 0)
    for second in range(1, 6):
        seen = observation(seed + second // 3, capacity_k=capacity_k)
        state = simulated.step(state, seen, float(second)).state
        came_to = look(POLICY, watch, Supply("server", capacity_k, held), measures_of(seen, second), float(second))
        watch, held = came_to.watch, {**held, **came_to.grants_k}
        assert watch.state.grants_k == state.grants_k
        assert all(held[user] >= k for user, k in state.grants_k.items())
        assert sum(held.values()) == (capacity_k if held else 0)


def settled(supply: Supply, *measures: Measure) -> tuple[Look, Supply]:
    """After a first look whose proposal stands."""
    first = look(POLICY, Watch(), supply, measures, 1.0)
    return first, replace(supply, grants_k={**supply.grants_k, **first.grants_k})


def test_look_link_falls_rendering_goes_to_the_neighbour_and_says_why() -> None:
    view = (5.0,) * 10
    fast, steady = measure("1", 1.0, 9e8, view, 0.0), measure("2", 1.0, 6e8, view, 0.0)
    first, standing = settled(Supply("server", 200, {"1": 100, "2": 100}), fast, steady)
    assert standing.grants_k == {"1": 180, "2": 20}
    assert first.reason.came == ("1", "2")
    fallen = measure("1", 2.0, 1e8, view, 0.0)
    after = look(POLICY, first.watch, standing, [fallen, steady], 2.0)
    assert after.grants_k == {"1": 20, "2": 180}
    assert after.reason == live.Reason(came=(), went=(), noticed=("1",), supply_moved=False)


def test_look_one_small_frame_leaves_room_for_a_larger_one() -> None:
    _, standing = settled(Supply("server", 4_000, {"1": 4_000}), measure("1", 1.0, 4e8, (5.0,)))
    assert standing.grants_k == {"1": 4_000}


def test_look_nothing_noticeable_proposes_nothing() -> None:
    one = measure("1", 1.0, 4e8)
    first, standing = settled(Supply("server", 500, {"1": 90}), one)
    after = look(POLICY, first.watch, standing, [measure("1", 2.0, 4.1e8)], 2.0)
    assert after.grants_k == {}


def test_look_vmof_shared_anew_meanwhile_proposes_its_own_again() -> None:
    one, two = measure("1", 1.0, 4e8), measure("2", 1.0, 2e8)
    first, standing = settled(Supply("server", 500, {"1": 90, "2": 90}), one, two)
    regranted = replace(standing, grants_k={"1": 300, "2": 200})
    after = look(POLICY, first.watch, regranted, [one, two], 2.0)
    assert after.grants_k == standing.grants_k


def test_look_share_released_is_forgotten() -> None:
    one, two = measure("1", 1.0, 4e8), measure("2", 1.0, 2e8)
    first, standing = settled(Supply("server", 500, {"1": 90, "2": 90}), one, two)
    alone = replace(standing, grants_k={"1": standing.grants_k["1"]})
    after = look(POLICY, first.watch, alone, [one, two], 2.0)
    assert after.watch.state.users == ("1",)
    assert set(after.watch.newest) == {"1"}
    assert after.reason.went == ("2",)


@given(seed=st.integers(0, 10_000), supply_k=st.integers(0, 600))
def test_look_any_measures_sum_with_the_unmeasured_within_the_server(seed: int, supply_k: int) -> None:
    rng = np.random.default_rng(seed)
    names = [str(number) for number in range(6)]
    held = dict(zip(names, (rng.multinomial(supply_k, [1 / 6] * 6)).tolist(), strict=True))
    watch = Watch()
    for second in range(1, 6):
        lookers = [name for name in names if rng.random() < 0.5]
        told = [measure(name, second, float(rng.uniform(1e6, 1e9))) for name in lookers]
        came_to = look(POLICY, watch, Supply("server", supply_k, held), told, float(second))
        watch, held = came_to.watch, {**held, **came_to.grants_k}
        assert sum(held.values()) <= supply_k
