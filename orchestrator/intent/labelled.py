"""The labelled requests, requests.jsonl: written one by one for this, no two of one family in both parts of a split.

A family is a situation (a museum visit, a bearing that vibrates): its requests share words, so that a fair test is of
families that were not learnt. `service` is "none" for what no service of the catalogue can answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.models.manifests import services

REQUESTS = Path(__file__).with_name("requests.jsonl")
HELD_OUT = Path(__file__).with_name("held_out.jsonl")
"""written after the rules and the model stood, never learnt: for the figure `intent_macro_f1`"""
NONE = "none"


@dataclass(frozen=True)
class Labelled:
    """One request in words with what its writer meant; `slots` are those that the words state."""

    text: str
    service: str
    family: str
    slots: dict[str, Any]

    @property
    def scenario(self) -> str:
        return NONE if self.service == NONE else services()[self.service].scenario


@cache
def labelled() -> tuple[Labelled, ...]:
    """Those that are learnt."""
    return read(REQUESTS)


def read(path: Path) -> tuple[Labelled, ...]:
    """The labelled requests of a file, one JSON object a line: text, service, template (its family), slots."""
    lines = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    return tuple(Labelled(one["text"], one["service"], one["template"], one["slots"]) for one in lines)


def folds(requests: Sequence[Labelled], count: int, seed: int) -> list[list[int]]:
    """The requests' indices in so many parts; a family stays whole, each service's families are dealt round in turn."""
    dealt: list[list[int]] = [[] for _ in range(count)]
    families = sorted({(one.service, one.family) for one in requests}, key=lambda pair: (pair[0], _mixed(pair, seed)))
    part = {family: number % count for number, family in enumerate(families)}
    for index, one in enumerate(requests):
        dealt[part[(one.service, one.family)]].append(index)
    return dealt


def _mixed(family: tuple[str, str], seed: int) -> str:
    return sha256(f"{seed}/{family}".encode()).hexdigest()
