"""Wallets stay sealed, session keys survive a crash between order and answer."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from marketplace.errors import MalformedInput, UnknownSession, UnknownWallet, WalletExists, WrongPassword
from marketplace.wallet.keystore import WalletStore


@pytest.fixture
def store(tmp_path: Path) -> WalletStore:
    return WalletStore(tmp_path, scrypt_n=1024)


def test_a_wallet_opens_with_its_password_only(store: WalletStore, tmp_path: Path) -> None:
    key = store.create("anna", "secret")
    assert store.open("anna", "secret").address == key.address == store.address("anna")
    assert [info.name for info in store.list()] == ["anna"]
    assert stat.S_IMODE((tmp_path / "wallets" / "anna.json").stat().st_mode) == 0o600
    assert key.secret.hex() not in (tmp_path / "wallets" / "anna.json").read_text()
    with pytest.raises(WrongPassword):
        store.open("anna", "Secret")


def test_a_name_is_taken_once(store: WalletStore) -> None:
    key = store.create("anna", "secret")
    with pytest.raises(WalletExists):
        store.create("anna", "other")
    assert store.open("anna", "secret").address == key.address


def test_names_that_are_unknown_or_no_names(store: WalletStore) -> None:
    with pytest.raises(UnknownWallet, match="known are: none"):
        store.address("bert")
    with pytest.raises(MalformedInput):
        store.create("../anna", "secret")


def test_a_session_key_is_on_disk_before_its_subscription_is_known(store: WalletStore, tmp_path: Path) -> None:
    key = store.new_session()
    assert (tmp_path / "wallets" / "sessions" / f"{key.address}.json").exists()
    path = store.bind_session(key, 77)
    assert store.bind_session(key, 77) == path
    assert store.session(77).address == key.address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UnknownSession):
        store.session(78)
