"""The command line without a house: wallets, help, exit codes, a chain of its own."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_runner import Run

from s4m.command import money_from
from s4m.errors import BadInput
from s4m.main import GROUPS, cli

HEAVY = ("urllib3", "matplotlib", "rich", "pydantic", "httpx", "sqlalchemy", "eth_account")


def test_help_loads_nothing_heavy() -> None:
    loaded = f"print([name for name in {HEAVY} if name in sys.modules])"
    code = f"import sys; from s4m.main import cli; cli(['--help'], standalone_mode=False); {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", GROUPS)
def test_every_command_has_help_and_json(name: str) -> None:
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    leaves = getattr(command, "commands", None) or {name: command}
    for leaf in leaves.values():
        assert "--json" in {option for parameter in leaf.params for option in parameter.opts}
        assert leaf.help
    assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_wallets_are_made_listed_and_shown(run: Run, tmp_path: Path) -> None:
    made = run("wallet", "create", "anna")
    assert made.code == 0
    assert run("wallet", "list").json == [made.json]
    assert run("wallet", "show", "anna").json["file"] == str(tmp_path / "wallets" / "anna.json")
    assert made.json["address"] in run("wallet", "list", as_json=False).text


def test_a_password_file_seals_a_wallet(run: Run, tmp_path: Path) -> None:
    from marketplace.wallet.keystore import WalletStore

    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    made = run("wallet", "create", "anna", "--password-file", secret)
    assert WalletStore(tmp_path).open("anna", "from a file").address == made.json["address"]


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("wallet", "show", "nobody"), 2, "unknown_wallet"),
        (("wallet", "create", "../x"), 2, "malformed_input"),
        (("devnet", "status"), 6, "nothing_running"),
        (("devnet", "stop"), 6, "nothing_running"),
        (("deploy",), 6, "nothing_running"),
        (("catalog", "list"), 6, "nothing_running"),
        (("settle",), 6, "nothing_running"),
        (("audit",), 6, "nothing_running"),
        (("trust", "verify"), 6, "nothing_running"),
        (("trust", "revoke", "nobody", "--yes"), 2, "bad_input"),
        (("trust", "revoke", "gateway", "--dry-run"), 6, "nothing_running"),
        (("use", "x", "frame"), 2, "bad_input"),
        (("use", "5", "frame"), 2, "unknown_session"),
        (("use", "5", "frame", "--params", "[1]"), 2, "bad_input"),
    ],
)
def test_errors_are_named_and_have_their_exit_code(run: Run, words: tuple[str, ...], exit_code: int, code: str) -> None:
    answer = run(*words)
    assert (answer.code, answer.json["code"], answer.json["exit"]) == (exit_code, code, exit_code)
    spoken = run(*words, as_json=False)
    assert spoken.code == exit_code
    assert f"error [{code}]" in spoken.errors


def test_a_wallet_name_is_taken_once(run: Run) -> None:
    run("wallet", "create", "anna")
    assert run("wallet", "create", "anna").json["code"] == "wallet_exists"


def test_a_node_that_is_down_is_said(run: Run) -> None:
    answer = run("devnet", "status", S4M_RPC_URL="http://127.0.0.1:9")
    assert (answer.code, answer.json["code"]) == (6, "node_down")
    assert "s4m" in answer.json["remedy"]


def test_unknown_words_are_bad_input(run: Run) -> None:
    assert CliRunner().invoke(cli, ["fly"]).exit_code == 2
    assert CliRunner().invoke(cli, ["buy"]).exit_code == 2


@pytest.mark.parametrize(("text", "amount"), [("1", 1_000_000), ("0.5", 500_000), ("1,000.000001", 1_000_000_001)])
def test_amounts_of_credits(text: str, amount: int) -> None:
    assert money_from(text) == amount


@pytest.mark.parametrize("text", ["", "x", "1.0000001", "-1", "."])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(BadInput):
        money_from(text)


def test_the_policy_matrix_names_every_app(run: Run) -> None:
    rows = run("trust", "policy").json
    assert {row["app"] for row in rows} >= {"marketplace", "orchestrator", "gateway", "msmf", "vmof", "mmf"}


def test_a_chain_of_its_own_from_start_to_stop(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "s4m.main", "devnet", "start", "--port", "0", "--home", str(tmp_path), "--json"]
    started = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    try:
        first, again = run("deploy"), run("deploy")
        assert first.code == 0
        assert again.json == first.json
        assert run("devnet", "status").json["chainId"] == "31337"
        address = run("wallet", "create", "anna").json["address"]
        assert run("devnet", "fund", "anna", "--credits", "2.5").json["credits"] == "2500000"
        assert run("wallet", "fund", "anna", "--credits", "1").json["address"] == address
        assert run("wallet", "balance", "anna").json["wallet"] == "3500000"
        assert run("trust", "enrol").code == 0
        assert all(row["here"] and not row["revoked"] for row in run("trust", "keys").json)
        assert run("trust", "revoke", "mmf").json["code"] == "not_confirmed"
        assert int(run("trust", "revoke", "mmf", "--dry-run").json["gas"]) > 21_000
        assert run("trust", "revoke", "mmf", "--yes").code == 0
        with (
            closing(sqlite3.connect(tmp_path / "db" / "operator-sends.db")) as journal,
            journal,
        ):  # the orchestrator's own
            sent = {row[0] for row in journal.execute("SELECT description FROM sends")}
        assert any("revokeKey" in each for each in sent), sent
        assert [row["component"] for row in run("trust", "keys").json if row["revoked"]] == ["mmf"]
        assert run("audit", "--money-only").json["ok"] is True
    finally:
        assert run("devnet", "stop").json["stopped"] == [started["pid"]]
