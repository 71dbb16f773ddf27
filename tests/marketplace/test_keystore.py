"""Wallets stay sealed, session keys survive a crash between order and answer."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ledger.keys import WalletKey, recover_digest
from ledger.signer import Speech
from marketplace.errors import MalformedInput, UnknownSession, UnknownWallet, WalletExists, WatchOnly, WrongPassword
from marketplace.wallet.keystore import WalletInfo, WalletStore


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


def test_a_wallet_is_watched_connected_listed_and_removed(store: WalletStore) -> None:
    key = store.create("anna", "secret")
    watched = store.watch("bank", WalletKey.create().address)
    held = store.connect("cold", WalletKey.create().address, "http://127.0.0.1:8550", Speech.CLEF)
    assert store.list() == [WalletInfo("anna", key.address), watched, held]
    for name in ("anna", "bank", "cold"):
        with pytest.raises(WalletExists):
            store.watch(name, key.address)
    assert store.remove("bank") == watched
    with pytest.raises(UnknownWallet):
        store.info("bank")


def test_a_watched_address_signs_nothing(store: WalletStore) -> None:
    store.watch("bank", WalletKey.create().address)
    with pytest.raises(WatchOnly):
        store.signer("bank", lambda: "never asked")


def test_a_key_is_opened_when_it_signs_and_let_go_of_at_the_end(store: WalletStore) -> None:
    key = store.create("anna", "secret")
    asked: list[str] = []

    def password() -> str:
        asked.append("secret")
        return "secret"

    with store.signer("anna", password) as signer:
        assert (signer.address, asked) == (key.address, [])
        signature = signer.sign_typed(bytes(32), dict)
        signer.sign_typed(bytes(32), dict)
        assert recover_digest(bytes(32), signature) == key.address
        assert asked == ["secret"]
    signer.sign_typed(bytes(32), dict)
    assert asked == ["secret", "secret"]


def test_a_password_is_changed_whole_or_not_at_all(store: WalletStore) -> None:
    key = store.create("anna", "old")
    with pytest.raises(WrongPassword):
        store.seal_anew("anna", "wrong", "new")
    assert store.open("anna", "old").address == key.address
    store.seal_anew("anna", "old", "new")
    assert store.open("anna", "new").address == key.address
    assert store.file_of("anna").stat().st_mode & 0o777 == 0o600
    with pytest.raises(WrongPassword):
        store.open("anna", "old")
