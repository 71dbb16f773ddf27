"""Wallets (V3 keystores under wallets/) and session keys (raw 0600 files under wallets/sessions/).

Called by the client, by `s4m` and by the demo's travellers. A session key is stored before its order is sent, under
its own address; once the subscription's id is known the file is linked to the id too, so that a crash in between loses
nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import errors as ledger_errors
from ledger.keys import SCRYPT_N, WalletKey, keystore_address
from ledger.values import Address
from marketplace.documents import canonical
from marketplace.errors import MalformedInput, UnknownSession, UnknownWallet, WalletExists, WrongPassword

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class WalletInfo:
    """A wallet as it can be listed without its password."""

    name: str
    address: Address


class WalletStore:
    """The wallets of one home. `scrypt_n` is the work factor of new keystores."""

    def __init__(self, home: Path, scrypt_n: int = SCRYPT_N) -> None:
        self._folder = home / "wallets"
        self._scrypt_n = scrypt_n

    def create(self, name: str, password: str, key: WalletKey | None = None) -> WalletKey:
        """Makes (or imports) a key and seals it; raises `WalletExists`."""
        made = key or WalletKey.create()
        try:
            made.save_keystore(self._path(name), password, self._scrypt_n)
        except ledger_errors.KeyFileExists as error:
            raise WalletExists(
                f"{name!r} is taken.", remedy="Choose another name; keys are never overwritten."
            ) from error
        return made

    def open(self, name: str, password: str) -> WalletKey:
        """Raises `UnknownWallet` or `WrongPassword`."""
        try:
            return WalletKey.load_keystore(self._path(name), password)
        except ledger_errors.KeyFileMissing as error:
            raise self._unknown(name) from error
        except ledger_errors.WrongPassword as error:
            raise WrongPassword(f"wallet {name!r} stays closed.", remedy="Try again with its password.") from error

    def address(self, name: str) -> Address:
        """The address of a wallet, without its password."""
        try:
            return keystore_address(self._path(name))
        except ledger_errors.KeyFileMissing as error:
            raise self._unknown(name) from error

    def list(self) -> list[WalletInfo]:
        files = sorted(self._folder.glob("*.json"))
        return [WalletInfo(path.stem, keystore_address(path)) for path in files]

    def new_session(self) -> WalletKey:
        """A fresh session key, already on disk under its address."""
        key = WalletKey.create()
        key.save(self._session_path(key.address))
        return key

    def bind_session(self, key: WalletKey, subscription_id: int) -> Path:
        """Gives the session key's file the subscription's name; doing it again changes nothing."""
        path = self.session_path(subscription_id)
        if not path.exists():
            os.link(self._session_path(key.address), path)
        return path

    def session(self, subscription_id: int) -> WalletKey:
        """The session key of a subscription; raises `UnknownSession`."""
        try:
            return WalletKey.load(self.session_path(subscription_id))
        except ledger_errors.KeyFileMissing as error:
            raise _elsewhere(subscription_id) from error

    def keep_request(self, subscription_id: int, document: Mapping[str, Any]) -> None:
        """Keeps what was asked for, so that measured immersion is later recomputed with the buyer's own weights."""
        path = self._request_path(subscription_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(canonical(dict(document)))

    def request(self, subscription_id: int) -> dict[str, Any]:
        """The request document of a subscription bought from this home; raises `UnknownSession`."""
        try:
            return dict(json.loads(self._request_path(subscription_id).read_bytes()))
        except FileNotFoundError as error:
            raise _elsewhere(subscription_id) from error

    def session_path(self, subscription_id: int) -> Path:
        return self._session_path(str(subscription_id))

    def _request_path(self, subscription_id: int) -> Path:
        return self._folder / "requests" / f"{subscription_id}.json"

    def _session_path(self, name: str) -> Path:
        return self._folder / "sessions" / f"{name}.json"

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise MalformedInput(f"{name!r} is no wallet name.", remedy="Use letters, digits, dots, dashes.")
        return self._folder / f"{name}.json"

    def _unknown(self, name: str) -> UnknownWallet:
        known = ", ".join(info.name for info in self.list()) or "none"
        return UnknownWallet(f"{name!r}; known are: {known}.", remedy="Run `s4m wallet create`.")


def _elsewhere(subscription_id: int) -> UnknownSession:
    why = f"subscription {subscription_id} was not bought from this home."
    return UnknownSession(why, remedy="Use the home in which it was bought.")
