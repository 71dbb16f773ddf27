"""What an immersion was computed from travels as JSON without loss, and nothing else is taken for it."""

import json
from typing import Any

import pytest

from ledger.measured import Measured
from ledger.metering import immersion_milli

SEEN = Measured(299_999_999.943_607_6, 0.012_207_031_25, ((4, 5.0, 20.0), (9, 2.5, 19.999_131_944_444_443)))


def test_json_and_back_gives_the_very_immersion() -> None:
    again = Measured.from_json(json.loads(json.dumps(SEEN.to_json())))
    assert again == SEEN
    assert again.immersion_milli == immersion_milli(SEEN.rate_bps, SEEN.bep, [(a, x) for _, a, x in SEEN.objects])


@pytest.mark.parametrize(
    "spoilt",
    [
        {"rate_bps": "nan"},
        {"rate_bps": -1},
        {"bep": None},
        {"objects": 5},
        {"objects": [{"object": 4, "attention": 5}]},
        {"objects": [{"object": 4, "attention": float("inf"), "k": 20}]},
    ],
)
def test_malformed_values_refused(spoilt: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Measured.from_json({**SEEN.to_json(), **spoilt})
