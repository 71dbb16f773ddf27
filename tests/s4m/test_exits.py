"""Exit codes: one enum, every named error has its own, each can be had, and the reference tells them all."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_runner import Run

from s4m.errors import BadInput, Exit, codes_of, exit_of

FAULTS = {
    "internal_error", "cli_error", "house_error", "ledger_error", "marketplace_error", "store_unusable", "block_gone",
    "event_missing", "event_malformed", "record_malformed", "record_out_of_order", "devnet_failed",
}  # fmt: skip
"""Errors of programs and states that no command line can be blamed for: 1."""


def _errors(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for kind in root.__subclasses__():
        yield from _errors(kind)


def _named() -> list[type[Exception]]:
    roots = (("ledger.errors", "LedgerError"), ("marketplace.errors", "MarketplaceError"), ("s4m.errors", "CliError"))
    return [each for module, name in roots for each in _errors(getattr(importlib.import_module(module), name))]


def _status(kind: type[Exception]) -> int:
    """The exit code by the class alone, as an error without a server's own code has it."""
    blank = kind.__new__(kind)
    return int(exit_of(blank))


@pytest.mark.parametrize("kind", _named(), ids=lambda kind: kind.__name__)
def test_every_named_error_has_an_exit_code_of_its_kind(kind: type[Exception]) -> None:
    code = str(kind.code)  # type: ignore[attr-defined]
    assert (_status(kind) == Exit.FAILED) == (code in FAULTS)


def test_codes_and_meanings_are_distinct() -> None:
    assert len({exit_code.meaning for exit_code in Exit}) == len(Exit)
    listed = [code for exit_code in Exit for code in codes_of(exit_code)]
    assert len(listed) == len(set(listed))
    assert exit_of(BadInput("x")) is Exit.BAD_INPUT


def test_the_reference_has_every_code(run: Run) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md").read_text()
    for exit_code in Exit:
        assert f"| {int(exit_code)} | {exit_code.meaning}" in page
        assert all(f"`{code}`" in page for code in codes_of(exit_code))


@pytest.mark.parametrize(
    ("words", "environment", "due"),
    [
        (("wallet", "list"), {}, Exit.DELIVERED),
        (("wallet", "show", "nobody"), {}, Exit.BAD_INPUT),
        (("devnet", "status"), {}, Exit.DOWN),
        (("devnet", "status"), {"S4M_RPC_URL": "http://127.0.0.1:9"}, Exit.DOWN),
        (("doctor", "--port-base", "0"), {"S4M_RPC_URL": "http://127.0.0.1:9"}, Exit.FINDINGS),
    ],
)
def test_codes_that_need_no_house(run: Run, words: tuple[str, ...], environment: dict[str, str], due: Exit) -> None:
    assert run(*words, **environment).code == due


def test_a_refusal_is_refused(run: Run) -> None:
    run("wallet", "create", "anna")
    assert run("wallet", "remove", "anna").code == Exit.REFUSED


def test_a_key_that_others_can_read_is_missing_its_setting(run: Run, tmp_path: Path) -> None:
    run("wallet", "create", "anna")
    (tmp_path / "wallets" / "anna.json").chmod(0o644)
    assert run("wallet", "show", "anna").code == Exit.MISSING
