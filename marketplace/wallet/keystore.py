"""Wallets (files under wallets/) and session keys (raw 0600 files under wallets/sessions/).

A wallet is one of three kinds: a V3 keystore, an account whose key a signer program holds, or an address to watch.

Called by the client, by `s4m` and by the demo's travellers. A session key is stored before its order is sent, under
its own address; once the subscription's id is known the file is linked to the id too, so that a crash in between loses
nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ledger import errors as ledger_errors
from ledger.keys import SCRYPT_N, WalletKey, keystore_address, read_private, write_private
from ledger.signer import RemoteSigner, Speech
from ledger.values import Address
from marketplace.documents import canonical
from marketplace.errors import MalformedInput, UnknownSession, UnknownWallet, WalletExists, WatchOnly, WrongPassword
from marketplace.wallet.signers import Lent, lent_key, lent_program

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Holding(StrEnum):
    """Where a wallet's key is."""

    KEYSTORE = "keystore"
    SIGNER = "signer"
    WATCH = "watch"


@dataclass(frozen=True)
class WalletInfo:
    """A wallet as it can be listed without its password; `signer` is the signer program's URL, else empty."""

    name: str
    address: Address
    holding: Holding = Holding.KEYSTORE
    signer: str = ""
    speech: Speech = Speech.ETH


class WalletStore:
    """The wallets of one home. `scrypt_n` is the work factor of new keystores."""

    def __init__(self, home: Path, scrypt_n: int = SCRYPT_N) -> None:
        self._folder = home / "wallets"
        self._scrypt_n = scrypt_n

    def create(self, name: str, password: str, key: WalletKey | None = None) -> WalletKey:
        """Makes (or imports) a key and seals it; raises `WalletExists`."""
        made = key or WalletKey.create()
        with _taken_once(name):
            made.save_keystore(self._path(name), password, self._scrypt_n)
        return made

    def watch(self, name: str, account: Address) -> WalletInfo:
        """An address to look at, without a key; raises `WalletExists`."""
        return self._keep(WalletInfo(name, account, Holding.WATCH))

    def connect(self, name: str, account: Address, url: str, speech: Speech = Speech.ETH) -> WalletInfo:
        """An account whose key the signer program at `url` holds; raises `WalletExists`."""
        return self._keep(WalletInfo(name, account, Holding.SIGNER, url, speech))

    def _keep(self, info: WalletInfo) -> WalletInfo:
        kept = {"kind": info.holding.value, "address": info.address}
        if info.holding is Holding.SIGNER:
            kept |= {"url": info.signer, "speech": info.speech.value}
        with _taken_once(info.name):
            write_private(self._path(info.name), kept)
        return info

    def seal_anew(self, name: str, password: str, new_password: str) -> None:
        """Changes the password of a keystore; the old file stands until the new one is whole."""
        self.open(name, password).save_keystore(self._path(name), new_password, self._scrypt_n, replace=True)

    def remove(self, name: str) -> WalletInfo:
        """Deletes the wallet's file; session keys of what it bought stay."""
        info = self.info(name)
        self._path(name).unlink()
        return info

    def signer(self, name: str, password: Callable[[], str]) -> Lent:
        """Who signs for the wallet; `password` is asked when first needed. Raises `WatchOnly`, `UnknownWallet`."""
        info = self.info(name)
        match info.holding:
            case Holding.KEYSTORE:
                return lent_key(info.address, lambda: self.open(name, password()))
            case Holding.SIGNER:
                return lent_program(RemoteSigner(info.signer, info.address, info.speech))
        remedy = "Import its key (`s4m wallet import`), or connect its signer (`s4m wallet connect`)."
        raise WatchOnly(f"{name!r} is an address to look at.", remedy=remedy)

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
        return self.info(name).address

    def info(self, name: str) -> WalletInfo:
        """What can be said of a wallet without its password; raises `UnknownWallet`."""
        path = self._path(name)
        try:
            document = read_private(path)
            account = keystore_address(path)
        except ledger_errors.KeyFileMissing as error:
            raise self._unknown(name) from error
        if "kind" not in document:
            return WalletInfo(name, account)
        try:
            holding, speech = Holding(document["kind"]), Speech(document.get("speech", Speech.ETH))
            return WalletInfo(name, account, holding, str(document.get("url", "")), speech)
        except ValueError as error:
            raise ledger_errors.KeyFileMalformed(path, str(error)) from error

    def list(self) -> list[WalletInfo]:
        return [self.info(path.stem) for path in sorted(self._folder.glob("*.json"))]

    def file_of(self, name: str) -> Path:
        """Where a wallet lies; raises `UnknownWallet`."""
        return self._path(self.info(name).name)

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
        known = ", ".join(path.stem for path in sorted(self._folder.glob("*.json"))) or "none"
        return UnknownWallet(f"{name!r}; known are: {known}.", remedy="Run `s4m wallet create`.")


@contextmanager
def _taken_once(name: str) -> Iterator[None]:
    try:
        yield
    except ledger_errors.KeyFileExists as error:
        raise WalletExists(f"{name!r} is taken.", remedy="Choose another name; keys are never overwritten.") from error


def _elsewhere(subscription_id: int) -> UnknownSession:
    why = f"subscription {subscription_id} was not bought from this home."
    return UnknownSession(why, remedy="Use the home in which it was bought.")
