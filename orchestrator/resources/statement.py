"""What is due to a supplier for what was used of it: pure arithmetic over the pool's history.

Where several supply one site, each is used in the proportion of what it supplies: of resource r the supplier is used
`used_r × its supply_r ÷ capacity_r`, moment by moment. So no supplier is preferred, nobody is paid for more than it
gives, and the sum over all suppliers of a site is what was used there. Amounts are exact (fractions); money is rounded
down once, at the end, in the token's smallest unit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from orchestrator.resources.vector import ResourceVector

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the history of a site: what was added (negative: taken away), by a supply or an allocation."""

    at_ms: int
    kind: Literal["supply", "allocation"]
    subject: str
    """the supplier, or the allocation"""
    amounts: ResourceVector


def usage(changes: Iterable[Change], supplier: str, until_ms: int) -> dict[str, Fraction]:
    """Resource → amount × milliseconds that were used of a supplier until then. `changes` are one site's, in order."""
    capacity = mine = used = ResourceVector()
    found: defaultdict[str, Fraction] = defaultdict(Fraction)
    at = 0
    for change in changes:
        now = min(max(change.at_ms, at), until_ms)
        _add(found, capacity, mine, used, now - at)
        at = now
        if change.at_ms > until_ms:
            break
        if change.kind == "allocation":
            used += change.amounts
        else:
            capacity += change.amounts
            mine += change.amounts if change.subject == supplier else ResourceVector()
    _add(found, capacity, mine, used, max(until_ms - at, 0))
    return dict(found)


def charge(used: Mapping[str, Fraction], prices: Mapping[str, int], cap: int) -> int:
    """Money for this usage at prices per resource and hour, rounded down, at most `cap`."""
    whole = sum((amount * prices.get(name, 0) for name, amount in used.items()), Fraction())
    return min(int(whole / HOUR_MS), cap)


def _add(
    found: defaultdict[str, Fraction], capacity: ResourceVector, mine: ResourceVector, used: ResourceVector, ms: int
) -> None:
    if not (ms and mine and used):
        return
    there, taken = capacity.all_amounts(), used.all_amounts()
    for name, amount in mine.amounts().items():
        if taken[name]:
            found[name] += Fraction(taken[name] * amount * ms, there[name])
