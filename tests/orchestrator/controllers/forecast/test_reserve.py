"""Reservation by cost of capacity: what is wanted where it fits, the cheapest cut where it does not."""

from itertools import product

import numpy as np
import pytest

from orchestrator.controllers.forecast import Forecaster, ForecastError, Outlook, capacity_to_reserve, cost
from orchestrator.controllers.forecast.costs import QUANTILE
from orchestrator.resources import ResourceVector

COMPUTING = "computing_mcores"


def outlook(mean: float, spread: float, seed: int) -> Outlook:
    scenarios = np.sort(np.random.default_rng(seed).normal(mean, spread, 200).clip(0))
    return Outlook(float(np.quantile(scenarios, QUANTILE)), scenarios)


def computing(amount: int) -> ResourceVector:
    return ResourceVector(computing_mcores=amount)


def test_all_that_is_wanted_is_reserved_where_it_fits() -> None:
    outlooks = {("vr", COMPUTING): Outlook(10.2, np.empty(0)), ("twin", "storage_mib"): Outlook(5.0, np.empty(0))}
    reserved = capacity_to_reserve(outlooks, {}, ResourceVector(computing_mcores=100, storage_mib=100))
    assert reserved == {"vr": computing(11), "twin": ResourceVector(storage_mib=5)}


def test_headroom_is_added_to_the_forecast() -> None:
    outlooks = {("vr", COMPUTING): Outlook(10.0, np.empty(0))}
    assert capacity_to_reserve(outlooks, {}, computing(100), headroom=0.1) == {"vr": computing(11)}


def test_what_is_granted_stays_reserved() -> None:
    outlooks = {("vr", COMPUTING): Outlook(10.0, np.empty(0))}
    granted = {"vr": computing(30), "twin": computing(20)}
    assert capacity_to_reserve(outlooks, granted, computing(60)) == granted


def test_scarce_room_is_divided_so_that_the_expected_cost_is_least() -> None:
    steady, wild = outlook(80, 5, 1), outlook(80, 30, 2)
    outlooks = {("steady", COMPUTING): steady, ("wild", COMPUTING): wild}
    reserved = capacity_to_reserve(outlooks, {}, computing(170))

    def expected(mine: float, theirs: float) -> float:
        return float(cost(mine, steady.scenarios).mean() + cost(theirs, wild.scenarios).mean())

    ours = expected(reserved["steady"].computing_mcores, reserved["wild"].computing_mcores)
    best = min(expected(mine, 170 - mine) for mine in range(171))
    assert reserved["steady"].computing_mcores + reserved["wild"].computing_mcores <= 170
    assert ours <= 1.02 * best


@pytest.mark.parametrize(("room", "granted"), [*product((0, 1, 50, 100, 199), (0, 1))])
def test_room_is_never_exceeded(room: int, granted: int) -> None:
    outlooks = {(name, COMPUTING): outlook(80, 20, place) for place, name in enumerate("abc")}
    held = {"a": computing(min(granted, room))}
    reserved = capacity_to_reserve(outlooks, held, computing(room), headroom=0.3)
    assert sum(each.computing_mcores for each in reserved.values()) <= room
    assert reserved["a"].computing_mcores >= held["a"].computing_mcores


def test_outlook_of_a_forecaster_covers_as_its_capacity_does() -> None:
    random, forecaster = np.random.default_rng(3), Forecaster(60.0)
    for place in range(400):
        forecaster.observe(float(random.poisson(50)), 60.0 * place)
    seen = forecaster.outlook(1)
    assert len(seen.scenarios) == 200
    assert np.mean(seen.scenarios <= seen.capacity) == pytest.approx(QUANTILE, abs=0.04)
    assert seen.at(1.0) == seen.capacity
    assert seen.at(0.0) == 0.0


def test_input_that_cannot_be_is_told() -> None:
    some = {("vr", COMPUTING): Outlook(10.0, np.empty(0))}
    with pytest.raises(ForecastError, match="Give a share"):
        capacity_to_reserve(some, {}, computing(10), headroom=-0.1)
    with pytest.raises(ForecastError, match="unknown resources"):
        capacity_to_reserve({("vr", "gold"): Outlook(1.0, np.empty(0))}, {}, computing(10))
    with pytest.raises(ForecastError, match="granted of 10"):
        capacity_to_reserve(some, {"vr": computing(11)}, computing(10))
