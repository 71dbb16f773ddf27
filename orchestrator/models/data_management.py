"""Data management: keeps and fuses what travellers and the world report, and answers questions about it.

ingest  {"source": who, "kind": what, "t": seconds, "values": {name: number}, "variance": number | {name: number}}
query   {"what": "estimates"|"observations", "kind"?, "name"?, "since"?, "limit"?}
Fusion: one scalar Kalman filter (random walk) per kind and name, so that many poor sources beat a single good one.
Each tenant has a database of its own in memory, bounded by the granted `storage_mib`; no call reaches another's.
Quantity: observations taken, rows told.
"""

import sqlite3
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run, shown

PAGE_BYTES = 4096
DEFAULT_STORAGE_MIB = 8
MAX_VALUES = 64
MAX_NAME_CHARS = 64
MAX_ROWS = 1000
DRIFT_PER_SECOND = 0.01
SCHEMA = f"""
PRAGMA page_size = {PAGE_BYTES};
PRAGMA temp_store = MEMORY;
CREATE TABLE observation (t REAL, source TEXT, kind TEXT, name TEXT, value REAL, variance REAL);
CREATE INDEX observation_by_name ON observation (kind, name, t);
CREATE TABLE estimate (kind TEXT, name TEXT, t REAL, value REAL, variance REAL, seen INTEGER, PRIMARY KEY (kind, name))
    WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Estimate:
    """What is believed of one quantity: value, variance, as of when (s), from how many observations."""

    t: float
    value: float
    variance: float
    seen: int


def fuse(known: Estimate | None, t: float, value: float, variance: float) -> Estimate:
    """One Kalman step. A late observation does not move the clock back."""
    if known is None:
        return Estimate(t, value, variance, 1)
    moment = max(t, known.t)
    spread = known.variance + DRIFT_PER_SECOND * (moment - known.t)
    gain = spread / (spread + variance)
    return Estimate(moment, known.value + gain * (value - known.value), (1 - gain) * spread, known.seen + 1)


def _open() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


@dataclass
class Vault:
    """One tenant's database; calls of one tenant wait for each other."""

    database: sqlite3.Connection = field(default_factory=_open)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        weakref.finalize(self, self.database.close)

    def estimate(self, kind: str, name: str) -> Estimate | None:
        row = self.database.execute(
            "SELECT t, value, variance, seen FROM estimate WHERE kind = ? AND name = ?", (kind, name)
        ).fetchone()
        return None if row is None else Estimate(*row)

    def add(self, source: str, kind: str, t: float, name: str, value: float, variance: float) -> Estimate:
        fused = fuse(self.estimate(kind, name), t, value, variance)
        self.database.execute(
            "INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?)", (t, source, kind, name, value, variance)
        )
        self.database.execute(
            "INSERT OR REPLACE INTO estimate VALUES (?, ?, ?, ?, ?, ?)",
            (kind, name, fused.t, fused.value, fused.variance, fused.seen),
        )
        return fused


class DataManagement:
    def __init__(self) -> None:
        self._vaults: dict[str, Vault] = {}
        self._lock = threading.Lock()

    def ingest(self, request: Request) -> Answer:
        source, kind = _name(request, "source"), _name(request, "kind")
        moment = request.number("t", 0.0, 0.0, 1e11)
        values = _values(request.params.get("values"))
        variances = {name: _variance(request.params.get("variance", 1.0), name) for name in values}
        vault = self._vault(request.tenant)
        with vault.lock:
            _bound(vault.database, request.granted("storage_mib", DEFAULT_STORAGE_MIB))
            fused = _all_or_nothing(
                vault, [(source, kind, moment, name, values[name], variances[name]) for name in values]
            )
        return json_answer({"estimates": {name: vars(estimate) for name, estimate in fused.items()}}, len(fused))

    def query(self, request: Request) -> Answer:
        what, limit = request.params.get("what", "estimates"), request.integer("limit", 100, 1, MAX_ROWS)
        if what not in ("estimates", "observations"):
            raise BadCall(f"what is {shown(what)}; ask for estimates or observations")
        vault = self._vault(request.tenant)
        with vault.lock:
            rows = _select(vault.database, str(what)[:-1], request, limit)
        return json_answer({what: rows}, max(len(rows), 1), {"rows": len(rows)})

    def forget(self, tenant: str) -> None:
        with self._lock:
            vault = self._vaults.pop(tenant, None)
        if vault is not None:
            with vault.lock:
                vault.database.close()

    def _vault(self, tenant: str) -> Vault:
        with self._lock:
            if tenant not in self._vaults:
                self._vaults[tenant] = Vault()
            return self._vaults[tenant]


def _all_or_nothing(vault: Vault, rows: list[tuple[str, str, float, str, float, float]]) -> dict[str, Estimate]:
    vault.database.execute("BEGIN")
    try:
        fused = {row[3]: vault.add(*row) for row in rows}
        vault.database.execute("COMMIT")
    except sqlite3.OperationalError as full:
        if vault.database.in_transaction:
            vault.database.execute("ROLLBACK")
        raise OverGrant(f"the granted storage_mib are full ({full}); nothing was stored, grant more") from full
    return fused


def _select(database: sqlite3.Connection, table: str, request: Request, limit: int) -> list[dict[str, Any]]:
    named = {name for name, value in request.params.items() if value is not None}
    asked: dict[str, str | float] = {f"{name} = ?": request.text(name) for name in ("kind", "name") if name in named}
    if "since" in named:
        asked["t >= ?"] = request.number("since", 0.0, -1e15, 1e15)
    where = " AND ".join(asked) or "1"
    cursor = database.execute(
        f"SELECT * FROM {table} WHERE {where} ORDER BY t DESC LIMIT ?",  # noqa: S608  (our own words only)
        (*asked.values(), limit),
    )
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _bound(database: sqlite3.Connection, storage_mib: int) -> None:
    pages = max(storage_mib << 20, PAGE_BYTES * 16) // PAGE_BYTES
    database.execute(f"PRAGMA max_page_count = {pages}")  # safe: sql — a number that was just computed


def _name(request: Request, field_name: str) -> str:
    value = request.params.get(field_name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARS:
        raise BadCall(f"{field_name} is {shown(value)}; give a string of 1 to {MAX_NAME_CHARS} characters")
    return value


def _values(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or not 0 < len(value) <= MAX_VALUES:
        raise BadCall(f"values must be an object of 1 to {MAX_VALUES} numbers")
    request = Request(value)
    return {_short(name): request.number(name, 0.0, -1e15, 1e15) for name in value}


def _variance(value: Any, name: str) -> float:
    own = value.get(name, 1.0) if isinstance(value, Mapping) else value
    return Request({"variance": own}).number("variance", 1.0, 1e-9, 1e9)


def _short(name: str) -> str:
    if len(name) > MAX_NAME_CHARS:
        raise BadCall(f"a name has {len(name)} characters where {MAX_NAME_CHARS} are the most")
    return name


def build() -> Program:
    data = DataManagement()
    return Program("data-management", {"ingest": data.ingest, "query": data.query}, forget=data.forget)


if __name__ == "__main__":
    run(build())
