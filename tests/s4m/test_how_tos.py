"""Every command in README and docs exists, with the options that are written there; the samples for programs run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from s4m.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md")), ROOT / "docs" / "quick-start.md"]
CODE = re.compile(r"```.*?\n(.*?)```|`([^`]+)`", re.DOTALL)
CALL = re.compile(r"^\s*(?:[A-Z0-9_]+=\S+ )*(?:\.venv/bin/)?s4m (?=[a-z])(.*)")
NO_ARGUMENT = re.compile(r"^[|&;#…).]|^\d?>")


def calls(page: Path) -> Iterator[list[str]]:
    """The words after `s4m` of every call in the page's code, up to a pipe, a comment or the like."""
    for block, inline in CODE.findall(page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines() or [inline.replace("\n", " ")]:
            for part in re.split(r" && | \| ", line):
                if found := CALL.search(part):
                    yield list(words(found[1]))


def words(text: str) -> Iterator[str]:
    for word in shlex.split(text.split(" #")[0].rstrip(".:;,")):
        if NO_ARGUMENT.match(word):
            return
        yield word


def command_of(given: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and what follows it; AssertionError where there is none."""
    command: click.Command = cli
    rest = list(given)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        known = command.get_command(click.Context(command), rest[0])
        assert known is not None, f"`s4m {' '.join(given)}`: {command.name} has no {rest[0]}"
        command, rest = known, rest[1:]
    return command, rest


def options_of(command: click.Command) -> set[str]:
    spelled = (name for each in command.params for name in (*each.opts, *each.secondary_opts))
    return {"--help", "-h", *spelled}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_page_exist_with_their_options(page: Path) -> None:
    for given in calls(page):
        command, rest = command_of(given)
        asked = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert asked <= options_of(command), f"`s4m {' '.join(given)}`: no {asked - options_of(command)}"


def test_pages_have_many_commands() -> None:
    assert sum(len(list(calls(page))) for page in PAGES) > 80
