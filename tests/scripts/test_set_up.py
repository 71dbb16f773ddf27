"""What a machine lacks is said, with how to get it, before anything is made: by what `make` runs, and by the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BETWEEN = f"3.{sys.version_info[1]}"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def make_venv(python: str | Path, folder: Path, low: str = BETWEEN, high: str = BETWEEN) -> tuple[int, str]:
    done = run("scripts/make_venv.sh", python, folder, low, high)
    return done.returncode, done.stderr


def test_python_without_ensurepip_is_told_with_its_package(tmp_path: Path) -> None:
    bare = program(
        tmp_path / "python3", f'case "$2" in *ensurepip*) exit 1;; esac\nexec "{os.path.realpath(sys.executable)}" "$@"'
    )
    code, told = make_venv(bare, tmp_path / "venv")
    assert code == 1
    assert f"apt-get install {BETWEEN.join(['python', '-venv'])}" in told
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("python", ["", "/nowhere/python3", sys.executable])
def test_no_python_in_range_is_told_with_what_was_found(python: str, tmp_path: Path) -> None:
    code, told = make_venv(python, tmp_path / "venv", "3.98", "3.99")
    assert code == 1
    assert "no Python 3.98 to 3.99 found" in told
    assert "PYTHON=" in told
    assert (": Python 3." in told) is (python != "/nowhere/python3")
    assert not (tmp_path / "venv").exists()


def test_newest_python_in_range_is_chosen_and_none_outside(tmp_path: Path) -> None:
    for minor in (11, 12, 14):
        answer = 'case "$2" in *version_info*) echo 3.%d;; *) echo "$0";; esac' % minor  # noqa: UP031  (braces of sh)
        program(tmp_path / f"python3.{minor}", answer)
    path = f"{tmp_path}:/usr/bin:/bin"
    assert run("scripts/find_python.sh", "3.11", "3.12", PATH=path).stdout.strip() == str(tmp_path / "python3.12")
    assert run("scripts/find_python.sh", "3.98", "3.99", PATH=path).stdout == ""


@pytest.mark.parametrize(("version", "taken"), [("v20.1.0", True), ("v18.20.4", False), ("v100.0.0", True)])
def test_node_older_than_needed_counts_as_none(version: str, taken: bool, tmp_path: Path) -> None:
    program(tmp_path / "node", f"echo {version}")
    npm = program(tmp_path / "npm", "true")
    found = run("scripts/find_node.sh", "20", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (found.returncode, found.stdout.strip()) == (0, str(npm) if taken else "")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("bwrap: No permissions to create a new namespace, likely because the kernel does not allow", "sysctl"),
        ("bwrap: setting up uid map: Permission denied", "sysctl"),
        ("bwrap: Creating new namespace failed: Operation not permitted", "sysctl"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "sysctl"),
        ("bwrap: Unknown option --as-pid-1", "bwrap --unshare-all"),
    ],
)
def test_demo_where_sandboxes_are_forbidden_ends_before_anything_runs(words: str, remedy: str, tmp_path: Path) -> None:
    """`words` are bubblewrap's own."""
    program(tmp_path / "bin" / "bwrap", f'echo "{words}" >&2\nexit 1')
    home, out = tmp_path / "home", tmp_path / "out"
    done = run(
        *(sys.executable, "scripts/virtual_travel.py", "--travellers", "1", "--seconds", "2", "--home", home),
        *("--out", out),
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    )
    assert done.returncode == 1
    assert "FAILED [sandbox_unavailable]" in done.stderr
    assert words in done.stderr
    assert remedy in done.stderr.split("what to do: ")[1]
    assert not (home / "chain").exists()
    assert not (home / "instances").exists()
