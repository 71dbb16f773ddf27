"""Writes docs/reference/cli.md and exit-codes.md from the code; `--check` says whether they are fresh.

    .venv/bin/python -m scripts.command_reference [--check]

Called by hand after a change of a command, and by `make check`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from s4m.errors import Exit, codes_of
from s4m.main import GROUPS, cli

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
MADE = "Made from the code by `python -m scripts.command_reference`; `make check` holds them together.\n"
EVERYWHERE = ("home", "as_json")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by the words that name it."""
    for name in GROUPS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else {}
        yield from ((f"{name} {word}", leaf) for word, leaf in sorted(inner.items())) if inner else [(name, command)]


def cli_page() -> str:
    head = [
        "# Commands", "", MADE,
        "Every command takes `--home DIRECTORY` (or `S4M_HOME`), `--json` (the answer on standard output, an error as",
        "the last line of standard error) and `--help`. [Exit codes](exit-codes.md). What spends takes `--dry-run` and",
        "`--yes`. Completion: `s4m completion bash|zsh|fish`.", "",
    ]  # fmt: skip
    return "\n".join([*head, *(line for name, command in commands() for line in _section(name, command))])


def _section(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"s4m {name}")
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    usage = " ".join(["s4m", name, *(each.make_metavar(context) for each in arguments)])
    yield from (f"## `{usage}`", "", _paragraphs(command.help or ""), "")
    options = [each for each in command.params if isinstance(each, click.Option) and each.name not in EVERYWHERE]
    rows = [_row(option, context) for option in options]
    if rows:
        yield from ("| option | |", "|---|---|", *rows, "")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _row(option: click.Option, context: click.Context) -> str:
    names, told = option.get_help_record(context) or ("", "")
    return f"| `{_cell(names)}` | {_cell(told)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def exits_page() -> str:
    head = [
        "# Exit codes of `s4m`", "", MADE,
        "Scripts may rely on them. With `--json` the last line of standard error names the `code` that led here; an",
        "error that is not listed goes by its kind: a contract or a server refused (3), HTTP 400 and 404 (2), 402 (4),",
        "503 (6), 504 (5).", "", "| exit | meaning | codes |", "|---|---|---|",
    ]  # fmt: skip
    rows = [f"| {int(each)} | {each.meaning} | {', '.join(f'`{code}`' for code in codes_of(each))} |" for each in Exit]
    return "\n".join([*head, *rows, ""])


def main() -> int:
    pages = {FOLDER / "cli.md": cli_page(), FOLDER / "exit-codes.md": exits_page()}
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.write_text(text)
        return 0
    stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if stale:
        print(f"docs/reference/ is behind the code: {', '.join(stale)}. Run: python -m scripts.command_reference")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
