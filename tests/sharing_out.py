"""How `make test` shares the tests out to its workers: what needs one house goes to one worker, the longest go first.

A worker takes one unit after the other: a file, or a folder whose tests share something that is slow to make.
"""

from collections.abc import Sequence

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/browser/", "tests/marketplace/audit/", "tests/nodes/")
"""Folders with one house, market or node for all their tests."""

LONGEST = (
    "tests/browser/",
    "tests/s4m/test_house.py",
    "tests/orchestrator/functions/test_crashes.py",
    "tests/orchestrator/core/test_updates.py",
    "tests/nodes/",
    "tests/orchestrator/core/test_instantiate.py",
    "tests/trust/test_attacks.py",
    "tests/marketplace/audit/",
    "tests/s4m/test_killed_house.py",
    "tests/orchestrator/functions/test_adjustment.py",
)
"""After those marked `system`; all others follow as they stand."""


class SharingOut(LoadScopeScheduling):  # type: ignore[misc]
    """Units of work by file, or by a folder of TOGETHER."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """The folder or file whose tests go to one worker."""
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Whoever begins with the short ones ends with one worker at work and the others idle."""

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("system") is not None:
            return 0
        unit = unit_of(item.nodeid)
        return 1 + (LONGEST.index(unit) if unit in LONGEST else len(LONGEST))

    return sorted(items, key=place)
