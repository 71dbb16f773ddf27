"""What was revoked beside the chain: single tokens, subjects, and session keys that have to authenticate again.

Component keys are revoked on-chain (`trust.enrol`); this is for what the chain does not know. All programs of a house
share one store, a SQLite file of the home or the house's PostgreSQL; each gate reads it at most once a second, so a
revocation counts within that. When the store cannot be read the last view serves for 30 s, then everybody is refused.
Written by `s4m trust revoke-token|revoke-subject` and by the gate's own risk signals (`trust.risk`).
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from storage import database_url, upsert
from trust.caller import Caller
from trust.errors import ReauthenticationRequired, RevocationsUnreadable, TokenRevoked

REFRESH_S = 1.0
TOLERATE_S = 30.0
FOR_GOOD = 1 << 40  # UTC seconds; no token is issued later

_LOCK = 7_305_115_104  # PostgreSQL's advisory lock of whoever makes the table
_METADATA = sa.MetaData()
REVOKED = sa.Table(
    "trust_revocation",
    _METADATA,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("value", sa.String(256), primary_key=True),
    sa.Column("issued_before", sa.BigInteger, nullable=False),  # tokens issued later pass; UTC seconds
    sa.Column("reason", sa.String(256), nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),  # UTC seconds
)


class Kind(StrEnum):
    TOKEN = "token"  # noqa: S105 — the value is a token's jti
    SUBJECT = "subject"  # a SPIFFE id or `subscription:<id>`
    KEY = "key"  # thumbprint of a session's proof key: its tokens are lowered to re-authentication


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of this kind and value are refused where they were issued before `issued_before` (UTC seconds)."""

    kind: Kind
    value: str
    reason: str
    issued_before: int = FOR_GOOD


View = Mapping[tuple[str, str], Revocation]


class Revocations:
    """One a process; its gates share it. Close it at the end."""

    def __init__(self, url: str, *, refresh_s: float = REFRESH_S, tolerate_s: float = TOLERATE_S) -> None:
        self.url = database_url(url)
        self._engine = sa.create_engine(self.url)
        self._refresh_s = refresh_s
        self._tolerate_s = tolerate_s
        self._view: View = {}
        self._read_at = self._tried_at = float("-inf")  # monotonic seconds
        self._reading = asyncio.Lock()
        self._has_table = False

    def add(self, revocation: Revocation, now: float) -> None:
        """Counts here at once, in other processes within a second. Blocking."""
        row = {
            "kind": revocation.kind.value,
            "value": revocation.value,
            "issued_before": revocation.issued_before,
            "reason": revocation.reason[:256],
            "made_at": int(now),
        }
        with self._rows() as rows:
            keep = {name: row[name] for name in ("issued_before", "reason", "made_at")}
            rows.execute(upsert(REVOKED).values(row).on_conflict_do_update(index_elements=["kind", "value"], set_=keep))
        self._view = {**self._view, (revocation.kind.value, revocation.value): revocation}

    def lift(self, kind: Kind, value: str) -> bool:
        """Takes a revocation back; False when there was none. Blocking."""
        where = (REVOKED.c.kind == kind.value) & (REVOKED.c.value == value)
        with self._rows() as rows:
            return bool(rows.execute(sa.delete(REVOKED).where(where)).rowcount)

    def all(self) -> list[Revocation]:
        """What stands revoked. Blocking."""
        with self._rows() as rows:
            found = rows.execute(sa.select(REVOKED).order_by(REVOKED.c.made_at)).all()
        return [Revocation(Kind(row.kind), row.value, row.reason, row.issued_before) for row in found]

    async def current(self) -> View:
        """The view to decide by; RevocationsUnreadable when the last good one is too old."""
        if self._is_due() and (self._is_stale() or not self._reading.locked()):
            async with self._reading:
                if self._is_due():
                    await self._refresh()
        if self._is_stale():
            raise RevocationsUnreadable(f"The revocations were last read over {self._tolerate_s:g} s ago.")
        return self._view

    def close(self) -> None:
        self._engine.dispose()

    def _is_due(self) -> bool:
        return time.monotonic() - self._tried_at >= self._refresh_s

    def _is_stale(self) -> bool:
        return time.monotonic() - self._read_at > self._tolerate_s

    async def _refresh(self) -> None:
        begun = time.monotonic()
        try:
            found = await asyncio.to_thread(self.all)
        except sa.exc.DBAPIError:
            return
        finally:
            self._tried_at = begun
        self._view = {(each.kind.value, each.value): each for each in found}
        self._read_at = begun

    @contextmanager
    def _rows(self) -> Iterator[sa.Connection]:
        """A transaction; makes the table before the first one."""
        with self._engine.begin() as rows:
            if not self._has_table:
                if rows.dialect.name == "postgresql":
                    rows.execute(sa.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                _METADATA.create_all(rows)
            yield rows
        self._has_table = True


def check(view: View, caller: Caller) -> None:
    """TokenRevoked or ReauthenticationRequired when this caller's token is among what was revoked."""
    if not view:
        return
    for kind, value in ((Kind.TOKEN, caller.token_id), (Kind.SUBJECT, caller.subject), (Kind.KEY, caller.jkt)):
        found = view.get((kind.value, value))
        if found is not None and caller.issued < found.issued_before:
            refusal = ReauthenticationRequired if kind is Kind.KEY else TokenRevoked
            raise refusal(f"The {kind} was revoked: {found.reason}.")
