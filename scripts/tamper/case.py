"""One way to falsify something, and the ground that it is tried on. The registries are beside it, one a kind of thing.

Each case changes honest material of one market (`scripts.honest`) and says which finding must name it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scripts.honest.market import HonestMarket, Line, Sold

Lines = list[Line]


@dataclass(frozen=True)
class Ground:
    """An honest market and what it shows: the log of each subscription, as the gateway streams it."""

    market: HonestMarket
    logs: dict[int, Lines]

    @classmethod
    def of(cls, market: HonestMarket) -> Ground:
        return cls(market, {int(sold.subscription_id): market.lines(sold) for sold in market.sold})

    @property
    def mark(self) -> Sold:
        """The subscription whose log is falsified: a composite's, with discounts, included units, two settlements."""
        return self.market.sold[2]

    def copy(self) -> Lines:
        """The mark's log, to be changed."""
        return copy.deepcopy(self.logs[int(self.mark.subscription_id)])

    def with_log(self, lines: Lines) -> str:
        """All logs as JSONL text, the mark's replaced by these lines."""
        from scripts.tamper.text import jsonl

        return jsonl({**self.logs, int(self.mark.subscription_id): lines})


@dataclass(frozen=True)
class Case:
    """A named falsification: what it changes (log, receipts, tables, events, node), how, and what must name it.

    `second` says whether it touches money or proofs, so that the second checker must find it too.
    """

    name: str
    kind: str
    what: str
    finding: str
    change: Callable[..., Any]
    second: bool = True


class Cases:
    """A registry; used as a decorator: `@LOG.case("name", finds="code")`, the docstring says what is changed."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.all: list[Case] = []

    def case(self, finds: str, *, second: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def take(change: Callable[..., Any]) -> Callable[..., Any]:
            what = (change.__doc__ or "").strip().rstrip(".")
            self.all.append(Case(change.__name__, self.kind, what, finds, change, second))
            return change

        return take
