"""Secrets that come in and go out by files, standard input or a hidden prompt; never by the command line.

Called by `s4m wallet`. It keeps nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from ledger.errors import KeyFileExists
from ledger.keys import WalletKey, read_private, write_private
from ledger.mnemonic import key_of
from ledger.signer import RemoteSigner, Speech
from ledger.values import ZERO_ADDRESS, Address, address, from_hex
from marketplace.wallet.keystore import Holding, WalletInfo, WalletStore
from s4m.errors import BadInput, NoTerminal

STANDARD_INPUT = Path("-")


def secret(file: Path | None, prompt: str, *, confirm: bool = False) -> str:
    """From the file, `-` from standard input, else asked for; raises BadInput, NoTerminal."""
    if file == STANDARD_INPUT:
        return sys.stdin.read().strip("\r\n")
    if file is not None:
        try:
            return file.read_text().strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{file} cannot be read: {error}.", "Give a readable file of text.") from error
    if not sys.stdin.isatty():
        raise NoTerminal(prompt)
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))


def imported(
    keystore: Path | None,
    mnemonic: Path | None,
    raw_key: Path | None,
    path: str,
    passphrase_file: Path | None,
    keystore_password_file: Path | None,
) -> WalletKey:
    """The key of the one source that is given; where none is, the mnemonic's words are asked for."""
    if sum(source is not None for source in (keystore, mnemonic, raw_key)) > 1:
        raise BadInput("More than one key is given.", "Give one of --keystore, --mnemonic and --key.")
    if keystore is not None:
        return _of_keystore(keystore, secret(keystore_password_file, "Password of the keystore"))
    if raw_key is not None:
        return _of_text(secret(raw_key, "Key"))
    passphrase = "" if passphrase_file is None else secret(passphrase_file, "Passphrase")
    return key_of(secret(mnemonic, "Words of the mnemonic"), path, passphrase)


def _of_keystore(file: Path, password: str) -> WalletKey:
    """Another program's file: it may be readable by others, for it is sealed; it is copied where it is not."""
    if not file.is_file():
        raise BadInput(f"There is no file {file}.", "Give another program's V3 keystore.")
    return WalletKey.load_keystore(file, password)


def _of_text(text: str) -> WalletKey:
    try:
        return WalletKey(from_hex(text.strip() if text.strip().startswith("0x") else "0x" + text.strip()))
    except ValueError as error:
        raise BadInput("The file holds no secp256k1 key.", "Give 32 bytes in hexadecimal.") from error


def account_at(url: str, speech: Speech, wanted: str | None) -> Address:
    """The account that the signer has, checked with it; raises BadInput, SignerDown, SignerRefused."""
    signer = RemoteSigner(url, ZERO_ADDRESS, speech)
    try:
        known = signer.accounts()
    finally:
        signer.close()
    shown = ", ".join(known) or "none"
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted is None:
        raise BadInput(f"The signer has {len(known)} accounts.", f"Choose one by --address: {shown}.")
    if address(wanted) not in known:
        raise BadInput(f"The signer does not have {wanted[:80]}.", f"It has: {shown}.")
    return address(wanted)


def keystore_only(store: WalletStore, name: str) -> WalletInfo:
    """The wallet, where its key is in this home; raises BadInput."""
    info = store.info(name)
    if info.holding is not Holding.KEYSTORE:
        raise BadInput(f"The key of wallet {name} is not in this home ({info.holding}).", "Name a keystore wallet.")
    return info


def exported(store: WalletStore, name: str, target: Path, password: Callable[[], str]) -> dict[str, str]:
    """Writes the sealed keystore to a new file; raises WrongPassword, FileUnusable."""
    keystore_only(store, name)
    key = store.open(name, password())
    try:
        write_private(target, read_private(store.file_of(name)))
    except KeyFileExists as error:
        raise BadInput(f"{target} exists.", "Choose another file; keys are never overwritten.") from error
    return {"name": name, "address": key.address, "file": str(target)}


__all__ = ["account_at", "exported", "imported", "keystore_only", "secret"]
