"""One honest market with its stores on a node of its own, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.tamper.suite import Bench, bench


@pytest.fixture(scope="package")
def ready() -> Iterator[Bench]:
    with bench() as running:
        yield running
