"""What every command shares: `--home`, `--json`, named errors with exit codes, printing, and asking before spending.

Command modules import this and click only, so that `s4m --help` stays quick; whatever is heavy is imported by the
command that runs.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from s4m.errors import BadInput, NotConfirmed, code_of, exit_of

if TYPE_CHECKING:
    from s4m.settings import CliSettings

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

        return CliSettings() if self.home_option is None else CliSettings(home=self.home_option)

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
            raise NotConfirmed(question)
        if not click.confirm(question, err=True):
            raise NotConfirmed("Nothing was signed.")


def _show_fields(answer: Mapping[str, Any]) -> None:
    width = max((len(name) for name in answer), default=0)
    for name, value in answer.items():
        text = json.dumps(value, default=str) if isinstance(value, Mapping | list | tuple) else str(value)
        click.echo(f"{name:<{width}}  {text}")


def _show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = columns or (tuple(rows[0]) if rows else ())
    table = Table(*names, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in names))
    Console(width=None if sys.stdout.isatty() else 200).print(table if rows else "nothing")


def common(function: Command) -> Command:
    """Adds --home and --json, hands the command a `Session`, and ends named errors with their exit code."""

    @click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="State directory (S4M_HOME).")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(function)
    def run(*args: Any, home: Path | None, as_json: bool, **options: Any) -> None:
        session = Session(as_json, home)
        try:
            function(session, *args, **options)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # outermost: every named error becomes an exit code, the rest a traceback
            if not hasattr(error, "code"):
                raise
            fail(error, as_json)

    return run  # type: ignore[return-value]


def fail(error: Exception, as_json: bool) -> None:
    """Prints what happened and what to do; leaves with the error's exit code."""
    code, remedy = code_of(error), str(getattr(error, "remedy", "") or "")
    exit_code = int(exit_of(error))
    details = {"code": code, "error": str(error), "remedy": remedy, "exit": exit_code}
    if as_json:
        click.echo(json.dumps(details, default=str))
    else:
        click.echo(f"error [{code}]: {error}" + (f"\n  what to do: {remedy}" if remedy else ""), err=True)
    raise click.exceptions.Exit(exit_code)


def whole_number(text: str, name: str) -> int:
    """A decimal id or amount from the command line."""
    if not text.isdecimal():
        raise BadInput(f"{name} must be a whole number, not {text!r}.")
    return int(text)


def credits_of(amount: int) -> str:
    """Money for people: the token's smallest unit is a millionth of a credit."""
    return f"{amount // 1_000_000:,}.{amount % 1_000_000:06d} MAAS"


def money_from(text: str) -> int:
    """`12.5` credits → 12,500,000 smallest units."""
    whole, _, fraction = text.replace(",", "").partition(".")
    if not (whole or fraction) or not (whole + fraction).isdecimal() or len(fraction) > 6:
        raise BadInput(f"{text!r} is not an amount of credits (at most 6 decimals).")
    return int(whole or "0") * 1_000_000 + int(fraction.ljust(6, "0"))
