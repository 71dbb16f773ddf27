"""A sandbox runtime on a home of its own; what it started is ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.runtime.sandbox import SandboxRuntime


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "operator.json").write_text('{"secret": "do not show"}')
    return folder


@pytest.fixture
def runtime(home: Path) -> Iterator[SandboxRuntime]:
    running = SandboxRuntime(home)
    yield running
    running.delete_all()
    assert running.observe() == ()
