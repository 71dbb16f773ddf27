"""The option --disclosure of commands that show claims: files of `s4m identity disclose`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.errors import BadInput

if TYPE_CHECKING:
    from ledger.claims import Disclosure

DISCLOSURES = click.option(
    "--disclosure",
    "disclosures",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A claim that the plan asks for (`s4m identity disclose`); may be given several times.",
)


def disclosed(files: Iterable[Path]) -> list[Disclosure]:
    """The disclosures in these files; BadInput for one that holds none."""
    return [read(path) for path in files]


def read(path: Path) -> Disclosure:
    from ledger.claims import Disclosure

    try:
        return Disclosure.parse(json_of(path))
    except ValueError as error:
        raise BadInput(f"{path} holds no disclosure: {error}.", "Give a file of `s4m identity disclose`.") from error


def json_of(path: Path) -> Any:
    """BadInput where the file cannot be read as JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}.", "Give a readable JSON file.") from error
