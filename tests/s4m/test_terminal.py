"""With a terminal and without: completion, closed pipes, colours, questions that nobody can answer."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from command_runner import Run

from s4m.errors import Exit

S4M = [sys.executable, "-m", "s4m.main"]
COMMAND = " ".join(S4M)


def _environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "S4M_HOME": str(home), "S4M_SCRYPT_N": "1024", **more}


def _offers(home: Path, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    environment = _environment(
        home, _S4M_COMPLETE="bash_complete", COMP_WORDS=" ".join(["s4m", *words]), COMP_CWORD=str(len(words))
    )
    done = subprocess.run(S4M, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --")])
def test_each_shell_gets_its_script(run: Run, shell: str, word: str) -> None:
    printed = run("completion", shell, as_json=False)
    assert printed.code == 0
    assert word in printed.text
    assert "_S4M_COMPLETE" in printed.text
    assert run("completion", shell).json["script"].strip() == printed.text.strip()


def test_an_unknown_shell_is_bad_input(run: Run) -> None:
    assert run("completion", "tcsh").code == 2


def test_bash_takes_the_script(tmp_path: Path, run: Run) -> None:
    script = tmp_path / "s4m.bash"
    script.write_text(run("completion", "bash", as_json=False).text)
    known = f"source {script} && complete -p s4m"
    done = subprocess.run(["bash", "-c", known], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip().endswith("s4m")


def test_commands_options_and_names_of_this_home_are_offered(run: Run, tmp_path: Path) -> None:
    for name in ("anna", "annika", "bob"):
        run("wallet", "create", name)
    sessions = tmp_path / "wallets" / "sessions"
    sessions.mkdir()
    for stem in ("17", "18", "0xabc"):
        (sessions / f"{stem}.json").write_text("{}")
    assert _offers(tmp_path, "wal") == ["wallet"]
    assert "--dry-run" in _offers(tmp_path, "buy", "--")
    assert _offers(tmp_path, "wallet", "show", "ann") == ["anna", "annika"]
    assert _offers(tmp_path, "buy", "x", "--wallet", "b") == ["bob"]
    assert _offers(tmp_path, "use", "1") == ["17", "18"]
    assert "virtual-beach-travel" in _offers(tmp_path, "buy", "virt")
    assert _offers(tmp_path / "other", "wallet", "show", "") == []


def test_names_seen_in_the_catalogue_are_offered(tmp_path: Path) -> None:
    from s4m.completion import remember

    remember(tmp_path, ["my-own-world", "4294967299"])
    assert _offers(tmp_path, "buy", "my") == ["my-own-world"]
    assert _offers(tmp_path, "buy", "42") == ["4294967299"]


def test_completion_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("urllib3", "rich", "pydantic", "httpx", "sqlalchemy", "eth_account")
    code = f"""
import sys, click
from click.shell_completion import BashComplete
from s4m.main import cli
made = BashComplete(cli, {{}}, "s4m", "_S4M_COMPLETE")
print([item.value for item in made.get_completions(["buy", "--home", {str(tmp_path)!r}], "virtual")])
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['virtual-beach-travel']", "[]"]


@pytest.mark.parametrize("options", ["models list", "models list --json"])
def test_a_reader_who_leaves_ends_it_without_an_error(tmp_path: Path, options: str) -> None:
    script = f"set -o pipefail; {COMMAND} {options} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], env=_environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert int(done.stdout.splitlines()[-1]) in (Exit.DELIVERED, Exit.READER_LEFT)
    assert not (tmp_path / "logs").exists()


def test_a_closed_pipe_has_the_exit_code_of_sigpipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [*S4M, "models", "list"], stdout=writing, stderr=subprocess.PIPE, text=True, env=_environment(tmp_path)
    ) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == Exit.READER_LEFT


def _on_a_terminal(home: Path, *words: str, **more: str) -> tuple[int, str]:
    """Exit code and what a terminal got; whoever is asked does not answer (end of input)."""
    master, slave = pty.openpty()
    environment = _environment(home, TERM="xterm-256color", **more)
    process = subprocess.Popen([*S4M, *words], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    os.write(master, b"\x04")
    shown = b""
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:  # the program has closed its end
            break
        if not part:
            break
        shown += part
    os.close(master)
    return process.wait(60), shown.decode()


def test_colours_are_for_terminals_and_not_where_no_color_is_set(run: Run, tmp_path: Path) -> None:
    run("wallet", "create", "anna")
    assert "\x1b[" in _on_a_terminal(tmp_path, "wallet", "list")[1]
    assert "\x1b[" not in _on_a_terminal(tmp_path, "wallet", "list", NO_COLOR="1")[1]
    piped = subprocess.run(
        [*S4M, "wallet", "list"], capture_output=True, text=True, env=_environment(tmp_path), check=True
    )
    assert "\x1b[" not in piped.stdout


def test_a_password_that_cannot_be_asked_for_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [*S4M, "wallet", "create", "anna"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_environment(tmp_path), check=False,
    )  # fmt: skip
    assert done.returncode == Exit.BAD_INPUT
    assert "error [no_terminal]" in done.stderr
    assert "--password-file" in done.stderr


def test_a_question_without_an_answer_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("wallet", "create", "anna")
    code, shown = _on_a_terminal(tmp_path, "wallet", "remove", "anna")
    assert code == Exit.FAILED
    assert "Aborted" in shown
    assert [row["name"] for row in run("wallet", "list").json] == ["anna"]
