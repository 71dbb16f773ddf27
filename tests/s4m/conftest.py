"""A command runner on an empty home."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_runner import Run, runner


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)
