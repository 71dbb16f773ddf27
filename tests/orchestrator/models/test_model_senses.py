"""Monitoring, data management, interaction, navigation, device, infrastructure, platform: input and grant count."""

import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.models.ar_navigation import chart_of, columns_for, navigate
from orchestrator.models.beach.places import places
from orchestrator.models.data_management import DataManagement, Estimate, fuse
from orchestrator.models.device import capture
from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.human_computer_interaction import interpret
from orchestrator.models.infrastructure import capacity as site_capacity
from orchestrator.models.infrastructure import memory
from orchestrator.models.monitoring import conditions, grid_size, sea_surface, tide, waves
from orchestrator.models.platform import capacity as run_time_capacity
from orchestrator.models.serving import Answer, Handler, Request


def value(answer: Answer) -> Any:
    return json.loads(answer.body)


def ask(call: Handler, params: dict[str, Any], tenant: str = "1", **grant: int) -> Answer:
    return call(Request(params, grant, tenant))


def cpu_seconds(work: Callable[[], object]) -> float:
    best = math.inf
    for _ in range(3):
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return best


def test_weather_and_sea_change_with_time_and_beach_and_repeat() -> None:
    def seen(beach: str, t: float) -> Any:
        return value(ask(conditions, {"beach": beach, "t": t}, computing_mcores=100))

    assert seen("north", 1e9) == seen("north", 1e9)
    assert seen("north", 1e9)["weather"] != seen("south", 1e9)["weather"]
    assert seen("north", 1e9)["tide_m"] != seen("north", 1e9 + 7200)["tide_m"]
    assert seen("north", 1e9)["waves"]["cut_m"] != seen("north", 1e9 + 1)["waves"]["cut_m"]


def test_tide_turns_twice_a_day() -> None:
    levels = [tide("north", 1e9 + 600 * n) for n in range(144)]
    turns = sum((b - a) * (c - b) < 0 for a, b, c in zip(levels, levels[1:], levels[2:], strict=False))
    assert 3 <= turns <= 5


def test_stronger_wind_raises_higher_waves_as_pierson_moskowitz_says() -> None:
    calm, fresh = (waves("north", 1e6, wind, 90.0, 256)["significant_m"] for wind in (5.0, 10.0))
    assert fresh == pytest.approx(0.0246 * 10**2, rel=0.35)
    assert fresh > 3 * calm


def test_granted_computing_makes_the_wave_grid_finer_and_dearer() -> None:
    coarse, fine = (ask(conditions, {"t": 1e9}, computing_mcores=mcores) for mcores in (16, 2500))
    assert (coarse.info["grid"], fine.info["grid"]) == (32, 400)
    assert value(fine)["waves"]["resolved_m"] < value(coarse)["waves"]["resolved_m"]
    slow = cpu_seconds(lambda: sea_surface("north", 0.0, 8.0, 0.0, 400))
    assert slow > 4 * cpu_seconds(lambda: sea_surface("north", 0.0, 8.0, 0.0, 32))
    assert grid_size(0) == 16


def test_forecast_has_the_hours_asked_for() -> None:
    assert len(value(ask(conditions, {"t": 1e9, "hours": 6}))["forecast"]) == 6


@pytest.fixture
def data() -> Iterator[DataManagement]:
    kept = DataManagement()
    yield kept
    for tenant in ("1", "2"):
        kept.forget(tenant)


def reading(data: DataManagement, number: float, tenant: str = "1", **more: Any) -> Any:
    params = {"source": "user", "kind": "position", "values": {"x": number}, "variance": 4.0, "t": 10.0, **more}
    return value(ask(data.ingest, params, tenant))


def test_fusion_is_surer_than_its_best_source(data: DataManagement) -> None:
    estimate = [reading(data, number)["estimates"]["x"] for number in (10.0, 12.0, 11.0, 11.0)][-1]
    assert estimate["variance"] == pytest.approx(1.0)
    assert estimate["value"] == pytest.approx(11.0)
    assert estimate["seen"] == 4


def test_good_source_outweighs_a_poor_one_and_old_knowledge_fades() -> None:
    known = fuse(Estimate(0.0, 0.0, 1.0, 1), 0.0, 10.0, 0.01)
    assert known.value == pytest.approx(9.9, abs=0.01)
    assert (
        fuse(Estimate(0.0, 0.0, 1.0, 1), 1000.0, 10.0, 1.0).value
        > fuse(Estimate(0.0, 0.0, 1.0, 1), 0.0, 10.0, 1.0).value
    )


def test_queries_filter_what_was_stored(data: DataManagement) -> None:
    for n in range(5):
        reading(data, float(n), t=float(n))
    reading(data, 1.0, kind="weather")
    rows = value(ask(data.query, {"what": "observations", "kind": "position", "since": 3}))["observations"]
    assert [row["t"] for row in rows] == [4.0, 3.0]
    assert len(value(ask(data.query, {}))["estimates"]) == 2


def test_tenants_data_never_mix(data: DataManagement) -> None:
    reading(data, 10.0, tenant="1")
    assert value(ask(data.query, {}, tenant="2"))["estimates"] == []
    assert reading(data, 50.0, tenant="2")["estimates"]["x"]["value"] == 50.0


def test_storage_granted_is_storage_had_and_a_refusal_changes_nothing(data: DataManagement) -> None:
    params = {"source": "user", "kind": "k", "values": {f"{'n' * 50}{n}": 1.0 for n in range(64)}}

    def fill(storage_mib: int) -> int:
        for n in range(300):
            try:
                ask(data.ingest, {**params, "t": n}, tenant=str(storage_mib), storage_mib=storage_mib)
            except OverGrant:
                return n
        return 300

    small, large = fill(1), fill(2)
    assert 10 < small < large < 300
    stored = value(ask(data.query, {"what": "observations", "limit": 1}, tenant="1"))["observations"]
    assert stored[0]["t"] == small - 1


def test_query_is_not_open_to_sql(data: DataManagement) -> None:
    reading(data, 1.0)
    assert value(ask(data.query, {"kind": "x' OR '1'='1"}))["estimates"] == []
    with pytest.raises(BadCall):
        ask(data.query, {"what": "sqlite_master"})


def shape(points: list[tuple[float, float]], turn: float = 0.2, scale: float = 140.0) -> list[list[float]]:
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    return [[x * cos - y * sin + 300, x * sin + y * cos + 200] for x, y in points]


CIRCLE = [(math.cos(n / 5), math.sin(n / 5)) for n in range(33)]
STAR = [(math.cos(math.tau * n * 2 / 5 - math.pi / 2), math.sin(math.tau * n * 2 / 5 - math.pi / 2)) for n in range(6)]


@pytest.mark.parametrize(
    ("points", "command"),
    [
        (CIRCLE, "select"),
        (CIRCLE[::-1], "select"),
        (STAR, "make_souvenir"),
        ([(0, 0.6), (0.3, 1), (1, 0)], "confirm"),
        ([(0.5, 0), (0, 0.9), (1, 0.9), (0.5, 0)], "place_flag"),
        ([(0, 0), (0, 1), (1.4, 1), (1.4, 0), (0, 0)], "take_picture"),
        ([(0, 0), (0.25, 1), (0.5, 0), (0.75, 1), (1, 0)], "undo"),
    ],
)
def test_strokes_turned_scaled_and_moved_become_their_commands(points: list[tuple[float, float]], command: str) -> None:
    said = value(ask(interpret, {"strokes": [shape(points)]}, computing_mcores=40))["commands"]
    assert said[0]["command"] == command
    assert said[0]["score"] > 0.8


@pytest.mark.parametrize(
    ("end", "command"),
    [([9, 1], "swipe_right"), ([-9, 0], "swipe_left"), ([1, 9], "swipe_down"), ([0, -9], "swipe_up")],
)
def test_straight_strokes_are_swipes(end: list[float], command: str) -> None:
    assert value(ask(interpret, {"strokes": [[[0, 0], end]]}))["commands"][0]["command"] == command


def test_gaze_that_rests_finds_the_nearest_object_and_gives_the_gesture_its_target() -> None:
    objects = [{"object": 7, "x": 0, "y": 0, "z": 10, "r": 1}, {"object": 8, "x": 0, "y": 0, "z": 20, "r": 5}]
    gaze = [{"t": n / 10, "origin": [0, 0, 0], "direction": [0.02, 0, 1]} for n in range(8)]
    looked = value(ask(interpret, {"gaze": gaze, "objects": objects}))
    assert looked["commands"] == [{"command": "look_at", "object": 7, "dwell_s": 0.7}]
    both = value(ask(interpret, {"gaze": gaze, "objects": objects, "strokes": [shape(CIRCLE)]}))
    assert both["commands"][0] == {
        "command": "select",
        "shape": "circle",
        "score": both["commands"][0]["score"],
        "object": 7,
    }
    assert value(ask(interpret, {"gaze": gaze[:4], "objects": objects}))["commands"] == []


def test_granted_computing_decides_how_finely_strokes_are_compared() -> None:
    strokes = {"strokes": [shape(STAR)] * 4}
    coarse, fine = (ask(interpret, strokes, computing_mcores=mcores) for mcores in (10, 80))
    assert (coarse.info["points"], fine.info["points"]) == (16, 128)
    assert fine.quantity == 4
    slow = cpu_seconds(lambda: ask(interpret, strokes, computing_mcores=80))
    assert slow > 3 * cpu_seconds(lambda: ask(interpret, strokes, computing_mcores=10))


@pytest.mark.parametrize(
    "params", [{"strokes": [[[0, 0], [0, 0]]]}, {"strokes": [[[0, 0]]]}, {"gaze": [{"t": 0}]}, {"strokes": 5}]
)
def test_bad_gestures_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(BadCall):
        ask(interpret, params)


def test_route_leads_to_the_goal_and_around_what_stands_in_the_way() -> None:
    lighthouse = next(place for place in places() if "lighthouse" in place.name)
    start, goal = (lighthouse.x - 30, lighthouse.y), (lighthouse.x + 30, lighthouse.y)
    seen = value(
        ask(navigate, {"x": start[0], "y": start[1], "to": {"x": goal[0], "y": goal[1]}}, computing_mcores=400)
    )
    points = seen["route"]["points"]
    assert math.dist(points[0], start) < 2
    assert math.dist(points[-1], goal) < 2
    assert all(math.dist(point, (lighthouse.x, lighthouse.y)) >= lighthouse.radius for point in points)
    assert seen["route"]["length_m"] > 60


def test_overlays_are_near_and_where_one_looks() -> None:
    place = places()[3]
    seen = value(ask(navigate, {"x": place.x, "y": max(place.y - 5, 0), "yaw": 0.0, "radius": 30}))["overlays"]
    shown = next(overlay for overlay in seen if overlay["object"] == 3)
    assert shown["screen_x"] == pytest.approx(0.5, abs=0.01)
    assert [overlay["distance_m"] for overlay in seen] == sorted(overlay["distance_m"] for overlay in seen)
    assert all(overlay["distance_m"] <= 30 for overlay in seen)
    behind = value(ask(navigate, {"x": place.x, "y": max(place.y - 5, 0), "yaw": math.pi, "radius": 30}))["overlays"]
    assert next(overlay for overlay in behind if overlay["object"] == 3)["screen_x"] is None


def test_granted_computing_makes_the_map_finer_and_the_route_dearer() -> None:
    trip = {"x": 5.0, "y": 5.0, "to": {"x": 390.0, "y": 110.0}}
    coarse, fine = (ask(navigate, trip, computing_mcores=mcores) for mcores in (9, 100))
    assert fine.info["cell_m"] < coarse.info["cell_m"]
    assert fine.info["expanded"] > 4 * coarse.info["expanded"]
    assert value(fine)["route"]["length_m"] == pytest.approx(value(coarse)["route"]["length_m"], rel=0.1)
    assert cpu_seconds(lambda: ask(navigate, trip, computing_mcores=100)) > 2 * cpu_seconds(
        lambda: ask(navigate, trip, computing_mcores=9)
    )
    assert columns_for(25) == 100
    assert len(chart_of(100).cost[0]) == 100


def test_every_object_can_be_walked_to() -> None:
    for place in places():
        assert (
            value(ask(navigate, {"x": 1.0, "y": 1.0, "to": {"object": place.object}}, computing_mcores=16))["route"][
                "length_m"
            ]
            > 0
        )


def test_map_shows_what_is_closed() -> None:
    rows = value(ask(navigate, {"map": True}, computing_mcores=16))["map"]
    assert len(rows[0]) == 80
    assert any("#" in row for row in rows)


def test_device_repeats_for_the_same_seed_and_sees_something_else_elsewhere() -> None:
    def seen(**params: Any) -> Any:
        return value(ask(capture, {"seed": 1, "t": 100, **params}, computing_mcores=40))

    assert seen() == seen()
    assert seen()["visual"] != seen(seed=2)["visual"]
    assert seen()["visual"][0]["corners"] != seen(pose={"x": 50, "y": 60, "yaw": 2})["visual"][0]["corners"]
    assert len(seen()["visual"][0]["corners"]) > 3


def test_surf_is_louder_at_the_water() -> None:
    def loudness(y: float) -> float:
        params = {"seed": 1, "pose": {"y": y}, "seconds": 5, "kinds": ["audio"]}
        return sum(float(window["rms"]) for window in value(ask(capture, params))["audio"])

    assert loudness(1) > loudness(110)


def test_granted_computing_raises_the_devices_rates_and_cost() -> None:
    params = {"seed": 1, "seconds": 2}
    slow, fast = (ask(capture, params, computing_mcores=mcores) for mcores in (8, 120))
    assert (slow.info["frames_per_s"], fast.info["frames_per_s"]) == (2, 30)
    assert (slow.info["audio_hz"], fast.info["audio_hz"]) == (2000, 16_000)
    assert fast.quantity > 3 * slow.quantity
    dear = cpu_seconds(lambda: ask(capture, params, computing_mcores=120))
    assert dear > 3 * cpu_seconds(lambda: ask(capture, params, computing_mcores=8))


def test_sessions_carry_a_thousand_points_each_and_no_stroke_is_thinned_to_nothing() -> None:
    there_and_back = [[0, 0], [1, 1]] * 750
    heard = ask(interpret, {"strokes": [there_and_back]}, protocol_stack_sessions=1)
    assert (heard.info["every"], heard.quantity) == (2, 1)
    assert ask(interpret, {"strokes": [there_and_back]}, protocol_stack_sessions=2).info["every"] == 1


def test_infrastructure_tells_what_this_host_carries_of_its_supply_and_what_it_lacks() -> None:
    small = value(ask(site_capacity, {"seconds": 0.01}, computing_mcores=500, storage_mib=1))
    assert (small["carries"]["computing_mcores"], small["carries"]["storage_mib"], small["lacks"]) == (500, 1, {})
    assert small["carries"]["hash_mib_per_s"] == pytest.approx(small["hash_mib_per_s"] / 2, rel=0.01)
    large = value(ask(site_capacity, {"seconds": 0.01}, computing_mcores=10**6, storage_mib=1))
    assert large["carries"]["computing_mcores"] == 1000 * large["cores"]
    assert large["lacks"] == {"computing_mcores": 10**6 - 1000 * large["cores"]}


def test_infrastructure_measures_this_host_and_tells_its_supply() -> None:
    told = value(ask(site_capacity, {"seconds": 0.01}, computing_mcores=8000))
    assert told["cores"] >= 1
    assert 0 < told["memory_free_mib"] <= told["memory_mib"]
    assert told["hash_mib_per_s"] > 1
    assert told["supplies"] == {"computing_mcores": 8000}
    assert memory("MemTotal: 2048 kB\nMemFree: 1024 kB\n") == {"memory_mib": 2, "memory_free_mib": 1}


def test_longer_measurement_costs_more() -> None:
    long = cpu_seconds(lambda: ask(site_capacity, {"seconds": 0.08}))
    assert long > 4 * cpu_seconds(lambda: ask(site_capacity, {"seconds": 0.01}))


def test_platform_measures_exchanges_and_tells_its_supply() -> None:
    few, many = (ask(run_time_capacity, {"exchanges": 50}, protocol_stack_sessions=n) for n in (4, 200))
    assert (value(few)["sessions"], few.info["open"], few.quantity) == (4, 4, 1)
    assert (value(many)["sessions"], many.info["open"]) == (200, 64)
    assert value(few)["exchanges_per_s"] > 100
    assert value(few)["exchanges_per_s_of_each"] == pytest.approx(value(few)["exchanges_per_s"] / 4, abs=1)
    assert value(many)["supplies"] == {"protocol_stack_sessions": 200}
    assert ask(run_time_capacity, {"exchanges": 950}).quantity == 10
    with pytest.raises(OverGrant, match="protocol_stack_sessions"):
        ask(run_time_capacity, {}, protocol_stack_sessions=0)
