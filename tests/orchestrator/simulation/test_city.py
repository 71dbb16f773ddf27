"""A city's users with pool, placement and both controllers; scenarios, checked; the command."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from orchestrator.simulation.city import SERIES, Outcome, play_city
from orchestrator.simulation.errors import ScenarioMalformed
from orchestrator.simulation.pool import MODELS, REUSED_S, CityPool
from orchestrator.simulation.report import write_report
from orchestrator.simulation.scenario import Scenario, load_scenario, parse_scenario, shipped
from orchestrator.simulation.traces import modelled_traces
from orchestrator.simulation.visits import draw_visits, profile
from s4m.main import cli

TRACES = modelled_traces(3, 600)
DOCUMENT: dict[str, Any] = {
    "schema": "s4m/scenario/1", "name": "small", "seconds": 600, "step_s": 2, "epoch_s": 30, "users_at_peak": 12,
    "stay_s": 120, "profile": "event", "rendering_k": 1500, "starting_s": 10,
    "runs": [
        {"name": "ours", "local": "local", "global": True},
        {"name": "undesigned", "local": "local", "global": False},
        {"name": "static", "local": "static", "global": False},
        {"name": "hpa", "local": "hpa", "global": False},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse_scenario(DOCUMENT)


@pytest.fixture(scope="module")
def outcomes(scenario: Scenario) -> dict[str, Outcome]:
    visits = draw_visits(scenario, TRACES, 5)
    return {run.name: play_city(scenario, run, visits, 5) for run in scenario.runs}


def column(outcome: Outcome, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(outcome.series)[:, SERIES.index(name)]


def test_city_local_controller_misses_less_of_the_floors_than_the_laws(outcomes: dict[str, Outcome]) -> None:
    missing = {name: float(column(one, "missing").sum()) for name, one in outcomes.items()}
    assert missing["ours"] <= 0.5 * min(missing["static"], missing["hpa"])


def test_city_any_step_grants_within_capacity_within_the_pool(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    for outcome in outcomes.values():
        assert np.all(column(outcome, "granted_k") <= column(outcome, "capacity_k"))
        assert np.all(column(outcome, "capacity_k") <= scenario.rendering_k)


def test_city_designed_ahead_more_shares_find_their_models_running(outcomes: dict[str, Outcome]) -> None:
    ours, undesigned = outcomes["ours"], outcomes["undesigned"]
    assert ours.at_once / ours.served > undesigned.at_once / undesigned.served
    assert np.mean(ours.waited_s) < np.mean(undesigned.waited_s)


def test_city_designs_carry_their_reasons_and_version(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    designs = outcomes["ours"].designs
    assert len(designs) == scenario.seconds // scenario.epoch_s - 1
    assert all(set(one.models) == set(MODELS) and one.reserve.rendering_k <= scenario.rendering_k for one in designs)
    assert all({"shares", "rendering_k"} <= set(one.reasons) for one in designs[1:])
    json.dumps([one.reasons for one in designs])


def test_city_same_seed_same_day(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    again = play_city(scenario, scenario.runs[0], draw_visits(scenario, TRACES, 5), 5)
    assert again.series == outcomes["ours"].series
    assert again.waited_s == outcomes["ours"].waited_s


def test_city_pool_too_small_refuses_and_goes_on(scenario: Scenario) -> None:
    crowded = replace(scenario, rendering_k=200, seconds=120)
    outcome = play_city(crowded, crowded.runs[1], draw_visits(crowded, TRACES, 5), 5)
    assert outcome.refused > 0
    assert len(outcome.series) == 60


def test_pool_share_of_models_that_run_served_at_once_and_rooms_free_again() -> None:
    pool = CityPool("", 2_000, 10)
    first = pool.admit("1", 0.0)
    second = pool.admit("2", 60.0)
    assert first is not None
    assert second is not None
    assert (first.served_s, second.served_s) == (10.0, 60.0 + REUSED_S)
    assert first.instances == second.instances
    pool.leave("1", first)
    pool.leave("2", second)
    pool.keep(dict.fromkeys(MODELS, 0), 70.0)
    assert pool.instances == {}
    assert pool.render(5_000, 70.0) == 2_000
    pool.close()


def test_pool_reserved_rendering_drawn_by_the_cluster_and_kept_when_lowered() -> None:
    pool = CityPool("", 2_000, 10)
    pool.reserve(1_500, 100.0, 0.0)
    assert pool.reserved_k == 1_500
    assert pool.render(1_200, 1.0) == 1_200
    pool.reserve(300, 200.0, 50.0)
    assert pool.reserved_k == 1_200, "what is drawn stays reserved"
    pool.close()


@pytest.mark.parametrize("name", ["day", "flat", "event"])
def test_profile_any_between_nothing_and_the_peak(scenario: Scenario, name: Any) -> None:
    shape = profile(replace(scenario, profile=name, seconds=86_400))
    assert shape.min() > 0.0
    assert 0.9 < shape.max() <= 1.02


def test_scenarios_shipped_three_that_are_read() -> None:
    assert sorted(shipped()) == ["city-day", "quiet-hour", "rush-hour"]
    assert [load_scenario(path).name for path in shipped().values()] == sorted(shipped())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seconds": 5}, r"\$\.seconds"),
        ({"users": 5}, "users"),
        ({"runs": [{"name": "x", "local": "magic", "global": True}]}, "magic"),
        ({"runs": [DOCUMENT["runs"][0]] * 2}, "one name"),
    ],
)
def test_scenario_wrong_place_named(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ScenarioMalformed, match=told):
        parse_scenario({**DOCUMENT, **changed})


def test_report_holds_what_recomputes_the_table(
    outcomes: dict[str, Outcome], scenario: Scenario, tmp_path: Path
) -> None:
    files = write_report(scenario, list(outcomes.values()), 5, tmp_path)
    assert [file.name for file in files] == ["result.json", "result.png", "result.svg"]
    document = json.loads(files[0].read_text())
    at = document["columns"].index("missing")
    for run in document["runs"]:
        assert run["missing_immersion_s"] == pytest.approx(2 * sum(row[at] for row in run["series"]), abs=0.1)


def test_simulate_command_file_of_a_scenario_answers_json(tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps({**DOCUMENT, "seconds": 60, "runs": DOCUMENT["runs"][:1]}))
    result = CliRunner().invoke(cli, ["simulate", str(file), "--json", "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["run"] == "ours"


def test_simulate_command_no_such_scenario_told_with_the_remedy(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["simulate", str(tmp_path / "none.json")])
    assert result.exit_code == 2
    assert "scenario_malformed" in result.stderr
