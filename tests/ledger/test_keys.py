from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.errors import (
    KeyFileExists,
    KeyFileExposed,
    KeyFileMalformed,
    KeyFileMissing,
    SignatureMalformed,
    WrongPassword,
)
from ledger.keys import WalletKey, keystore_address, recover_digest

LIGHT_SCRYPT = 1_024  # the work factor is not under test


def test_raw_key_file_round_trips_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "operator.json"
    key = WalletKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert WalletKey.load_or_create(path).secret == key.secret
    assert keystore_address(path) == key.address
    assert [entry.name for entry in path.parent.iterdir()] == ["operator.json"]


def test_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    WalletKey.create().save(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileExposed, match="0640"):
        WalletKey.load(path)


def test_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    WalletKey.create().save(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileExists):
        WalletKey.create().save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"privateKey": "0x12"}', '{"privateKey": "nonsense"}'])
def test_malformed_key_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyFileMalformed):
        WalletKey.load(path)


def test_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing):
        WalletKey.load(tmp_path / "none.json")


def test_keystore_opens_with_its_password_only(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    key = WalletKey.create()
    key.save_keystore(path, "correct horse", scrypt_n=LIGHT_SCRYPT)
    assert WalletKey.load_keystore(path, "correct horse").secret == key.secret
    assert keystore_address(path) == key.address
    assert key.secret.hex() not in path.read_text()
    with pytest.raises(WrongPassword):
        WalletKey.load_keystore(path, "wrong horse")


def test_keystore_of_another_kind_is_malformed(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    path.write_text(json.dumps({"version": 9, "crypto": {}}))
    path.chmod(0o600)
    with pytest.raises(KeyFileMalformed):
        WalletKey.load_keystore(path, "x")


def test_text_of_a_key_shows_the_address_alone() -> None:
    key = WalletKey.create()
    assert repr(key) == str(key) == f"WalletKey({key.address})"


def test_recovered_signer_is_the_key() -> None:
    key, digest = WalletKey.create(), bytes(range(32))
    signature = key.sign_digest(digest)
    assert recover_digest(digest, signature) == key.address
    assert recover_digest(bytes(32), signature) != key.address
    with pytest.raises(SignatureMalformed):
        recover_digest(digest, bytes(32) + b"\x01" * 32 + b"\x1b")
