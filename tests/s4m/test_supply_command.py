"""`s4m supply` on wrong input: a clear error and nothing sent. With a house it is in tests/orchestrator/core."""

from __future__ import annotations

import pytest
from command_runner import Run

OFFER = ("supply", "offer", "1", "--amounts")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ((*OFFER, "{"), "no JSON object"),
        ((*OFFER, "[1]"), "whole numbers by resource"),
        ((*OFFER, '{"computing_mcores": -1}'), "whole numbers by resource"),
        ((*OFFER, '{"computing_mcores": true}'), "whole numbers by resource"),
        ((*OFFER, "{}", "--prices", '{"computing_mcores": 0.5}'), "whole numbers by resource"),
        ((*OFFER, "{}", "--cap", "1e9"), "not an amount of credits"),
        ((*OFFER, "{}", "--hours", "soon"), "--hours must be a whole number"),
        (("supply", "offer", "x", "--amounts", "{}"), "MODEL_ID must be a whole number"),
    ],
)
def test_an_offer_that_says_something_impossible_is_bad_input(run: Run, words: tuple[str, ...], cause: str) -> None:
    answer = run(*words)
    assert (answer.code, answer.json["code"]) == (2, "bad_input")
    assert cause in answer.json["error"]
    assert answer.json["remedy"]


def test_without_a_house_every_command_says_so(run: Run) -> None:
    for words in (("list",), ("statement",), ("withdraw", "00"), ("pay", "--yes")):
        answer = run("supply", *words)
        assert answer.json["code"] == "nothing_running", answer
