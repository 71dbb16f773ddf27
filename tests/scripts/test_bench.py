"""What the benches count: figures without a value, purchases that never answered, loads that are not what was asked."""

import json
import math
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from orchestrator.models.manifests import manifests, service_named
from orchestrator.placement import decide
from scripts.bench import REPORTED, figure, main, source_of
from scripts.bench_orchestrator import Raw, Size
from scripts.bench_placement import batches
from scripts.load.demands import IMPOSSIBLE_MS, composites, demands, variants
from scripts.load.functions import covered_s
from scripts.load.orders import BEACH, FRESH, Mix, Order, orders, warm_up
from scripts.orchestrator_load import takeovers
from scripts.placement.crowd import Crowd


def answered(order: Order, verdict: str, took_s: float = 0.4) -> None:
    """As if the orchestrator had filled it so, and its first use had been answered."""
    order.times |= {"final": 100.0, "running": 100.0 + took_s / 2, "answered": 100.0 + took_s}
    order.told = {"state": "running", "outcome": {"models": [{"verdict": "reuse"}, {"verdict": verdict}]}}


def mixed(created: int, of: int = 100) -> list[Order]:
    made = orders(of, seed=1)
    for number, order in enumerate(made):
        answered(order, "create" if number < created else "reuse")
    return made


@pytest.mark.parametrize("value", [None, math.inf])
def test_a_value_that_was_not_reached_is_null_and_a_miss(value: float | None) -> None:
    found = figure("p99", value, "ms", "load", ("<=", 2_000))
    assert (found["value"], found["holds"]) == (None, False)
    json.dumps(found, allow_nan=False)


def test_a_fault_of_the_measurement_is_a_miss_whatever_the_value() -> None:
    found = figure("p99", 1, "ms", "the load", ("<=", 2_000), fault="another load than was asked for")
    assert not found["holds"]
    assert found["load"] == "MISSED, for another load than was asked for; the load"


def test_a_reported_figure_holds_without_a_bar() -> None:
    found = figure("ratio", 0.5, "times", "load", REPORTED)
    assert (found["holds"], found["bar"]) == (True, {"op": "reported", "value": None})


@pytest.mark.parametrize("count", [100, 600])
def test_orders_have_the_degrees_that_the_bar_asks_for(count: int) -> None:
    made = orders(count, seed=7)
    assert [sum(one.isolation == degree for one in made) for degree in (0, 1, 2)] == [
        count * 7 // 10, count * 2 // 10, count // 10,
    ]  # fmt: skip
    assert sum(one.fresh for one in made) == count * 19 // 100


def test_a_fresh_model_comes_up_again_only_after_all_the_others() -> None:
    names = [one.name for one in orders(600, seed=7) if one.fresh and one.isolation < 2]
    assert all(len(set(names[at : at + len(FRESH)])) == len(FRESH) for at in range(len(names) - len(FRESH)))


def test_nothing_fresh_is_a_part_of_what_is_shared() -> None:
    assert not set(FRESH) & set(service_named(BEACH).roles.values())
    assert {one.name for one in warm_up(0)} >= set(FRESH)


@pytest.mark.parametrize(("created", "is_asked"), [(18, False), (19, True), (20, True), (21, True), (22, False)])
def test_a_mix_is_the_asked_one_within_one_percent(created: int, is_asked: bool) -> None:
    assert (Mix(mixed(created)).fault == "") is is_asked


def test_purchases_that_failed_were_refused_or_never_answered_are_infinitely_late() -> None:
    made = mixed(20)
    made[0].failure = "refused"
    del made[1].times["answered"]
    mix = Mix(made)
    assert mix.took_ms("answered", 0.98) == pytest.approx(400)
    assert mix.took_ms("answered", 0.99) == math.inf
    assert mix.took_ms("running", 0.99) == pytest.approx(200)
    assert "2 failed, refused or unanswered" in str(mix)


def test_demands_hold_composites_of_six_roles_and_requests_that_must_be_refused() -> None:
    models = variants(200)
    assert len(models) == 200
    assert set(manifests()) & set(models) == {"infrastructure", "platform"}
    coming = demands(models, 7, running=False)
    found = [next(coming) for _ in range(300)]
    assert sum(len(one.spec.get("roles", ())) >= 6 for one in found) == 100
    assert sum(one.request["qoe"]["latency_ms"] == IMPOSSIBLE_MS for one in found) == 15
    assert {role for one in composites(models).values() for role in one.roles.values()} <= set(models)


def test_starts_that_overlap_are_waited_for_once() -> None:
    assert covered_s([(1.0, 2.0), (0.0, 3.0), (2.5, 4.0), (6.0, 7.0)]) == pytest.approx(5.0)
    assert covered_s([]) == 0


def test_the_crowd_holds_no_more_than_its_sites_and_links_have() -> None:
    crowd = Crowd(40, 20, seed=3)
    for request in crowd.requests(5):
        view = crowd.view(request)
        assert all(min(room.free.all_amounts().values()) >= 0 for room in view.nodes)
        assert any(room.links for room in view.nodes)
        assert decide(request, view).reasons


def test_workers_cannot_be_struck_in_more_batches_than_there_are() -> None:
    with pytest.raises(ValueError, match="too few"):
        takeovers("", purchases=60, kills=10, stops=2)


def test_rates_go_up_step_by_step() -> None:
    assert Size().rates == [8, 10, 12, 14, 16]


def test_raw_material_is_written_part_by_part(tmp_path: Path) -> None:
    raw = Raw(tmp_path / "raw.json", seed=7)
    raw.keep(first=1)
    assert json.loads((tmp_path / "raw.json").read_text()) == {"seed": 7, "first": 1}
    raw.keep(second=2)
    assert json.loads((tmp_path / "raw.json").read_text()) == {"seed": 7, "first": 1, "second": 2}


def test_generated_batches_and_given_ones_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--area", "placement", "--generated", "--input", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert "leave one of them out" in capsys.readouterr().err


@pytest.mark.parametrize(("generated", "source"), [(False, Path("/recorded/placement")), (True, None)])
def test_recorded_batches_are_read_unless_new_ones_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, generated: bool, source: Path | None
) -> None:
    monkeypatch.setenv("S4M_DATA", "/recorded")
    given = Namespace(input=None, generated=generated)
    assert source_of("placement", given) == source
    assert source_of("immersion", given) is None
    assert source_of("placement", Namespace(input=Path("mine"), generated=False)) == Path("mine")


def test_another_seed_makes_another_batch(tmp_path: Path) -> None:
    (name, one), (_, same), (_, other) = (batches((10, 50), None, tmp_path, seed)[0] for seed in (3, 3, 4))
    assert name == "10x50_generated_3"
    assert one == same != other
