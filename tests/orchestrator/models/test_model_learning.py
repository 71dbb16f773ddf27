"""Forecasting, classifying, knowledge, and the analysis software: more data and more computing, better answers."""

import math
from typing import Any

import numpy as np
import pytest
from model_calls import ask, cpu_seconds, value

from orchestrator.models.ai_classifier import Classifiers
from orchestrator.models.ai_forecasting import candidates, candidates_for, forecast
from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.knowledge import Knowledge
from orchestrator.models.software import run_chain

SEASON, AHEAD = 24, 12


def series(seed: int, count: int) -> list[float]:
    """A season with a harmonic, and an autoregression of order two around it."""
    chance, t = np.random.default_rng(seed), np.arange(count)
    wander = np.zeros(count)
    for n in range(2, count):
        wander[n] = 1.2 * wander[n - 1] - 0.5 * wander[n - 2] + chance.normal()
    found = 50 + 10 * np.sin(math.tau * t / SEASON) + 4 * np.sin(math.tau * t / 12 + 1) + wander
    return [float(each) for each in found]


def foretold(seed: int, history: int, mcores: int) -> tuple[float, float]:
    """Mean absolute error, and the share of the truth between the outer quantiles."""
    whole = series(seed, 800)[-(history + AHEAD) :]
    params = {"history": whole[:history], "steps": AHEAD, "season": SEASON}
    told, truth = value(ask(forecast, params, computing_mcores=mcores)), np.array(whole[history:])
    low, high = (np.array(told["quantiles"][level]) for level in ("0.1", "0.9"))
    inside = float(((truth >= low) & (truth <= high)).mean())
    return float(np.abs(np.array(told["forecast"]) - truth).mean()), inside


def mean_of(history: int, mcores: int) -> tuple[float, float]:
    found = np.array([foretold(seed, history, mcores) for seed in range(24)])
    return float(found[:, 0].mean()), float(found[:, 1].mean())


def test_longer_history_and_more_computing_foretell_better() -> None:
    best = mean_of(700, 120)[0]
    assert best < 0.85 * mean_of(60, 120)[0]
    assert best < 0.85 * mean_of(700, 20)[0]


def test_eight_of_ten_lie_between_the_outer_quantiles() -> None:
    assert 0.7 < mean_of(700, 120)[1] < 0.9


def test_computing_buys_candidates_and_costs() -> None:
    params = {"history": series(1, 2000), "steps": AHEAD, "season": SEASON}
    cheap, dear = (ask(forecast, params, computing_mcores=mcores) for mcores in (20, 240))
    assert (cheap.info["candidates"], dear.info["candidates"]) == (2, 24)
    assert candidates_for(0) == 2
    assert candidates(SEASON, 3)[2].name == "ar(1) with season"
    assert dear.quantity == AHEAD
    assert cpu_seconds(lambda: ask(forecast, params, computing_mcores=240)) > 4 * cpu_seconds(
        lambda: ask(forecast, params, computing_mcores=20)
    )


def test_a_trend_less_flat_series_stays_flat() -> None:
    told = value(ask(forecast, {"history": [5.0] * 40, "steps": 3, "season": 8}))
    assert told["forecast"] == [5.0, 5.0, 5.0]
    assert told["expected_error"] == 0


@pytest.mark.parametrize("history", [8, 20])
def test_a_short_history_is_answered_with_what_it_bears(history: int) -> None:
    told = value(ask(forecast, {"history": series(1, 100)[:history], "steps": 20}))
    assert len(told["forecast"]) == 20
    assert all(map(math.isfinite, told["quantiles"]["0.9"]))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({}, "history"),
        ({"history": [1, 2]}, "history"),
        ({"history": [1.0] * 9 + ["x"]}, r"history\[9\]"),
        ({"history": [1] * 20, "steps": 0}, "steps"),
        ({"history": [1] * 20, "season": 11}, "season"),
        ({"history": [1] * 20, "quantiles": [2]}, "quantiles"),
        ({"history": [1] * 20, "quantiles": [0.5, 0.5]}, "quantiles"),
    ],
)
def test_bad_forecasts_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(forecast, params)


def spirals(count: int, seed: int) -> dict[str, Any]:
    """Three arms that wind around each other."""
    chance = np.random.default_rng(seed)
    arms = chance.integers(0, 3, count)
    far = chance.uniform(0.2, 1, count)
    turn = 14 * far + arms * math.tau / 3 + chance.normal(0, 0.2, count)
    samples = np.column_stack((far * np.cos(turn), far * np.sin(turn)))
    return {"samples": samples.tolist(), "labels": ["abc"[arm] for arm in arms]}


def accuracy(train: dict[str, Any], mcores: int) -> float:
    learnt, fresh = Classifiers(), spirals(300, 99)
    ask(learnt.train, {"name": "arms", **train}, computing_mcores=mcores)
    told = value(ask(learnt.classify, {"name": "arms", "samples": fresh["samples"]}))["classes"]
    return float(np.mean([each["label"] == label for each, label in zip(told, fresh["labels"], strict=True)]))


def test_more_examples_and_more_computing_classify_better() -> None:
    assert accuracy(spirals(600, 1), 250) > 0.95
    assert accuracy(spirals(600, 1), 4) < 0.7
    assert accuracy(spirals(40, 1), 250) < 0.9


def test_accuracy_is_measured_on_what_was_held_back() -> None:
    learnt, train = Classifiers(), spirals(600, 1)
    told = value(ask(learnt.train, {"name": "arms", **train}, computing_mcores=250))
    assert told["held_back"] == 120
    assert told["accuracy"] > 0.9
    chance = np.random.default_rng(3)
    noise = {"samples": train["samples"], "labels": [str(each) for each in chance.integers(0, 3, 600)]}
    assert value(ask(learnt.train, {"name": "noise", **noise}, computing_mcores=250))["accuracy"] < 0.5


def test_training_costs_what_its_computing_is() -> None:
    train = {"name": "arms", **spirals(600, 1)}
    dear, cheap = (
        cpu_seconds(lambda mcores=mcores: ask(Classifiers().train, train, computing_mcores=mcores))  # type: ignore[misc]
        for mcores in (250, 4)
    )
    assert dear > 3 * cheap
    assert ask(Classifiers().train, train).quantity == 6


def test_classifiers_are_a_tenants_own_and_within_its_storage() -> None:
    learnt, train = Classifiers(), spirals(100, 1)
    ask(learnt.train, {"name": "arms", **train})
    with pytest.raises(NotThere, match="arms"):
        ask(learnt.classify, {"name": "arms", "samples": [[0, 0]]}, tenant="2")
    with pytest.raises(OverGrant, match="storage_mib"):
        ask(learnt.train, {"name": "more", **train}, storage_mib=0)
    learnt.forget("1")
    with pytest.raises(NotThere):
        ask(learnt.classify, {"name": "arms", "samples": [[0, 0]]})


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"samples": [[0, 0]] * 10, "labels": ["a", "b"] * 5}, "name"),
        ({"name": "n", "samples": [[0, 0]] * 10, "labels": ["a", "b"]}, "labels"),
        ({"name": "n", "samples": [[0, 0]] * 10, "labels": ["a"] * 10}, "classes"),
        ({"name": "n", "samples": [[0, 0]] * 9 + [[0]], "labels": ["a", "b"] * 5}, "samples"),
        ({"name": "n", "samples": [0] * 10, "labels": ["a", "b"] * 5}, "samples"),
    ],
)
def test_bad_examples_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(Classifiers().train, params)
    learnt = Classifiers()
    ask(learnt.train, {"name": "arms", **spirals(50, 1)})
    with pytest.raises(BadCall, match="trained on 2"):
        ask(learnt.classify, {"name": "arms", "samples": [[1, 2, 3]]})


CHAIN = [[f"part-{n}", "part_of", f"part-{n + 1}"] for n in range(20)]
TRANSITIVE = {
    "name": "whole",
    "if": [["?a", "part_of", "?b"], ["?b", "part_of", "?c"]],
    "then": ["?a", "part_of", "?c"],
}


def wise(tenant: str = "1") -> Knowledge:
    known = Knowledge()
    ask(
        known.learn, {"facts": [*CHAIN, ["part-3", "celsius", 80], ["part-4", "celsius", 20]], "source": "book"}, tenant
    )
    ask(known.rule, TRANSITIVE, tenant)
    return known


def test_what_follows_is_found_and_told_why() -> None:
    known = wise()
    told = value(ask(known.ask, {"where": [["part-0", "part_of", "?x"]]}, computing_mcores=400))
    assert told["complete"]
    assert len(told["answers"]) == 20
    why = value(ask(known.why, {"fact": ["part-0", "part_of", "part-2"]}))
    assert why == {"fact": ["part-0", "part_of", "part-2"], "from": "whole", "because": CHAIN[:2]}
    assert value(ask(known.why, {"fact": CHAIN[0]}))["from"] == "book"


def test_questions_join_patterns_and_filter() -> None:
    params = {
        "where": [["?x", "celsius", "?c"], ["?x", "part_of", "part-9"]],
        "filter": [["?c", ">", 50]],
        "select": ["?x"],
    }
    assert value(ask(wise().ask, params, computing_mcores=400))["answers"] == [{"?x": "part-3"}]
    loop = {"where": [["?x", "part_of", "?x"]]}
    assert value(ask(wise().ask, loop, computing_mcores=400))["answers"] == []


def test_granted_computing_bounds_inference_which_goes_on_at_the_next_question() -> None:
    known, question = wise(), {"where": [["?x", "part_of", "?y"]], "limit": 1000}
    first = ask(known.ask, question, computing_mcores=1)
    assert not value(first)["complete"]
    whole = ask(known.ask, question, computing_mcores=400)
    assert value(whole)["complete"]
    assert len(value(first)["answers"]) < len(value(whole)["answers"]) == whole.quantity
    cheap = cpu_seconds(lambda: ask(wise().ask, question, computing_mcores=1))
    assert cpu_seconds(lambda: ask(wise().ask, question, computing_mcores=400)) > 3 * cheap


def test_facts_are_within_the_storage_and_a_refusal_learns_nothing() -> None:
    known = Knowledge()
    facts = [["thing", "number", n] for n in range(1000)]
    for batch in range(2):
        ask(known.learn, {"facts": [[f"{batch}-{s}", p, o] for s, p, o in facts]}, storage_mib=1)
    with pytest.raises(OverGrant, match="1000 facts"):
        ask(known.learn, {"facts": facts}, storage_mib=1)
    assert value(ask(known.ask, {"where": [["thing", "number", "?n"]]}, storage_mib=1))["answers"] == []
    assert value(ask(known.learn, {"facts": facts}, storage_mib=2))["facts"] == 3000


def test_tenants_do_not_know_of_each_other() -> None:
    known = wise()
    assert value(ask(known.ask, {"where": [["?x", "part_of", "?y"]]}, tenant="2"))["answers"] == []
    known.forget("1")
    assert value(ask(known.ask, {"where": [["?x", "part_of", "?y"]]}))["answers"] == []


@pytest.mark.parametrize(
    ("call", "params", "named"),
    [
        ("learn", {"facts": [["a", "b"]]}, "fact"),
        ("learn", {"facts": [["a", "b", None]]}, "term"),
        ("learn", {"facts": [["?a", "b", "c"]]}, "variable"),
        ("rule", {"name": "r", "if": [["?a", "b", "c"]], "then": ["?x", "b", "c"]}, "then"),
        ("ask", {}, "where"),
        ("ask", {"where": [["?a", "b", "c"]], "select": ["?z"]}, "select"),
        ("ask", {"where": [["?a", "b", "c"]], "filter": [["?a", "like", 1]]}, "filter"),
    ],
)
def test_bad_knowledge_is_refused_by_name(call: str, params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(getattr(Knowledge(), call), params)


def test_what_is_not_known_has_no_reason() -> None:
    with pytest.raises(NotThere, match="ask first"):
        ask(wise().why, {"fact": ["a", "b", "c"]})


RATE = 1000.0
TIME = np.arange(20_000) / RATE
HUM = np.sin(math.tau * 50 * TIME) + 0.5 * np.sin(math.tau * 180 * TIME) + 0.01 * TIME


def analyse(*steps: dict[str, Any], given: Any = HUM, mcores: int = 400, rate: float = RATE) -> Any:
    params = {"series": [float(each) for each in given], "rate_hz": rate, "steps": list(steps)}
    return value(ask(run_chain, params, computing_mcores=mcores))


def test_a_chain_finds_the_pitches_that_are_there() -> None:
    found = analyse({"do": "detrend"}, {"do": "spectrum", "peaks": 2})["reports"][0]["found"]
    assert [round(peak["hz"]) for peak in found] == [50, 180]
    assert [peak["amplitude"] for peak in found] == pytest.approx([1.0, 0.5], rel=0.02)
    high = analyse({"do": "band", "low_hz": 100}, {"do": "statistics"})["reports"][0]["found"]
    assert high["std"] == pytest.approx(0.5 / math.sqrt(2), rel=0.02)


def test_steps_work_on_what_the_ones_before_made() -> None:
    spiky = np.zeros(400)
    spiky[[50, 51, 52, 53, 54, 300]] = [9, 9, 9, 9, 9, 100]
    events = {"do": "events", "above": 5}
    assert len(analyse(events, given=spiky)["reports"][0]["found"]) == 2
    kept = analyse({"do": "median", "window": 3}, events, given=spiky)["reports"][0]["found"]
    assert kept == [{"begin_s": 0.05, "seconds": 0.005, "most": 9.0}]
    ramp = analyse({"do": "difference"}, given=np.arange(100.0), rate=2)["series"]
    assert ramp[1:] == [2.0] * 99
    flat = analyse({"do": "smooth", "window": 5}, given=np.full(50, 3.0))["series"]
    assert flat == pytest.approx([3.0] * 50)
    loud = analyse({"do": "envelope", "window": 101}, given=np.sin(np.arange(2000.0)))["series"]
    assert loud[1000] == pytest.approx(1 / math.sqrt(2), rel=0.02)


def test_granted_computing_decides_how_fine_the_analysis_is_and_what_it_costs() -> None:
    params = {"series": HUM.tolist(), "rate_hz": RATE, "steps": [{"do": "median", "window": 31}, {"do": "spectrum"}]}
    coarse, fine = (ask(run_chain, params, computing_mcores=mcores) for mcores in (40, 400))
    assert (coarse.info["averaged"], fine.info["averaged"]) == (10, 1)
    assert (coarse.quantity, fine.quantity) == (4, 40)
    assert value(coarse)["rate_hz"] == 100.0
    pitches = [[round(peak["hz"]) for peak in value(each)["reports"][0]["found"]] for each in (coarse, fine)]
    assert 50 not in pitches[0]
    assert pitches[1][0] == 50
    slow = cpu_seconds(lambda: ask(run_chain, params, computing_mcores=400))
    assert slow > 1.5 * cpu_seconds(lambda: ask(run_chain, params, computing_mcores=40))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"series": [1] * 7, "steps": [{"do": "detrend"}]}, "series"),
        ({"series": [1] * 9, "steps": []}, "steps"),
        ({"series": [1] * 9, "steps": [{"do": "wash"}]}, "do is"),
        ({"series": [1] * 9, "steps": [{"do": "smooth", "window": 4}]}, "window"),
        ({"series": [1] * 9, "steps": [{"do": "band", "low_hz": 9, "high_hz": 3}]}, "low_hz"),
        ({"series": [1] * 9, "steps": ["detrend"]}, "steps"),
    ],
)
def test_bad_chains_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(run_chain, params)
