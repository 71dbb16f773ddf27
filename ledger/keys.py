"""secp256k1 keys: wallets, session keys, meter keys, the accounts of services; on disk only as 0600 files.

Called by the sender, by typed_data and by whoever owns a key. Two file forms: a raw key file (services on a devnet) and
the V3 keystore with a password (people's wallets). It never prints, logs or overwrites a key.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from ledger.errors import (
    KeyFileExists,
    KeyFileExposed,
    KeyFileMalformed,
    KeyFileMissing,
    SignatureMalformed,
    WrongPassword,
)
from ledger.values import CURVE_ORDER, Address, address, check_signature, from_hex, to_hex

SCRYPT_N = 262_144  # the keystore's work factor: 0.6 to 1.1 s an attempt


class WalletKey:
    """A private key. Its text form shows the address alone."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret) < CURVE_ORDER:
            raise ValueError("a secp256k1 key has 32 bytes, above zero and below the curve's order")
        self._key = PrivateKey(secret)
        self.address: Address = address(self._key.public_key.to_checksum_address())

    def __repr__(self) -> str:
        return f"WalletKey({self.address})"

    @property
    def secret(self) -> bytes:
        """The 32 bytes; for sealing into a keystore or handing to a signing process, never for a log."""
        return bytes(self._key.to_bytes())

    @classmethod
    def create(cls) -> WalletKey:
        while True:
            secret = secrets.token_bytes(32)
            if 0 < int.from_bytes(secret) < CURVE_ORDER:
                return cls(secret)

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v (27 or 28), s in the lower half."""
        signature = self._key.sign_msg_hash(digest)
        return bytes(signature.r.to_bytes(32) + signature.s.to_bytes(32) + bytes([27 + signature.v]))

    def sign_typed(self, digest: bytes, document: Callable[[], Mapping[str, Any]]) -> bytes:  # noqa: ARG002
        """As `ledger.signer.Signer`: a key that is here needs the digest only."""
        return self.sign_digest(digest)

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, str]:
        """The signed raw EIP-1559 transaction and its hash."""
        from eth_account import Account

        signed = Account.sign_transaction(dict(transaction), self._key.to_bytes())
        return bytes(signed.raw_transaction), to_hex(bytes(signed.hash))

    @classmethod
    def load(cls, path: Path) -> WalletKey:
        """Reads a raw key file; refuses one that others can read."""
        document = read_private(path)
        try:
            return cls(from_hex(str(document["privateKey"])))
        except (KeyError, ValueError) as error:
            raise KeyFileMalformed(path, type(error).__name__) from error

    def save(self, path: Path) -> None:
        """Writes a raw key file (0600); never overwrites."""
        write_private(path, {"address": self.address, "privateKey": to_hex(self.secret)})

    @classmethod
    def load_or_create(cls, path: Path) -> WalletKey:
        """The raw key file's key; a new one is saved where there is no file."""
        try:
            return cls.load(path)
        except KeyFileMissing:
            key = cls.create()
        try:
            key.save(path)
        except KeyFileExists:  # another process was first
            return cls.load(path)
        return key

    @classmethod
    def load_keystore(cls, path: Path, password: str) -> WalletKey:
        """Opens a V3 keystore; raises WrongPassword."""
        from eth_keyfile import keyfile

        document = read_private(path)
        try:
            return cls(keyfile.decode_keyfile_json(document, password.encode()))
        except ValueError as error:
            if "MAC" in str(error):
                raise WrongPassword(path) from error
            raise KeyFileMalformed(path, str(error)) from error
        except (KeyError, TypeError, NotImplementedError) as error:
            raise KeyFileMalformed(path, type(error).__name__) from error

    def save_keystore(self, path: Path, password: str, scrypt_n: int = SCRYPT_N, *, replace: bool = False) -> None:
        """Seals the key as a V3 keystore (scrypt, 0600); overwrites only where `replace` says so."""
        from eth_keyfile import keyfile

        document = keyfile.create_keyfile_json(self.secret, password.encode(), kdf="scrypt", iterations=scrypt_n)
        write_private(path, {**document, "address": self.address[2:].lower()}, replace=replace)


def keystore_address(path: Path) -> Address:
    """The address that a keystore or raw key file is for, without opening it."""
    document = read_private(path)
    text = str(document.get("address", ""))
    return address(text if text.startswith("0x") else "0x" + text)


def recover_digest(digest: bytes, signature: bytes) -> Address:
    """The address whose key made the 65-byte signature over the digest; raises SignatureMalformed."""
    check_signature(signature)
    try:
        point = Signature(signature[:64] + bytes([signature[64] - 27]))
        return address(point.recover_public_key_from_msg_hash(digest).to_checksum_address())
    except (BadSignature, ValidationError) as error:
        raise SignatureMalformed(str(error)) from error


def read_private(path: Path) -> dict[str, Any]:
    """The JSON object of a file that only its owner may read; raises KeyFileMissing, …Exposed, …Malformed."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileExposed(path, mode)
        document = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise KeyFileMissing(path) from error
    except ValueError as error:
        raise KeyFileMalformed(path, "not JSON") from error
    if not isinstance(document, dict):
        raise KeyFileMalformed(path, "not a JSON object")
    return document


def write_private(path: Path, document: Mapping[str, object], *, replace: bool = False) -> None:
    """Writes beside the target (0600), syncs, then puts it into place: whole or not at all.

    Never over another file, unless `replace` is given; raises KeyFileExists.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)
    except FileExistsError as error:
        raise KeyFileExists(path) from error
    finally:
        draft.unlink(missing_ok=True)
