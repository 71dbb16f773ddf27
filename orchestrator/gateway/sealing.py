"""How the gateway keeps users' behaviour: sealed, under keys that can be destroyed.

Behaviour (attention, objects looked at, radio conditions, answers) is sealed with AES-256-GCM. Each subscription has a
data key a day; it lies in usage.db, wrapped by the behaviour key of the home. To forget is to destroy data keys: what
they sealed cannot be read again, in any copy of the rows. Used by `store.py` under its lock; it decides nothing about
when to forget.
"""

import hmac
import json
import os
import secrets
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestrator.gateway.errors import BehaviourKeyUnfit

TABLE: Final = """
CREATE TABLE IF NOT EXISTS data_keys (
    subscription TEXT NOT NULL, day INTEGER NOT NULL, wrapped BLOB NOT NULL, PRIMARY KEY (subscription, day));
"""
ROUTE_DAY: Final = 0
"""The key of a subscription's route, which lives as long as the route, not as long as a day's behaviour is kept."""
DAY_MS: Final = 86_400_000
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


def day_of(millis: int) -> int:
    """The day (UTC, counted from 1970) of a moment in UTC milliseconds."""
    return millis // DAY_MS


def behaviour_key(path: Path) -> bytes:
    """The home's behaviour key, made at the first call (0600); `BehaviourKeyUnfit` where others can read it."""
    with suppress(FileExistsError):
        _create(path, secrets.token_bytes(KEY_BYTES))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise BehaviourKeyUnfit(f"{path} can be read by others (mode {mode:o}). `chmod 600` it; if it leaked, erase.")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise BehaviourKeyUnfit(f"{path} has {len(key)} bytes, not {KEY_BYTES}. Restore it from a backup.")
    return key


def _create(path: Path, key: bytes) -> None:
    """Written beside the target, synced, then linked into place: whole or not at all, and never over another."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()


class DataKeys:
    """The data keys of one usage.db, unwrapped as they are needed. Not thread-safe: the store's lock is held."""

    def __init__(self, connection: sqlite3.Connection, master: bytes) -> None:
        self._connection = connection
        self._master = master
        self._known: dict[int, dict[int, bytes]] = {}
        connection.executescript(TABLE)
        row = connection.execute("SELECT subscription FROM data_keys LIMIT 1").fetchone()
        if row is not None:  # a behaviour key that is not this home's is found out before anything is served
            self.living(int(row[0]))

    def of(self, subscription: int, day: int) -> bytes:
        """The key of that day, made where there is none."""
        keys = self.living(subscription)
        if day not in keys:
            key = secrets.token_bytes(KEY_BYTES)
            wrapped = seal(self._master, _place(subscription, day), key)
            self._connection.execute("INSERT INTO data_keys VALUES (?, ?, ?)", (str(subscription), day, wrapped))
            keys[day] = key
        return keys[day]

    def living(self, subscription: int) -> dict[int, bytes]:
        """The subscription's keys by day."""
        if subscription not in self._known:
            rows = self._connection.execute(
                "SELECT day, wrapped FROM data_keys WHERE subscription = ?", (str(subscription),)
            )
            self._known[subscription] = {day: self._unwrap(subscription, day, wrapped) for day, wrapped in rows}
        return self._known[subscription]

    def destroy(self, subscription: int) -> None:
        """All keys of a subscription's behaviour; that of its route stays."""
        self._connection.execute(
            "DELETE FROM data_keys WHERE subscription = ? AND day != ?", (str(subscription), ROUTE_DAY)
        )
        self.drop_known()

    def destroy_route(self, subscription: int) -> None:
        """The key of a subscription's route."""
        self._connection.execute(
            "DELETE FROM data_keys WHERE subscription = ? AND day = ?", (str(subscription), ROUTE_DAY)
        )
        self.drop_known()

    def destroy_before(self, day: int) -> None:
        """All keys of days before `day`."""
        self._connection.execute("DELETE FROM data_keys WHERE day < ? AND day != ?", (day, ROUTE_DAY))
        self.drop_known()

    def drop_known(self) -> None:
        """Keep nothing in memory: rows were destroyed, or their transaction was taken back."""
        self._known.clear()

    def _unwrap(self, subscription: int, day: int, wrapped: bytes) -> bytes:
        try:
            return unseal(self._master, _place(subscription, day), wrapped)
        except InvalidTag as cause:
            raise BehaviourKeyUnfit(
                "The behaviour key does not open the data keys of usage.db. Restore keys/behaviour.key from the backup "
                "that belongs to this usage.db; nothing was touched."
            ) from cause


def seal(key: bytes, place: str, content: bytes) -> bytes:
    """Nonce ‖ ciphertext ‖ tag. `place` (which row, which column) is authenticated: sealed content cannot be moved."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, place.encode())


def unseal(key: bytes, place: str, sealed: bytes) -> bytes:
    """The content; `InvalidTag` for another key or place."""
    return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())


def seal_json(key: bytes, place: str, document: Any) -> bytes:
    return seal(key, place, json.dumps(document).encode())


def unseal_json(key: bytes, place: str, sealed: bytes) -> Any:
    return json.loads(unseal(key, place, sealed))


def pseudonym(key: bytes, request_id: str) -> str:
    """A request id as it lies in the store: it tells repeats apart while the day's key lives, and nothing after."""
    return hmac.digest(key, request_id.encode(), "sha256").hex()


def _place(subscription: int, day: int) -> str:
    return f"{subscription}/{day}"
