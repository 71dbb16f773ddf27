"""Metering rules: known values, flooring, and what no record may do."""

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.metering import Tally, Terms, TermsInvalid, bill, billable, gross_units, immersion_milli, vested

DOCUMENT: dict[str, Any] = {
    "schema": "s4m/terms/1",
    "meters": [
        {"name": "frame", "unit": "K", "units_per_1000": 1500},
        {"name": "query", "unit": "query", "units_per_1000": 1},
    ],
    "included_units_per_period": "1000",
    "qoe": {"floor_milli": 2000, "discount_bps": 2500},
    "credit_units": "500",
    "credit_seconds": 30,
}
TERMS = Terms.parse(DOCUMENT)


def test_terms_wellformed_parsed_to_whole_numbers() -> None:
    assert [meter.name for meter in TERMS.meters] == ["frame", "query"]
    assert (TERMS.included_units_per_period, TERMS.credit_units, TERMS.credit_seconds) == (1000, 500, 30)
    assert TERMS.meter_index("query") == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], "s4m/terms/2"),
        (["meters"], []),
        (["meters", 0, "name"], "Frame!"),
        (["meters", 0, "units_per_1000"], -1),
        (["meters", 0, "units_per_1000"], 1.5),
        (["meters", 1, "name"], "frame"),
        (["meters", 1, "extra"], 1),
        (["qoe", "discount_bps"], 10_001),
        (["qoe", "floor_milli"], True),
        (["included_units_per_period"], "01"),
        (["credit_units"], None),
        (["surprise"], 1),
    ],
)
def test_terms_malformed_refused_by_name(path: list[Any], value: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(TermsInvalid) as caught:
        Terms.parse(document)
    assert caught.value.code == "terms_invalid"


@pytest.mark.parametrize("missing", list(DOCUMENT))
def test_terms_field_missing_refused(missing: str) -> None:
    with pytest.raises(TermsInvalid):
        Terms.parse({name: value for name, value in DOCUMENT.items() if name != missing})


def test_billable_known_values_floored_per_record() -> None:
    assert billable(TERMS, 0, 333, 0, 0) == 499  # 499.5
    assert billable(TERMS, 0, 333, 2000, 0) == 499  # at the floor: no discount
    assert billable(TERMS, 0, 333, 1999, 0) == 374  # 374.625 at 25 % off
    assert billable(TERMS, 1, 999, 0, 0) == 0
    assert billable(TERMS, 0, 333, 0, 400) == 99
    assert billable(TERMS, 0, 333, 0, 1000) == 0
    assert billable(TERMS, 0, 333, 0, -5) == 499


def test_billable_unknown_meter_or_negative_quantity_refused() -> None:
    with pytest.raises(IndexError):
        billable(TERMS, 2, 1, 0, 0)
    with pytest.raises(ValueError, match="negative"):
        billable(TERMS, -1, 1, 0, 0)
    with pytest.raises(ValueError, match="negative"):
        billable(TERMS, 0, -1, 0, 0)


def test_vested_linear_floored_and_never_beyond_paid_time() -> None:
    assert vested(TERMS, 100, 3600, 3700, 99_000) == 0
    assert vested(TERMS, 100, 3600, 3700, 100_000 + 1_800_000) == 500
    assert vested(TERMS, 100, 3600, 3700, 100_000 + 3599) == 0
    assert vested(TERMS, 100, 3600, 3700, 100_000 + 3600) == 1
    assert vested(TERMS, 100, 3600, 3700, 10**15) == 1000
    assert vested(TERMS, 100, 0, 0, 10**15) == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5000), st.integers(0, 4000), st.integers(0, 300))))
def test_bill_any_use_gives_no_more_than_vested_for_free(uses: list[tuple[int, int, int, int]]) -> None:
    tally, vested_units = Tally(), 0
    for meter, quantity, immersion, more in uses:
        vested_units += more
        after = bill(TERMS, tally, meter, quantity, immersion, vested_units)
        units = after.billed - tally.billed
        assert 0 <= units <= gross_units(TERMS, meter, quantity, immersion)
        assert after.included_used <= vested_units
        assert units == 0 or after.included_used == vested_units
        tally = after


def test_immersion_known_picture_matches_formula_by_hand() -> None:
    expected = 0.25 * 0.9 * (5 * math.log(20 / 15) + 3 * math.log(30 / 15))
    assert immersion_milli(250e6, 0.1, [(5, 20), (3, 30), (4, 15), (4, 2)]) == math.floor(1000 * expected)


def test_immersion_worthless_picture_is_one_so_that_zero_says_not_measured() -> None:
    assert immersion_milli(1e9, 0.0, []) == 1
    assert immersion_milli(0.0, 0.0, [(5, 20)]) == 1
    assert immersion_milli(5e9, 0.0, [(5, 20)]) == immersion_milli(1e9, 0.0, [(5, 20)])
