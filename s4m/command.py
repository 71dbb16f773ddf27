"""What every command shares: `--home`, `--json`, named errors with exit codes, printing, and asking before spending.

Command modules import this and click only, so that `s4m --help` stays quick; whatever is heavy is imported by the
command that runs.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from s4m.errors import BadInput, Exit, FileUnusable, InternalFault, NotConfirmed, cause_and_remedy, code_of, exit_of

if TYPE_CHECKING:
    from rich.console import Console

    from s4m.settings import CliSettings

LONGEST_NUMBER = 78
"""Digits of the largest number that a contract can hold (2^256)."""

WIDE = 200
"""Columns of a table that no terminal shows."""

Answer = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Session:
    """One run of a command: where home is, and how to print."""

    as_json: bool
    home_option: Path | None

    @functools.cached_property
    def settings(self) -> CliSettings:
        from s4m.settings import CliSettings

        try:
            return CliSettings() if self.home_option is None else CliSettings(home=self.home_option)
        except ValueError as error:
            raise BadInput(
                f"A setting of the environment (S4M_…) is wrong: {error}.", "Correct or unset it."
            ) from error

    @property
    def home(self) -> Path:
        return self.settings.home_dir

    def show(self, answer: Answer, *columns: str) -> None:
        """Prints the answer: JSON, or a table of the given columns, or name: value lines."""
        if self.as_json:
            click.echo(json.dumps(answer, indent=2, default=str))
        elif isinstance(answer, Mapping):
            _show_fields(answer)
        else:
            _show_table(answer, columns)

    def say(self, text: str) -> None:
        """Progress for people: to stderr, so that --json stays clean."""
        click.echo(text, err=True)

    def confirm(self, question: str, yes: bool) -> None:
        """Asks before money is spent. Without a terminal, only --yes will do."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise NotConfirmed(f"{question} Nobody can be asked here, and nothing was done.")
        if not click.confirm(question, err=True):
            raise NotConfirmed("Nothing was signed.")


def _show_fields(answer: Mapping[str, Any], indent: str = "") -> None:
    """One line a field; what is inside a field stands indented below it."""
    width = max((len(name) for name in answer), default=0)
    for name, value in answer.items():
        if isinstance(value, Mapping) and value:
            click.echo(f"{indent}{name}")
            _show_fields(value, indent + "  ")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            click.echo(f"{indent}{name}")
            for item in value:
                click.echo(f"{indent}  - {_plain(item)}")
        else:
            click.echo(f"{indent}{name:<{width}}  {_plain(value)}")


def _plain(value: Any) -> str:
    """A value as people write it."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(_plain, value)) or "none"
    return str(value)


def _show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.table import Table

    names = columns or (tuple(rows[0]) if rows else ())
    table = Table(*names, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(_plain(row.get(name)) for name in names))
    console().print(table if rows else "nothing")


def console(width: int = WIDE, *, stderr: bool = False) -> Console:
    """Rich's, `width` columns wide where nobody looks; plain where it is piped or NO_COLOR is set (no-color.org)."""
    from rich.console import Console

    class Plainly(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    made = Plainly(stderr=stderr)
    if made.is_terminal and not made.no_color:
        return made
    return Plainly(stderr=stderr, color_system=None, width=None if made.is_terminal else width)


def common(function: Command) -> Command:
    """Adds --home and --json, hands the command a `Session`, and ends named errors with their exit code."""

    @click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="S4M_HOME",
        help="State directory (S4M_HOME).",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(function)
    def run(*args: Any, home: Path | None, as_json: bool, **options: Any) -> None:
        session = Session(as_json, home)
        try:
            function(session, *args, **options)
            sys.stdout.flush()  # here, so that a reader who left is noticed
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            leave_quietly()
        except Exception as error:  # noqa: BLE001 — outermost: every error becomes a named one with its exit code
            fail(_named(error, session), as_json)

    return run  # type: ignore[return-value]


def leave_quietly() -> None:
    """Who read the output closed it: what is still to be written goes nowhere, as where SIGPIPE ends a program."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise click.exceptions.Exit(Exit.READER_LEFT)


def _named(error: Exception, session: Session) -> Exception:
    """The error itself where it names cause and remedy; else a named one, its trace kept in a file of the home."""
    if isinstance(getattr(error, "code", None), str) and hasattr(error, "remedy"):
        return error
    if isinstance(error, OSError) and error.filename:
        return FileUnusable(f"{error.filename}: {error.strerror}.")
    return InternalFault(error, _keep_trace(error, session))


def _keep_trace(error: Exception, session: Session) -> str:
    """Where the trace was written; empty where the home takes no files."""
    import traceback

    try:
        path = session.home / "logs" / "s4m.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write("".join(traceback.format_exception(error)) + "\n")
    except (OSError, BadInput):
        return ""
    return str(path)


def fail(error: Exception, as_json: bool) -> None:
    """Prints what happened and what to do on stderr; leaves with the error's exit code."""
    exit_code = int(exit_of(error))
    tell(code_of(error), *cause_and_remedy(error), exit_code, as_json)
    raise click.exceptions.Exit(exit_code)


def tell(code: str, what: str, remedy: str, exit_code: int, as_json: bool) -> None:
    """One error on stderr: for programs a last line of JSON, for people two lines."""
    if as_json:
        click.echo(json.dumps({"code": code, "error": what, "remedy": remedy, "exit": exit_code}), err=True)
    else:
        click.echo(f"error [{code}]: {what}" + (f"\n  what to do: {remedy}" if remedy else ""), err=True)


def whole_number(text: str, name: str) -> int:
    """A decimal id or amount from the command line."""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise BadInput(f"{name} must be a whole number, not {text[:100]!r}.", "Give decimal digits only.")
    return int(text)


def credits_of(amount: int) -> str:
    """Money for people: the token's smallest unit is a millionth of a credit."""
    return f"{amount // 1_000_000:,}.{amount % 1_000_000:06d} MAAS"


def money_from(text: str) -> int:
    """`12.5` credits → 12,500,000 smallest units."""
    whole, _, fraction = text.replace(",", "").partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdecimal()) or len(fraction) > 6 or len(digits) > LONGEST_NUMBER:
        raise BadInput(f"{text!r} is not an amount of credits.", "Give digits, with at most 6 decimals: 12.5")
    return int(whole or "0") * 1_000_000 + int(fraction.ljust(6, "0"))
