"""What is bought in the load of purchases: four fifths reuse what runs, one fifth needs a new model.

Isolation 0, 1 and 2 goes 70 to 20 to 10. Of a hundred purchases nineteen are bought anew: the ten dedicated ones, and
nine of a model that nobody else has at that moment, because whoever bought it before was released at once and its name
comes up again only after all the others. What makes twenty are those of the rest whose service has grown full, so that
another instance of one of its models is created. What really happened is counted from the orchestrator's own decisions
(`Mix`), not from this plan.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import count as numbers
from itertools import cycle
from typing import Any

from ledger.keys import WalletKey
from scripts.load.percentiles import percentile

BUYERS = 8
BEACH = "virtual-beach-travel"
Use = tuple[str, dict[str, Any]]
"""the operation of a first use, and its parameters"""
SHARED: dict[str, Use] = {
    BEACH: ("weather", {}), "monitoring": ("conditions", {}), "human-computer-interaction": ("interpret", {}),
    "data-management": ("query", {}), "device": ("capture", {}),
}  # fmt: skip
"""What is reused: the beach and models that it is made of."""
FRESH: dict[str, Use] = {
    "ai-forecasting": ("forecast", {"history": [1, 2, 3, 4, 3, 2, 1, 2]}), "ar-navigation": ("navigate", {}),
    "cloud-server": ("list", {}), "communication-protocol": ("connect", {"client": "first"}),
    "content-creation": ("hologram", {}), "edge-server": ("enter", {"room": "first", "user": "first"}),
    "fog-computing": ("tile", {}), "knowledge": ("learn", {"facts": [["a", "is", "b"]]}),
    "network-slice": ("uplink", {}), "sensors": ("read", {}), "storage": ("list", {}),
}  # fmt: skip
"""What is started anew, and ends again once it was used: no part of the beach, so that nobody else runs it."""
USES = {**SHARED, **FRESH}
ANEW = {0: 4, 1: 5, 2: 10}
REUSED = {0: 66, 1: 15}
"""Of a hundred purchases: how many of each degree of isolation."""
CREATED, TOLERANCE = 0.20, 0.01
"""The share of purchases that must have created a model."""


@dataclass
class Order:
    """One purchase: what is bought, and the moments of its way, seconds of the epoch."""

    number: int
    name: str
    isolation: int
    fresh: bool
    buyer: int
    session: WalletKey
    subscription_id: int = 0
    times: dict[str, float] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """set once its first use was answered, or it has failed"""

    def to_json(self) -> dict[str, Any]:
        """For the raw file; keys stay out of it."""
        shown = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("session", "done")}
        return {**shown, "subscription_id": str(self.subscription_id)}

    def took_ms(self, last: str) -> float:
        """Milliseconds from the final block to this moment; infinite where it failed or never came to it."""
        if self.failure or not {"final", last} <= set(self.times):
            return math.inf
        return 1000 * (self.times[last] - self.times["final"])

    @property
    def verdict(self) -> str:
        """What the dearest of its models needed: reuse, modify or create; empty where it did not come to run."""
        given = {model["verdict"] for model in self.told.get("outcome", {}).get("models") or ()}
        return next((verdict for verdict in ("create", "modify", "reuse") if verdict in given), "")


@dataclass(frozen=True)
class Mix:
    """What the purchases of one load turned out to be."""

    made: Sequence[Order]

    def count(self, verdict: str) -> int:
        """How many came to this."""
        return sum(order.verdict == verdict for order in self.made)

    @property
    def fault(self) -> str:
        """Why the load is not the one that was asked for; empty where it is."""
        share = self.count("create") / len(self.made)
        if abs(share - CREATED) <= TOLERANCE + 1e-9:
            return ""
        return f"{100 * share:.1f} % of the purchases created a model where {100 * CREATED:.0f} ± 1 % were asked for"

    def __str__(self) -> str:
        degrees = "/".join(str(sum(order.isolation == degree for order in self.made)) for degree in (0, 1, 2))
        lost = sum(math.isinf(order.took_ms("answered")) for order in self.made)
        verdicts = f"{self.count('reuse')} reused, {self.count('modify')} scaled, {self.count('create')} created models"
        return (
            f"{len(self.made)} purchases: {verdicts}; isolation 0/1/2: {degrees}; {lost} failed, refused or unanswered"
        )

    def took_ms(self, last: str, share: float) -> float:
        """A percentile over all purchases, those that never came to it being infinitely late."""
        return percentile([order.took_ms(last) for order in self.made], share)


def orders(count: int, seed: int, first: int = 0) -> list[Order]:
    """`count` purchases in random order, numbered from `first`."""
    kinds = [(True, degree) for degree, share in ANEW.items() for _ in range(round(count * share / 100))]
    kinds += [(False, 1)] * round(count * REUSED[1] / 100)
    kinds += [(False, 0)] * (count - len(kinds))
    random.Random(seed).shuffle(kinds)
    names = {
        "shared": cycle(SHARED), "fresh": cycle(FRESH), "dedicated": cycle(FRESH),
    }  # fmt: skip
    return [
        _order(number, next(names["shared" if not anew else "dedicated" if degree == 2 else "fresh"]), degree, anew)
        for number, (anew, degree) in zip(numbers(first), kinds, strict=False)
    ]


def warm_up(first: int) -> list[Order]:
    """What is bought before anything is measured: every shared service at degree 0 and 1, every fresh model once."""
    kinds = [(name, degree, False) for degree in (0, 1) for name in SHARED] + [(name, 0, True) for name in FRESH]
    return [_order(first + number, *kind) for number, kind in enumerate(kinds)]


def _order(number: int, name: str, degree: int, fresh: bool) -> Order:
    return Order(number, name, degree, fresh, number % BUYERS, WalletKey.create())


def kinds_of(made: Sequence[Order]) -> Iterator[tuple[str, int]]:
    """Every service and degree that is bought, once."""
    yield from sorted({(order.name, order.isolation) for order in made})
