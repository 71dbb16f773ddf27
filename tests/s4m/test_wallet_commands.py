"""`s4m wallet`: keys come in by files and standard input, go out sealed, and are held elsewhere or only watched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_runner import ENVIRONMENT, Run

from ledger.devnet import Devnet
from ledger.keys import WalletKey
from marketplace.wallet.keystore import WalletStore
from s4m.main import cli

WORDS = "test test test test test test test test test test test junk"
FIRST, SECOND = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    file = tmp_path / "words"
    file.write_text(WORDS + "\n")
    return file


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as running:
        yield running


def test_a_mnemonic_gives_the_account_of_its_path(run: Run, words: Path) -> None:
    assert run("wallet", "import", "one", "--mnemonic", words).json["address"] == FIRST
    path = "m/44'/60'/0'/0/1"
    assert run("wallet", "import", "two", "--mnemonic", words, "--path", path).json["address"] == SECOND
    passphrase = words.with_name("passphrase")
    passphrase.write_text("TREZOR")
    other = run("wallet", "import", "three", "--mnemonic", words, "--passphrase-file", passphrase).json["address"]
    assert other not in (FIRST, SECOND)


def test_a_key_is_read_from_standard_input(tmp_path: Path) -> None:
    key = WalletKey.create()
    arguments = ["wallet", "import", "mine", "--key", "-", "--home", str(tmp_path), "--json"]
    done = CliRunner().invoke(cli, arguments, input=f"{key.secret.hex()}\n", env=ENVIRONMENT)
    assert json.loads(done.stdout)["address"] == key.address
    assert key.secret.hex() not in (tmp_path / "wallets" / "mine.json").read_text()


def test_a_keystore_goes_out_sealed_and_comes_in_again(run: Run, tmp_path: Path) -> None:
    made, sealed, password = run("wallet", "create", "anna").json, tmp_path / "out.json", tmp_path / "password"
    password.write_text(ENVIRONMENT["S4M_WALLET_PASSWORD"])
    wrong = run("wallet", "export", "anna", "--to", sealed, S4M_WALLET_PASSWORD="wrong")
    assert (wrong.code, wrong.json["code"], sealed.exists()) == (3, "wrong_password", False)
    assert run("wallet", "export", "anna", "--to", sealed).json["file"] == str(sealed)
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert run("wallet", "export", "anna", "--to", sealed).json["code"] == "bad_input"
    back = run("wallet", "import", "again", "--keystore", sealed, "--keystore-password-file", password).json
    assert back["address"] == made["address"]


@pytest.mark.parametrize(
    ("option", "text", "code"),
    [
        ("--mnemonic", "test test test", "mnemonic_invalid"),
        ("--key", "0x12", "bad_input"),
        ("--key", "no key", "bad_input"),
        ("--keystore", "{}", "key_file_malformed"),
    ],
)
def test_what_is_no_key_is_named_and_nothing_is_kept(
    run: Run, tmp_path: Path, option: str, text: str, code: str
) -> None:
    file = tmp_path / "source"
    file.write_text(text)
    file.chmod(0o600)
    answer = run("wallet", "import", "mine", option, file, "--keystore-password-file", file)
    assert answer.json["code"] == code
    assert run("wallet", "list").json == []


def test_two_sources_or_none_are_refused(run: Run, words: Path) -> None:
    both = run("wallet", "import", "mine", "--mnemonic", words, "--key", words)
    assert (both.code, both.json["code"]) == (2, "bad_input")
    nobody = run("wallet", "import", "mine")
    assert (nobody.code, nobody.json["code"]) == (2, "no_terminal")
    assert run("wallet", "import", "mine", "--key", "/nowhere").json["code"] == "bad_input"


def test_a_password_is_changed(run: Run, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text("battery staple\n")
    made = run("wallet", "create", "anna").json
    assert run("wallet", "password", "anna", "--new-password-file", new).json == made
    assert WalletStore(tmp_path).open("anna", "battery staple").address == made["address"]
    assert run("wallet", "password", "anna", "--new-password-file", new).json["code"] == "wrong_password"


def test_a_wallet_is_removed_when_it_is_meant(run: Run) -> None:
    made = run("wallet", "create", "anna").json
    asked = run("wallet", "remove", "anna")
    assert (asked.code, asked.json["code"]) == (3, "not_confirmed")
    assert run("wallet", "list").json == [made]
    assert run("wallet", "remove", "anna", "--yes").json == {"removed": made}
    assert run("wallet", "list").json == []


def test_an_address_is_watched_and_has_no_key(run: Run, tmp_path: Path) -> None:
    assert run("wallet", "watch", "bank", FIRST).json == {"name": "bank", "address": FIRST, "held": "watch"}
    assert run("wallet", "watch", "other", "0x12").code == 2
    for words in (("export", "bank", "--to", tmp_path / "x"), ("password", "bank")):
        assert run("wallet", *words).json["code"] == "bad_input"


def test_an_account_of_a_signer_is_connected(run: Run, devnet: Devnet) -> None:
    url = devnet.rpc_url
    several = run("wallet", "connect", "cold", url)
    assert (several.code, several.json["code"]) == (2, "bad_input")
    assert FIRST in several.json["remedy"]
    assert run("wallet", "connect", "cold", url, "--address", WalletKey.create().address).json["code"] == "bad_input"
    assert run("wallet", "connect", "cold", url, "--address", FIRST).json["held"] == "signer"
    assert run("wallet", "show", "cold").json["signer"] == url
    assert run("wallet", "connect", "c", url, "--speech", "clef").json["code"] == "signer_refused"
    away = run("wallet", "connect", "c", "http://127.0.0.1:9")
    assert (away.code, away.json["code"]) == (6, "signer_down")
