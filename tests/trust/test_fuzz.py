"""Every parser of what strangers send, with mutated inputs: documented refusals only, and nothing wrong accepted.

What may be accepted says each parser of scripts/fuzz; `make soak` plays a million
inputs of the same kind. What was
ever found stays in fuzz_corpus.json.
"""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.fuzz.parsers import Parser, all_parsers, parser_named
from scripts.fuzz.run import MILLION, play

CORPUS = json.loads(Path(__file__).with_name("fuzz_corpus.json").read_text())
PARSERS = all_parsers()
SLOW = {"request in words": 15, "request document": 100}
"""Examples of those that take milliseconds each; of the others 250."""


def by_name(parser: Parser) -> str:
    return parser.name


@pytest.mark.parametrize("parser", PARSERS, ids=by_name)
def test_mutated_inputs_are_refused_by_name_or_mean_what_a_rightful_one_means(parser: Parser) -> None:
    @settings(max_examples=SLOW.get(parser.name, 250), derandomize=True, deadline=None, database=None)
    @given(st.integers(0, 2**64))
    def each(seed: int) -> None:
        assert parser.judge(parser.input(Random(seed))) == ""

    each()


@pytest.mark.parametrize("parser", [each for each in PARSERS if each.name not in SLOW], ids=by_name)
def test_any_bytes_are_refused_by_name(parser: Parser) -> None:
    @settings(max_examples=100, derandomize=True, deadline=None, database=None)
    @given(st.binary(max_size=300))
    def each(given_bytes: bytes) -> None:
        assert parser.judge(given_bytes) == ""

    each()


@pytest.mark.parametrize("parser", PARSERS, ids=by_name)
def test_rightful_inputs_are_accepted(parser: Parser) -> None:
    """Else refusing everything would do."""
    for rightful in parser.rightful:
        assert parser.may_be(rightful, parser.read(rightful))


@pytest.mark.parametrize("found", CORPUS, ids=[each["why"] for each in CORPUS])
def test_what_was_found_once_is_not_found_again(found: dict[str, str]) -> None:
    assert parser_named(found["parser"]).judge(bytes.fromhex(found["input"])) == ""


def test_wrong_accept_and_crash_are_told_apart_from_refusals() -> None:
    """The judge itself: a parser that takes everything, and one that breaks, are both found out."""
    token = parser_named("token")
    lax = Parser("lax", 0, token.rightful, bytes.hex, (), lambda given, _: given in token.rightful)
    broken = Parser("broken", 0, token.rightful, lambda given: given[10_000], (ValueError,), lambda *_: True)
    assert lax.judge(b"anything").startswith("wrong accept")
    assert broken.judge(b"anything").startswith("crash: IndexError")
    assert lax.judge(token.rightful[0]) == ""


def test_run_that_was_ended_goes_on_where_it_stopped(tmp_path: Path) -> None:
    assert sum(parser.share for parser in PARSERS) == MILLION
    state, said = tmp_path / "1.jsonl", list[str]()
    first = play(500, 1, 1, state, said.append)
    lines = state.read_text().splitlines()
    state.write_text("\n".join(lines[:-2]) + "\n")
    again, played = play(500, 1, 1, state, said.append), len(said) - len(lines)
    assert (played, again["inputs"], again["findings"]) == (2, first["inputs"], [])
