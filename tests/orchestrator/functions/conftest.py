"""A house of the three functions for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from function_house import House, Loop, build, running_loop, tear_down

from orchestrator.models.manifests import manifests


@pytest.fixture
def loop() -> Iterator[Loop]:
    with running_loop() as loop:
        yield loop


@pytest.fixture
def house(tmp_path: Path, loop: Loop) -> Iterator[House]:
    house = build(tmp_path, loop.loop, manifests())
    yield house
    tear_down(house, loop)


@pytest.fixture
def house_on_each_database(tmp_path: Path, loop: Loop, database: str) -> Iterator[House]:
    """The house once on SQLite and once on PostgreSQL."""
    house = build(tmp_path, loop.loop, manifests(), database=database)
    yield house
    tear_down(house, loop)
