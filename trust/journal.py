"""The hash-chained record of every access decision, allow and deny, with its reason.

One line of JSON per decision; `hash` = SHA-256(previous hash ‖ canonical JSON of the other members). Written by the
gate with one `write` per row (it survives kill -9; not synced to disk, so a power cut may cost the last rows).
Alteration, removal and reordering show in `verify`; a cut-off end shows against an expected head. No token, proof,
query or body ever enters it.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trust.encoding import canonical_json
from trust.errors import JournalLocked, JournalTampered

GENESIS = "0" * 64
_TAIL_BYTES = 65_536
_TEXT_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided about one request; `code` is `ok` or the refusal's code."""

    app: str
    method: str
    path: str
    route: str
    outcome: str  # allow | deny
    code: str
    reason: str = ""
    caller: str = ""
    jkt: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the journal stands: keep it elsewhere to notice a cut-off end."""

    seq: int
    hash: str


class Journal:
    """Appends rows; one process writes one file (JournalLocked otherwise), any number of its gates may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._take_lock()
            self._head = self._recover()
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def head(self) -> Head:
        return self._head

    def append(self, decision: Decision, time_ms: int) -> Head:
        """Thread-safe; returns the new head."""
        row: dict[str, Any] = {name: str(value)[:_TEXT_LIMIT] for name, value in asdict(decision).items()}
        row["time_ms"] = time_ms
        with self._lock:
            row["seq"] = self._head.seq + 1
            head = Head(row["seq"], _chain(self._head.hash, row))
            row["hash"] = head.hash
            _write_all(self._fd, canonical_json(row) + b"\n")
            self._head = head
            return head

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalLocked(f"{self.path} is being written by another process or another Journal.") from error

    def _recover(self) -> Head:
        """The last whole row. A torn last line (killed in mid-write) is cut off; it was never acted upon."""
        size = os.fstat(self._fd).st_size
        start = max(0, size - _TAIL_BYTES)
        tail = os.pread(self._fd, _TAIL_BYTES, start)
        end = tail.rfind(b"\n") + 1
        if end < len(tail):
            os.ftruncate(self._fd, start + end)
        last = tail[:end].rstrip(b"\n").rpartition(b"\n")[2]
        if not last:
            return Head(0, GENESIS)
        row = _parse(last, self.path)
        return Head(int(row["seq"]), str(row["hash"]))


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows as they stand, unverified. An unfinished last line is left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield _parse(line, path)


def verify(path: Path, expected: Head | None = None) -> Head:
    """The head of an intact journal; JournalTampered names the first row that does not fit.

    With `expected`, that head must be in the chain: a journal cut off before it is refused.
    """
    head = Head(0, GENESIS)
    met = expected is None or expected == head
    for row in rows(path):
        claimed = row.pop("hash", None)
        if row.get("seq") != head.seq + 1 or claimed != _chain(head.hash, row):
            raise JournalTampered(f"{path}: row {head.seq + 1} was altered, removed or moved.")
        head = Head(head.seq + 1, claimed)
        met = met or head == expected
    if not met and expected is not None:
        raise JournalTampered(f"{path}: ends at row {head.seq} without the expected head of row {expected.seq}.")
    return head


def _chain(previous: str, row: dict[str, Any]) -> str:
    return sha256(bytes.fromhex(previous) + canonical_json(row)).hexdigest()


def _parse(line: bytes, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise JournalTampered(f"{path}: a line is not JSON.") from error
    if not isinstance(row, dict):
        raise JournalTampered(f"{path}: a line is not a row.")
    return row


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])
