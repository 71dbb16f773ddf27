"""The passes' rows in usage.db: documents, what was spent, proofs of uses, revocations. Part of `store.UsageStore`.

`spend` runs inside the transaction that commits the record.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS pass_documents (
    pass_id TEXT PRIMARY KEY, subscription TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pass_spendings (pass_id TEXT PRIMARY KEY, units INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pass_uses (
    subscription TEXT NOT NULL, seq INTEGER NOT NULL, pass_id TEXT NOT NULL, proof TEXT NOT NULL,
    PRIMARY KEY (subscription, seq));
CREATE TABLE IF NOT EXISTS pass_revocations (
    subscription TEXT NOT NULL, pass_id TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (subscription, pass_id));
"""


class PassRows:
    """`transaction` and `read` are the store's."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        read: Callable[..., list[tuple[Any, ...]]],
    ) -> None:
        self._transaction = transaction
        self._read = read

    def keep(self, subscription: int, ids: Sequence[str], document: str) -> None:
        """The chain whose last pass is the last of `ids`; nothing is spent of the new ones."""
        with self._transaction() as connection:
            row = (ids[-1], str(subscription), document)
            connection.execute("INSERT OR IGNORE INTO pass_documents VALUES (?, ?, ?)", row)
            connection.executemany("INSERT OR IGNORE INTO pass_spendings VALUES (?, 0)", [(each,) for each in ids])

    @staticmethod
    def spend(
        connection: sqlite3.Connection, subscription: int, seq: int, ids: Sequence[str], units: int, proof: str
    ) -> None:
        """One use by the pass `ids[0]`, at the cost of all of `ids`."""
        spendings = [(units, each) for each in ids]
        connection.executemany("UPDATE pass_spendings SET units = units + ? WHERE pass_id = ?", spendings)
        connection.execute("INSERT INTO pass_uses VALUES (?, ?, ?, ?)", (str(subscription), seq, ids[0], proof))

    def revoke(self, subscription: int, pass_id: str) -> None:
        with self._transaction() as connection:
            row = (str(subscription), pass_id, time.time_ns() // 1_000_000)
            connection.execute("INSERT OR IGNORE INTO pass_revocations VALUES (?, ?, ?)", row)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self._read("SELECT document FROM pass_documents")]

    def spent(self) -> dict[str, int]:
        """Pass id → units."""
        return {row[0]: int(row[1]) for row in self._read("SELECT pass_id, units FROM pass_spendings")}

    def revoked(self) -> set[tuple[int, str]]:
        """(subscription, pass id)."""
        return {(int(row[0]), row[1]) for row in self._read("SELECT subscription, pass_id FROM pass_revocations")}

    def of(self, subscription: int, since: int) -> tuple[list[dict[str, Any]], list[tuple[int, str, str]]]:
        """Documents, and uses (sequence number, pass id, proof) from record `since` on."""
        one = (str(subscription),)
        documents = self._read("SELECT document FROM pass_documents WHERE subscription = ?", one)
        query = "SELECT seq, pass_id, proof FROM pass_uses WHERE subscription = ? AND seq >= ? ORDER BY seq"
        uses = self._read(query, (*one, since))
        return [json.loads(row[0]) for row in documents], [(int(row[0]), row[1], row[2]) for row in uses]
