"""Plays many inputs over all cores, in parcels: each parcel's inputs follow from seed, parser and number alone.

What is done stands in a state file, so that a run that was ended goes on where it stopped: with the same seed and
number of inputs, parcels that are done are not played again.
"""

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from scripts.fuzz.parsers import all_parsers, parser_named

MILLION = 1_000_000
PARCEL = 2_000
MOST_FINDINGS = 20
"""Kept of one parcel."""


@dataclass(frozen=True)
class Parcel:
    """`count` inputs of one parser."""

    parser: str
    number: int
    count: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.seed}:{self.parser}:{self.number}"


@dataclass(frozen=True)
class Played:
    """What came of a parcel; each finding is {parser, input (hexadecimal), what}."""

    parcel: Parcel
    seconds: float
    findings: list[dict[str, str]]


def parcels(inputs: int, seed: int) -> Iterator[Parcel]:
    """The inputs shared out as the parsers' shares are."""
    for parser in all_parsers():
        due = parser.share * inputs // MILLION
        for number in range((due + PARCEL - 1) // PARCEL):
            yield Parcel(parser.name, number, min(PARCEL, due - number * PARCEL), seed)


def play_parcel(parcel: Parcel) -> Played:
    parser, random = parser_named(parcel.parser), Random(parcel.name)
    begun, findings = time.perf_counter(), []
    for _ in range(parcel.count):
        given = parser.input(random)
        if wrong := parser.judge(given):
            findings.append({"parser": parser.name, "input": given.hex(), "what": wrong})
    return Played(parcel, time.perf_counter() - begun, findings[:MOST_FINDINGS])


def play(inputs: int, seed: int, processes: int, state: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Plays what the state does not have yet; the report over everything."""
    done: list[dict[str, Any]] = [json.loads(line) for line in state.read_text().splitlines()] if state.exists() else []
    known = {(each["name"], each["count"]) for each in done}
    waiting = [each for each in parcels(inputs, seed) if (each.name, each.count) not in known]
    begun, played_now = time.perf_counter(), 0
    with state.open("a") as kept, _mapping(processes) as over:
        for played in over(play_parcel, waiting):
            line = {"name": played.parcel.name, **asdict(played.parcel)}
            line |= {"seconds": round(played.seconds, 3), "findings": played.findings}
            done.append(line)
            kept.write(json.dumps(line) + "\n")
            kept.flush()
            played_now += played.parcel.count
            rate = played_now / (time.perf_counter() - begun)
            say(f"{sum(each['count'] for each in done)} inputs, {rate:.0f}/s, {_found(done)} findings")
    return report([each for each in done if each["seed"] == seed])


@contextmanager
def _mapping(processes: int) -> Iterator[Callable[..., Iterable[Played]]]:
    """`map` over this many processes; of one it is this process."""
    if processes == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield pool.imap_unordered


def report(done: list[dict[str, Any]]) -> dict[str, Any]:
    """Inputs and processor seconds of each parser, and all findings."""
    inputs: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for each in done:
        inputs[each["parser"]] += each["count"]
        seconds[each["parser"]] += each["seconds"]
    per_parser = {name: {"inputs": inputs[name], "seconds": round(seconds[name], 1)} for name in sorted(inputs)}
    findings = [finding for each in done for finding in each["findings"]]
    return {"inputs": sum(inputs.values()), "parsers": per_parser, "findings": findings}


def _found(done: list[dict[str, Any]]) -> int:
    return sum(len(each["findings"]) for each in done)
